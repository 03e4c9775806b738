"""``leptophile limits``: fit, significance and limits of any pyhf workspace with one signal cross-section."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import BadInputError, IncompleteRunError, UsageError
from scheduler.commands.options import ConfigOption

if TYPE_CHECKING:
    from models.inference.results import MassPointResult


def limits(
    workspaces: Annotated[list[Path], typer.Argument(metavar="WORKSPACE…", help="pyhf workspaces in JSON.")],
    json_path: Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write all results here.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the Bayesian methods.")] = 1,
    config: ConfigOption = None,
) -> None:
    """Fit, significance and upper limits of pyhf workspaces.

    Each workspace has one parameter of interest that scales the signal; limits are in its unit.
    """
    import numpy as np

    from models.inference.configuration import InferenceSettings
    from models.inference.engine import infer_mass_point
    from models.inference.results import InferenceError
    from scheduler.configuration import load_configuration
    from scheduler.progress import Terminal

    if json_path is not None and not json_path.parent.is_dir():
        raise UsageError(f"--json: there is no folder {json_path.parent}.")
    settings = InferenceSettings() if config is None else load_configuration(config).inference
    specifications = {path: _read(path) for path in workspaces}
    results: dict[Path, MassPointResult] = {}
    with Terminal().progress("Limits", len(specifications), "workspaces") as advance:
        for path, specification in specifications.items():
            try:
                # The same stream for every workspace: a result does not depend on what else was asked for.
                results[path] = infer_mass_point(specification, settings, np.random.SeedSequence(seed))
            except InferenceError as error:
                raise InferenceError(f"{path}: {error}") from error
            advance(1)
    if json_path is not None:
        _write(json_path, results)
    _show(results)
    incomplete = [f"{path} ({result.status})" for path, result in results.items() if not result.is_complete]
    if incomplete:
        raise IncompleteRunError(f"No complete result for {', '.join(incomplete)}.")


def _read(path: Path) -> Mapping[str, Any]:
    try:
        specification = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"The workspace {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadInputError(f"The workspace {path} is not JSON: {error}.") from error
    if not isinstance(specification, dict):
        raise BadInputError(f"The workspace {path} is not a JSON object.")
    return specification


def _write(path: Path, results: Mapping[Path, MassPointResult]) -> None:
    from dataclasses import asdict

    entries = [
        {"workspace": str(source), "status": result.status, **result.columns(), "details": asdict(result)}
        for source, result in results.items()
    ]
    try:
        path.write_text(json.dumps(entries, indent=1, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"The results cannot be written to {path}: {error.strerror}.") from error


def _show(results: Mapping[Path, MassPointResult]) -> None:
    for path, result in results.items():
        numbers = {
            "best fit": result.fit.xsec_hat_fb,
            "significance": result.fit.significance,
            "Bayesian limit": result.metropolis.limit_fb,
            "CLs limit": result.cls.observed_fb,
            "expected CLs limit": result.cls.expected_fb[2],
        }
        found = ", ".join(f"{name} {number:.4g}" for name, number in numbers.items() if number is not None)
        typer.echo(f"{path}: {found or 'no result'} ({result.status})")
