"""Checkpoints that are whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from carmask.errors import OutputError
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
            raise OutputError(f"{path}: the checkpoint cannot be written: {str(error).splitlines()[0]}") from error
