"""``leptophile config``: look at and check configurations."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scheduler.commands.options import JsonOption

app = typer.Typer(help="Show or check a configuration.", no_args_is_help=True)

SourceArgument = Annotated[str, typer.Argument(metavar="CONFIG", help="YAML file, or the profile demo or full.")]


@app.command()
def show(source: SourceArgument = "demo", json_output: JsonOption = False) -> None:
    """Print a configuration with every default filled in."""
    from scheduler.configuration import dump_configuration, load_configuration

    config = load_configuration(source)
    typer.echo(json.dumps(config.model_dump(mode="json")) if json_output else dump_configuration(config), nl=False)


@app.command()
def check(source: SourceArgument) -> None:
    """Check a configuration and say what is wrong with it."""
    from scheduler.configuration import load_configuration

    load_configuration(source)
    typer.echo(f"{source}: valid.")
