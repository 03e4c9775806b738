"""The commands of HTCondor's submit description: HTCondor takes a misspelt one for a variable and says nothing."""

from __future__ import annotations

import difflib
from importlib import resources
from typing import Final

SUBMIT_COMMANDS: Final = frozenset(
    resources.files("scheduler.clusters").joinpath("submit_commands.txt").read_text(encoding="utf-8").split()
)
"""Commands of condor_submit of HTCondor 25, in lower case; their case does not matter."""
_ALIASES: Final = frozenset({"requestcpus", "requestmemory", "requestdisk", "requestgpus"})
"""ClassAd spellings of commands, which dask-jobqueue uses."""
_ATTRIBUTE_PREFIXES: Final = ("+", "my.")
"""Mark an attribute of the job's ClassAd, which may have any name."""


def check_submit_command(command: str) -> None:
    """Check that a command of a submit description exists.

    Parameters
    ----------
    command
        Its name, in any case; a name with ``+`` or ``MY.`` is an attribute and always exists.

    Raises
    ------
    ValueError
        If it does not, with the one that was probably meant.

    Examples
    --------
    >>> check_submit_command("+JobFlavour")
    >>> check_submit_command("requirments")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: HTCondor knows no command 'requirments', did you mean 'requirements'? ...
    """
    name = command.lower()
    if name in SUBMIT_COMMANDS or name in _ALIASES or name.startswith(_ATTRIBUTE_PREFIXES):
        return
    close = difflib.get_close_matches(name, SUBMIT_COMMANDS, n=1)
    suggestion = f", did you mean '{close[0]}'?" if close else "."
    raise ValueError(f"HTCondor knows no command '{command}'{suggestion} An attribute is written '+{command}'")
