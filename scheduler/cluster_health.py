"""Whether a cluster can still do anything: its scheduler answers, it has workers, tasks finish."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from models.errors import LeptophileError
from scheduler.failures import shorten
from scheduler.worker_deaths import WorkerWatch

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.tasks import TaskSettings

_POLL_S: Final = 0.2


class StoppedError(LeptophileError):
    """The run cannot go on; some tasks have neither succeeded nor failed."""


@dataclass
class ClusterHealth:
    """Looks at a cluster while a run waits for it, and stops the run when waiting has become pointless.

    Parameters
    ----------
    client
        Of the cluster.
    settings
        Patience.
    watch
        Knows of what workers died.
    workers
        Addresses of the only workers that count; all by default.
    """

    client: Client
    settings: TaskSettings
    watch: WorkerWatch
    workers: Sequence[str] | None = None
    n_threads: int = 0
    """Threads of the workers, when last looked at."""
    _last_news: float = field(default_factory=time.monotonic)
    _last_worker: float = field(default_factory=time.monotonic)
    _slowest_answer_s: float = 0.0

    def note_progress(self) -> None:
        """Remember that a task has finished just now."""
        self._last_news = time.monotonic()

    def refuse_unfit(self) -> None:
        """Stop before anything is taken from a worker that runs other code or libraries.

        Raises
        ------
        StoppedError
            Naming the worker, and what is different.
        """
        for worker, problem in self.watch.unfit.items():
            raise StoppedError(
                f"Worker {worker} joined this cluster and {problem}: nothing that it computes is taken. Remove it or "
                "give it this environment; the same command goes on with what is missing"
            )

    def look(self) -> None:
        """Count workers.

        Raises
        ------
        StoppedError
            If there has been no worker, no scheduler or no progress for too long, or a worker runs something else.
        """
        self.wait_for_scheduler()
        self.refuse_unfit()
        settings, start = self.settings, time.monotonic()
        answered = True
        try:
            threads = self.client.sync(self.client.scheduler.ncores, callback_timeout=settings.scheduler_patience_s)
            self.n_threads = sum(n for address, n in threads.items() if self.workers is None or address in self.workers)
        except TimeoutError:
            answered = False
        except OSError:
            self.wait_for_scheduler()
        now = time.monotonic()
        self._slowest_answer_s = max(self._slowest_answer_s, now - start)
        if self.n_threads or not answered:
            self._last_worker = now
        elif now - self._last_worker > settings.workerless_timeout_s:
            waited = f"The cluster has had no worker for {settings.workerless_timeout_s:g} s"
            raise StoppedError(f"{waited}{self._deaths_in_words()}")
        if now - self._last_news > settings.stall_timeout_s:
            waited = f"No task finished for {settings.stall_timeout_s:g} s{self._starvation_in_words()}"
            raise StoppedError(f"{waited}{self._deaths_in_words()}")

    def wait_for_scheduler(self) -> None:
        """Wait until a scheduler answers at the same address, if the client has lost it.

        Raises
        ------
        StoppedError
            If none does in time.
        """
        deadline = time.monotonic() + self.settings.workerless_timeout_s
        while self.client.status == "connecting" and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if self.client.status != "running":
            raise StoppedError("The scheduler is gone: its process or its node ended")

    def _starvation_in_words(self) -> str:
        if self._slowest_answer_s < self.settings.scheduler_patience_s:
            return ""
        return (
            f", and the scheduler takes {self._slowest_answer_s:.0f} s or more to answer: it is starved. Use larger "
            "chunks, or a node of its own for the scheduler"
        )

    def _deaths_in_words(self) -> str:
        deaths = self.watch.deaths()
        return f" ({shorten([str(death) for death in deaths], self.settings.failures_shown)})" if deaths else ""
