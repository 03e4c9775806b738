"""``leptophile config``: look at and check configurations."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scheduler.commands.options import JsonOption

app = typer.Typer(help="Show or check a configuration.", no_args_is_help=True)

SourceOption = Annotated[str, typer.Option("--config", help="YAML file, or the profile demo or full.")]


@app.command()
def show(config: SourceOption = "demo", json_output: JsonOption = False) -> None:
    """Print a configuration with every default filled in."""
    from scheduler.configuration import dump_configuration, load_configuration

    resolved = load_configuration(config)
    if json_output:
        typer.echo(json.dumps(resolved.model_dump(mode="json")))
    else:
        typer.echo(dump_configuration(resolved), nl=False)


@app.command()
def check(config: SourceOption) -> None:
    """Check a configuration and say what is wrong with it."""
    from scheduler.configuration import load_configuration

    load_configuration(config)
    typer.echo(f"{config}: valid.")
