"""Keep freed memory in the process: blocks that go back to the system come anew as zeroed pages, which takes time."""

from __future__ import annotations

import ctypes
import sys

# Constants of glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4
#: The largest threshold that glibc takes on 64 bits: HEAP_MAX_SIZE / 2.
_LARGEST = 32 << 20


def keep_memory(*, large: bool = True) -> bool:
    """Tell glibc not to give freed blocks back to the system.

    A training step allocates and frees the same activations, megabytes each, hundreds of times. Keeping them made steps
    at 512x768 1.9 times faster on two cores (docs/experiments/2026-11-21-models-of-versions-3-and-4.md). Cut-outs of
    2.5 megapixels take a tenth less time.

    Args:
        large: keep blocks of any size, as a training does. Without, those of more than 32 MB go back, which only photos
            of tens of megapixels have: a worker does not keep what one such photo took.

    Returns:
        Whether it could be done: only with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    if large:
        settings = [(_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 256 << 20)]
    else:
        settings = [(_M_MMAP_THRESHOLD, _LARGEST), (_M_TRIM_THRESHOLD, 256 << 20), (_M_TOP_PAD, 16 << 20)]
    done = [mallopt(name, value) for name, value in settings]
    return all(done)


def release_memory() -> bool:
    """Give what was freed back to the system after all, such as a decoder's blocks of a large photo.

    Returns:
        Whether it could be done: only with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return False
    trim(0)
    return True
