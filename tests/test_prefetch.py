from __future__ import annotations

import threading
import time

import pytest

from carmask.prefetch import prefetch


def test_results_come_in_order_whatever_finishes_first():
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert [future.result() for future in prefetch(slow_first, range(20))] == [item * item for item in range(20)]


def test_a_failure_stays_with_its_item():
    futures = list(prefetch(lambda item: 1 // item, [1, 0, -1]))
    assert futures[0].result() == 1
    assert futures[2].result() == -1
    with pytest.raises(ZeroDivisionError):
        futures[1].result()


def test_never_more_than_depth_items_ahead():
    drawn = 0

    def items():
        nonlocal drawn
        for item in range(50):
            drawn += 1
            yield item

    for taken, future in enumerate(prefetch(lambda item: item, items(), depth=3)):
        future.result()
        assert drawn <= taken + 3


def test_stopping_early_ends_the_threads():
    before = threading.active_count()
    for future in prefetch(lambda item: item, range(1000)):
        future.result()
        break
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
