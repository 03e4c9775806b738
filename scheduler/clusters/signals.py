"""Being told to stop: signals become exceptions, so that everything that was started is also stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_STOPPING: Final = (signal.SIGTERM, signal.SIGHUP)
_SHELL_OFFSET: Final = 128
"""Shells report a process that a signal ended by this and its number."""


class StoppedBySignal(SystemExit):
    """The process was told to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(_SHELL_OFFSET + number)
        self.signal = signal.Signals(number)


@contextmanager
def stop_signals_raise() -> Iterator[None]:
    """While the context is open, SIGTERM and SIGHUP raise `StoppedBySignal` in the main thread, as Ctrl-C does its own.

    In other threads nothing is changed: they get no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise StoppedBySignal(number)

    before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """While the context is open, signals to stop wait: what is being cleaned up is not left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, *_STOPPING)
    before = {number: signal.signal(number, lambda number, _frame: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
