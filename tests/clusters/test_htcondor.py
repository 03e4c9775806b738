"""Workers as jobs of HTCondor: its daemons cannot be installed here, so its commands are stood in for."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scheduler.clusters import ClusterError, ClusterSettings, connect
from scheduler.progress import Terminal
from scheduler.run_folder import RunFolder
from tests.clusters import condor_stand_in
from tests.clusters.conftest import Sample, interrupt, leptophile, same_candidates
from tests.clusters.counting import check_every_event, count_slowly
from tests.clusters.daemons import wait_until

pytestmark = pytest.mark.clusters


@pytest.fixture
def pool(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands of HTCondor that start jobs on this machine."""
    folder = tmp_path / "condor"
    condor_stand_in.install(folder)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv(condor_stand_in.POOL, str(folder / "pool"))
    yield folder / "pool"
    assert condor_stand_in.jobs(folder / "pool", None) == {}


def site(folder: Path, **keys: object) -> str:
    """Write a site file and return its path."""
    path = folder / "site.yml"
    common = {"kind": "htcondor", "interface": "lo", "worker_memory_gib": 1.5, "start_timeout_s": 120.0, "workers": 2}
    path.write_text(yaml.safe_dump({**common, **keys}))
    return str(path)


def test_candidates_equal_those_of_the_local_site(sample: Sample, pool: Path, tmp_path: Path) -> None:
    ended = leptophile("process", "--config", sample.configuration, "--site", site(tmp_path), "--out", tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    run = RunFolder(tmp_path / "run")
    same_candidates(run, sample.processed)
    assert "Start worker at" in (run.logs / "htcondor-1.err").read_text()


def test_a_removed_job_costs_no_event_and_is_replaced(pool: Path, tmp_path: Path) -> None:
    quoted = site(tmp_path, prologue=["export WORDS=\"two 'quoted' words\"", f'echo "$WORDS" > {tmp_path}/words'])
    with connect(quoted, ClusterSettings(), Terminal(), logs=tmp_path / "logs") as client:
        wait_until(lambda: len(client.nthreads()) == 2, "Two workers")
        os.killpg(condor_stand_in.jobs(pool, None)["1"], signal.SIGKILL)
        check_every_event(count_slowly(client, tmp_path, seconds=0.3))
        wait_until(lambda: len(client.nthreads()) == 2, "A new worker")
    assert (tmp_path / "words").read_text() == "two 'quoted' words\n"


def test_a_command_that_is_stopped_leaves_no_job(sample: Sample, pool: Path, tmp_path: Path) -> None:
    one_job = site(tmp_path, workers=1)
    stopped = interrupt(
        signal.SIGINT, "process", "--config", sample.configuration, "--site", one_job, "--out", tmp_path / "run"
    )
    assert stopped.status == 128 + signal.SIGINT, stopped.errors
    assert stopped.orphans == []


def test_an_interpreter_that_is_not_there_is_named(pool: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ClusterError, match=r"exit status 127: \S*nowhere/python does not exist on the node; .* found"),
        connect(
            site(tmp_path, python=str(tmp_path / "nowhere" / "python")),
            ClusterSettings(),
            Terminal(),
            logs=tmp_path / "logs",
        ),
    ):
        pass
