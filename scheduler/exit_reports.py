"""What nannies tell about the end of their workers: exit code, memory, and whether the kernel killed it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, Final

import psutil
from distributed import Nanny, NannyPlugin
from distributed.core import Status
from tornado.ioloop import PeriodicCallback

from scheduler.worker_deaths import EXIT_TOPIC

_SAMPLE_MS: Final = 100


class ExitReports(NannyPlugin):  # type: ignore[misc]  # distributed is untyped
    """Make a nanny report how its worker ended: exit code, memory, and whether the kernel killed it."""

    name = "leptophile-exit-reports"
    idempotent = True

    def setup(self, nanny: Nanny) -> None:
        """Follow the worker process, also the ones that replace it."""
        self._nanny = nanny
        self._followed: Any = None
        self._memory_bytes = 0
        self._kernel_kills = _kernel_kills()
        self._sampling = PeriodicCallback(self._sample, _SAMPLE_MS)
        self._sampling.start()

    def teardown(self, nanny: Nanny) -> None:  # noqa: ARG002 - the interface
        """Stop following."""
        self._sampling.stop()

    def _sample(self) -> None:
        process = self._nanny.process
        if process is None or process.pid is None:
            return
        if process is not self._followed:
            self._followed = process
            self._report_exit_of(process)
        try:
            self._memory_bytes = psutil.Process(process.pid).memory_info().rss
        except psutil.Error:
            return

    def _report_exit_of(self, process: Any) -> None:
        then = process.on_exit

        def report(exit_code: int) -> None:
            kills = _kernel_kills()
            if self._nanny.status is Status.running:
                self._nanny.log_event(
                    EXIT_TOPIC,
                    {
                        "worker": process.worker_address,
                        "exit_code": exit_code,
                        "memory_bytes": self._memory_bytes,
                        "limit_bytes": self._nanny.memory_manager.memory_limit,
                        "kernel_killed": exit_code == -signal.SIGKILL and kills > self._kernel_kills,
                    },
                )
            self._kernel_kills = kills
            then(exit_code)

        process.on_exit = report


def _kernel_kills() -> int:
    """Return how many processes the kernel has killed for memory, in this job's group or else on this node."""
    for path in (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        counts = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
        if counts:
            return counts[0]
    return 0
