"""Sites: local workers are single-threaded, an existing scheduler is used and left alone, errors say what is wrong."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from models.errors import IncompleteRunError
from scheduler.clusters import ClusterError, ClusterSettings, connect
from scheduler.progress import Terminal
from scheduler.tasks import TaskSettings, map_tasks


def thread_limits() -> set[str | None]:
    return {os.environ.get(f"{library}_NUM_THREADS") for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}


def test_local_workers_run_one_thread_each(dask_client: Client) -> None:
    assert list(dask_client.nthreads().values()) == [1, 1]
    assert list(dask_client.run(thread_limits).values()) == [{"1"}, {"1"}]


def test_an_existing_scheduler_is_used_and_left_running(dask_client: Client, terminal: Terminal) -> None:
    address = dask_client.scheduler.address
    with connect(address, ClusterSettings(), terminal) as client:
        assert client.submit(sum, [1, 2]).result() == 3
    assert dask_client.submit(sum, [1, 3]).result() == 4


def test_the_dashboard_is_announced(dask_client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    with connect(dask_client.scheduler.address, ClusterSettings(), Terminal()) as client:
        assert client.dashboard_link in capsys.readouterr().err


def test_a_scheduler_that_is_not_there_is_named(terminal: Terminal) -> None:
    settings = ClusterSettings(connect_timeout_s=1.0)
    with (
        pytest.raises(ClusterError, match=r"No Dask scheduler answers at 'tcp://127\.0\.0\.1:9'\."),
        connect("tcp://127.0.0.1:9", settings, terminal),
    ):
        pass


def test_a_scheduler_without_workers_is_given_up(terminal: Terminal) -> None:
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster,
        pytest.raises(ClusterError, match=r"No worker of site .* answered within 0\.5 s"),
        connect(cluster.scheduler_address, ClusterSettings(connect_timeout_s=0.5), terminal),
    ):
        pass


def wait(client: Client, tasks: int, terminal: Terminal) -> None:
    """Run tasks of a fifth of a second, of a function that every worker can import."""
    map_tasks(
        client,
        time.sleep,
        [0.2] * tasks,
        describe=str,
        label="wait",
        unit="tasks",
        settings=TaskSettings(poll_s=0.2),
        terminal=terminal,
    )


def test_a_worker_with_another_library_that_joins_later_stops_the_run(tmp_path: Path, terminal: Terminal) -> None:
    other = tmp_path / "cloudpickle-0.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: cloudpickle\nVersion: 0.1\n")
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        connect(cluster.scheduler_address, ClusterSettings(), terminal) as client,
    ):
        command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address, "--no-nanny"]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        options = {"env": environment, "cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        late = subprocess.Popen([*command, "--nthreads", "1", "--no-dashboard"], **options)
        try:
            with pytest.raises(
                IncompleteRunError, match=r"Worker tcp://\S+ joined .* has cloudpickle 0\.1, this"
            ) as info:
                wait(client, 300, terminal)
            # what this cluster's own worker had done by then counts
            assert 0 < info.value.report.done < 300
            # and a run that begins now is refused at once
            with pytest.raises(IncompleteRunError, match=r"has cloudpickle 0\.1"):
                wait(client, 2, terminal)
        finally:
            late.terminate()
            late.wait()
