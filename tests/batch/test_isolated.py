from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from unittest.mock import Mock

import pytest

from carmask.batch.engines import isolated
from carmask.batch.engines.isolated import Isolated, Lost
from carmask.batch.turns import turn
from carmask.errors import CarmaskError, ModelError
from tests.processes import started


def load():
    sys.stdout.write("libraries print what they like\n")
    return act


def act(item):
    if item == "crash":
        ctypes.string_at(0)
    if item == "hang":
        time.sleep(600)
    if item == "hang and keep the interpreter's lock":
        ctypes.PyDLL(None).sleep(600)
    if item == "leave":
        os._exit(3)
    if item == "bug":
        raise ZeroDivisionError("a bug")
    sys.stdout.write(f"and again {item}\n")
    return item * 2


def load_slowly():
    return act_slowly


def act_slowly(item):
    time.sleep(0.02)
    return item * 2


ONE_AT_A_TIME = threading.Lock()


def load_in_turns():
    return act_in_turns


def act_in_turns(item):
    with turn(ONE_AT_A_TIME):
        time.sleep(600 if item == "hang" else 0.3)
    return os.getpid()


def load_damaged():
    raise ModelError("m.onnx: damaged")


def load_with_a_bug():
    raise ZeroDivisionError("a bug")


def load_and_hang():
    time.sleep(600)


def load_and_hang_once(marker):
    if not marker.exists():
        marker.touch()
        time.sleep(600)
    return act


def load_and_die():
    os.kill(os.getpid(), signal.SIGKILL)


def collect(items, *, timeout=60.0, threads=3):
    with Isolated(load, threads=threads, timeout=timeout) as process:
        return dict(process.map(items))


def test_every_item_gets_its_result():
    assert collect(range(50)) == {item: item * 2 for item in range(50)}


def test_the_process_serves_again_and_again():
    with Isolated(load, threads=2, timeout=60) as process:
        first = process.pid
        assert [dict(process.map([item])) for item in range(3)] == [{item: item * 2} for item in range(3)]
        assert list(process.map([])) == []
        assert process.pid == first


@pytest.mark.parametrize("place", [0, 4, 9])
def test_an_item_that_crashes_costs_only_itself(place):
    items = [*range(9)]
    items.insert(place, "crash")
    found = collect(items)
    assert found.pop("crash") == Lost("its process was ended by SIGSEGV")
    assert found == {item: item * 2 for item in range(9)}


def test_several_that_crash_are_each_found():
    found = collect(["crash", 1, "leave", 2, 3, 4, 5])
    assert {item for item, result in found.items() if isinstance(result, Lost)} == {"crash", "leave"}
    assert found["leave"] == Lost("its process ended with exit code 3")
    assert all(found[item] == item * 2 for item in range(1, 6))


def test_an_item_that_hangs_is_given_up():
    found = collect([1, 2, "hang", 3, 4], timeout=0.5)
    assert found.pop("hang") == Lost("given up after 0.5 s")
    assert found == {item: item * 2 for item in range(1, 5)}


def test_a_process_that_reads_nothing_any_more_is_given_up():
    """What was sent to it, more than a pipe holds, was waited for without limit."""
    large = "a" * 1_000_000
    found = collect(["hang and keep the interpreter's lock", large, 1], timeout=2, threads=1)
    assert found == {"hang and keep the interpreter's lock": Lost("given up after 2 s"), large: 2 * large, 1: 2}


def test_a_process_that_hangs_while_it_loads_is_started_again(monkeypatch, tmp_path, caplog):
    """It was waited for without limit."""
    limits, launch = iter([3, 120]), Isolated._launch

    def limited(self):
        monkeypatch.setattr(isolated, "LOADING", next(limits))
        launch(self)

    monkeypatch.setattr(Isolated, "_launch", limited)
    with Isolated(partial(load_and_hang_once, tmp_path / "hung"), threads=1, timeout=60) as process:
        assert dict(process.map([1])) == {1: 2}
    assert [one.getMessage() for one in caplog.records] == [
        "the process that loads the network has not answered for 3 s and is ended"
    ]
    monkeypatch.setattr(Isolated, "_launch", launch)
    monkeypatch.setattr(isolated, "LOADING", 0.2)
    with pytest.raises(CarmaskError, match=r"^the process that loads the network hung 2 times for 0\.2 s; is "):
        Isolated(load_and_hang, threads=1, timeout=60)


def test_one_that_is_closed_while_it_starts_again_ends():
    """As of a server that stops: its thread waited for the new process, which nobody ended."""
    process, ended = Isolated(load, threads=1, timeout=60), []
    process._end()
    process._load = load_and_hang

    def go_on():
        try:
            list(process.map([1]))
        except RuntimeError as error:
            ended.append(str(error))

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    while process._process is None and thread.is_alive():
        time.sleep(0.01)
    process.close()
    thread.join(20)
    assert ended == ["the process of its own has been ended"]


def test_waiting_for_a_turn_does_not_count():
    # Eight, one after the other, take longer than the limit: at first six of them wait in threads, and two before that.
    with Isolated(load_in_turns, threads=6, timeout=1.5) as process:
        first = process.pid
        assert set(dict(process.map(range(8))).values()) == {first}
        found = dict(process.map([1, "hang", 2, 3]))
    assert found.pop("hang") == Lost("given up after 1.5 s")
    assert not [one for one in found.values() if isinstance(one, Lost)]


def test_nothing_is_lost_when_the_process_is_killed_from_outside():
    with Isolated(load_slowly, threads=3, timeout=60) as process:
        found = {}
        for item, result in process.map(range(60)):
            assert item not in found
            found[item] = result
            if len(found) in {5, 30}:
                os.kill(process.pid, signal.SIGKILL)
    assert found == {item: item * 2 for item in range(60)}


def test_few_items_are_drawn_ahead():
    drawn = 0

    def items():
        nonlocal drawn
        for item in range(40):
            drawn += 1
            yield item

    with Isolated(load, threads=2, timeout=60, waiting=1) as process:
        for taken, _ in enumerate(process.map(items())):
            assert drawn <= taken + 3


def test_a_bug_keeps_its_traceback():
    with pytest.raises(RuntimeError, match=r"(?s)in act.*ZeroDivisionError: a bug"):
        collect(["bug"])


def test_what_goes_wrong_while_loading():
    with pytest.raises(ModelError, match=r"^m\.onnx: damaged$"):
        Isolated(load_damaged, threads=1, timeout=60)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        Isolated(load_with_a_bug, threads=1, timeout=60)
    with pytest.raises(CarmaskError, match=r"was ended by SIGKILL; is there too little memory\?$"):
        Isolated(load_and_die, threads=1, timeout=60)


def test_a_process_that_the_system_does_not_start_is_no_bug(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", Mock(side_effect=OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))))
    with pytest.raises(CarmaskError, match="no process can be started for the network: Resource temporarily"):
        Isolated(load, threads=1, timeout=60)


def test_closing_ends_the_process():
    process = Isolated(load, threads=1, timeout=60)
    pid = process.pid
    process.close()
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_process_ends_when_this_one_is_killed():
    code = (
        "import sys, time; sys.path[:] = " + repr(sys.path) + "\n"
        "from carmask.batch.engines.isolated import Isolated\n"
        "from tests.batch.test_isolated import load\n"
        "process = Isolated(load, threads=1, timeout=60); print(process.pid, flush=True); time.sleep(60)\n"
    )
    with started([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    # Where nobody collects the dead, one stays as a zombie.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")
