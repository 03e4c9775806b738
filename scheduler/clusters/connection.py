"""From `--site` to a client whose workers run what this command runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scheduler.clusters.batch import job_script, open_batch
from scheduler.clusters.existing import ExistingSite, open_existing
from scheduler.clusters.gateway import GatewaySite, open_gateway
from scheduler.clusters.htcondor import HTCondor, HTCondorSite
from scheduler.clusters.local import LocalSite, open_local
from scheduler.clusters.running import RunningCluster, SiteUse
from scheduler.clusters.settings import ClusterError, ClusterSettings
from scheduler.clusters.signals import stop_signals_raise, uninterrupted
from scheduler.clusters.site import Site, resolve_site
from scheduler.clusters.slurm import Slurm, SlurmSite

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Terminal

_POLL_S: Final = 0.2
_LOOK_S: Final = 2.0
"""How often a batch system is asked about its jobs: it serves others, too."""


def check_site(site: str) -> None:
    """Check that `site` names a cluster this version can use.

    Raises
    ------
    UsageError
        If it does not, or a site file is not valid.

    Examples
    --------
    >>> check_site("local")
    >>> check_site("moon")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    models.errors.UsageError: Unknown site 'moon': use 'local', or 'htcondor', ...
    """
    resolve_site(site, ClusterSettings())


def describe_site(site: str, settings: ClusterSettings, terminal: Terminal, logs: Path) -> str:
    """Return what would be started for a site: the script of each job, or what would be requested.

    Parameters
    ----------
    site, settings, terminal, logs
        As for `connect`. Nothing is started, submitted or written.
    """
    resolved = resolve_site(site, settings)
    use = SiteUse(terminal, logs)
    match resolved:
        case SlurmSite():
            script = job_script(resolved, Slurm(resolved), use)
        case HTCondorSite():
            script = job_script(resolved, HTCondor(resolved), use)
        case _:
            return f"{resolved.describe()}\n"
    # The script alone goes to standard output: it can be given to sbatch or condor_submit as it is.
    terminal.say(resolved.describe())
    return script


@contextmanager
def connect(site: str, settings: ClusterSettings, terminal: Terminal, logs: Path | None = None) -> Iterator[Client]:
    """Open a client on the workers of `site`, and close what was started for it afterwards, however that comes.

    Parameters
    ----------
    site
        ``local`` for worker processes on this machine, the name of another kind of site, a site file, or the address
        of a running Dask scheduler.
    settings
        Size of the local cluster, and the patience with an address.
    terminal
        Where the dashboard's address is shown.
    logs
        Folder for the output of workers; None leaves it where it goes.

    Raises
    ------
    UsageError
        If the site is of no known kind or its file is not valid.
    ClusterError
        If no scheduler or no worker answers in time, or workers run something else than this command.
    """
    resolved = resolve_site(site, settings)
    use = SiteUse(terminal, logs)
    with stop_signals_raise(), ExitStack() as stack:
        cluster = stack.enter_context(_closing_uninterrupted(_open(resolved, use)))
        _wait_for_worker(site, resolved.start_timeout_s, cluster, terminal)
        stack.enter_context(_prepared(resolved, cluster, use))
        cluster.follow_work()
        client = cluster.client
        terminal.say(f"Dask: {len(client.nthreads())} workers, dashboard {client.dashboard_link}")
        yield client


def _open(site: Site, use: SiteUse) -> AbstractContextManager[RunningCluster]:
    match site:
        case LocalSite():
            return open_local(site, use)
        case SlurmSite():
            return open_batch(site, Slurm(site), use)
        case HTCondorSite():
            return open_batch(site, HTCondor(site), use)
        case GatewaySite():
            return open_gateway(site, use)
        case ExistingSite():
            return open_existing(site, use)


@contextmanager
def _closing_uninterrupted(opened: AbstractContextManager[RunningCluster]) -> Iterator[RunningCluster]:
    """Open a cluster that is closed to the end, also if people are impatient and interrupt again."""
    with ExitStack() as stack:
        cluster = stack.enter_context(opened)
        try:
            yield cluster
        except BaseException:
            # What the client was waiting for is given up: its event loop must not report that as a failure of its own.
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            raise
        finally:
            closing = stack.pop_all()
            with uninterrupted():
                closing.close()


def _wait_for_worker(site: str, timeout_s: float, cluster: RunningCluster, terminal: Terminal) -> None:
    """Wait for the first worker, saying why there is none yet.

    Raises
    ------
    ClusterError
        If none arrives in time, or none ever will.
    """
    start = last_look = time.monotonic()
    shown, hopeless = "", 0
    while not cluster.client.nthreads():
        time.sleep(_POLL_S)
        now = time.monotonic()
        if now - last_look < min(_LOOK_S, timeout_s):
            continue
        last_look = now
        waiting = cluster.look()
        # Twice, for a job that has just been submitted may not be listed yet.
        hopeless = hopeless + 1 if waiting.hopeless else 0
        if hopeless > 1:
            raise ClusterError(f"No worker of site '{site}' can start: {waiting.reason}.")
        if now - start > timeout_s:
            raise ClusterError(f"No worker of site '{site}' answered within {timeout_s:g} s: {waiting.reason}.")
        if waiting.reason != shown:
            shown = waiting.reason
            terminal.say(f"Waiting for workers: {shown}")


@contextmanager
def _prepared(site: Site, cluster: RunningCluster, use: SiteUse) -> Iterator[None]:
    """Workers that run what this command runs, and whose logs are there afterwards."""
    from scheduler.clusters.logs import fetch_logs
    from scheduler.clusters.preparation import forget_preparation, prepare_workers

    prepare_workers(cluster, "shared" if isinstance(site, LocalSite) else site.shipping, use)
    try:
        yield
    finally:
        # a scheduler that is gone has neither logs nor preparations, and the run says already what became of it
        if cluster.client.status == "running":
            if cluster.fetch_logs and use.logs is not None:
                fetch_logs(cluster.client, use)
            if not cluster.owned:
                forget_preparation(cluster.client, use)
