"""Being told to stop: signals become exceptions, so that everything that was started is also stopped."""

from __future__ import annotations

import signal
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


@contextmanager
def stop_signals_raise() -> Iterator[None]:
    """While the context is open, SIGTERM and SIGHUP raise `StoppedBySignal` in the main thread, SIGINT as always.

    What is raised may get lost in a library that catches everything, or where Python ignores exceptions. Then it is
    raised once more when the context is left: a command that was told to stop never ends as if it had not been.

    In other threads nothing is changed: they get no signals. A SIGHUP that is ignored stays so, for that is what nohup
    asks for; shells ignore SIGINT for everything in the background, whether it has workers to stop or not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise StoppedBySignal(number)

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        handlers[signal.SIGHUP] = stop
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
        if came:
            raise KeyboardInterrupt if came[0] == signal.SIGINT else StoppedBySignal(came[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
