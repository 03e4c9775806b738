"""The site `local`: worker processes on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import psutil

from scheduler.clusters.running import RunningCluster, SiteUse, follow_work
from scheduler.clusters.settings import ClusterSettings, ListeningSite, WorkerCount
from scheduler.clusters.threads import ONE_THREAD
from scheduler.clusters.transport import security_for


class LocalSite(ListeningSite):
    """Worker processes on this machine, one thread each."""

    kind: Literal["local"] = "local"
    """Where workers come from: processes on this machine."""
    workers: WorkerCount | None = None
    """Workers, one thread each: a number, or {minimum: 1, maximum: 8} to follow the work; null for one a core."""

    @classmethod
    def of(cls, settings: ClusterSettings) -> LocalSite:
        """Return the site that the section `cluster` of a configuration describes."""
        return cls(
            workers=None if settings.workers is None else WorkerCount.model_validate(settings.workers),
            worker_memory_gib=settings.worker_memory_gib,
            start_timeout_s=settings.connect_timeout_s,
        )

    @property
    def count(self) -> WorkerCount:
        """How many workers."""
        return self.workers or WorkerCount.model_validate(psutil.cpu_count() or 1)

    def describe(self) -> str:
        """Say what would be started."""
        return (
            f"{self.count} worker processes on this machine, one thread and {self.worker_memory_gib:g} GiB each, "
            f"listening on {self.interface or 'loopback'}."
        )


@contextmanager
def open_local(site: LocalSite, use: SiteUse) -> Iterator[RunningCluster]:
    """Start worker processes, and stop them afterwards.

    Parameters
    ----------
    site
        Their number and size.
    use
        What they are started for.
    """
    import dask.config
    from distributed import Client, LocalCluster

    security = security_for(site, use.terminal, loopback_by_default=True)
    with (
        # Thread counts must be in the environment before a worker's interpreter starts.
        dask.config.set({"distributed.nanny.pre-spawn-environ": dict(ONE_THREAD)}),
        LocalCluster(
            n_workers=site.count.first,
            threads_per_worker=1,
            processes=True,
            memory_limit=int(site.worker_memory_gib * 2**30),
            interface=site.interface,
            host=None if site.interface else "127.0.0.1",
            protocol="tls://" if security else "tcp://",
            security=security,
            local_directory=str(site.scratch) if site.scratch else None,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        try:
            yield RunningCluster(
                client,
                owned=True,
                follow_work=lambda: None if site.count.fixed else follow_work(cluster, site.count, site.idle_s),
                redirect_output=True,
                remote_scheduler=False,
            )
        finally:
            # A worker that is slow to exit is killed: its results have been taken, nothing is lost.
            logging.getLogger("distributed.nanny").setLevel(logging.ERROR)
