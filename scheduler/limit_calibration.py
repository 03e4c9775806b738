"""Coverage of limits and calibration of significances by toys.

    python -m scheduler.limit_calibration WORKSPACE… --out FOLDER [--toys 1000] [--luminosity-factor 1 100]

Throws toys of each workspace at a few cross-sections and without signal, and writes `calibration.json` and the figure
`calibration.png`: how often the limit of each method is at or above the truth, and how often background alone gives at
least a significance, both with binomial errors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from models.errors import BlindedError, LeptophileError
from models.inference.binomial import Fraction
from models.inference.calibration import (
    COVERED_METHODS,
    at_luminosity,
    covered,
    excess_frequencies,
)
from models.inference.cls_limits import cls_limits
from models.inference.compiled_model import Floats
from models.inference.configuration import InferenceSettings, LimitMethod, QuasiMonteCarloSettings
from models.inference.fits import fit_observed
from models.inference.likelihood import Likelihood, compile_likelihood
from models.inference.results import InferenceError
from models.inference.toy_data import toy_data
from models.inference.toy_significances import signed_significances
from models.inference.workspace import is_blinded
from models.settings import Settings
from scheduler.local_pool import available_cores, map_on_cores
from scheduler.progress import Terminal
from scheduler.report.style import report_style
from scheduler.workspace_limits import WorkspaceFile, parse, read_text, workspace_files

METHOD_LABELS: Final = {
    LimitMethod.CLS: "CLs, asymptotic",
    LimitMethod.QMC: "Bayesian, flat prior",
    LimitMethod.CLS_TOYS: "CLs, toys",
}
_COLOURS: Final = ("#3f90da", "#bd1f01", "#832db6")
_MARKERS: Final = ("o", "s", "^")


class CalibrationSettings(Settings):
    """How much is thrown."""

    n_toys: int = 1000
    """Toys at each cross-section."""
    integration: QuasiMonteCarloSettings = QuasiMonteCarloSettings(
        n_shifts=8,
        log2_pilot_draws=7,
        log2_first_draws=4,
        relative_error_target=0.05,
        relative_error_accepted=0.2,
    )
    """Bayesian limits of toys: few draws make them random by up to one per cent, but not biased."""
    inner_toy_fraction: float = 0.2
    """Part of the toys that are tested with CLs from toys too, by far the slowest."""
    n_inner_toys: int = 300
    """Toys that each of those throws for CLs from toys; their noise moves limits up as often as down."""
    n_null_toys: int = 10_000
    """Toys without signal."""
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Cross-sections, in units of the median expected limit."""
    thresholds: tuple[float, ...] = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
    """Signed significances whose frequency is counted."""
    toys_a_task: int = 50
    """Toys of one piece of work; results depend on it as on a seed, not on the number of workers."""


@dataclass(frozen=True)
class Coverage:
    """How often limits are at or above one true cross-section."""

    strength: float
    """Cross-section in units of the median expected limit."""
    xsec: float
    by_method: dict[str, Fraction]
    """Method → fraction of the toys with a limit in which it is at or above the truth."""


@dataclass(frozen=True)
class Calibration:
    """What was found for one workspace."""

    name: str
    level: float
    n_expected: float
    """Background events in all bins."""
    expected_limit: float
    """Median expected CLs limit, asymptotic."""
    coverage: tuple[Coverage, ...]
    thresholds: tuple[float, ...]
    claimed: tuple[float, ...]
    """1 − Φ of the thresholds."""
    frequencies: tuple[Fraction, ...]
    """Fraction of toys without signal that reach each threshold."""
    significances: tuple[float, ...]
    """Signed significance of every toy without signal whose fits converged, ascending."""


class _Task(NamedTuple):
    workspace: int
    strength: int
    part: int


def calibrate(
    names: Sequence[str],
    likelihoods: Sequence[Likelihood],
    chosen: CalibrationSettings,
    settings: InferenceSettings,
    seed: int,
    workers: int,
) -> list[Calibration]:
    """Return what toys say of each workspace.

    Parameters
    ----------
    names, likelihoods
        The workspaces.
    chosen
        Numbers of toys, cross-sections.
    settings
        Confidence level and precision of limits.
    seed
        Seed; the result depends on nothing else that is random.
    workers
        Processes.

    Raises
    ------
    InferenceError
        If a workspace has no background-only fit or no expected limit.
    """
    nulls, limits = [], []
    for name, likelihood in zip(names, likelihoods, strict=True):
        fits = fit_observed(likelihood)
        limit = cls_limits(likelihood, fits, settings, blinded=True).expected_fb[2]
        if limit is None:
            raise InferenceError(f"{name} has no expected limit to measure cross-sections by.")
        nulls.append(fits.null.points[0])
        limits.append(limit)
    n_parts = -(-chosen.n_toys // chosen.toys_a_task)
    tasks = [
        _Task(w, s, part) for w in range(len(names)) for s in range(len(chosen.strengths)) for part in range(n_parts)
    ]
    work = partial(
        _count, likelihoods=likelihoods, nulls=nulls, limits=limits, chosen=chosen, settings=settings, seed=seed
    )
    counts = {method: np.zeros((len(names), len(chosen.strengths), 2), dtype=int) for method in COVERED_METHODS}
    with Terminal().progress("Coverage", len(tasks), "tasks") as advance:
        for index, found in map_on_cores(work, tasks, workers):
            for method, passed in found.items():
                counts[method][tasks[index].workspace, tasks[index].strength] += passed
            advance(1)
    return [
        _calibration(w, name, likelihoods[w], nulls[w], limits[w], counts, chosen, settings.confidence_level, seed)
        for w, name in enumerate(names)
    ]


def _count(
    task: _Task,
    *,
    likelihoods: Sequence[Likelihood],
    nulls: Sequence[Floats],
    limits: Sequence[float],
    chosen: CalibrationSettings,
    settings: InferenceSettings,
    seed: int,
) -> dict[LimitMethod, tuple[int, int]]:
    likelihood = likelihoods[task.workspace]
    truth = nulls[task.workspace].copy()
    truth[likelihood.poi] = chosen.strengths[task.strength] * limits[task.workspace]
    n_toys = min(chosen.toys_a_task, chosen.n_toys - task.part * chosen.toys_a_task)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=task))
    n_with_inner_toys = round(chosen.inner_toy_fraction * n_toys)
    return covered(likelihood, truth, n_toys, n_with_inner_toys, chosen.n_inner_toys, settings, rng)


def _calibration(
    index: int,
    name: str,
    likelihood: Likelihood,
    null: Floats,
    limit: float,
    counts: dict[LimitMethod, np.ndarray],
    chosen: CalibrationSettings,
    level: float,
    seed: int,
) -> Calibration:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    toys = toy_data(likelihood, null, chosen.n_null_toys, rng)
    significances = signed_significances(likelihood, toys)
    found = np.sort(significances[np.isfinite(significances)])
    return Calibration(
        name=name,
        level=level,
        n_expected=float(likelihood.expected(null).sum()),
        expected_limit=limit,
        coverage=tuple(
            Coverage(
                strength,
                strength * limit,
                {str(method): Fraction.of(*map(int, counts[method][index, s])) for method in COVERED_METHODS},
            )
            for s, strength in enumerate(chosen.strengths)
        ),
        thresholds=chosen.thresholds,
        claimed=tuple(float(norm.sf(z)) for z in chosen.thresholds),
        frequencies=excess_frequencies(found, np.array(chosen.thresholds)),
        significances=tuple(map(float, found)),
    )


def draw(found: Sequence[Calibration]) -> Figure:
    """Return the figure: one row a workspace, coverage on the left, frequencies of significances on the right."""
    figure, axes = plt.subplots(len(found), 2, figsize=(10, 3.8 * len(found)), squeeze=False, constrained_layout=True)
    for (left, right), calibration in zip(axes, found, strict=True):
        _draw_coverage(left, calibration)
        _draw_significances(right, calibration)
    return figure


def _draw_coverage(ax: Axes, found: Calibration) -> None:
    ax.axhline(found.level, color="black", linewidth=0.8)
    strengths = np.array([c.strength for c in found.coverage])
    for k, method in enumerate(COVERED_METHODS):
        fractions = [c.by_method[method] for c in found.coverage]
        value = np.array([f.value for f in fractions])
        errors = [value - [f.low for f in fractions], [f.high for f in fractions] - value]
        # Side by side, so that error bars do not hide each other.
        shifted = strengths * 1.03 ** (k - 1)
        ax.errorbar(shifted, value, errors, fmt=_MARKERS[k], color=_COLOURS[k], capsize=2, label=METHOD_LABELS[method])
    ax.set(
        xscale="log",
        xlabel="true cross-section / median expected limit",
        ylabel="toys with a limit above the truth",
        title=f"{found.name}: {found.n_expected:.3g} background events",
    )
    ax.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
    ax.minorticks_off()
    ax.legend()


def _draw_significances(ax: Axes, found: Calibration) -> None:
    z = np.array(found.significances)
    ax.step(z, 1.0 - np.arange(z.size) / z.size, where="pre", color=_COLOURS[0], label=f"{z.size} toys")
    grid = np.linspace(-4.0, 4.0, 200)
    ax.plot(grid, norm.sf(grid), color="black", linewidth=0.8, label=r"$1-\Phi(Z)$")
    ax.set(
        yscale="log",
        xlim=(-4.0, 4.2),
        ylim=(0.5 / z.size, 1.5),
        xlabel="signed significance $Z$",
        ylabel="background-only toys above $Z$",
        title=found.name,
    )
    ax.legend()


def main(arguments: Sequence[str] | None = None) -> int:
    """Throw the toys of the workspaces named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scheduler.limit_calibration", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("workspaces", type=Path, nargs="+", metavar="WORKSPACE")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--luminosity-factor", type=float, nargs="+", default=[1.0], metavar="FACTOR", dest="factors")
    parser.add_argument("--toys", type=_positive, default=CalibrationSettings().n_toys)
    parser.add_argument("--null-toys", type=_positive, default=CalibrationSettings().n_null_toys)
    parser.add_argument("--level", type=_level, default=InferenceSettings().confidence_level)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=_positive, default=available_cores())
    options = parser.parse_args(arguments)
    try:
        chosen = CalibrationSettings(n_toys=options.toys, n_null_toys=options.null_toys)
        settings = InferenceSettings(confidence_level=options.level, quasi_monte_carlo=chosen.integration)
        cases = [(file, factor) for file in workspace_files(options.workspaces) for factor in options.factors]
        names = [f"{file.name}, {factor:g} × luminosity" if factor != 1 else file.name for file, factor in cases]
        likelihoods = [_read(file) if factor == 1 else at_luminosity(_read(file), factor) for file, factor in cases]
        found = calibrate(names, likelihoods, chosen, settings, options.seed, options.workers)
        _write(options.out, found)
    except LeptophileError as error:
        sys.stderr.write(f"limit_calibration: {error}\n")
        return 1
    return 0


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return int(text)


def _level(text: str) -> float:
    level = float(text)
    if not 0.0 < level < 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return level


def _read(file: WorkspaceFile) -> Likelihood:
    specification = parse(read_text(file.path), file.path)
    if file.closed and not is_blinded(specification):
        raise BlindedError(f"{file.path}: {file.closed}")
    return compile_likelihood(specification)


def _write(folder: Path, found: Sequence[Calibration]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries = [{key: value for key, value in asdict(c).items() if key != "significances"} for c in found]
    (folder / "calibration.json").write_text(json.dumps(entries, indent=1), encoding="utf-8")
    with report_style():
        figure = draw(found)
        figure.savefig(folder / "calibration.png", dpi=150)
        plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
