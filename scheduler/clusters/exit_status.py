"""What the exit status of a job says about why its worker did not start."""

from __future__ import annotations

import sys
from typing import Final

_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127
_KILLED: Final = 137


def explain_exit_status(status: int, python: str | None) -> str:
    """Say what an exit status means, after the words 'job … ended'.

    Parameters
    ----------
    status
        Of the job's shell.
    python
        Interpreter of the site, None for this one.

    Examples
    --------
    >>> explain_exit_status(127, "python3.11")
    'with exit status 127: python3.11 does not exist on the node'
    """
    interpreter = python or sys.executable
    meaning = {
        _NOT_EXECUTABLE: f": {interpreter} cannot be read or executed on the node",
        _NOT_FOUND: f": {interpreter} does not exist on the node",
        _KILLED: ": it was killed, most often for using more memory than it asked for",
    }
    return f"with exit status {status}{meaning.get(status, '')}"
