import os
import subprocess
import sys
from importlib.util import find_spec

import pytest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cars", "0"], "0 cars cannot be rendered; ask for one or more"),
        (["--cars", "1", "--size", "big"], "'big' is not a size; write WIDTHxHEIGHT"),
        (["--cars", "1", "--hard", "white,fog"], "no hard case is named 'fog'; there are white, black"),
        (["--cars", "1", "--seed", "-4"], "the seed -4 is negative"),
    ],
)
def test_wrong_requests_end_with_one_line_and_status_2(tmp_path, arguments, words):
    command = [sys.executable, "-m", "carmask", "render", "--out", str(tmp_path / "set"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "set").exists()


def test_without_mitsuba_the_command_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['mitsuba'] = None; "
        "import importlib.util as u; real = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'mitsuba' else real(name, *rest); "
        "from carmask.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "render", "--cars", "1", "--out", str(tmp_path / "set")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("carmask: rendering needs mitsuba")
    assert "pip install 'carmask[studio]'" in done.stderr
    assert not (tmp_path / "set").exists()


@pytest.mark.skipif(find_spec("mitsuba") is None, reason="needs the studio extra")
def test_without_llvm_the_command_says_how_to_be_faster_and_renders(tmp_path):
    command = [sys.executable, "-m", "carmask", "render", "--cars", "1", "--views", "1", "--size", "48x32"]
    environment = {**os.environ, "DRJIT_LIBLLVM_PATH": str(tmp_path / "none.so")}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "set")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # What follows is the renderer's own complaint of the library named here.
    assert done.stderr.startswith("carmask: no LLVM that works here, so rendering takes four times as long; Debian: ")
    assert len(list((tmp_path / "set" / "train").iterdir())) == 1
