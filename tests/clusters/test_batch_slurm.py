"""Workers as jobs of a real SLURM queue of one node."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scheduler.clusters import ClusterError, ClusterSettings, connect
from scheduler.progress import Terminal
from scheduler.run_folder import RunFolder
from tests.clusters.conftest import Sample, interrupt, leptophile, same_candidates
from tests.clusters.counting import check_every_event, count_slowly
from tests.clusters.daemons import wait_until
from tests.clusters.slurm_queue import jobs
from tests.scheduler.counting_experiment import counting_experiment

pytestmark = [pytest.mark.clusters, pytest.mark.usefixtures("slurm")]

SETTINGS = ClusterSettings()


@pytest.fixture(autouse=True)
def _queue_is_empty_before_and_after() -> Iterator[None]:
    assert jobs() == []
    yield
    assert jobs() == []


def site(folder: Path, **keys: object) -> str:
    """Write a site file and return its path."""
    path = folder / "site.yml"
    common = {"kind": "slurm", "interface": "lo", "worker_memory_gib": 1.5, "start_timeout_s": 120.0}
    path.write_text(yaml.safe_dump({**common, "workers": 2, **keys}))
    return str(path)


def test_candidates_equal_those_of_the_local_site(sample: Sample, tmp_path: Path) -> None:
    ended = leptophile("process", "--config", sample.configuration, "--site", site(tmp_path), "--out", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    run = RunFolder(tmp_path / "run")
    same_candidates(run, sample.processed)
    logs = list(run.logs.glob("slurm-*.log"))
    assert len(logs) == 2
    assert all("Start worker at" in log.read_text() for log in logs)


def test_limits_of_workspaces_equal_those_of_the_local_site(tmp_path: Path) -> None:
    paths = []
    for count in (4, 9):
        paths.append(tmp_path / f"{count}.json")
        paths[-1].write_text(json.dumps(counting_experiment(count)))
    found = {}
    for where in ("local", site(tmp_path, workers=1, logs=str(tmp_path / "logs"))):
        out = tmp_path / f"limits_{len(found)}.json"
        ended = leptophile("limits", *paths, "--json", out, "--method", "qmc", "--method", "cls", "--site", where)
        assert ended.returncode == 0, ended.stderr
        found[where] = json.loads(out.read_text())
    of_jobs = found.popitem()[1]
    assert [point["status"] for point in of_jobs] == ["ok", "ok"]
    assert of_jobs == found["local"]


def test_a_cancelled_job_costs_no_event_and_is_replaced(tmp_path: Path) -> None:
    with connect(site(tmp_path), SETTINGS, Terminal(), logs=tmp_path / "logs") as client:
        wait_until(lambda: len(client.nthreads()) == 2, "Two workers")
        before = jobs()
        threading.Timer(1.0, lambda: subprocess.run(["scancel", before[0]], check=True)).start()
        check_every_event(count_slowly(client, tmp_path, seconds=0.3))
        assert before[0] not in jobs()
        wait_until(lambda: len(client.nthreads()) == 2 and set(jobs()) != set(before), "A new worker")


def test_workers_follow_the_work(tmp_path: Path) -> None:
    adaptive = site(tmp_path, workers={"minimum": 0, "maximum": 2}, idle_s=2.0)
    with connect(adaptive, SETTINGS, Terminal(), logs=tmp_path / "logs") as client:
        check_every_event(count_slowly(client, tmp_path, seconds=0.2))
        wait_until(lambda: not client.nthreads() and jobs() == [], "No workers without work")
        check_every_event(count_slowly(client, tmp_path, seconds=0.0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_leaves_no_job(sample: Sample, tmp_path: Path, number: int) -> None:
    one_job = site(tmp_path, workers=1)
    command = ("process", "--config", sample.configuration, "--site", one_job, "--out", tmp_path / "run")
    stopped = interrupt(number, *command)
    assert stopped.status == 128 + number, stopped.errors
    assert stopped.orphans == []
    assert "Traceback" not in stopped.errors


def test_no_job_outlives_a_command_that_is_killed(sample: Sample, tmp_path: Path) -> None:
    short = site(tmp_path, workers=1, death_timeout_s=2.0)
    stopped = interrupt(
        signal.SIGKILL, "process", "--config", sample.configuration, "--site", short, "--out", tmp_path / "run"
    )
    assert stopped.status == -signal.SIGKILL
    wait_until(lambda: jobs() == [], "The end of the jobs")


def test_an_interpreter_that_nodes_cannot_execute_is_named(tmp_path: Path) -> None:
    (tmp_path / "python").touch(mode=0o600)
    start = time.monotonic()
    with (
        pytest.raises(ClusterError) as failure,
        connect(site(tmp_path, python=str(tmp_path / "python")), SETTINGS, Terminal(), logs=tmp_path / "logs"),
    ):
        pass
    log = next((tmp_path / "logs").glob("*.log"))
    assert f"exit status 126: {tmp_path / 'python'} cannot be read or executed on the node" in str(failure.value)
    assert "Permission denied" in str(failure.value)
    assert str(log.parent) in str(failure.value)
    assert time.monotonic() - start < 60.0


def test_a_refused_job_is_explained(tmp_path: Path) -> None:
    with (
        pytest.raises(ClusterError, match=r"refused the job: .*invalid partition specified: nowhere"),
        connect(site(tmp_path, queue="nowhere"), SETTINGS, Terminal(), logs=tmp_path / "logs"),
    ):
        pass


def test_a_job_that_waits_says_for_what(tmp_path: Path) -> None:
    waiting = site(tmp_path, submit_lines=["--begin=now+1hour"], start_timeout_s=8.0)
    with (
        pytest.raises(ClusterError, match=r"answered within 8 s: jobs in the queue: 2 PENDING \(BeginTime\)"),
        connect(waiting, SETTINGS, Terminal(), logs=tmp_path / "logs"),
    ):
        pass


def test_the_job_script_is_accepted_by_sbatch(tmp_path: Path) -> None:
    shown = leptophile("run", "--config", "demo", "--site", site(tmp_path), "--out", tmp_path / "run", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert not (tmp_path / "run").exists()
    checked = subprocess.run(["sbatch", "--test-only"], input=shown.stdout, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


def test_a_wheel_reaches_jobs_without_the_project_over_tls(sample: Sample, tmp_path: Path, bare_python: Path) -> None:
    bare = site(tmp_path, python=str(bare_python), shipping="wheel", tls="always", prologue=[f"cd {tmp_path}"])
    ended = leptophile("process", "--config", sample.configuration, "--site", bare, "--out", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    same_candidates(RunFolder(tmp_path / "run"), sample.processed)
    log = next((tmp_path / "run" / "logs").glob("slurm-*.log")).read_text()
    assert "tls://127.0.0.1" in log


def test_jobs_without_the_project_are_refused(tmp_path: Path, bare_python: Path) -> None:
    bare = site(tmp_path, python=str(bare_python), prologue=[f"cd {tmp_path}"])
    with (
        pytest.raises(ClusterError, match=r"Worker tcp://.* has no leptophile\. Give .* 'shipping: wheel'"),
        connect(bare, SETTINGS, Terminal(), logs=tmp_path / "logs"),
    ):
        pass
