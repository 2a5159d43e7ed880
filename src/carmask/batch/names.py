"""What a run's own files are called, beside the results; and what no file should be called."""

from __future__ import annotations

import re

#: The folder in the output folder that holds the manifest, and the manifest's name there.
STATE, MANIFEST = ".carmask", "manifest.sqlite"
#: Options of a run, in a folder of photos.
PROFILE = "carmask.toml"
#: A row for each photo.
REPORT = "report.csv"
#: A row for each vehicle, where photos are grouped.
VEHICLES = "vehicles.csv"
#: Tracebacks of errors that carmask did not expect; written only if there were any.
ERROR_LOG = "carmask-errors.log"

#: Names of devices, which Windows takes for no file, whatever follows a point.
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.|$)", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r'[<>:"|?*\x00-\x1f]')


def is_device(name: str) -> bool:
    """Whether Windows takes a name for that of a device, such as ``CON`` or ``aux.png``."""
    return _DEVICES.match(name) is not None


def windows_fault(name: str) -> str:
    """Why Windows cannot hold a file or folder of this name; '' if it can.

    Args:
        name: without folders.
    """
    if is_device(name):
        return f"{name} is the name of a device there"
    if found := _NOT_IN_NAMES.search(name):
        return f"names there hold no {found[0]!r}"
    return f"names there do not end with {name[-1]!r}" if name.endswith((".", " ")) else ""
