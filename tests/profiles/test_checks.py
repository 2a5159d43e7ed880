from __future__ import annotations

import tomllib

import pytest

from carmask.errors import UsageError
from carmask.prediction.checks import CHECKS, CheckSettings
from carmask.profiles.loading import load_profile, to_toml, write_profile
from carmask.profiles.profile import ChecksTable, Profile


def read(tmp_path, text):
    file = tmp_path / "carmask.toml"
    file.write_text(text)
    return load_profile(str(file)).profile


def test_a_profile_states_checks(tmp_path):
    profile = read(tmp_path, 'others = "keep"\n[checks]\ntilted = 8\ntoo_small = false\ncut_off = 1\n')
    assert profile.check_settings() == CheckSettings.parse("tilted=8,too_small=off,cut_off=1")
    assert profile.output_spec().others == "keep"
    assert (
        profile.check_settings("tilted=off").limits == CheckSettings.parse("tilted=off,too_small=off,cut_off=1").limits
    )
    assert read(tmp_path, "[checks]\nall = false\nblurred = true\n").check_settings() == CheckSettings.parse(
        "all=off,blurred=on"
    )
    assert read(tmp_path, "").check_settings() == CheckSettings()


@pytest.mark.parametrize("given", ["off", "all=off", "all=off,blurred=3", "all=on", "on"])
def test_all_checks_that_are_given_are_all_of_the_profiles_too(tmp_path, given):
    profile = read(tmp_path, "[checks]\ntilted = 8\ncut_off = true\ntoo_small = false\n")
    assert profile.check_settings(given) == CheckSettings.parse(given)


def test_checks_are_shown_as_they_were_stated(tmp_path):
    profile = read(tmp_path, "[checks]\ntilted = 8\ntoo_small = false\nduplicate = true\n")
    assert Profile.model_validate(tomllib.loads(to_toml(profile))) == profile


def test_a_profile_has_all_checks():
    assert {*ChecksTable.model_fields} == {*CHECKS, "all"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[checks]\ntited = 8\n", r"checks\.tited: there is no such key; did you mean tilted"),
        ('[checks]\ntilted = "much"\n', "tilted"),
        ('others = "leave"\n', "others"),
    ],
)
def test_wrong_checks_are_named(tmp_path, text, said):
    with pytest.raises(UsageError, match=said):
        read(tmp_path, text)


def test_a_limit_out_of_range_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"carmask\.toml.*tilted takes true or false or a number"):
        read(tmp_path, "[checks]\ntilted = -8\n")


def test_the_checks_of_a_new_profile_are_the_defaults(tmp_path):
    file = tmp_path / "carmask.toml"
    write_profile(file, "white")
    text = file.read_text()
    lines = text[text.index("# [checks]") :].splitlines()
    checks = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))["checks"]
    assert CheckSettings.of(checks) == CheckSettings()
