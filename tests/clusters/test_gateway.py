"""Workers from a real Dask Gateway server, whose schedulers and workers do not have this project."""

import signal
from pathlib import Path

import pytest
import yaml
from dask_gateway import BasicAuth, Gateway

from scheduler.clusters import ClusterError, ClusterSettings, connect
from scheduler.progress import Terminal
from scheduler.run_folder import RunFolder
from tests.clusters.conftest import Sample, interrupt, leptophile, same_candidates
from tests.clusters.gateway_server import PASSWORD, GatewayAddress

pytestmark = pytest.mark.clusters

VARIABLE = "LEPTOPHILE_GATEWAY_PASSWORD"


@pytest.fixture
def site(gateway: GatewayAddress, tmp_path: Path) -> str:
    """A site file."""
    return write_site(gateway, tmp_path, workers=2)


def write_site(gateway: GatewayAddress, folder: Path, workers: int) -> str:
    """Write a site file and return its path."""
    path = folder / "site.yml"
    content = {"kind": "gateway", **gateway._asdict(), "authentication": "basic", "username": "me", "workers": workers}
    path.write_text(yaml.safe_dump(content))
    return str(path)


def clusters(gateway: GatewayAddress) -> list[str]:
    """Return the names of the clusters that are running."""

    async def ask() -> list[str]:
        auth = BasicAuth(username="me", password=PASSWORD)
        async with Gateway(gateway.address, auth=auth, asynchronous=True) as client:
            return [report.name for report in await client.list_clusters()]

    import asyncio

    return asyncio.run(ask())


def test_candidates_equal_those_of_the_local_site(
    sample: Sample, site: str, gateway: GatewayAddress, tmp_path: Path
) -> None:
    arguments = ("--config", sample.configuration, "--site", site, "--out", tmp_path / "run")
    ended = leptophile("process", *arguments, **{VARIABLE: PASSWORD})
    assert ended.returncode == 0, ended.stderr
    assert "Exception ignored" not in ended.stderr
    run = RunFolder(tmp_path / "run")
    same_candidates(run, sample.processed)
    assert clusters(gateway) == []
    assert [log for log in run.logs.iterdir() if "Start worker at" in log.read_text()]


def test_workers_run_the_wheel_with_one_thread(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)

    def look() -> tuple[str, str | None]:
        import os

        import scheduler

        return scheduler.__file__, os.environ.get("OMP_NUM_THREADS")

    with connect(site, ClusterSettings(), Terminal()) as client:
        for place, threads in client.run(look).values():
            assert "/leptophile-" in place
            assert threads == "1"
        assert client.scheduler_info()["address"].startswith("tls://")


def test_a_wrong_password_is_said_to_be_wrong(site: str, sample: Sample, tmp_path: Path) -> None:
    arguments = ("--config", sample.configuration, "--site", site, "--out", tmp_path / "run")
    ended = leptophile("process", *arguments, **{VARIABLE: "forever"})
    assert ended.returncode == 1
    assert f"refuses the user 'me' (HTTP 401): is the password in ${VARIABLE} right?" in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_an_option_that_the_server_does_not_offer_is_refused(
    site: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    with Path(site).open("a") as file:
        file.write("options: {worker_colour: blue}\n")
    with (
        pytest.raises(ClusterError, match=r"refuses the cluster: .*worker_colour"),
        connect(site, ClusterSettings(), Terminal()),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_leaves_no_cluster(
    sample: Sample, gateway: GatewayAddress, tmp_path: Path, number: int
) -> None:
    site = write_site(gateway, tmp_path, workers=1)
    arguments = ("--config", sample.configuration, "--site", site, "--out", tmp_path / "run")
    stopped = interrupt(number, "process", *arguments, **{VARIABLE: PASSWORD})
    assert stopped.status == 128 + number, stopped.errors
    assert clusters(gateway) == []
