"""A log file beside a run's outputs, and durations as people say them."""

from __future__ import annotations

import logging

import pytest

from carmask.errors import OutputError
from carmask.logs import log_file

LOGGER = logging.getLogger("carmask.test_logs")


def test_lines_are_added_to_those_of_an_earlier_run_and_the_logger_is_as_before(tmp_path):
    level = LOGGER.level
    for line in ("first", "second"):
        with log_file(LOGGER, tmp_path / "run.log"):
            LOGGER.info(line)
    LOGGER.warning("outside")
    lines = (tmp_path / "run.log").read_text(encoding="utf-8").splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == ["first", "second"]
    assert not LOGGER.handlers
    assert LOGGER.level == level


def test_a_log_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: Is a directory"), log_file(LOGGER, tmp_path):
        pass
    with (
        pytest.raises(OutputError, match=r"run\.log: cannot be written"),
        log_file(LOGGER, tmp_path / "no" / "run.log"),
    ):
        pass


def test_names_that_are_no_utf8_are_logged_as_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(LOGGER, "propagate", False)  # pytest's workers cannot hand on what is no UTF-8
    with log_file(LOGGER, tmp_path / "run.log"):
        LOGGER.info("%s: cannot be read", "caf\udce9.jpg")
    assert r"caf\udce9.jpg: cannot be read" in (tmp_path / "run.log").read_text(encoding="utf-8")
    assert "Logging error" not in capsys.readouterr().err
