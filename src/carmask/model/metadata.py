"""Read the metadata of an ONNX file without a runtime.

An ONNX file is one protocol-buffer message, ``ModelProto``; only its outermost fields are walked here, the graph is
skipped. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto,
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from carmask.errors import ModelError

# Field numbers of ModelProto, and of StringStringEntryProto in it.
_GRAPH = 7
_METADATA_PROPS = 14
_KEY, _VALUE = 1, 2


def read_metadata(path: Path) -> dict[str, str]:
    """Read the key-value pairs that an ONNX file carries.

    Args:
        path: the file.

    Returns:
        Text by key.

    Raises:
        ModelError: if the file cannot be read or is not ONNX.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            entries: dict[str, str] = {}
            has_graph = False
            for number, start, end in _fields(content, 0, len(content)):
                has_graph = has_graph or number == _GRAPH
                if number == _METADATA_PROPS:
                    pair = {n: content[a:b].decode() for n, a, b in _fields(content, start, end)}
                    entries[pair[_KEY]] = pair.get(_VALUE, "")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    # An empty file cannot be mapped; anything else that is not ONNX breaks the rules of the encoding somewhere.
    except (ValueError, IndexError, KeyError) as error:
        raise ModelError(f"{path}: not an ONNX model file") from error
    if not has_graph:
        raise ModelError(f"{path}: not an ONNX model file")
    return entries


def _fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Walk a message: (field number, first byte of the value, byte after it)."""
    while at < end:
        tag, at = _varint(content, at)
        kind = tag & 7
        if kind == 0:
            _, after = _varint(content, at)
        elif kind == 1:
            after = at + 8
        elif kind == 2:
            length, at = _varint(content, at)
            after = at + length
        elif kind == 5:
            after = at + 4
        else:
            raise ValueError(f"wire type {kind}")
        if after > end:
            raise ValueError("a field ends after its message")
        yield tag >> 3, at, after
        at = after


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than ten bytes")
