"""Dask clusters by site name: the one place that knows where workers come from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psutil
from pydantic import Field

from models.errors import LeptophileError, UsageError
from models.settings import Settings

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Terminal

LOCAL: Final = "local"
_SCHEDULER_PREFIXES: Final = ("tcp://", "tls://")
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Every worker is one thread: nested thread pools would fight over the cores that the workers share."""


class ClusterError(LeptophileError):
    """Workers could not be started or reached."""


class ClusterSettings(Settings):
    """Workers of the embedded cluster, and how patiently workers of any cluster are waited for."""

    workers: int | None = Field(default=None, gt=0)
    """Worker processes of the `local` site, one thread each; None for one per core."""
    worker_memory_gib: float = Field(default=2.0, gt=0.0)
    """Memory limit of each local worker."""
    connect_timeout_s: float = Field(default=60.0, gt=0.0)
    """How long to wait for a scheduler and its first worker."""


def check_site(site: str) -> None:
    """Check that `site` names a kind of cluster this version can use.

    Raises
    ------
    UsageError
        If it does not.

    Examples
    --------
    >>> check_site("local")
    >>> check_site("moon")
    Traceback (most recent call last):
    models.errors.UsageError: Unknown site 'moon': use 'local', or 'tcp://HOST:PORT' of a running Dask scheduler.
    """
    if site != LOCAL and not site.startswith(_SCHEDULER_PREFIXES):
        raise UsageError(f"Unknown site '{site}': use 'local', or 'tcp://HOST:PORT' of a running Dask scheduler.")


@contextmanager
def connect(site: str, settings: ClusterSettings, terminal: Terminal) -> Iterator[Client]:
    """Open a client on the workers of `site`, and close what was started for it afterwards.

    Parameters
    ----------
    site
        ``local`` for worker processes on this machine, or the address of a running Dask scheduler.
    settings
        Size of the local cluster and the patience with any.
    terminal
        Where the dashboard's address is shown.

    Raises
    ------
    UsageError
        If the site is of no known kind.
    ClusterError
        If no scheduler or no worker answers in time.
    """
    check_site(site)
    with _local(settings) if site == LOCAL else _existing(site, settings) as client:
        try:
            client.wait_for_workers(1, timeout=settings.connect_timeout_s)
        except TimeoutError as error:
            raise ClusterError(
                f"No worker of site '{site}' answered within {settings.connect_timeout_s:g} s."
            ) from error
        terminal.say(f"Dask: {len(client.nthreads())} workers, dashboard {client.dashboard_link}")
        yield client


@contextmanager
def _local(settings: ClusterSettings) -> Iterator[Client]:
    import dask.config
    from distributed import Client, LocalCluster

    from scheduler.worker_logging import FailuresTravelBack

    with (
        # Thread counts must be in the environment before a worker's interpreter starts.
        dask.config.set({"distributed.nanny.pre-spawn-environ": _ONE_THREAD}),
        LocalCluster(
            n_workers=settings.workers or psutil.cpu_count(),
            threads_per_worker=1,
            processes=True,
            memory_limit=int(settings.worker_memory_gib * 2**30),
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(FailuresTravelBack())
        try:
            yield client
        finally:
            # A worker that is slow to exit is killed: its results have been taken, nothing is lost.
            logging.getLogger("distributed.nanny").setLevel(logging.ERROR)


@contextmanager
def _existing(address: str, settings: ClusterSettings) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=settings.connect_timeout_s)
    except OSError as error:
        raise ClusterError(f"No Dask scheduler answers at '{address}'.") from error
    with client:
        yield client
