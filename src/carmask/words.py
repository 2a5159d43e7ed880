"""Numbers of things in words, for messages, pages and cards."""

from __future__ import annotations


def counted(number: int, noun: str, *, thousands: bool = False) -> str:
    """A number of things: ``1 photo``, ``2 photos``.

    Args:
        number: how many.
        noun: in the singular; its plural ends in s.
        thousands: set off by commas, as pages have them: ``1,234 photos``.
    """
    return f"{number:{',' * thousands}} {noun}{by_number(number, '', 's')}"


def by_number(number: int, one: str, several: str) -> str:
    """What fits a number: ``one`` for 1, else ``several``."""
    return one if number == 1 else several
