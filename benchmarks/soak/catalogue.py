"""All runs that are disturbed, by the names that tables give them."""

from __future__ import annotations

from benchmarks.soak import cases, lasting

CASES = {**cases.CASES, **lasting.CASES}
