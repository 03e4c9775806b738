"""Making sure, before any work starts, that workers run what this command runs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from scheduler.clusters.settings import ClusterError, Shipping
from scheduler.clusters.threads import ONE_THREAD
from scheduler.code_identity import PROJECT_PACKAGES, library_versions

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.clusters.running import RunningCluster, SiteUse
    from scheduler.clusters.worker_setup import Identity

_ONLY_HERE: Final = frozenset({"bokeh", "dask-gateway", "dask-jobqueue", "typer"})
"""Libraries that nothing on a worker uses: dashboards, starting clusters, the command line."""


@cache
def own_identity() -> Identity:
    """Return what this process runs, as far as workers have to run the same: once, for it goes on running that."""
    from scheduler.clusters.worker_setup import identify

    return identify(PROJECT_PACKAGES, [name for name in library_versions() if name not in _ONLY_HERE])


def prepare_workers(cluster: RunningCluster, shipping: Shipping, use: SiteUse) -> None:
    """Ship the project if asked to, and check what the scheduler and all workers run.

    Workers that join later are prepared in the same way before they get a task.

    Parameters
    ----------
    cluster
        With one worker at least.
    shipping
        Whether workers get the project as a wheel.
    use
        Where output of workers goes.

    Raises
    ------
    ClusterError
        If a worker or the scheduler runs something else.
    """
    import cloudpickle

    from scheduler.clusters import worker_setup
    from scheduler.clusters.wheel import build_wheel

    # Processes without this project could not import what prepares them.
    cloudpickle.register_pickle_by_value(worker_setup)
    client = cluster.client
    expected = own_identity()
    wheel = build_wheel() if shipping == "wheel" else None
    advice = (
        "Give scheduler and workers this environment: the same lock file, and the same checkout or 'shipping: wheel'."
    )
    if cluster.remote_scheduler:
        # It unpacks task graphs, which name functions of this project.
        problem = client.run_on_scheduler(
            worker_setup.prepare_process, expected, PROJECT_PACKAGES, wheel, folder=None, previous=None
        )
        if problem is not None:
            raise ClusterError(f"The scheduler {client.scheduler.address} {problem}. {advice}")
    plugin = worker_setup.PreparedWorker(
        use.name,
        expected,
        PROJECT_PACKAGES,
        wheel,
        ONE_THREAD,
        str(use.logs) if use.logs is not None and cluster.redirect_output else None,
        cluster.owned,
    )
    try:
        client.register_plugin(plugin)
    except RuntimeError as error:
        raise ClusterError(f"{error}. {advice}") from error


def forget_preparation(client: Client, use: SiteUse) -> None:
    """Leave a cluster that others use as it was: workers that join later are not prepared any more."""
    client.unregister_worker_plugin(use.name)
