"""Print how far limits are from references that share no code with them.

    python -m tests.models.limit_accuracy [WORKSPACE…]

The references are those of the tests: closed forms, quadrature and enumeration. With workspaces, Metropolis–Hastings
and prior averaging are compared with quasi-Monte Carlo integration over all of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import gamma

from models.inference.configuration import InferenceSettings, LimitMethod
from models.inference.engine import infer, infer_mass_point
from models.inference.likelihood import compile_likelihood
from models.inference.results import MassPointResult
from tests.models.histfactory_workspaces import of_bins
from tests.models.test_inference_bayesian import integrated_limit, one_bin
from tests.models.test_quasi_monte_carlo_error import brute_force_limit, two_bins
from tests.models.test_toy_cls import counting, exact_limit

SETTINGS = InferenceSettings(methods=tuple(m for m in LimitMethod if m is not LimitMethod.EXPECTED_BAYESIAN))
SETTINGS_BAYESIAN = InferenceSettings(methods=(LimitMethod.QMC, LimitMethod.MH, LimitMethod.TOYMC), impacts=False)
BAYESIAN = ("quasi_monte_carlo", "metropolis", "prior_averaging")


def cases() -> Iterator[tuple[str, float | None, float | None, MassPointResult]]:
    """Yield what is tested, the exact Bayesian and CLs limits where they are known, and ours."""
    for counts, background in ((0, 0.5), (3, 3.0), (12, 3.0), (0, 10.0), (120, 100.0)):
        # With a known background both limits are Zech's.
        exact = exact_limit(counts, background)
        yield f"n = {counts}, b = {background:g}", exact, exact, infer(counting(counts, background), SETTINGS, 1)
    side_band = [of_bins("shapesys", "side_band", [2.0])]
    exact = integrated_limit(6, 4.0, gamma(5.0, scale=0.25).pdf, 0.0, 10.0)
    yield "n = 6, b = 4 ± 2 (Poisson)", exact, None, infer_mass_point(one_bin(6.0, 4.0, side_band), SETTINGS, 1)
    yield "two bins, two log-normal", brute_force_limit(), None, infer(two_bins(), SETTINGS, 1)


def compare_methods(paths: Sequence[Path]) -> None:
    """Print mean and spread of the ratio of the other Bayesian methods to the precise one."""
    found = [infer(compile_likelihood(json.loads(path.read_text())), SETTINGS_BAYESIAN, 1) for path in paths]
    for method in BAYESIAN[1:]:
        pairs = [(getattr(f, method), f.quasi_monte_carlo) for f in found]
        known = [(a, b) for a, b in pairs if a.limit_fb is not None and b.limit_fb is not None]
        ratios = np.array([a.limit_fb / b.limit_fb - 1.0 for a, b in known])
        errors = np.array([np.hypot(a.relative_error, b.relative_error) for a, b in known])
        sys.stdout.write(
            f"{method}: mean difference {ratios.mean():+.2%} ± {ratios.std() / np.sqrt(ratios.size):.2%}, spread "
            f"{ratios.std():.2%}, stated {np.sqrt(np.mean(errors**2)):.2%}, pulls {np.std(ratios / errors):.2f} wide, "
            f"{ratios.size} of {len(pairs)} workspaces\n"
        )


def main() -> None:
    """Print both tables."""
    for name, bayesian, cls, result in cases():
        cells = []
        for method in BAYESIAN:
            limit = getattr(result, method)
            given = limit.limit_fb is not None and bayesian is not None
            cells.append(f"{limit.limit_fb / bayesian - 1:+.3%} ± {limit.relative_error:.3%}" if given else "–")
        toys = result.cls_toys
        if cls is not None and toys is not None and toys.observed_fb is not None:
            cells.append(f"{toys.observed_fb / cls - 1:+.2%} ± {toys.observed_error_fb / cls:.2%}")
            cells.append(f"{result.cls.observed_fb / cls - 1:+.1%}")
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    paths = [Path(argument) for argument in sys.argv[1:]]
    if paths:
        compare_methods(paths)


if __name__ == "__main__":
    main()
