"""Being told to stop: signals become exceptions, so that everything that was started is also stopped."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHELL_OFFSET: Final = 128
"""Shells report a process that a signal ended by this and its number."""


class StoppedBySignal(SystemExit):
    """The process was told to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(_SHELL_OFFSET + number)
        self.signal = signal.Signals(number)


_STOPS: Final = (KeyboardInterrupt, StoppedBySignal)


class _StopHandler:
    """Raises when a signal comes, and remembers that it did."""

    def __init__(self) -> None:
        self._came: int | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self._came = number
        self.raise_again()

    def raise_again(self) -> None:
        """Raise if a signal came: whoever still runs has not heard of it."""
        if self._came == signal.SIGINT:
            raise KeyboardInterrupt
        if self._came is not None:
            raise StoppedBySignal(self._came)


@contextmanager
def stop_signals_raise() -> Iterator[None]:
    """While the context is open, SIGTERM and SIGHUP raise `StoppedBySignal` in the main thread, SIGINT as always.

    What is raised may get lost: in a library that catches everything, or in a finaliser, where Python can but report
    it. Then it is raised once more by `raise_lost_signal`, at the latest when the context is left: a command that
    was told to stop never ends as if it had not been.

    In other threads nothing is changed: they get no signals. A SIGHUP that is ignored stays so, for that is what nohup
    asks for; shells ignore SIGINT for everything in the background, whether it has workers to stop or not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = _StopHandler()
    stopping = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        stopping.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in stopping}
    report = sys.unraisablehook
    sys.unraisablehook = lambda lost: None if isinstance(lost.exc_value, _STOPS) else report(lost)
    try:
        yield
        stop.raise_again()
    finally:
        sys.unraisablehook = report
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_lost_signal() -> None:
    """Raise what an earlier signal raised in vain; long work asks between its pieces."""
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, _StopHandler) and threading.current_thread() is threading.main_thread():
        handler.raise_again()


@contextmanager
def interrupt_kept() -> Iterator[None]:
    """Keep what SIGINT does while the context is open: dask-jobqueue changes it as soon as it is imported."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """While the context is open, signals to stop wait: what is being cleaned up is not left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
