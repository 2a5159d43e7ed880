"""Whether there is a file or folder that a user has named: what the system refuses to say is an error in words.

``Path.is_file`` raises where a folder may not be entered, a name is too long, or a network drive does not answer.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from carmask.errors import CarmaskError, UsageError

#: What file systems say of a path that cannot be there.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})


def is_file(path: Path, refusal: type[CarmaskError] = UsageError) -> bool:
    """Whether a path leads to a file.

    Args:
        path: what a user has named.
        refusal: what is raised.

    Raises:
        CarmaskError: of the kind ``refusal``, if it cannot be found out.
    """
    found = _status(path, refusal)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_folder(path: Path, refusal: type[CarmaskError] = UsageError) -> bool:
    """Whether a path leads to a folder; see ``is_file``."""
    found = _status(path, refusal)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_there(path: Path, refusal: type[CarmaskError] = UsageError) -> bool:
    """Whether a path leads to anything; see ``is_file``."""
    return _status(path, refusal) is not None


def is_link(path: Path) -> bool:
    """Whether a path is a link; not one if that cannot be found out, such as of a name that no file can have."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _status(path: Path, refusal: type[CarmaskError]) -> os.stat_result | None:
    try:
        return path.stat()
    except ValueError:  # a null character
        return None
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise refusal(f"{path}: cannot be looked at: {error.strerror or error}") from error
