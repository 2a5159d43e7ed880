"""carmask's own parsers on bytes by chance: the short form of the fuzzer that is guided by coverage."""

from __future__ import annotations

import shutil

import pytest
from benchmarks.soak import guided
from benchmarks.soak.batches import check_one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.errors import CarmaskError
from tests.fuzz.mutation import mutated


@pytest.fixture(autouse=True, scope="module")
def scratch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parsers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        yield
    shutil.rmtree(folder)


def parsed(name: str, data: bytes) -> bool:
    try:
        guided.PARSERS[name].parse(data)
    except CarmaskError as error:
        check_one_line(error)
        return False
    return True


@pytest.mark.parametrize("name", list(guided.PARSERS))
def test_good_input_is_accepted_and_damaged_input_is_accepted_or_refused(name):
    seeds = guided.PARSERS[name].seeds()
    assert parsed(name, seeds[0])
    for number in range(60):
        parsed(name, mutated(seeds[number % len(seeds)], number))


@pytest.mark.parametrize("name", list(guided.PARSERS))
@settings(max_examples=40)
@given(data=st.binary(max_size=200))
def test_bytes_by_chance_are_accepted_or_refused(name, data):
    parsed(name, data)
