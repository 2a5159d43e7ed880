"""Vehicle identification numbers: 17 characters, one of which checks the others."""

from __future__ import annotations

import re
from typing import Literal

#: What a check says: fine; wrong; or that the number's market does not use the check digit, and it does not match.
VinState = Literal["ok", "wrong", "unchecked"]

#: Values of letters by 49 CFR 565.15 (c), table IV; I, O and Q never stand in a number.
_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
#: Weights of the positions by 49 CFR 565.15 (c), table V; the check digit's own is 0.
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
#: Beginnings of numbers whose law demands the check digit: North America by 49 CFR 565, China by GB 16735. 7 is shared
#: by New Zealand (A to E) and the United States.
_CHECKED = re.compile(r"[12345L]|7[^A-E]")


def looks_like_vin(text: str) -> bool:
    """Whether a text has a VIN's length and none but letters and digits, both of them."""
    return bool(re.fullmatch(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9]{17}", text, re.ASCII))


def check_digit(vin: str) -> str:
    """The character that belongs in position 9.

    Args:
        vin: 17 of the characters that a VIN may have, in capitals; what stands in position 9 does not matter.

    Returns:
        ``0`` to ``9``, or ``X`` for 10: the weighted sum modulo 11 (49 CFR 565.15 (c); ISO 3779, annex A).
    """
    rest = sum(_VALUES[character] * weight for character, weight in zip(vin, _WEIGHTS, strict=True)) % 11
    return "X" if rest == 10 else str(rest)


def check_vin(text: str) -> tuple[VinState, str]:
    """Check a VIN.

    Args:
        text: in capitals or not.

    Returns:
        ``ok`` and nothing, or ``wrong`` or ``unchecked`` and what is the matter, in words.
    """
    vin = text.upper()
    if len(vin) != 17:
        return "wrong", f"{len(vin)} characters; a VIN has 17"
    forbidden = sorted({character for character in vin if character not in _VALUES})
    if forbidden:
        return "wrong", f"{', '.join(forbidden)} never stands in a VIN"
    right = check_digit(vin)
    if vin[8] == right:
        return "ok", ""
    if _CHECKED.match(vin):
        return "wrong", f"the check digit, character 9, is {vin[8]} and should be {right}: a character is wrong"
    return "unchecked", "the check digit does not match; outside North America and China it need not"
