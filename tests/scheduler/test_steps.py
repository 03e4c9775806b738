"""When a step is run again, and what an interruption leaves."""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from models.errors import UsageError
from scheduler.configuration import AnalysisConfig, dump_configuration
from scheduler.failures import FailureReport, IncompleteTasksError, TaskFailure
from scheduler.progress import Terminal
from scheduler.run_folder import RunFolder
from scheduler.steps import runner
from scheduler.steps.step import PartialResultError, Step, StepContext, read_record

Ran = list[str]


class Chain:
    """Two steps in a temporary run folder: `make` writes a file, `use` reads it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = RunFolder(folder)
        self.config = AnalysisConfig()
        self.ran: Ran = []
        self.external = "one"
        self.before_end: Callable[[StepContext], None] = lambda context: None
        self._register(monkeypatch, "fake_make", self._make)
        self._register(monkeypatch, "fake_use", self._use)
        self.make = Step(
            name="make",
            summary="Make.",
            module="fake_make",
            needs=(),
            outputs=("ntuples",),
            settings=lambda config: {"seed": config.seed},
            inputs=lambda config, run: {"external": self.external},
        )
        self.use = replace(
            self.make,
            name="use",
            module="fake_use",
            needs=("make",),
            outputs=("cutflow.json",),
            settings=lambda config: {"scan": config.scan},
            inputs=lambda config, run: {},
        )
        monkeypatch.setattr(runner, "steps_of", lambda config: (self.make, self.use))

    @staticmethod
    def _register(monkeypatch: pytest.MonkeyPatch, name: str, execute: Callable[[StepContext], None]) -> None:
        module = ModuleType(name)
        module.execute = execute  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)

    def _make(self, context: StepContext) -> None:
        self.ran.append("make")
        context.output.ntuples.mkdir(exist_ok=True)
        (context.output.ntuples / "a.root").write_text(str(context.config.seed))
        self.before_end(context)

    def _use(self, context: StepContext) -> None:
        self.ran.append("use")
        context.output.cutflow.write_text((context.run.ntuples / "a.root").read_text())

    def __call__(self, wanted: list[str] | None = None) -> Ran:
        """Bring the chain up to date and return what ran."""
        self.ran.clear()
        runner.bring_up_to_date(wanted, self.config, self.run, site="local", terminal=Terminal())
        return list(self.ran)

    def set(self, **values: object) -> None:
        self.config = self.config.model_copy(update=values)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    return Chain(tmp_path / "run", monkeypatch)


def test_everything_is_run_once(chain: Chain) -> None:
    assert chain() == ["make", "use"]
    assert chain() == []
    assert chain.run.cutflow.read_text() == "1"


def test_a_changed_setting_redoes_the_step_and_what_follows(chain: Chain) -> None:
    chain()
    chain.set(seed=2)
    assert chain() == ["make", "use"]
    assert chain.run.cutflow.read_text() == "2"


def test_a_setting_of_a_later_step_leaves_earlier_ones(chain: Chain) -> None:
    chain()
    chain.set(scan=chain.config.scan.model_copy(update={"minimum_inner_bins": 3}))
    assert chain() == ["use"]


def test_a_setting_that_changes_no_result_redoes_nothing(chain: Chain) -> None:
    chain()
    chain.set(cluster=chain.config.cluster.model_copy(update={"workers": 7}))
    assert chain() == []


def test_changed_external_inputs_redo_the_step(chain: Chain) -> None:
    chain()
    chain.external = "two"
    assert chain() == ["make", "use"]


def test_changed_code_redoes_the_step(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain()
    monkeypatch.setattr("scheduler.steps.step.code_digest", lambda module: f"new {module}" if "use" in module else "")
    assert chain() == ["make", "use"]
    assert chain() == []


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("edited")])
def test_a_damaged_output_is_made_again(chain: Chain, damage: Callable[[Path], None]) -> None:
    chain()
    damage(chain.run.ntuples / "a.root")
    assert "make" in chain()
    assert (chain.run.ntuples / "a.root").read_text() == "1"


def test_an_interruption_leaves_nothing_that_looks_done(chain: Chain) -> None:
    def interrupt(context: StepContext) -> None:
        raise KeyboardInterrupt

    chain.before_end = interrupt
    with pytest.raises(KeyboardInterrupt):
        chain()
    assert not chain.run.ntuples.exists()
    assert read_record(chain.make, chain.run) is None
    found: list[bool] = []
    chain.before_end = lambda context: found.append((context.output.ntuples / "a.root").exists())
    assert chain() == ["make", "use"]
    assert found == [True]
    assert not any(chain.run.unfinished.iterdir())


def test_unfinished_work_of_another_configuration_is_not_continued(chain: Chain) -> None:
    def interrupt(context: StepContext) -> None:
        (context.output.ntuples / "half.root").touch()
        raise KeyboardInterrupt

    chain.before_end = interrupt
    with pytest.raises(KeyboardInterrupt):
        chain()
    chain.before_end = lambda context: None
    chain.set(seed=5)
    chain()
    assert [path.name for path in chain.run.ntuples.iterdir()] == ["a.root"]


def test_a_partial_result_stays_but_is_not_done(chain: Chain) -> None:
    def fall_short(context: StepContext) -> None:
        raise PartialResultError("1 of 2 files is missing.")

    chain.before_end = fall_short
    with pytest.raises(PartialResultError):
        chain()
    assert (chain.run.ntuples / "a.root").exists()
    assert not chain.run.failures("make").exists()
    chain.before_end = lambda context: None
    assert chain() == ["make", "use"]


def test_what_failed_is_listed_until_the_step_is_done(chain: Chain) -> None:
    report = FailureReport(what="files", asked=2, done=1, failed=(TaskFailure(task="b.root", reason="gone"),))

    def fail(context: StepContext) -> None:
        raise IncompleteTasksError("1 files failed: b.root: gone", report)

    chain.before_end = fail
    with pytest.raises(IncompleteTasksError):
        chain()
    assert FailureReport.model_validate_json(chain.run.failures("make").read_bytes()) == report
    chain.before_end = lambda context: None
    chain()
    assert not chain.run.failures("make").exists()


def test_one_step_alone_needs_the_ones_before(chain: Chain) -> None:
    with pytest.raises(UsageError, match=r"'use' needs the step 'make', which is missing or out of date in .*run"):
        chain(["use"])
    assert chain(["make"]) == ["make"]
    assert chain(["use"]) == ["use"]


def test_the_run_folder_records_configuration_and_provenance(chain: Chain) -> None:
    chain()
    assert chain.run.configuration.read_text() == dump_configuration(chain.config)
    provenance = chain.run.provenance.read_text()
    for word in ("wall_s", "numpy", "code_revision", "external"):
        assert word in provenance


def test_two_runs_do_not_share_a_folder(chain: Chain) -> None:
    def start_another(context: StepContext) -> None:
        chain()

    chain.before_end = start_another
    with pytest.raises(UsageError, match="Another leptophile is running"):
        chain()


def test_the_digest_of_a_sealed_truth_goes_to_the_provenance(chain: Chain) -> None:
    def write_truth(context: StepContext) -> None:
        (context.output.ntuples / ".sealed_truth").mkdir(exist_ok=True)
        (context.output.ntuples / ".sealed_truth/data_000.npz").write_bytes(b"truth")

    chain.before_end = write_truth
    chain()
    recorded = json.loads(chain.run.provenance.read_text())["sealed_truth"]
    assert recorded == {".sealed_truth/data_000.npz": hashlib.sha256(b"truth").hexdigest()}
