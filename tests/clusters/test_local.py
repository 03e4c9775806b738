"""The local site when it is stopped, and its protection when it listens beyond loopback."""

import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
import yaml
from distributed import Client

from scheduler.clusters import ClusterSettings, connect
from scheduler.progress import Terminal
from tests.clusters.conftest import Sample, interrupt
from tests.clusters.daemons import wait_until

pytestmark = [pytest.mark.clusters, pytest.mark.usefixtures("home")]


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, False)],
    ids=["kill -INT", "Ctrl-C", "kill -TERM", "terminal lost"],
)
def test_a_command_that_is_stopped_leaves_no_worker(sample: Sample, tmp_path: Path, number: int, group: bool) -> None:
    stopped = interrupt(number, "process", "--config", sample.one_worker, "--out", tmp_path / "run", group=group)
    assert stopped.status == 128 + number, stopped.errors
    assert stopped.orphans == []
    assert "Traceback" not in stopped.errors
    assert stopped.seconds < 30.0


def test_workers_of_a_killed_command_end(sample: Sample, tmp_path: Path) -> None:
    stopped = interrupt(signal.SIGKILL, "process", "--config", sample.one_worker, "--out", tmp_path / "run")
    assert stopped.status == -signal.SIGKILL
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in stopped.orphans), "The end of the workers")


def test_output_of_workers_is_in_the_log_folder(tmp_path: Path) -> None:
    with connect("local", ClusterSettings(workers=1), Terminal(), logs=tmp_path / "logs") as client:
        client.run(print, "a worker speaks", flush=True)
    assert "a worker speaks\n" in (tmp_path / "logs" / "worker-0.log").read_text()


def test_tls_on_request_keeps_strangers_out(tmp_path: Path) -> None:
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump({"kind": "local", "workers": 1, "tls": "always"}))
    with connect(str(path), ClusterSettings(), Terminal(), logs=tmp_path / "logs") as client:
        address = client.scheduler.address
        assert address.startswith("tls://")
        assert client.submit(sum, [1, 2]).result() == 3
        with pytest.raises((OSError, TypeError)):
            Client(address, timeout=3)
        with pytest.raises(OSError):
            Client(address.replace("tls://", "tcp://"), timeout=3)


PROBE = ("ip", "link", "add", "lepto0", "type", "veth", "peer", "name", "lepto1")
NAMESPACE = """
    ip link set lo up
    ip link add lepto0 type veth peer name lepto1
    ip address add 10.203.0.1/24 dev lepto0
    ip link set lepto0 up
    ip link set lepto1 up
    exec "$0" "$1" "$2"
"""
"""A network of its own with an interface that is not loopback; nothing of it can be reached from outside."""
BEYOND = """
    import sys
    from pathlib import Path
    from scheduler.clusters import ClusterSettings, connect
    from scheduler.progress import Terminal

    if __name__ == "__main__":
        with connect(sys.argv[1], ClusterSettings(), Terminal(), logs=Path(sys.argv[1]).parent / "logs") as client:
            print(client.scheduler.address, client.submit(sum, [1, 2]).result())
"""


@pytest.mark.parametrize(("tls", "protocol"), [("auto", "tls"), ("never", "tcp")])
def test_beyond_loopback_connections_are_encrypted_or_a_warning_is_loud(
    tmp_path: Path, tls: str, protocol: str
) -> None:
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("a network namespace needs the commands ip and unshare, which are not installed")
    probe = subprocess.run(["unshare", "--net", *PROBE], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"no network namespace with an interface of its own may be made here: {probe.stderr.strip()}")
    (tmp_path / "site.yml").write_text(
        yaml.safe_dump({"kind": "local", "workers": 1, "interface": "lepto0", "tls": tls})
    )
    (tmp_path / "beyond.py").write_text(textwrap.dedent(BEYOND))
    ended = subprocess.run(
        ["unshare", "--net", "sh", "-ec", NAMESPACE, sys.executable, tmp_path / "beyond.py", tmp_path / "site.yml"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"{protocol}://10.203.0.1:")
    assert ended.stdout.endswith(" 3\n")
    assert ("WARNING: 'tls: never'" in ended.stderr) == (tls == "never")
