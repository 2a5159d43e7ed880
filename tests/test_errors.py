from __future__ import annotations

import pickle

from carmask.errors import DataError, UsageError


def test_a_message_that_quotes_a_damaged_file_stays_a_line_to_read():
    said = str(DataError(f"data.json: image {'9' * 1_000_000}: there is no such image"))
    assert len(said) < 4000
    assert said.startswith("data.json: image 999")
    assert said.endswith("there is no such image")
    assert str(pickle.loads(pickle.dumps(DataError(said)))) == said  # errors come back from other processes
    assert str(UsageError("is too small", argument="size")) == "size: is too small"
