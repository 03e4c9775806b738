"""Processor time of each stage at a mass point beside pyhf's and RooStats' own inference, in one run.

The templates have the shape of the analysis' fits: four to ten bins, six backgrounds, three shape variations. With
`--large`, models grow to forty bins and sixty nuisance parameters besides those of single bins, and time and memory a
point are shown against their size. pyhf's figure is the best fit and the observed and expected CLs limits alone; that
of RooStats, where ROOT is installed, has a Markov chain of `--chain-steps` too.

    OMP_NUM_THREADS=1 python benchmarks/scan_throughput.py [--points 24] [--pyhf-points 1] [--large] [--expected]
"""

from __future__ import annotations

import argparse
import resource
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyhf
from roostats import roostats_limits

from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings
from models.inference.engine import infer
from models.inference.likelihood import Likelihood, compile_likelihood
from models.inference.results import MassPointResult
from models.inference.workspace import build_workspace
from models.search import BACKGROUNDS, Search
from models.templates import MassPointTemplates, Template

T = TypeVar("T")
SCAN_POINTS = 262
CORES = 2
SOURCES = ("identification_electron", "identification_muon", "momentum_scale")
SIDE_BIN_EVENTS = (10.0, 30.0)
INNER_BIN_EVENTS = 0.3
OTHER_GLOBALS = 11
"""Parameters of many bins that are no shape variation: luminosity, tracking, scale factors, the signal's own."""


class Size(NamedTuple):
    """Size of a model."""

    n_bins: int | None
    """None for the four to ten of the analysis."""
    sources: tuple[str, ...] = SOURCES
    """Shape variations."""


SIZES = (
    Size(None),
    *(Size(bins, tuple(f"source_{i}" for i in range(n - OTHER_GLOBALS))) for bins, n in ((20, 30), (40, 60))),
)


def make_templates(rng: np.random.Generator, size: Size = SIZES[0]) -> MassPointTemplates:
    """Return a mass point with random yields and Poisson data."""
    n_bins = size.n_bins
    n_bins = n_bins or int(rng.integers(4, 11))
    low, high = SIDE_BIN_EVENTS
    shape = 10 ** rng.uniform(-1, 1) * np.concatenate([[low], np.full(n_bins - 2, INNER_BIN_EVENTS), [high]])

    def template(nominal: np.ndarray, relative_statistics: float) -> Template:
        changes = {source: 0.03 * rng.normal(size=n_bins) for source in size.sources}
        changes["tracking"] = np.full(n_bins, 4 * 0.0035)
        varied = {source: (nominal * (1 - change), nominal * (1 + change)) for source, change in changes.items()}
        return Template(nominal, relative_statistics * nominal, varied)

    backgrounds = {process: template(shape * rng.uniform(0.05, 0.4), 0.15) for process in BACKGROUNDS}
    uniform = 0.05 * shape
    return MassPointTemplates(
        search=Search.MUMU,
        m_phi_gev=1.0,
        sigma_gev=0.005,
        edges_gev=np.linspace(0.9, 1.1, n_bins + 1),
        signal=template(np.concatenate([[0.1], np.full(n_bins - 2, 1.0), [0.1]]), 0.03),
        backgrounds=backgrounds,
        scale_factors=dict.fromkeys(backgrounds, (1.05, 0.1)),
        uniform=uniform,
        uniform_relative_error=1.0,
        data=rng.poisson(sum(t.nominal for t in backgrounds.values()) + uniform).astype(np.float64),
    )


def measure(
    points: Sequence[MassPointTemplates], methods: Sequence[LimitMethod], settings: InferenceSettings
) -> tuple[dict[str, float], list[MassPointResult]]:
    """Return seconds of processor time a point for each stage, and the results with CLs limits."""
    stages: dict[str, float] = {}

    def timed(stage: str, function: Callable[[], T]) -> T:
        start = time.process_time()
        value = function()
        stages[stage] = stages.get(stage, 0.0) + (time.process_time() - start) / len(points)
        return value

    systematics, results = SystematicsSettings(), []
    only = [settings.model_copy(update={"methods": (method,), "impacts": False}) for method in methods]
    fit_only = settings.model_copy(update={"methods": ()})
    for chosen in (fit_only, *only):
        infer(compile_likelihood(build_workspace(points[0], systematics)), chosen, 0)
    for seed, templates in enumerate(points):
        workspace = timed("workspace", lambda templates=templates: build_workspace(templates, systematics))
        likelihood = timed("model", lambda workspace=workspace: compile_likelihood(workspace))
        timed("fit, pulls, impacts", lambda likelihood=likelihood: infer(likelihood, fit_only, 0))
        for method, chosen in zip(methods, only, strict=True):
            # Each includes the fit without impacts, a millisecond.
            result = timed(
                method, lambda likelihood=likelihood, chosen=chosen, seed=seed: infer(likelihood, chosen, seed)
            )
            if method is LimitMethod.CLS:
                results.append(result)
    return stages, results


def memory_kib(templates: MassPointTemplates, settings: InferenceSettings) -> tuple[float, float]:
    """Return what a compiled model takes, and the most that was taken while it was made and its limits were found."""
    workspace = build_workspace(templates, SystematicsSettings())
    tracemalloc.start()
    likelihood = compile_likelihood(workspace)
    infer(likelihood, settings, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return sum(part.nbytes for part in likelihood.model if isinstance(part, np.ndarray)) / 1024, peak / 1024


def show_sizes(n_points: int, methods: Sequence[LimitMethod], settings: InferenceSettings) -> None:
    """Print time and memory a point against the size of the model."""
    for size in SIZES:
        rng = np.random.default_rng(1)
        points = [make_templates(rng, size) for _ in range(n_points)]
        stages, _ = measure(points, methods, settings)
        model = compile_likelihood(build_workspace(points[0], SystematicsSettings())).model
        compiled, peak = memory_kib(points[0], settings)
        print(
            f"{size.n_bins or '4-10'} bins, {model.n_globals} parameters of many bins, {model.initial.size} in all: "
            + ", ".join(f"{stage} {1e3 * seconds:.0f} ms" for stage, seconds in stages.items())
            + f"; compiled model {compiled:.0f} KiB, arrays at most {peak / 1024:.1f} MiB, process "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
        )


def compare_pyhf(workspace: Mapping[str, Any], found: MassPointResult, level: float, ours_s: float) -> None:
    """Print what pyhf.infer takes for the fit and CLs limits of a workspace, and its limits beside ours."""
    start = time.process_time()
    parsed = pyhf.Workspace(workspace)
    model = parsed.model()
    data = parsed.data(model)
    pyhf.infer.mle.fit(data, model)
    bounds = model.config.suggested_bounds()
    bounds[model.config.poi_index] = (0.0, bounds[model.config.poi_index][1])
    upper = 5.0 * (found.cls.expected_fb[4] or 1.0)
    observed, expected = pyhf.infer.intervals.upper_limits.toms748_scan(
        data, model, 0.0, upper, level=1.0 - level, par_bounds=bounds
    )
    elapsed = time.process_time() - start
    print(
        f"pyhf.infer: {elapsed:.1f} s a point, {elapsed / ours_s:.0f} times our fit and CLs; "
        f"observed limit {float(observed):.4f} fb (ours {found.cls.observed_fb:.4f}), "
        f"expected {float(expected[2]):.4f} fb (ours {found.cls.expected_fb[2]:.4f})"
    )


def compare_roostats(
    likelihood: Likelihood,
    workspace: Mapping[str, Any],
    settings: InferenceSettings,
    stages: Mapping[str, float],
    chain_steps: int,
) -> None:
    """Print what RooStats takes for a workspace, and its limits beside ours; why not, where there is no ROOT."""
    found = infer(likelihood, settings, 0)
    limit = found.quasi_monte_carlo.limit_fb
    try:
        theirs = roostats_limits(workspace, 4.0 * (limit or 1.0), settings.confidence_level, chain_steps)
    except ImportError:
        print("RooStats: not compared, because there is no ROOT in this environment (`pip install root`)")
        return
    ours = {
        "fit": stages["fit, pulls, impacts"],
        "CLs": stages[LimitMethod.CLS],
        "Bayesian": stages[LimitMethod.MH],
    }
    times = ", ".join(
        f"{stage} {theirs.seconds[stage]:.2f} s ({theirs.seconds[stage] / seconds:.0f} times ours)"
        for stage, seconds in ours.items()
    )
    print(
        f"RooStats: {times}, the chain with {chain_steps} steps; observed CLs limit {theirs.cls_observed:.4f} fb "
        f"(ours {found.cls.observed_fb:.4f}), expected {theirs.cls_expected:.4f} fb (ours "
        f"{found.cls.expected_fb[2]:.4f}), Bayesian {theirs.bayesian:.4f} fb (ours {limit:.4f})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=24, help="mass points for ours")
    parser.add_argument("--pyhf-points", type=int, default=1, help="mass points for pyhf and RooStats, some 15 s each")
    parser.add_argument("--chain-steps", type=int, default=100_000, help="steps of RooStats' Markov chain")
    parser.add_argument("--large", action="store_true", help="time and memory against the size of the model")
    parser.add_argument("--expected", action="store_true", help="expected Bayesian limits from toys too")
    options = parser.parse_args()
    settings = InferenceSettings()
    methods = [*settings.methods, *([LimitMethod.EXPECTED_BAYESIAN] if options.expected else [])]
    if options.large:
        show_sizes(options.points, methods, settings)
        return
    rng = np.random.default_rng(1)
    points = [make_templates(rng) for _ in range(options.points)]
    start = time.process_time()
    stages, results = measure(points, methods, settings)
    total = sum(stages.values())
    first = time.process_time() - start - len(points) * total
    print(f"first calls, compilation or its cache included: {first:.1f} s")
    for stage, seconds in stages.items():
        print(f"{stage:20s} {1e3 * seconds:8.1f} ms a point, {SCAN_POINTS * seconds / CORES:6.1f} s for the scan")
    ours = stages["workspace"] + stages["model"] + stages["fit, pulls, impacts"] + stages[LimitMethod.CLS]
    for index in range(options.pyhf_points):
        workspace = build_workspace(points[index], SystematicsSettings())
        compare_pyhf(workspace, results[index], settings.confidence_level, ours)
        compare_roostats(compile_likelihood(workspace), workspace, settings, stages, options.chain_steps)


if __name__ == "__main__":
    main()
