"""``leptophile config``: look at and check configurations and site files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from models.errors import UsageError
from scheduler.commands.options import JsonOption

app = typer.Typer(help="Show or check a configuration; write an example of a site file.", no_args_is_help=True)

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


@app.command()
def site(
    name: Annotated[str, typer.Argument(help="Kind of site: local, htcondor, slurm, gateway or existing.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write, instead of standard output.")] = None,
) -> None:
    """Write an example of a site file: every key with its unit, meaning and default; valid as it is."""
    from scheduler.clusters.example import example_site

    example = example_site(name)
    if out is None:
        typer.echo(example, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as stream:
            stream.write(example)
    except FileExistsError:
        raise UsageError(f"--out: {out} exists already.") from None
