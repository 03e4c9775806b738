"""``leptophile run``: the whole chain."""

from __future__ import annotations

from scheduler.commands.options import (
    ConfigOption,
    DryRunOption,
    JsonOption,
    OnBadFileOption,
    OutOption,
    SiteOption,
    UnblindOption,
)
from scheduler.commands.steps import run_steps


def run(
    out: OutOption,
    config: ConfigOption = None,
    site: SiteOption = "local",
    unblind: UnblindOption = None,
    on_bad_file: OnBadFileOption = None,
    dry_run: DryRunOption = False,
    json_output: JsonOption = False,
) -> None:
    """Run every step that is not up to date, from events to the report."""
    run_steps(
        None,
        out=out,
        config=config,
        site=site,
        unblind=unblind,
        on_bad_file=on_bad_file,
        dry_run=dry_run,
        json_output=json_output,
    )
