"""``leptophile theory``: predictions of the model at ξ = 1."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.errors import UsageError
from scheduler.commands.options import JsonOption


def theory(
    mass: Annotated[list[float], typer.Option("--mass", help="Mass of φ in GeV; more may follow, or be repeated.")],
    more_masses: Annotated[list[float] | None, typer.Argument(metavar="[MASS]...", help="More masses.")] = None,
    json_output: JsonOption = False,
) -> None:
    """Cross-section, branching fractions, decay length and muon g−2 at coupling ξ = 1."""
    from models.theory.errors import MassRangeError
    from models.theory.point import theory_point

    try:
        points = [theory_point(value) for value in (*mass, *(more_masses or ()))]
    except MassRangeError as error:
        raise UsageError(f"--mass: {error}") from error
    if json_output:
        typer.echo(json.dumps([point._asdict() for point in points]))
        return
    # One quantity a row: their names are longer than their values, and a terminal is narrow.
    table = Table(show_header=False)
    for name, *values in zip(points[0]._fields, *points, strict=True):
        table.add_row(name, *(f"{value:.5g}" for value in values))
    Console().print(table)
