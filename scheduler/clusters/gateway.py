"""The site `gateway`: a cluster that a Dask Gateway server starts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from scheduler.clusters.running import RunningCluster, SiteUse, Waiting
from scheduler.clusters.settings import ClusterError, Shipping, SiteSettings, WorkerCount

if TYPE_CHECKING:
    from dask_gateway import Gateway, GatewayCluster
    from dask_gateway.auth import GatewayAuth

_UNAUTHORISED: Final = 401
_FORBIDDEN: Final = 403
_GONE_S: Final = 60.0
"""How long a cluster may take to stop before that is reported."""


class GatewaySite(SiteSettings):
    """A cluster that a Dask Gateway server starts."""

    kind: Literal["gateway"] = "gateway"
    """Where workers come from: a cluster that a Dask Gateway server starts. Its connections are always encrypted."""
    address: str | None = Field(default=None, pattern=r"^https?://\S+$", examples=["https://gateway.example.org"])
    """Address of the server, http(s)://HOST:PORT; null for the one in Dask's configuration."""
    proxy_address: str | None = Field(
        default=None, pattern=r"^gateway://\S+:\d+$", examples=["gateway://gateway.example.org:8786"]
    )
    """Address that schedulers are reached at, gateway://HOST:PORT; null for the server's own."""
    authentication: Literal["basic", "kerberos", "jupyterhub"] | None = None
    """How the server knows you; null for what is in Dask's configuration."""
    username: str | None = None
    """For basic authentication: your name there; null for the one on this machine."""
    password_variable: str = "LEPTOPHILE_GATEWAY_PASSWORD"
    """For basic authentication: environment variable that holds the password, which does not belong into a file."""
    options: dict[str, str | bool | int | float] = Field(default={}, examples=[{"worker_cores": 1, "worker_memory": 2}])
    """Options of the cluster that this server offers, most often worker_cores and worker_memory (in GiB)."""
    workers: WorkerCount = WorkerCount(minimum=1, maximum=10)
    """Workers: a number, or {minimum: 0, maximum: 100} to follow the work. The server replaces lost ones."""
    start_timeout_s: float = Field(default=600.0, gt=0.0)
    """How long to wait for the scheduler and the first worker, in seconds."""
    poll_s: float = Field(default=1.0, gt=0.0)
    """How often the server is asked whether the scheduler has started, in seconds."""
    shipping: Shipping = "wheel"
    """How scheduler and workers get this software: wheel, it is sent to them and only its dependencies have to be
    there; shared, they have it already. Either way it is compared before work starts."""

    def describe(self) -> str:
        """Say what would be requested."""
        options = ", ".join(f"{name} = {value}" for name, value in self.options.items()) or "the server's defaults"
        address = self.address or "the address in Dask's configuration"
        return f"{self.workers} workers would be requested from Dask Gateway at {address}, with {options}."


@contextmanager
def open_gateway(site: GatewaySite, use: SiteUse) -> Iterator[RunningCluster]:
    """Have a cluster started, and shut it down afterwards, however this ends.

    Parameters
    ----------
    site
        Server, account and size.
    use
        Where status goes.

    Raises
    ------
    ClusterError
        If the server cannot be reached, refuses the account or the options, or cannot start a scheduler.
    """
    from dask_gateway import Gateway

    try:
        gateway = Gateway(site.address, proxy_address=site.proxy_address, auth=_authentication(site))
    except ValueError as error:
        raise ClusterError("Site 'gateway' needs 'address': there is none in Dask's configuration.") from error
    with _closed_once(gateway):
        name = _submit(gateway, site)
        try:
            _wait_until_running(gateway, name, site, use)
            cluster = gateway.connect(name)
            with _closed_once(cluster.gateway), cluster, cluster.get_client(set_as_default=False) as client:
                cluster.scale(site.workers.first)
                waiting = Waiting(f"the scheduler of cluster {name} runs, its workers are being started")
                yield RunningCluster(
                    client,
                    owned=True,
                    look=lambda: waiting,
                    follow_work=lambda: _follow_work(cluster, site.workers),
                    fetch_logs=True,
                )
        finally:
            _stop(gateway, name, site, use)


def _stop(gateway: Gateway, name: str, site: GatewaySite, use: SiteUse) -> None:
    """Stop a cluster and wait until the server does not list it any more."""
    gateway.stop_cluster(name)
    give_up = time.monotonic() + _GONE_S
    while name in {report.name for report in gateway.list_clusters()}:
        if time.monotonic() > give_up:
            use.terminal.say(f"WARNING: Dask Gateway has not stopped cluster {name} within {_GONE_S:g} s.")
            return
        time.sleep(site.poll_s)


@contextmanager
def _closed_once(gateway: Gateway) -> Iterator[None]:
    """Close a gateway's client so that its finaliser does not try again and complain on the terminal."""
    try:
        yield
    finally:
        with suppress(RuntimeError):
            gateway.close()
        with suppress(AttributeError):
            # The finaliser of dask-gateway 2026.3 closes what has this attribute.
            del gateway._loop_runner


def _follow_work(cluster: GatewayCluster, workers: WorkerCount) -> None:
    if not workers.fixed:
        cluster.adapt(minimum=workers.minimum, maximum=workers.maximum)


def _submit(gateway: Gateway, site: GatewaySite) -> str:
    from aiohttp import ClientError, ClientResponseError
    from dask_gateway import GatewayClusterError, GatewayServerError

    try:
        return str(gateway.submit(**site.options))
    except ClientResponseError as error:
        if error.status in {_UNAUTHORISED, _FORBIDDEN}:
            raise ClusterError(
                f"Dask Gateway at {gateway.address} refuses {_account(site)} (HTTP {error.status}): is the password in "
                f"${site.password_variable} right?"
            ) from error
        raise ClusterError(
            f"Dask Gateway at {gateway.address} answers HTTP {error.status}: {error.message}."
        ) from error
    except (ClientError, OSError) as error:
        raise ClusterError(f"No Dask Gateway answers at {gateway.address}: {error}.") from error
    except (ValueError, GatewayClusterError, GatewayServerError) as error:
        raise ClusterError(f"Dask Gateway at {gateway.address} refuses the cluster: {error}.") from error


def _wait_until_running(gateway: Gateway, name: str, site: GatewaySite, use: SiteUse) -> None:
    from dask_gateway.client import ClusterStatus

    use.terminal.say(f"Dask Gateway: starting cluster {name}")
    give_up = time.monotonic() + site.start_timeout_s
    while time.monotonic() < give_up:
        status = next((report.status for report in gateway.list_clusters() if report.name == name), None)
        if status == ClusterStatus.RUNNING:
            return
        # A cluster that could not be started is not listed any more.
        if status != ClusterStatus.PENDING:
            break
        time.sleep(site.poll_s)
    else:
        raise ClusterError(
            f"Dask Gateway at {gateway.address} did not start the scheduler of cluster {name} within "
            f"{site.start_timeout_s:g} s."
        )
    raise ClusterError(
        f"Dask Gateway at {gateway.address} could not start the scheduler of cluster {name}: the reason is in the "
        f"server's log."
    )


def _authentication(site: GatewaySite) -> GatewayAuth | str | None:
    from dask_gateway import BasicAuth

    if site.authentication != "basic":
        return site.authentication
    if site.password_variable not in os.environ:
        raise ClusterError(f"The password for Dask Gateway is expected in ${site.password_variable}, which is not set.")
    return BasicAuth(username=site.username, password=os.environ[site.password_variable])


def _account(site: GatewaySite) -> str:
    return f"the user '{site.username}'" if site.username else "this user"
