"""The truth about pseudo-data is opened for a reason, on record, and only if nobody touched it."""

import json
from pathlib import Path

import numpy as np
import pytest

import processors
import scheduler
import simulation
from models.errors import BadInputError, BlindedError, UsageError
from models.search import Channel
from scheduler.progress import Terminal
from scheduler.provenance import write_json
from scheduler.run_folder import RunFolder
from scheduler.unsealing import open_sealed_truth, sealed_digests
from simulation.configuration import InjectedSignal
from simulation.sealed_truth import SealedTruth, seal, sealed_file_name


@pytest.fixture
def truth() -> SealedTruth:
    return SealedTruth(
        processes=("tautau", "signal"),
        process=np.array([0, 1, 1], dtype=np.int8),
        generated_event=np.array([5, 7, 7]),
        copies=np.array([1, 2, 2], dtype=np.int32),
        signal=InjectedSignal(channel=Channel.MUMU, m_phi_gev=1.5, xi=20.0),
    )


@pytest.fixture
def run(tmp_path: Path, truth: SealedTruth) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    seal(folder.ntuples / sealed_file_name("data/data_000.root"), truth)
    write_json(folder.provenance, {"sealed_truth": dict(sealed_digests(folder.ntuples))})
    return folder


def test_a_reason_opens_it_and_every_opening_is_recorded(run: RunFolder, truth: SealedTruth) -> None:
    for reason in ("limits are final", "  second look "):
        opened = open_sealed_truth(run, reason, Terminal())
    (found,) = opened.values()
    assert found.signal == truth.signal
    assert found.processes == truth.processes
    np.testing.assert_array_equal(found.process, truth.process)
    assert found.duplicated_fraction == pytest.approx(2 / 3)
    openings = json.loads(run.unsealing.read_text())["openings"]
    assert [opening["reason"] for opening in openings] == ["limits are final", "second look"]
    assert all(opening["who"] and opening["when"] for opening in openings)


def test_no_reason_opens_nothing(run: RunFolder) -> None:
    with pytest.raises(UsageError, match="needs a reason"):
        open_sealed_truth(run, "  ", Terminal())
    assert not run.unsealing.exists()


def test_an_altered_truth_is_refused(run: RunFolder, truth: SealedTruth) -> None:
    path = run.ntuples / sealed_file_name("data/data_000.root")
    seal(path, SealedTruth(truth.processes, truth.process, truth.generated_event, truth.copies, None))
    with pytest.raises(BlindedError, match=r"data_000\.npz"):
        open_sealed_truth(run, "review", Terminal())
    assert not run.unsealing.exists()


def test_a_missing_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no sealed truth"):
        open_sealed_truth(RunFolder(tmp_path), "review", Terminal())


def test_nothing_else_reads_it() -> None:
    folders = [Path(package.__file__).parent for package in (scheduler, simulation, processors)]
    callers = {
        path.name
        for folder in folders
        for path in folder.rglob("*.py")
        if "unseal(" in path.read_text(encoding="utf-8") or "import unseal" in path.read_text(encoding="utf-8")
    }
    assert callers == {"unsealing.py", "sealed_truth.py"}
    openers = {
        path.name for folder in folders for path in folder.rglob("*.py") if "open_sealed_truth" in path.read_text()
    }
    assert openers == {"unsealing.py"}
