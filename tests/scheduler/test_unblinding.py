"""The record of an unblinding: what it holds, what it is good for, and when it is void."""

import json
from pathlib import Path

import pytest

from models.errors import BlindedError, UsageError
from processors.blinding import UnblindingStage
from scheduler.configuration import AnalysisConfig, dump_configuration
from scheduler.progress import Terminal
from scheduler.run_folder import RunFolder
from scheduler.unblinding import configuration_hash, read_unblinding, record_unblinding

CONFIG = AnalysisConfig()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """An empty run folder with a configuration."""
    (tmp_path / "config.yml").write_text(dump_configuration(CONFIG))
    return RunFolder(tmp_path)


def changed(section: str, **values: object) -> AnalysisConfig:
    return AnalysisConfig.model_validate({section: values})


def test_a_run_is_blinded_until_somebody_says_why(run: RunFolder) -> None:
    assert read_unblinding(run, CONFIG) is None
    with pytest.raises(UsageError, match="needs a reason"):
        record_unblinding(run, "  ", CONFIG, Terminal())
    assert not run.unblinding.exists()
    record = record_unblinding(run, "review passed", CONFIG, Terminal())
    written = json.loads(run.unblinding.read_text())
    assert {"who", "when", "reason", "configuration_hash"} <= set(written)
    assert written["configuration_hash"] == configuration_hash(CONFIG)
    assert read_unblinding(run, CONFIG) == read_unblinding(run) == record
    assert record.blinding.stage is UnblindingStage.FULL


def test_a_record_in_force_is_kept(run: RunFolder) -> None:
    first = record_unblinding(run, "review passed", CONFIG, Terminal())
    assert record_unblinding(run, "once more", CONFIG, Terminal()) == first


def test_a_record_is_void_once_the_configuration_has_changed(run: RunFolder) -> None:
    record_unblinding(run, "review passed", CONFIG, Terminal())
    tuned = changed("regions", sr_above_signal_score_ee=0.9)
    with pytest.raises(BlindedError, match=r"changed since: regions.*--unblind"):
        read_unblinding(run, tuned)
    again = record_unblinding(run, "the threshold was wrong", tuned, Terminal())
    assert [record.reason for record in again.previous] == ["review passed"]
    assert read_unblinding(run, tuned) == again
    with pytest.raises(BlindedError):
        read_unblinding(run, CONFIG)


def test_how_a_run_is_done_does_not_matter(run: RunFolder) -> None:
    record = record_unblinding(run, "review passed", CONFIG, Terminal())
    for config in (changed("cluster", workers=7), changed("chunks", entries=1000), changed("report", formats=["png"])):
        assert read_unblinding(run, config) == record


def test_stages_follow_each_other_on_record(run: RunFolder) -> None:
    tenth = changed("regions", unblinding={"stage": "fraction", "fraction": 0.1})
    assert record_unblinding(run, "look at a tenth", tenth, Terminal()).opened_fraction == 0.1
    full = record_unblinding(run, "the tenth looks fine", CONFIG, Terminal())
    assert full.opened_fraction == 1.0
    assert [record.blinding.stage for record in full.previous] == [UnblindingStage.FRACTION]


def test_a_record_that_says_nothing_opens_nothing(run: RunFolder) -> None:
    for content in ("", "{}", '{"who": "me", "reason": "because", "when": "2022-07-15T00:00:00Z"}'):
        run.unblinding.write_text(content)
        with pytest.raises(BlindedError, match="not a record"):
            read_unblinding(run, CONFIG)
    # Whoever unblinds anew is not held up by it, and it is not lost.
    assert record_unblinding(run, "review passed", CONFIG, Terminal()).previous == ()
    assert "because" in (run.path / "unblinding.void.json").read_text()
