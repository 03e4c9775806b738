"""One command per step of the chain."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from models.errors import ValidationFailedError
from scheduler.commands.options import (
    ConfigOption,
    DryRunOption,
    JsonOption,
    OnBadFile,
    OnBadFileOption,
    OutOption,
    SiteOption,
    UnblindOption,
    configuration_for,
    run_folder,
    with_bad_files,
)
from scheduler.progress import Terminal
from scheduler.steps.chain import CHAIN, HISTOGRAM, PROCESS, REPORT, SIMULATE, TRAIN

_READS_NO_DATA: Final = frozenset({SIMULATE.name, PROCESS.name, TRAIN.name})
"""Steps that do the same whether a run is blinded or not."""


def run_steps(
    wanted: Sequence[str] | None,
    *,
    out: Path,
    config: str | None,
    site: str,
    json_output: bool,
    unblind: str | None = None,
    on_bad_file: OnBadFile | None = None,
    dry_run: bool = False,
) -> None:
    """Bring steps up to date and say what was done.

    Parameters
    ----------
    wanted
        Names of steps, None for the whole chain.
    out, config, site, json_output, unblind, on_bad_file, dry_run
        As the options of the same names say.
    """
    from scheduler.clusters import describe_site
    from scheduler.steps.runner import bring_up_to_date, check_ready
    from scheduler.unblinding import check_reason, read_unblinding, record_unblinding

    run = run_folder(out)
    analysis = with_bad_files(configuration_for(config, run), on_bad_file)
    terminal = Terminal(settings=analysis.progress)
    if dry_run:
        typer.echo(describe_site(site, analysis.cluster, terminal, run.logs), nl=False)
        return
    if unblind is not None:
        check_reason(unblind)
        # a command that is refused must not leave the run unblinded
        check_ready(wanted, analysis, run, site=site)
        record_unblinding(run, unblind, analysis, terminal)
    elif wanted is None or not _READS_NO_DATA.issuperset(wanted):
        read_unblinding(run, analysis)  # a void record is refused before anything is run
    try:
        done = bring_up_to_date(wanted, analysis, run, site=site, terminal=terminal, command=sys.argv)
    except KeyboardInterrupt:
        terminal.say("Interrupted: finished steps and files are kept; the same command continues.")
        raise
    if json_output:
        typer.echo(json.dumps({"run": str(run.path), "wall_s": {name: step.wall_s for name, step in done.items()}}))


def add_to(app: typer.Typer) -> None:
    """Add a command for every step."""
    for step in CHAIN:
        if step is PROCESS:
            app.command(name=step.name, help=step.summary)(_process)
        elif step is HISTOGRAM:
            app.command(name=step.name, help=step.summary)(_histogram)
        elif step is REPORT:
            app.command(name=step.name, help=step.summary)(_report)
        else:
            app.command(name=step.name, help=step.summary)(_step_command(step.name))


def _step_command(name: str) -> Callable[..., None]:
    def command(
        out: OutOption,
        config: ConfigOption = None,
        site: SiteOption = "local",
        dry_run: DryRunOption = False,
        json_output: JsonOption = False,
    ) -> None:
        run_steps([name], out=out, config=config, site=site, dry_run=dry_run, json_output=json_output)

    return command


def _process(
    out: OutOption,
    config: ConfigOption = None,
    site: SiteOption = "local",
    on_bad_file: OnBadFileOption = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    run_steps(
        [PROCESS.name],
        out=out,
        config=config,
        site=site,
        on_bad_file=on_bad_file,
        dry_run=dry_run,
        json_output=json_output,
    )


def _histogram(
    out: OutOption,
    config: ConfigOption = None,
    site: SiteOption = "local",
    unblind: UnblindOption = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    run_steps(
        [HISTOGRAM.name],
        out=out,
        config=config,
        site=site,
        unblind=unblind,
        dry_run=dry_run,
        json_output=json_output,
    )


def _report(
    out: OutOption,
    config: ConfigOption = None,
    site: SiteOption = "local",
    validation: Annotated[
        bool,
        typer.Option("--validation", help="Check the background too: validation/index.html has a verdict per check."),
    ] = False,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    run_steps([REPORT.name], out=out, config=config, site=site, dry_run=dry_run, json_output=json_output)
    if validation and not dry_run:
        _validate(out, site)


def _validate(out: Path, site: str) -> None:
    """Validate a run and fail if one of its checks has."""
    from scheduler.validation.checks import validate_run
    from scheduler.validation.page import Verdict

    run = run_folder(out)
    results = validate_run(run, run, site=site)
    terminal = Terminal()
    for result in results:
        terminal.say(result.summary)
    terminal.say(str(run.validation / "index.html"))
    failed = [result.name for result in results if result.verdict is Verdict.FAILED]
    if failed:
        raise ValidationFailedError(f"The validation failed in {len(failed)} checks: {', '.join(failed)}.")
