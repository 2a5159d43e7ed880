"""Checkpoints that are whole or absent."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import nn

from carmask.errors import OutputError, WeightsError
from carmask.failures import first_line
from carmask.images import replacing


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file beside it, then renames.

    A training killed while it writes, or a disk that is full, leaves the checkpoint before.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            OutputError: if it cannot be written.
        """
        del storage_options
        try:
            with replacing(Path(path)) as stream:
                torch.save(checkpoint, stream)
        # What torch makes of a stream that cannot be written to.
        except RuntimeError as error:
            raise OutputError(f"{path}: the checkpoint cannot be written: {first_line(error)}") from error


def check_checkpoint(file: Path, module: nn.Module) -> None:
    """See whether a checkpoint can be gone on from.

    Args:
        file: the checkpoint.
        module: what it is to be loaded into.

    Raises:
        WeightsError: if it is damaged, or was made of another network.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{file}: the checkpoint is damaged; remove it to start anew") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != wanted:
        raise WeightsError(f"{file}: a checkpoint of another network; remove it to start anew")
