"""What people see while work runs: status lines and progress with rate and time left, on standard error.

Standard output is kept for results that scripts read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from models.settings import Settings


class ProgressSettings(Settings):
    """How often progress is shown where no terminal redraws it."""

    log_interval_s: float = 15.0
    """Seconds between progress lines in a log."""


Advance = Callable[[float], None]
"""Report that an amount of work has been done."""


@dataclass(frozen=True)
class Terminal:
    """Where status and progress go."""

    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    settings: ProgressSettings = field(default_factory=ProgressSettings)

    def say(self, message: str) -> None:
        """Show one status line."""
        self.console.print(message, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, label: str, total: float, unit: str) -> Iterator[Advance]:
        """Show the progress of `total` units of work while the context is open.

        Parameters
        ----------
        label
            What is being done.
        total
            Amount of work, in `unit`.
        unit
            Plural noun of what is counted: ``events``, ``mass points``.

        Yields
        ------
        Advance
            To be called with every amount that is finished.
        """
        shown = self._bar if self.console.is_terminal else self._log
        with shown(label, total, unit) as advance:
            yield advance

    @contextmanager
    def _bar(self, label: str, total: float, unit: str) -> Iterator[Advance]:
        columns = (TextColumn("{task.description}"), BarColumn(), _AmountColumn(unit), TimeRemainingColumn())
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task(label, total=total)
            yield lambda amount: bar.advance(task, amount)

    @contextmanager
    def _log(self, label: str, total: float, unit: str) -> Iterator[Advance]:
        start = last = time.monotonic()
        done = 0.0

        def advance(amount: float) -> None:
            nonlocal done, last
            done += amount
            now = time.monotonic()
            if now - last >= self.settings.log_interval_s:
                last = now
                rate = done / (now - start)
                left = f", {(total - done) / rate:.0f} s left" if rate > 0 else ""
                self.say(f"{label}: {_amount(done, total, rate, unit)}{left}")

        yield advance
        seconds = time.monotonic() - start
        self.say(f"{label}: {_amount(done, total, done / max(seconds, 1e-9), unit)} in {seconds:.1f} s")


class _AmountColumn(ProgressColumn):
    """Finished amount, total and rate."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Draw the column."""
        return Text(_amount(task.completed, task.total or 0.0, task.finished_speed or task.speed or 0.0, self._unit))


def _amount(done: float, total: float, rate: float, unit: str) -> str:
    digits = 0 if rate >= 10 else 1
    return f"{done:,.0f}/{total:,.0f} {unit}, {rate:,.{digits}f}/s"
