"""Why workers died: what nannies and the scheduler saw, put into words.

Dask says that a worker is gone. Its nanny knows more: whether it ended the worker for its memory, the exit code, and
how large the process had become. A nanny that says nothing went down together with its node or batch job.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from distributed import Client

_ALL: Final = "all"
_MEMORY: Final = "worker-restart-memory"
"""Topics that Dask's scheduler and nannies publish events under."""
EXIT_TOPIC: Final = "leptophile-worker-exit"
"""Topic of `scheduler.exit_reports`."""
_NEAR_LIMIT: Final = 0.8
"""A process that is killed from outside with more than this share of its memory limit is taken to be killed for it."""
_GIB: Final = 2**30


class Cause(StrEnum):
    """What ended a worker."""

    MEMORY_LIMIT = "memory limit"
    """Its nanny ended it, or something killed it close to its limit."""
    OUT_OF_MEMORY = "out of memory"
    """The kernel of its node killed it because the node or the batch job had no memory left."""
    SIGNAL = "signal"
    """Another signal: a crash in compiled code, the batch system, a person."""
    EXIT = "exit"
    """It ended by itself."""
    LOST = "lost"
    """Nothing is known: its nanny is gone as well."""


@dataclass(frozen=True)
class WorkerDeath:
    """The end of one worker process that nobody had planned."""

    worker: str
    """Address."""
    cause: Cause
    tasks: frozenset[str]
    """Keys of the tasks that it was running or had queued."""
    exit_code: int | None = None
    """Negative for a signal, None if unknown."""
    memory_bytes: int | None = None
    """The last that was seen of its resident memory."""
    limit_bytes: int | None = None

    def __str__(self) -> str:
        of_limit = f" of {self.limit_bytes / _GIB:.2f}" if self.limit_bytes else ""
        size = f"at {self.memory_bytes / _GIB:.2f}{of_limit} GiB of memory" if self.memory_bytes else ""
        what = {
            Cause.MEMORY_LIMIT: f"was killed for its memory limit {size}",
            Cause.OUT_OF_MEMORY: f"was killed by the kernel because memory ran out {size}",
            Cause.SIGNAL: f"was killed by {_signal_name(self.exit_code)} {size}",
            Cause.EXIT: f"exited with status {self.exit_code} {size}",
            Cause.LOST: "is gone with its nanny: its node or its batch job was lost",
        }[self.cause]
        return f"worker {self.worker} {what}".rstrip()


@dataclass
class WorkerWatch:
    """Events of workers since the watch began.

    Parameters
    ----------
    code
        What this client runs.
    """

    code: str

    _removed: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    _memory_bytes: dict[str, int] = field(default_factory=dict)
    _exits: dict[str, dict[str, Any]] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    """Workers that joined later and run something else than the client, and what."""

    def deaths(self) -> tuple[WorkerDeath, ...]:
        """Return the deaths that are known by now; causes become clearer within a second."""
        return tuple(self._diagnose(worker, tasks) for worker, tasks in list(self._removed))

    def killed_with(self, key: str) -> tuple[WorkerDeath, ...]:
        """Return the deaths of workers that had a task."""
        return tuple(death for death in self.deaths() if key in death.tasks)

    def _diagnose(self, worker: str, tasks: frozenset[str]) -> WorkerDeath:
        seen = self._exits.get(worker)
        if seen is None:
            ended_for_memory = self._memory_bytes.get(worker)
            cause = Cause.LOST if ended_for_memory is None else Cause.MEMORY_LIMIT
            return WorkerDeath(worker, cause, tasks, memory_bytes=ended_for_memory)
        memory = self._memory_bytes.get(worker, seen["memory_bytes"])
        code, limit = seen["exit_code"], seen["limit_bytes"]
        if worker in self._memory_bytes:
            cause = Cause.MEMORY_LIMIT
        elif seen["kernel_killed"]:
            cause = Cause.OUT_OF_MEMORY
        elif code == -signal.SIGKILL and limit and memory > _NEAR_LIMIT * limit:
            cause = Cause.MEMORY_LIMIT
        else:
            cause = Cause.SIGNAL if code < 0 else Cause.EXIT
        return WorkerDeath(worker, cause, tasks, code, memory, limit)

    def on_cluster_event(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take an event of the scheduler."""
        message = event[1]
        if message.get("action") == "remove-worker" and not message["expected"]:
            self._removed.append((message["worker"], frozenset(message["processing-tasks"])))

    def on_memory(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take a nanny's event: it is going to end its worker."""
        self._memory_bytes[event[1]["worker"]] = int(event[1]["rss"])

    def on_fitness(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take what a worker says of itself after it was compared with a client, which may be another one."""
        message = event[1]
        if message["code"] != self.code:
            return
        if message["problem"]:
            self.unfit[message["worker"]] = message["problem"]
        else:
            self.unfit.pop(message["worker"], None)

    def on_exit(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take an event of `scheduler.exit_reports`."""
        self._exits[event[1]["worker"]] = event[1]


@contextmanager
def watch_workers(client: Client) -> Iterator[WorkerWatch]:
    """Collect what becomes of workers while the context is open."""
    from scheduler.clusters.preparation import own_identity
    from scheduler.clusters.worker_setup import FITNESS_TOPIC
    from scheduler.exit_reports import ExitReports

    watch = WorkerWatch(own_identity().code)
    try:
        client.register_plugin(ExitReports())
    except Exception as error:  # noqa: BLE001 - whatever keeps nannies from reporting must not keep work from being done
        logging.getLogger(__name__).warning("Nannies will not say of what workers die: %s", error)
    handlers = {
        _ALL: watch.on_cluster_event,
        _MEMORY: watch.on_memory,
        EXIT_TOPIC: watch.on_exit,
        FITNESS_TOPIC: watch.on_fitness,
    }
    for topic, handler in handlers.items():
        client.subscribe_topic(topic, handler)
    workers = client.nthreads()
    for event in client.get_events(FITNESS_TOPIC):
        # it joined between two pieces of work, and may have gone again
        if event[1]["worker"] in workers:
            watch.on_fitness(event)
    try:
        yield watch
    finally:
        if client.status == "running":
            for topic in handlers:
                client.unsubscribe_topic(topic)


def _signal_name(exit_code: int | None) -> str:
    try:
        return signal.Signals(-(exit_code or 0)).name
    except ValueError:
        return f"signal {-(exit_code or 0)}"
