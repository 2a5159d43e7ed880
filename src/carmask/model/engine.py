"""OpenVINO, imported without its telemetry: carmask uses no network.

``import openvino`` reports itself to a web service and writes an identifier into the home folder, unless the package
``openvino_telemetry`` is missing: https://docs.openvino.ai/2025/about-openvino/additional-resources/telemetry.html
"""

from __future__ import annotations

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

__all__ = ["openvino", "opset13"]
