"""One try of a task on a worker: whatever it raises travels back as text, with what kind of failure it is."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from models.errors import BadInputError, LeptophileError
from scheduler.failures import FailureKind

T = TypeVar("T")
R = TypeVar("R")

_STORAGE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_REPEATING: Final = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}
)
"""Failures of input and output that are the same the next time."""


class TaskError(Exception):
    """What a task raised, reduced on the worker to text that always travels back."""

    def __init__(
        self, message: str, kind: FailureKind, transient: bool, exception: str, worker: str | None, trace: str
    ) -> None:
        super().__init__(message, kind, transient, exception, worker, trace)
        self.message = message
        self.kind = kind
        self.transient = transient
        self.exception = exception
        self.worker = worker
        self.trace = trace

    def __str__(self) -> str:
        return self.message


class Attempt(Generic[T, R]):
    """Run a function on a worker, turning what it raises into a `TaskError`."""

    def __init__(self, function: Callable[[T], R]) -> None:
        self._function = function

    def __call__(self, task: T) -> R:
        """Run it."""
        try:
            return self._function(task)
        except Exception as error:  # noqa: BLE001 - whatever a task raises is reported with the task's name
            raise _task_error(error) from None


def failure_kind(error: BaseException) -> FailureKind:
    """Return what kind of failure an exception is if it stays, from it and what caused it.

    Examples
    --------
    >>> str(failure_kind(ConnectionResetError("storage hiccup")))
    'transient'
    >>> str(failure_kind(OSError(errno.ENOSPC, "No space left on device")))
    'storage'
    >>> str(failure_kind(ZeroDivisionError()))
    'error'
    """
    if _error_numbers(error) & _STORAGE:
        return FailureKind.STORAGE
    if any(isinstance(cause, BadInputError) for cause in _causes(error)):
        return FailureKind.BAD_INPUT
    return FailureKind.TRANSIENT if is_transient(error) else FailureKind.ERROR


def is_transient(error: BaseException) -> bool:
    """Return whether trying again may help: input or output failed, and not for a reason that stays.

    >>> is_transient(FileNotFoundError(errno.ENOENT, "No such file or directory")), is_transient(OSError("hiccup"))
    (False, True)
    """
    return bool(_error_numbers(error) - _STORAGE - _REPEATING)


def _error_numbers(error: BaseException) -> frozenset[int | None]:
    return frozenset(cause.errno for cause in _causes(error) if isinstance(cause, OSError))


def _task_error(error: Exception) -> TaskError:
    chain = list(_causes(error))
    # A named failure is already a sentence; a stable programming error must show its kind.
    named = next((cause for cause in chain if isinstance(cause, LeptophileError)), None)
    root = named or chain[-1]
    text = str(root).strip() or type(root).__name__
    return TaskError(
        text if named else f"{type(root).__name__}: {text}",
        failure_kind(error),
        is_transient(error),
        type(root).__name__,
        _worker_address(),
        "".join(traceback.format_exception(error)),
    )


def _worker_address() -> str | None:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what caused it, the root last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
