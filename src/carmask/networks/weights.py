"""Read encoder weights from a file or from a library's download; never through pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from carmask.errors import WeightsError


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
                "--encoder-weights FILE, or start from none with --set encoder.weights=none"
            ) from error
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file}: not a readable safetensors file ({error})") from error
