"""Read encoder weights from a file or from a library's download; never through pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from carmask.errors import WeightsError
from carmask.failures import first_line


def read_encoder_weights(file: Path | None, download: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Read a state dictionary.

    Args:
        file: a safetensors file, or None for ``download()``.
        download: fetches the library's published weights, checked by hash.

    Returns:
        Tensors by name.

    Raises:
        WeightsError: if the file is not readable safetensors, or the download fails.
    """
    if file is None:
        try:
            return download()
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"ImageNet weights could not be downloaded ({error}); get them by other means and name the file with "
                "encoder_weights=…, or start from none: encoder.weights=none in the recipe"
            ) from error
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file}: not a readable safetensors file ({error})") from error


def load_into(encoder: nn.Module, state: dict[str, Tensor], *, prefix: str, what: str, source: Path | None) -> None:
    """Load those tensors of a library's network that an encoder is made of.

    Args:
        encoder: keeps the library's names, less ``prefix``.
        state: the library's whole network, or its encoder; further tensors are ignored.
        prefix: what the library's names begin with, such as ``features.``; names without it do as well.
        what: the network and layout, for messages.
        source: the file that ``state`` came from, for messages; None for a download.

    Raises:
        WeightsError: if tensors are missing or have another shape.
    """
    wanted = encoder.state_dict()
    given = {key.removeprefix(prefix): value for key, value in state.items()}
    origin = source or "the download"
    # The number of batches seen serves no network here, and converted files often lack it.
    missing = sorted(key for key in wanted if key not in given and not key.endswith("num_batches_tracked"))
    if missing:
        raise WeightsError(
            f"{origin}: not weights of {what}: {len(missing)} of {len(wanted)} tensors are missing, the first is "
            f"{prefix}{missing[0]}"
        )
    for key, value in wanted.items():
        if key in given and given[key].shape != value.shape:
            raise WeightsError(
                f"{origin}: tensors of another shape: {prefix}{key} is {tuple(given[key].shape)}, {what} has "
                f"{tuple(value.shape)}"
            )
    encoder.load_state_dict({key: given.get(key, value) for key, value in wanted.items()})


def download_timm(encoder: str) -> dict[str, Tensor]:
    """Fetch timm's ImageNet weights.

    Args:
        encoder: timm's name of the network.

    Returns:
        Tensors by timm's names.

    Raises:
        WeightsError: if the download fails.
    """
    import timm

    try:
        return dict(timm.create_model(encoder, pretrained=True).state_dict())
    except Exception as error:  # the hub's exceptions share no base class
        raise WeightsError(
            f"{encoder}: its ImageNet weights could not be downloaded ({first_line(error)}); name a file "
            "with encoder_weights=…"
        ) from error
