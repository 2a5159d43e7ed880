"""Write a subject's counts as a table for the page of results (``benchmarks/report.py``)."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.soak.subjects import Subject
from benchmarks.soak.tally import Tally

from carmask.machine import available_cores, this_processor

RESULTS = Path(__file__).parents[1] / "results"


def record(name: str, subject: Subject, tally: Tally) -> Path:
    """Write the table.

    Args:
        name: the subject's.
        subject: it.
        tally: its counts.

    Returns:
        The file.
    """
    columns, rows = tally.table()
    facts = tally.facts()
    file = RESULTS / f"soak-{name}.json"
    content = {
        "section": "Load, faults and attack",
        "title": subject.about[:1].upper() + subject.about[1:],
        "command": f"python -m benchmarks.soak {name}",
        "machine": f"{this_processor().name or 'a processor'}, {available_cores()} cores, busy with other work",
        "date": facts["date"],
        "columns": columns,
        "rows": rows,
        "note": f"{facts['took']}; goal: {subject.note or f'{subject.goal:,} of each'}.",
    }
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file
