"""``leptophile limits``: fit, significance and limits of any pyhf workspaces with one signal cross-section."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import BadInputError, IncompleteRunError, LeptophileError, UsageError
from scheduler.commands.options import ConfigOption
from scheduler.local_pool import available_cores, map_on_cores

if TYPE_CHECKING:
    from models.inference.configuration import InferenceSettings
    from models.inference.results import BayesianLimit, MassPointResult


class Method(StrEnum):
    """Which limits to compute."""

    ALL = "all"
    MH = "mh"
    QMC = "qmc"
    TOYMC = "toymc"
    CLS = "cls"
    CLS_TOYS = "cls-toys"


class Engine(StrEnum):
    """What computes them."""

    COMPILED = "compiled"
    PYHF = "pyhf"


def limits(
    workspaces: Annotated[list[Path], typer.Argument(metavar="WORKSPACE…", help="pyhf workspaces in JSON.")],
    json_path: Annotated[Path | None, typer.Option("--json", metavar="OUT", help="Write all results here.")] = None,
    method: Annotated[Method, typer.Option(help="Limits to compute; the fit always is.")] = Method.ALL,
    level: Annotated[
        float | None, typer.Option(min=0.5, max=0.9999, help="Confidence and credibility level; 0.9 by default.")
    ] = None,
    expected: Annotated[bool, typer.Option(help="Expected Bayesian limits too, from toys.")] = False,
    goodness_toys: Annotated[
        int | None, typer.Option(min=0, help="Toys that calibrate the goodness of fit; none by default.")
    ] = None,
    measurement: Annotated[str | None, typer.Option(help="Name of the measurement; the first one by default.")] = None,
    engine: Annotated[
        Engine, typer.Option(help="pyhf: its own slow fits and CLs limits, for models without a compiled form.")
    ] = Engine.COMPILED,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the Bayesian methods.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; the cores of this machine by default.")] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw posteriors, profiles, chains, pulls, impacts, CLs here.")
    ] = None,
    corner: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Parameter of the corner plot, repeatable; the largest impacts by default."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Fit, significance and upper limits of pyhf workspaces.

    Each workspace has one parameter of interest that scales the signal; limits are in its unit.
    """
    from scheduler.progress import Terminal

    if json_path is not None and not json_path.parent.is_dir():
        raise UsageError(f"--json: there is no folder {json_path.parent}.")
    if corner and plots is None:
        raise UsageError("--corner chooses what --plots draws; give it a folder.")
    if plots is not None and engine is Engine.PYHF:
        raise UsageError("--plots: figures are drawn by the compiled engine only.")
    settings = _settings(config, method, level, goodness_toys, expected=expected)
    closed = _closed_runs(workspaces)
    infer = partial(_infer, settings=settings, measurement=measurement, engine=engine, seed=seed, closed=closed)
    outcomes: dict[int, Outcome] = {}
    with Terminal().progress("Limits", len(workspaces), "workspaces") as advance:
        for index, outcome in map_on_cores(infer, workspaces, workers or available_cores()):
            outcomes[index] = outcome
            advance(1)
    ordered = [outcomes[index] for index in range(len(workspaces))]
    if json_path is not None:
        _write(json_path, ordered)
    _show(ordered)
    if plots is not None:
        _draw(ordered, plots, tuple(corner or ()), settings, measurement, seed, workers or available_cores())
    failed = [outcome for outcome in ordered if outcome.result is None]
    incomplete = [f"{o.path} ({o.status})" for o in ordered if o.result is not None and not o.result.is_complete]
    if failed and len(workspaces) == 1:
        raise BadInputError(f"{failed[0].path}: {failed[0].failure}")
    if failed or incomplete:
        named = [f"{outcome.path} ({outcome.failure})" for outcome in failed] + incomplete
        raise IncompleteRunError(f"No complete result for {', '.join(named)}.")


@dataclass(frozen=True)
class Outcome:
    """What became of one workspace."""

    path: Path
    result: MassPointResult | None
    failure: str = ""
    """Why there is no result, one sentence."""

    @property
    def status(self) -> str:
        """Status of the result, or the reason why there is none."""
        return f"failed: {self.failure}" if self.result is None else self.result.status


def _settings(
    config: str | None, method: Method, level: float | None, goodness_toys: int | None, *, expected: bool
) -> InferenceSettings:
    from models.inference.configuration import InferenceSettings, LimitMethod
    from scheduler.configuration import load_configuration

    settings = InferenceSettings() if config is None else load_configuration(config).inference
    if method is Method.ALL:
        methods = settings.methods
    elif method is Method.CLS_TOYS:
        # Toys are thrown around the asymptotic limits, which then are worth comparing with.
        methods = (LimitMethod.CLS, LimitMethod.CLS_TOYS)
    else:
        methods = (LimitMethod(method),)
    methods = tuple(m for m in methods if m is not LimitMethod.EXPECTED_BAYESIAN)
    if expected:
        methods += (LimitMethod.EXPECTED_BAYESIAN,)
    changes: dict[str, Any] = {"methods": methods}
    if level is not None:
        changes["confidence_level"] = level
    if goodness_toys is not None:
        changes["goodness_toys"] = goodness_toys
    return settings.model_copy(update=changes)


def _closed_runs(workspaces: Sequence[Path]) -> dict[Path, str]:
    """Return run folder → why its observed data are closed, for those that some workspaces lie in."""
    from scheduler.unblinding import closed_because, run_of_workspace

    runs = {run.path: run for run in map(run_of_workspace, workspaces) if run is not None}
    reasons = {path: closed_because(run) for path, run in runs.items()}
    return {path: reason for path, reason in reasons.items() if reason is not None}


def _infer(
    path: Path,
    *,
    settings: InferenceSettings,
    measurement: str | None,
    engine: Engine,
    seed: int,
    closed: Mapping[Path, str],
) -> Outcome:
    import numpy as np

    from models.inference.engine import infer_mass_point
    from models.inference.pyhf_engine import infer_with_pyhf
    from models.inference.workspace import is_blinded
    from scheduler.unblinding import run_of_workspace

    try:
        specification = _read(path)
        run = run_of_workspace(path)
        if run is not None and run.path in closed and not is_blinded(specification):
            return Outcome(path, None, closed[run.path])
        if engine is Engine.PYHF:
            return Outcome(path, infer_with_pyhf(specification, settings, measurement))
        # The same stream for every workspace: a result does not depend on what else was asked for.
        result = infer_mass_point(specification, settings, np.random.SeedSequence(seed), measurement)
    except LeptophileError as error:
        return Outcome(path, None, str(error))
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        # Numbers beyond what floating point can do: this workspace's failure, which must not cost the others theirs.
        return Outcome(path, None, f"Its numbers cannot be computed with ({type(error).__name__}: {error}).")
    return Outcome(path, result)


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


def _write(path: Path, outcomes: Sequence[Outcome]) -> None:
    entries = [entry(outcome, name) for outcome, name in zip(outcomes, _names(outcomes), strict=True)]
    try:
        path.write_text(json.dumps(entries, indent=1, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"The results cannot be written to {path}: {error.strerror}.") from error


def _names(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what each workspace is called: its file's name, with the folders where that is not unique."""
    stems = Counter(outcome.path.stem for outcome in outcomes)
    return [o.path.stem if stems[o.path.stem] == 1 else str(o.path.with_suffix("")) for o in outcomes]


def _draw(
    outcomes: Sequence[Outcome],
    folder: Path,
    corner: tuple[str, ...],
    settings: InferenceSettings,
    measurement: str | None,
    seed: int,
    workers: int,
) -> None:
    """Draw the figures of every workspace that has a result."""
    from scheduler.progress import Terminal
    from scheduler.workspace_figures import draw_workspace

    named = zip(outcomes, _names(outcomes), strict=True)
    tasks = [(o.path, _read(o.path), name) for o, name in named if o.result is not None]
    draw = partial(draw_workspace, folder=folder, corner=corner, settings=settings, measurement=measurement, seed=seed)
    with Terminal().progress("Figures", len(tasks), "workspaces") as advance:
        for _ in map_on_cores(draw, tasks, workers):
            advance(1)


def entry(outcome: Outcome, name: str) -> dict[str, Any]:
    """Return what the JSON file says of one workspace; everything that was not found is null.

    Parameters
    ----------
    outcome
        What became of it.
    name
        What it is called: the file's name, with its folders where that is not unique.
    """
    from models.inference.results import BayesianLimit, BestFit, ClsLimits, MassPointResult, Status

    none = BayesianLimit(Status.NOT_COMPUTED)
    nothing = MassPointResult(
        BestFit(Status.NOT_COMPUTED), ClsLimits(Status.NOT_COMPUTED, Status.NOT_COMPUTED), none, none
    )
    result = outcome.result or nothing
    fit, band, toys = result.fit, result.expected_bayesian, result.cls_toys
    return {
        "name": name,
        "workspace": str(outcome.path),
        "status": outcome.status,
        "mu_hat": fit.xsec_hat_fb,
        "mu_err": fit.xsec_err_fb,
        "mu_err_down": fit.xsec_err_down_fb,
        "mu_err_up": fit.xsec_err_up_fb,
        "nll": fit.nll,
        "significance": fit.significance,
        "q0": fit.q0,
        "p_local": fit.p_local,
        "gof_p": fit.goodness.p_value if fit.goodness is not None else None,
        "gof_p_toys": fit.goodness.p_value_toys if fit.goodness is not None else None,
        "cls_obs": result.cls.observed_fb,
        "cls_exp": list(result.cls.expected_fb),
        "cls_toys_obs": toys.observed_fb if toys is not None else None,
        "cls_toys_obs_err": toys.observed_error_fb if toys is not None else None,
        "cls_toys_exp": list(toys.expected_fb) if toys is not None else [None] * 5,
        "cls_toys_exp_err": list(toys.expected_errors_fb) if toys is not None else [None] * 5,
        "bayes_qmc": result.quasi_monte_carlo.limit_fb,
        "bayes_qmc_err": _error(result.quasi_monte_carlo),
        "bayes_mh": result.metropolis.limit_fb,
        "bayes_mh_err": _error(result.metropolis),
        "bayes_toymc": result.prior_averaging.limit_fb,
        "bayes_toymc_err": _error(result.prior_averaging),
        "bayes_exp": list(band.limits_fb) if band is not None else [None] * 5,
        "details": asdict(result) if outcome.result is not None else None,
    }


def _error(limit: BayesianLimit) -> float | None:
    """Return the Monte Carlo error of a limit in the unit of the parameter of interest."""
    if limit.limit_fb is None or limit.relative_error is None:
        return None
    return limit.limit_fb * limit.relative_error


def _show(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        shown = entry(outcome, outcome.path.stem)
        numbers = {
            "best fit": shown["mu_hat"],
            "significance": shown["significance"],
            "Bayesian limit": shown["bayes_qmc"] or shown["bayes_mh"] or shown["bayes_toymc"],
            "CLs limit": shown["cls_obs"],
            "CLs limit from toys": shown["cls_toys_obs"],
            "expected CLs limit": shown["cls_exp"][2],
        }
        found = ", ".join(f"{name} {number:.4g}" for name, number in numbers.items() if number is not None)
        typer.echo(f"{outcome.path}: {found or 'no result'} ({outcome.status})")
