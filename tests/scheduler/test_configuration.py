"""Configurations: what is shipped is valid, and a mistake is one sentence with the key path."""

import subprocess
import sys

import pytest
import yaml
from pydantic import ValidationError

from models.errors import ConfigurationError
from scheduler.configuration import (
    AnalysisConfig,
    dump_configuration,
    load_configuration,
    parse_configuration,
    profile_names,
)


@pytest.mark.parametrize("name", profile_names())
def test_profiles_are_valid_and_survive_a_round_trip(name: str) -> None:
    config = load_configuration(name)
    assert parse_configuration(dump_configuration(config), "dump") == config


def test_profiles_are_the_demo_and_the_published_luminosity() -> None:
    assert load_configuration("demo").simulation.production.data_luminosity_fb < 1.0
    assert load_configuration("full").simulation.production.data_luminosity_fb == 626.0


def test_an_empty_file_is_the_defaults() -> None:
    assert parse_configuration("", "empty.yml") == AnalysisConfig()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sede: 3", "my.yml: unknown key 'sede', did you mean 'seed'?"),
        (
            "regions: {sr_above_signal_score_mumuu: 0.7}",
            "my.yml: unknown key 'regions.sr_above_signal_score_mumuu', "
            "did you mean 'regions.sr_above_signal_score_mumu'?",
        ),
        # The right key in the wrong place: the place is suggested.
        ("max_dr_mm: 3", "my.yml: unknown key 'max_dr_mm', did you mean 'candidates.tracks.max_dr_mm'?"),
        ("zzz: 3", "my.yml: unknown key 'zzz'."),
        (
            "candidates: {tracks: {max_dr_mm: -1}}",
            "my.yml: 'candidates.tracks.max_dr_mm': input should be greater than 0, given -1.",
        ),
        ("- a\n- b", "my.yml: expected keys with values, found list."),
        ("seed: .nan", "my.yml: 'seed': "),
    ],
)
def test_a_mistake_is_one_sentence_with_the_key_path(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as info:
        parse_configuration(text, "my.yml")
    assert str(info.value).startswith(sentence)
    assert "\n" not in str(info.value)


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"my\.yml: not valid YAML: key 'seed' is given twice"):
        parse_configuration("seed: 1\nseed: 2", "my.yml")


def test_text_that_is_not_yaml_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"my\.yml: not valid YAML"):
        parse_configuration("seed: [1", "my.yml")


def test_a_missing_file_names_the_profiles() -> None:
    with pytest.raises(ConfigurationError, match=r"'nothing\.yml' cannot be read .*: give a YAML file or demo or full"):
        load_configuration("nothing.yml")


def test_every_section_of_the_dump_has_plain_values() -> None:
    content = yaml.safe_load(dump_configuration(AnalysisConfig()))
    assert set(content) == set(AnalysisConfig.model_fields)


def test_correlated_scale_factors_need_the_uncertainty_that_they_are_correlations_of() -> None:
    systematics = {"correlated_scale_factors": True}
    assert AnalysisConfig.model_validate({"systematics": systematics}).systematics.correlated_scale_factors
    with pytest.raises(ValidationError, match=r"correlated_scale_factors.*normalisation\.add_fit_error"):
        AnalysisConfig.model_validate({"systematics": systematics, "normalisation": {"add_fit_error": False}})


def test_reading_a_configuration_imports_nothing_that_computes() -> None:
    """Every command does it: it must not wait for compilers and file formats that it may not need."""
    slow = {"awkward", "coffea", "distributed", "iminuit", "matplotlib", "numba", "pyarrow", "scipy", "uproot"}
    look = f"import sys, scheduler.commands.main, scheduler.configuration; print(*{slow} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
