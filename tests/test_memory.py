from __future__ import annotations

import resource
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from carmask.memory import keep_memory
if sys.argv[1] != "not":
    assert keep_memory(large=sys.argv[1] == "large")
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(10_000_000, np.uint8)
before = faults()
for _ in range(20):
    np.ones(10_000_000, np.uint8)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc is Linux'")
def test_freed_memory_is_used_again():
    def faults(how):
        return int(subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True).stdout)

    # Each array of 10 MB is 2,441 pages of 4 kB, zeroed by the system 20 times, or hardly ever again.
    pages = 20 * 10_000_000 / resource.getpagesize()
    assert faults("small") < 0.05 * pages
    assert faults("large") < 0.05 * pages


RELEASE = """
import numpy as np
from carmask.memory import keep_memory, release_memory
def held():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * 4096
keep_memory(large=False)
blocks = [np.ones(16_000_000, np.uint8) for _ in range(10)]
keep = np.ones(1000, np.uint8)
del blocks
assert release_memory()
print(held())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc is Linux'")
def test_freed_memory_is_given_back_on_request():
    held = subprocess.run([sys.executable, "-c", RELEASE], capture_output=True, text=True, check=True).stdout
    assert int(held) < 120_000_000  # Python and numpy; ten blocks of 16 MB are not among it
