"""What was done so far, kept from run to run; the table that is made of it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: Findings that are kept word by word.
KEPT = 50


class Tally:
    """Counts of one subject, in a JSON file: a soak run that is started again goes on counting."""

    def __init__(self, file: Path, *, minutes: float, seconds: float = 0) -> None:
        """Read what there is.

        Args:
            file: where it is kept.
            minutes: of processor time, until which work goes on in this process; its children count.
            seconds: more of it.
        """
        self._file = file
        self._known: dict[str, Any] = {"rows": {}, "seeds": {}, "findings": [], "dates": [], "seconds": 0.0}
        if file.exists():
            self._known = json.loads(file.read_text())
        self._end = _processor() + 60 * minutes + seconds
        self._kept_at = self._began = _processor()
        self._said = time.monotonic()

    def over(self) -> bool:
        """Whether the time is over."""
        return _processor() >= self._end

    def count(self, row: str, what: str) -> int:
        """How much was counted."""
        return int(self._known["rows"].get(row, {}).get(what, 0))

    def next_seed(self, row: str) -> int:
        """The next number for a row's dice."""
        number: int = self._known["seeds"].get(row, 0)
        self._known["seeds"][row] = number + 1
        return number

    def add(self, row: str, counts: dict[str, int]) -> None:
        """Add to a row, and keep it now and then."""
        found = self._known["rows"].setdefault(row, {})
        for what, number in counts.items():
            found[what] = found.get(what, 0) + number
        if time.monotonic() - self._said > 10:
            self.keep()
            print(f"  {row}: {', '.join(f'{value} {name}' for name, value in found.items())}", flush=True)

    def highest(self, row: str, what: str, number: int) -> None:
        """Keep the highest of all numbers."""
        found = self._known["rows"].setdefault(row, {})
        found[what] = max(number, found.get(what, 0))

    def find(self, row: str, seed: int, what: str) -> None:
        """Keep a finding."""
        print(f"  FOUND in {row}, seed {seed}: {what}", flush=True)
        if len(self._known["findings"]) < KEPT:
            self._known["findings"].append({"row": row, "seed": seed, "what": what})
        self.keep()

    def keep(self) -> None:
        """Write the file."""
        now = _processor()
        self._known["seconds"] += now - self._kept_at
        self._kept_at, self._said = now, time.monotonic()
        today = datetime.now(UTC).date().isoformat()
        if today not in self._known["dates"]:
            self._known["dates"].append(today)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._known, indent=1))
        new.replace(self._file)

    @property
    def rows(self) -> dict[str, dict[str, int]]:
        """All counts."""
        return self._known["rows"]  # type: ignore[no-any-return]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was found."""
        return self._known["findings"]  # type: ignore[no-any-return]

    def table(self) -> tuple[list[str], dict[str, list[str]]]:
        """Columns and cells."""
        columns = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        return columns, {
            name: [f"{row[one]:,}" if one in row else "–" for one in columns] for name, row in self.rows.items()
        }

    def facts(self) -> dict[str, str]:
        """When, and how long."""
        dates = self._known["dates"]
        span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        return {"date": span, "took": f"{self._known['seconds'] / 60:.1f} minutes of processor time so far"}


def _processor() -> float:
    """Seconds of processor time of this process and its children."""
    import resource

    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total
