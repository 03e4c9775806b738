"""The ``leptophile`` command: what is on its command line, and how it ends.

Exit status: 0 when everything asked for was done and accounted for, 1 for a failed run, 2 for wrong use. Failures are
one sentence on standard error; ``--debug``, anywhere on the command line, adds the traceback.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from models.errors import LeptophileError, UsageError
from scheduler.commands import config, convert, limits, run, scale_test, steps, theory

_DEBUG: Final = "--debug"
_FAILED: Final = 1

app = typer.Typer(
    name="leptophile",
    help="Search for a dark leptophilic scalar: from Belle events to limits on its coupling.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(name="convert")(convert.convert)
steps.add_to(app)
app.command(name="run")(run.run)
app.command(name="limits")(limits.limits)
app.command(name="theory")(theory.theory)
app.command(name="scale-test")(scale_test.scale_test)
app.add_typer(config.app, name="config")


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show tracebacks of failures; may stand anywhere.")] = False,
) -> None:
    """Search for a dark leptophilic scalar: from Belle events to limits on its coupling."""


def main() -> None:
    """Run the command line and exit."""
    arguments = [argument for argument in sys.argv[1:] if argument != _DEBUG]
    sys.exit(run_command(arguments, debug=_DEBUG in sys.argv))


def run_command(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments
        The command line without the program's name.
    debug
        Show the traceback of a failure.
    """
    try:
        app(args=list(arguments), prog_name="leptophile")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else _FAILED
    except LeptophileError as error:
        _report(error, str(error), debug)
        return error.exit_status
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        _report(error, f"{where}{error.strerror or error}.", debug)
        return _FAILED
    except Exception as error:  # noqa: BLE001 - the last place where a failure can be turned into a sentence
        _report(error, f"{type(error).__name__}: {error}", debug)
        return _FAILED
    return 0


def _report(error: Exception, sentence: str, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    typer.secho(f"leptophile: {sentence}", fg=typer.colors.RED, err=True)
    if not debug and not isinstance(error, UsageError):
        typer.echo("The option --debug shows where this happened.", err=True)
