"""Options that several commands share.

Command modules import what they run when they run it, so that help and errors come at once.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import UsageError
from scheduler.run_folder import RunFolder

if TYPE_CHECKING:
    from scheduler.configuration import AnalysisConfig


class OnBadFile(StrEnum):
    """What becomes of a run with a file that cannot be used."""

    FAIL = "fail"
    SKIP = "skip"


OutOption = Annotated[Path, typer.Option("--out", help="Run folder.")]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", help="YAML file, or the profile demo or full; the run folder's own by default."),
]
SiteOption = Annotated[
    str,
    typer.Option(
        "--site",
        metavar="NAME|FILE.yml|ADDRESS",
        help="Where the workers are: local, htcondor, slurm, gateway, a site file (config site), or tcp://HOST:PORT.",
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Print the job script, or what would be requested of the site, and do nothing."),
]
UnblindOption = Annotated[
    str | None,
    typer.Option(
        "--unblind",
        metavar="REASON",
        help="Read signal-region data from now on; the reason, who and when are recorded in the run folder.",
    ),
]
OnBadFileOption = Annotated[
    OnBadFile | None,
    typer.Option(
        "--on-bad-file",
        help="Fail at files that cannot be used, or skip them and list what that costs; as configured by default.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def configuration_for(config: str | None, run: RunFolder) -> AnalysisConfig:
    """Return the configuration asked for, or the one that the run folder was made with.

    Raises
    ------
    UsageError
        If none is given and the folder has none.
    """
    from scheduler.configuration import load_configuration

    if config is not None:
        return load_configuration(config)
    if not run.configuration.is_file():
        raise UsageError(f"{run.path} has no config.yml yet: say which configuration with --config, e.g. demo.")
    return load_configuration(str(run.configuration))


def with_bad_files(analysis: AnalysisConfig, on_bad_file: OnBadFile | None) -> AnalysisConfig:
    """Return a configuration that does with bad files what the command line says, if it says something."""
    if on_bad_file is None:
        return analysis
    inputs = analysis.inputs.model_copy(update={"skip_bad_files": on_bad_file is OnBadFile.SKIP})
    return analysis.model_copy(update={"inputs": inputs})


def run_folder(out: Path) -> RunFolder:
    """Return the run folder at a path, absolute so that workers elsewhere find it.

    Raises
    ------
    UsageError
        If the path, or what it would be created in, is something else than a folder that can be written to.
    """
    path = out.resolve()
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UsageError(f"--out: {existing} is not a folder that can be written to.")
    return RunFolder(path)
