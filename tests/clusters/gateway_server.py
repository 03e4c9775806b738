"""A Dask Gateway server on loopback that starts schedulers and workers as processes of this machine."""

import importlib.util
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.clusters.daemons import daemon, free_port, wait_until

PASSWORD = "never more"


class GatewayAddress(NamedTuple):
    """Where a server is reached."""

    address: str
    proxy_address: str


def missing() -> list[str]:
    """Return what is not installed."""
    return [name for name in ("dask_gateway", "dask_gateway_server") if importlib.util.find_spec(name) is None]


@contextmanager
def gateway_server(folder: Path, python: Sequence[str]) -> Iterator[GatewayAddress]:
    """Run a server whose clusters run with the interpreter `python`."""
    folder.mkdir(mode=0o755)
    server = GatewayAddress(f"http://127.0.0.1:{free_port()}", f"gateway://127.0.0.1:{free_port()}")
    (folder / "config.py").write_text(_configuration(folder, server, python))
    command = [Path(sys.executable).with_name("dask-gateway-server"), "-f", folder / "config.py"]
    log = folder / "server.log"
    with daemon(command, log, {"PYTHONWARNINGS": "ignore"}):
        wait_until(lambda: _is_up(server), "The gateway's start", log)
        yield server


def _is_up(server: GatewayAddress) -> bool:
    """Return whether the proxy has been told of the server: until then it knows no address."""
    try:
        with urllib.request.urlopen(f"{server.address}/api/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _configuration(folder: Path, server: GatewayAddress, python: Sequence[str]) -> str:
    (folder / "clusters").mkdir()
    return f"""
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = {PASSWORD!r}
c.DaskGateway.address = "127.0.0.1:{free_port()}"
c.Proxy.address = {server.address.partition("://")[2]!r}
c.Proxy.tcp_address = {server.proxy_address.partition("://")[2]!r}
c.UnsafeLocalBackend.clusters_directory = {str(folder / "clusters")!r}
c.UnsafeLocalBackend.inherited_environment = ["PATH", "HOME", "LEPTOPHILE_CLUSTER_TESTS"]
c.ClusterConfig.scheduler_cmd = {[*python, "-m", "distributed.cli.dask_scheduler"]!r}
c.ClusterConfig.worker_cmd = {[*python, "-m", "distributed.cli.dask_worker"]!r}
c.ClusterConfig.worker_cores = 1
c.ClusterConfig.worker_memory = "1.5 G"
"""
