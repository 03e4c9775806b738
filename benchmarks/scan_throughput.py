"""Processor time of each stage at a mass point beside pyhf's own inference on the same workspaces, in one run.

The templates have the shape of the analysis' fits: four to ten bins, six backgrounds, three shape variations. With
`--large`, they have forty bins. pyhf's figure is the best fit and the observed and expected CLs limits alone.

    OMP_NUM_THREADS=1 python benchmarks/scan_throughput.py [--points 24] [--pyhf-points 1] [--large] [--expected]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pyhf

from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings
from models.inference.engine import infer
from models.inference.likelihood import compile_likelihood
from models.inference.workspace import build_workspace
from models.search import BACKGROUNDS, Search
from models.templates import MassPointTemplates, Template

T = TypeVar("T")
SCAN_POINTS = 262
LARGE_BINS = 40
CORES = 2
SOURCES = ("identification_electron", "identification_muon", "momentum_scale")
SIDE_BIN_EVENTS = (10.0, 30.0)
INNER_BIN_EVENTS = 0.3


def make_templates(rng: np.random.Generator, n_bins: int | None = None) -> MassPointTemplates:
    """Return a mass point with random yields and Poisson data."""
    n_bins = n_bins or int(rng.integers(4, 11))
    low, high = SIDE_BIN_EVENTS
    shape = 10 ** rng.uniform(-1, 1) * np.concatenate([[low], np.full(n_bins - 2, INNER_BIN_EVENTS), [high]])

    def template(nominal: np.ndarray, relative_statistics: float) -> Template:
        changes = {source: 0.03 * rng.normal(size=n_bins) for source in SOURCES}
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=24, help="mass points for ours")
    parser.add_argument("--pyhf-points", type=int, default=1, help="mass points for pyhf.infer, some 15 s each")
    parser.add_argument("--large", action="store_true", help="models of forty bins")
    parser.add_argument("--expected", action="store_true", help="expected Bayesian limits from toys too")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    points = [make_templates(rng, LARGE_BINS if options.large else None) for _ in range(options.points)]
    systematics, settings = SystematicsSettings(), InferenceSettings()
    methods = [*settings.methods, *([LimitMethod.EXPECTED_BAYESIAN] if options.expected else [])]
    start = time.process_time()
    only = [settings.model_copy(update={"methods": (method,), "impacts": False}) for method in methods]
    for chosen in only:
        infer(compile_likelihood(build_workspace(points[0], systematics)), chosen, 0)
    print(f"first point, compilation or its cache included: {time.process_time() - start:.1f} s")

    stages: dict[str, float] = {}

    def timed(stage: str, function: Callable[[], T]) -> T:
        start = time.process_time()
        value = function()
        stages[stage] = stages.get(stage, 0.0) + time.process_time() - start
        return value

    results = []
    fit_only = settings.model_copy(update={"methods": ()})
    for seed, templates in enumerate(points):
        workspace = timed("workspace", lambda templates=templates: build_workspace(templates, systematics))
        likelihood = timed("model", lambda workspace=workspace: compile_likelihood(workspace, validate=False))
        timed("fit, pulls, impacts", lambda likelihood=likelihood: infer(likelihood, fit_only, 0))
        for method, chosen in zip(methods, only, strict=True):
            # Each includes the fit without impacts, a millisecond.
            result = timed(
                method, lambda likelihood=likelihood, chosen=chosen, seed=seed: infer(likelihood, chosen, seed)
            )
            if method is LimitMethod.CLS:
                results.append(result)
    mean = {stage: total / len(points) for stage, total in stages.items()}
    for stage, seconds in mean.items():
        print(f"{stage:20s} {1e3 * seconds:8.1f} ms a point, {SCAN_POINTS * seconds / CORES:6.1f} s for the scan")
    ours = mean["workspace"] + mean["model"] + mean["fit, pulls, impacts"] + mean[LimitMethod.CLS]

    for index in range(options.pyhf_points):
        workspace = pyhf.Workspace(build_workspace(points[index], systematics))
        start = time.process_time()
        model = workspace.model()
        data = workspace.data(model)
        pyhf.infer.mle.fit(data, model)
        bounds = model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0.0, bounds[model.config.poi_index][1])
        upper = 5.0 * (results[index].cls.expected_fb[4] or 1.0)
        observed, expected = pyhf.infer.intervals.upper_limits.toms748_scan(
            data, model, 0.0, upper, level=1.0 - settings.confidence_level, par_bounds=bounds
        )
        elapsed = time.process_time() - start
        print(
            f"pyhf.infer: {elapsed:.1f} s for point {index}, {elapsed / ours:.0f} times our fit and CLs; "
            f"observed limit {float(observed):.4f} fb (ours {results[index].cls.observed_fb:.4f}), "
            f"expected {float(expected[2]):.4f} fb (ours {results[index].cls.expected_fb[2]:.4f})"
        )


if __name__ == "__main__":
    main()
