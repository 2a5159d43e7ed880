"""Random weights by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from carmask.errors import UnknownNameError

INITIALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "glorot": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
}


def initialise(network: nn.Module, kind: str) -> None:
    """Draw the weights of all convolutions anew; biases become 0, BatchNorm stays as it is.

    Args:
        network: what to change.
        kind: ``own`` changes nothing; ``he`` (He et al. 2015, https://arxiv.org/abs/1502.01852, normal, for ReLU);
            ``glorot`` (Glorot & Bengio 2010, uniform: what Keras, and so most of the sources, begin with);
            ``orthogonal`` (Saxe et al. 2014, https://arxiv.org/abs/1312.6120). The fan-in of a transposed convolution
            is, as PyTorch and Keras count it, that of the convolution which it transposes: its own output channels.

    Raises:
        UnknownNameError: if there is none of this name.
    """
    if kind == "own":
        return
    if kind not in INITIALISATIONS:
        names = ", ".join(sorted(INITIALISATIONS))
        raise UnknownNameError(f"there is no initialisation {kind!r}; choose one of: own, {names}")
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            INITIALISATIONS[kind](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
