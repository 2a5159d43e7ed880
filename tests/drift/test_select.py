from __future__ import annotations

from dataclasses import replace

import numpy as np

from carmask.drift.select import choose_photos
from carmask.drift.summary import summarise


def _with(row, confidence, **measures):
    return replace(row, confidence=confidence, measures={**row.measures, "confidence": confidence, **measures})


def test_uncertain_photos_unlike_those_corrected_come_first(rows):
    usual = rows(1, 40)
    reference = summarise(usual, about="before")
    dark, pale = rows(2, 5), rows(3, 5)
    dark = [_with(row, 0.9, background_light=20.0) for row in dark]
    pale = [_with(row, 0.9, background_light=99.0) for row in pale]
    dark[0] = replace(dark[0], decision="corrected")
    chosen = choose_photos([*usual, *dark, *pale], reference, count=5)
    # Of dark ones one is known already; of the pale ones a single one stands for all.
    assert chosen[0].row in pale
    assert sum(one.row in pale for one in chosen) < 5
    assert dark[0] not in [one.row for one in chosen]
    assert any("brightness around the car" in title for title, _ in chosen[0].unusual)


def test_before_anything_is_known_the_least_certain_comes_first(rows):
    photos = rows(1, 10)
    least = min(photos, key=lambda row: row.confidence)
    chosen = choose_photos(photos, summarise(photos, about="these"), count=3)
    assert chosen[0].row == least
    assert len({one.row.name for one in chosen}) == 3
    assert np.isinf(chosen[0].distance)


def test_decided_and_failed_photos_are_not_chosen(rows):
    photos = [replace(row, decision="accepted") for row in rows(1, 5)] + [replace(rows(2, 1)[0], confidence=None)]
    reference = summarise(rows(1, 5), about="these")
    assert choose_photos(photos, reference) == []
    assert len(choose_photos(rows(3, 2), reference, count=30)) == 8
