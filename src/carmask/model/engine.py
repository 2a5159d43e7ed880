"""OpenVINO, imported without its telemetry: carmask uses no network. One core for a whole process.

``import openvino`` reports itself to a web service and writes an identifier into the home folder, unless the package
``openvino_telemetry`` is missing: https://docs.openvino.ai/2025/about-openvino/additional-resources/telemetry.html
"""

from __future__ import annotations

import functools
import sys

_HIDDEN = "openvino_telemetry"
_hide = "openvino" not in sys.modules and _HIDDEN not in sys.modules
if _hide:
    # A module that is None counts as missing.
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]
try:
    import openvino
    from openvino import opset13
finally:
    if _hide:
        del sys.modules[_HIDDEN]

__all__ = ["core", "openvino", "opset13"]


@functools.cache
def core() -> openvino.Core:
    """The one core of this process; it is never let go.

    The plugin of a core gives the thread that makes it a stack for signals, and takes it back at its end. If two cores
    end in the order in which they were made, the second one puts the first one's stack back, whose memory is gone
    then: the next signal that the thread gets, such as of a child that has ended, is a segmentation fault.
    """
    return openvino.Core()
