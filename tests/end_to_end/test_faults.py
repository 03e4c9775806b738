"""Faults injected into runs on real workers: not one bit of the result changes, or the run says what is missing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster
from rich.console import Console

from models.errors import IncompleteRunError
from models.search import Search
from processors.histogram_files import load_histograms
from scheduler.configuration import AnalysisConfig, load_configuration
from scheduler.failures import FailureReport
from scheduler.limits_table import read_limits
from scheduler.progress import Terminal
from scheduler.run_folder import RunFolder
from scheduler.steps.runner import bring_up_to_date
from scheduler.unblinding import read_unblinding, record_unblinding
from tests.end_to_end.conftest import Chain
from tests.end_to_end.tiny_chain import COMMAND, TINY

pytestmark = pytest.mark.slow

CHUNK = 2000


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Workers that come back when they are killed."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


def analysis(chain: Chain, **changes: object) -> AnalysisConfig:
    config = load_configuration(str(TINY))
    inputs = config.inputs.model_copy(update={"ntuples": chain.run.ntuples})
    return config.model_copy(
        update={"inputs": inputs, "chunks": config.chunks.model_copy(update={"entries": CHUNK}), **changes}
    )


@dataclass
class Run:
    """A run of some steps with the classifiers of the chain."""

    folder: RunFolder
    config: AnalysisConfig
    site: str
    said: str = ""

    def __call__(self, *steps: str) -> str:
        """Run steps and return what was shown."""
        shown = StringIO()
        terminal = Terminal(Console(file=shown, width=400))
        try:
            bring_up_to_date(steps, self.config, self.folder, site=self.site, terminal=terminal)
        finally:
            self.said = shown.getvalue()
        return self.said


@pytest.fixture(scope="module")
def undisturbed(chain: Chain, cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(RunFolder(tmp_path_factory.mktemp("undisturbed")), analysis(chain), cluster.scheduler_address)
    record_unblinding(run.folder, "the data are simulated", run.config, Terminal())
    run("process", "train", "histogram")
    return run


def another(undisturbed: Run, folder: Path, **changes: object) -> Run:
    """Return a run that has done nothing yet."""
    folder.mkdir(exist_ok=True)
    run = Run(RunFolder(folder), undisturbed.config.model_copy(update=changes), undisturbed.site)
    record_unblinding(run.folder, "the data are simulated", run.config, Terminal())
    return run


def same_histograms(first: RunFolder, second: RunFolder) -> None:
    assert json.loads(first.cutflow.read_text()) == json.loads(second.cutflow.read_text())
    for search in Search:
        (one, manifest), (other, other_manifest) = (
            load_histograms(run.histogram(search), read_unblinding(run)) for run in (first, second)
        )
        # who unblinded and when is another matter
        assert manifest.model_copy(update={"unblinding": None}) == other_manifest.model_copy(
            update={"unblinding": None}
        )
        for name in ("control", "signal_region", "signal"):
            ours, theirs = getattr(one, name), getattr(other, name)
            assert np.array_equal(ours.view(flow=True), theirs.view(flow=True)), (search, name)


def same_candidates(first: RunFolder, second: RunFolder) -> None:
    """Compare what all histograms are made of, byte by byte."""
    assert json.loads(first.cutflow.read_text()) == json.loads(second.cutflow.read_text())
    ours, theirs = (
        {path.relative_to(run.candidates): path.read_bytes() for path in run.candidates.rglob("*") if path.is_file()}
        for run in (first, second)
    )
    assert ours == theirs


def n_stored(folder: RunFolder) -> int:
    return sum(1 for path in folder.results.rglob("*") if path.is_file() and not path.name.startswith("."))


class Saboteur(threading.Thread):
    """Do something once, as soon as a condition holds."""

    def __init__(self, condition: Callable[[], bool], deed: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.condition, self.deed, self.done, self.given_up = condition, deed, False, False

    def run(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not self.given_up:
            if self.condition():
                self.deed()
                self.done = True
                return
            time.sleep(0.005)

    def __enter__(self) -> "Saboteur":
        self.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        # a run that failed before anything could be done to it shows why
        self.given_up = True
        self.join()
        assert self.done or error is not None


def kill_a_worker(cluster: LocalCluster) -> None:
    nanny = next(nanny for nanny in cluster.workers.values() if nanny.pid is not None)
    os.kill(nanny.pid, signal.SIGKILL)


@pytest.mark.long
def test_a_worker_killed_during_process_and_one_during_histogram(
    undisturbed: Run, cluster: LocalCluster, tmp_path: Path
) -> None:
    run = another(undisturbed, tmp_path / "run")
    with Saboteur(lambda: n_stored(run.folder) >= 3, lambda: kill_a_worker(cluster)):
        said = run("process", "train")
    assert "was killed by SIGKILL" in said
    after_process = n_stored(run.folder)
    with Saboteur(lambda: n_stored(run.folder) >= after_process + 3, lambda: kill_a_worker(cluster)):
        run("histogram")
    same_histograms(undisturbed.folder, run.folder)


def test_a_worker_killed_during_the_scan(chain: Chain, cluster: LocalCluster, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(chain.run.path, folder.path, ignore=shutil.ignore_patterns("limits", "workspaces", ".results"))
    (folder.step_records / "scan.json").unlink()
    run = Run(folder, load_configuration(str(folder.configuration)), cluster.scheduler_address)
    with Saboteur(lambda: any(folder.unfinished.rglob("m*.json")), lambda: kill_a_worker(cluster)):
        run("scan")
    assert read_limits(folder.limits_csv) == read_limits(chain.run.limits_csv)
    for path in chain.run.workspaces.rglob("*.json"):
        assert path.read_bytes() == (folder.workspaces / path.relative_to(chain.run.workspaces)).read_bytes()


@pytest.mark.long
def test_a_file_truncated_during_the_run(undisturbed: Run, tmp_path: Path) -> None:
    ntuples = tmp_path / "ntuples"
    shutil.copytree(undisturbed.config.inputs.ntuples, ntuples)
    inputs = undisturbed.config.inputs.model_copy(update={"ntuples": ntuples})
    run = another(undisturbed, tmp_path / "run", inputs=inputs)
    victim = sorted(ntuples.rglob("*.root"))[-1]
    status, whole = victim.stat(), victim.read_bytes()
    with (
        Saboteur(lambda: n_stored(run.folder) >= 2, lambda: victim.write_bytes(whole[: len(whole) // 2])),
        pytest.raises(IncompleteRunError, match=f"{victim.name}: changed during the run"),
    ):
        run("process")
    report = FailureReport.model_validate_json(run.folder.failures("process").read_bytes())
    assert report.asked == report.done + len(report.failed)
    assert {failure.file for failure in report.failed} == {str(victim)}
    assert all(failure.worker and failure.exception == "BadInputError" for failure in report.failed)

    # without the file: it is left out as a whole, and what that costs is listed
    skipping = inputs.model_copy(update={"skip_bad_files": True})
    without = another(undisturbed, tmp_path / "without", inputs=skipping)
    without.config = without.config.model_copy(
        update={"results": without.config.results.model_copy(update={"location": str(run.folder.results)})}
    )
    without("process")
    (skipped,) = json.loads(without.folder.samples.read_text())["skipped"]
    assert skipped["path"] == str(victim)

    # whole again: only what is missing is done
    victim.write_bytes(whole)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    said = run("process", "train", "histogram")
    assert f"{report.done} of {report.asked} chunks had been done before" in said
    assert not run.folder.failures("process").exists()
    same_histograms(undisturbed.folder, run.folder)


@pytest.mark.long
def test_a_full_disk(undisturbed: Run, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        results = undisturbed.config.results.model_copy(update={"location": str(disk)})
        run = another(undisturbed, tmp_path / "run", results=results)
        with pytest.raises(IncompleteRunError, match=r"Nothing more can be written: .*No space left on device"):
            run("process")
        report = FailureReport.model_validate_json(run.folder.failures("process").read_bytes())
        assert report.asked == report.done + len(report.failed) + report.not_started
        assert 0 < report.done < report.asked
        assert subprocess.run(["mount", "-o", "remount,size=64m", disk], capture_output=True).returncode == 0
        said = run("process")
        assert "chunks had been done before" in said
        same_candidates(undisturbed.folder, run.folder)
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.long
def test_everything_killed_at_once(undisturbed: Run, tmp_path: Path) -> None:
    run = another(undisturbed, tmp_path / "run")
    from scheduler.configuration import dump_configuration

    run.folder.configuration.write_text(dump_configuration(run.config))
    command = subprocess.Popen(
        [COMMAND, "process", "--out", run.folder.path],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    with Saboteur(lambda: n_stored(run.folder) >= 3, lambda: os.killpg(command.pid, signal.SIGKILL)):
        assert command.wait(timeout=120) == -signal.SIGKILL
    assert not run.folder.cutflow.exists()
    done = sum(1 for path in run.folder.results.rglob("*") if path.is_file() and len(path.name) == 64)
    said = run("process")
    assert f"process: {done} of " in said
    same_candidates(undisturbed.folder, run.folder)


@pytest.mark.long
def test_the_scheduler_goes_away_and_another_one_comes(undisturbed: Run, tmp_path: Path) -> None:
    address = "tcp://127.0.0.1:18977"
    dask = Path(sys.executable).with_name("dask")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}

    def start() -> list[subprocess.Popen[bytes]]:
        scheduler = [dask, "scheduler", "--port", "18977", "--no-dashboard", "--host", "127.0.0.1"]
        worker = [dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"]
        return [subprocess.Popen(command, **quiet) for command in (scheduler, worker)]

    run = another(undisturbed, tmp_path / "run")
    run.site = address
    tasks = run.config.tasks.model_copy(update={"workerless_timeout_s": 3.0, "poll_s": 0.5})
    run.config = run.config.model_copy(update={"tasks": tasks})
    processes = start()
    try:
        with (
            Saboteur(lambda: n_stored(run.folder) >= 3, processes[0].kill),
            pytest.raises(IncompleteRunError, match=r"The scheduler is gone.* of \d+ chunks are done"),
        ):
            run("process")
        for process in processes:
            process.kill()
            process.wait()
        processes = start()
        assert "chunks had been done before" in run("process")
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    same_candidates(undisturbed.folder, run.folder)
