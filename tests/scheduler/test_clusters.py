"""Sites: local workers are single-threaded, an existing scheduler is used and left alone, errors say what is wrong."""

import os

import pytest
from distributed import Client, LocalCluster

from scheduler.clusters import ClusterError, ClusterSettings, connect
from scheduler.progress import Terminal


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
        LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        pytest.raises(ClusterError, match=r"No worker of site .* answered within 0\.5 s"),
        connect(cluster.scheduler_address, ClusterSettings(connect_timeout_s=0.5), terminal),
    ):
        pass
