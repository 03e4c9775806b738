"""Expected Bayesian limits: median and bands of the limits on background-only toys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import binom, norm

from models.inference.bayesian.coordinates import prior_draws
from models.inference.bayesian.importance import ImportanceControl, importance_limits
from models.inference.bayesian.settings import BayesianSettings, ToyNuisances
from models.inference.compiled_model import Floats
from models.inference.likelihood import Likelihood
from models.inference.rate_kernels import rates
from models.inference.results import Status

BAND_SIGMAS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Quantiles of a band, in standard deviations of a normal distribution."""


@dataclass(frozen=True)
class ExpectedBand:
    """Limits expected without signal."""

    status: Status
    limits_fb: tuple[float | None, float | None, float | None, float | None, float | None] = (None,) * 5
    """Quantiles of the toys' limits at −2, −1, 0, +1, +2 standard deviations."""
    median_error_fb: float | None = None
    """Statistical uncertainty of the median from the number of toys: half of its central 68 % interval."""
    n_toys: int = 0
    n_failed: int = 0
    """Toys whose limit could not be found; they are not in the quantiles."""


def expected_band(
    likelihood: Likelihood, null_fit: Floats, credibility: float, settings: BayesianSettings, rng: np.random.Generator
) -> ExpectedBand:
    """Return the expected limits.

    Parameters
    ----------
    likelihood
        The model; its priors are around the auxiliary observations, its counts are not used.
    null_fit
        Best fit without signal, shape (n_parameters,).
    credibility
        Probability below a limit.
    settings
        Prior of the cross-section, number of toys and of draws for each.
    rng
        Source of randomness.
    """
    chosen = settings.expected
    counts = background_toys(likelihood, null_fit, chosen.nuisances, chosen.n_toys, rng)
    control = importance_control(credibility, settings)
    limits = toy_limits(likelihood, counts, null_fit, control, rng)
    found = np.sort(limits[np.isfinite(limits)])
    n_failed = limits.size - found.size
    if n_failed > chosen.largest_failed_fraction * limits.size:
        return ExpectedBand(Status.NOT_CONVERGED, n_toys=limits.size, n_failed=n_failed)
    m2, m1, median, p1, p2 = (float(value) for value in np.quantile(found, norm.cdf(BAND_SIGMAS)))
    return ExpectedBand(
        Status.OK, (m2, m1, median, p1, p2), _median_error(found), n_toys=limits.size, n_failed=n_failed
    )


def importance_control(credibility: float, settings: BayesianSettings) -> ImportanceControl:
    """Return how limits of toys are integrated, as compiled kernels read it."""
    posterior, expected = settings.posterior, settings.expected
    return ImportanceControl(
        credibility=credibility,
        prior_code=posterior.prior.code,
        n_nodes=expected.n_nodes,
        range_log_drop=posterior.range_log_drop,
        tail_below=posterior.tail_below,
        maximum_extensions=posterior.maximum_extensions,
        first_draws=expected.first_draws,
        maximum_draws=expected.maximum_draws,
        effective_size_above=expected.effective_size_above,
        tempering=settings.metropolis.tempering,
    )


def background_toys(
    likelihood: Likelihood, null_fit: Floats, nuisances: ToyNuisances, n_toys: int, rng: np.random.Generator
) -> Floats:
    """Return counts of background-only toys, shape (n_toys, n_bins).

    Parameters
    ----------
    likelihood
        The model.
    null_fit
        Best fit without signal, shape (n_parameters,).
    nuisances
        Where nuisance parameters come from.
    n_toys
        Number of toys.
    rng
        Source of randomness.
    """
    model = likelihood.model
    if nuisances is ToyNuisances.PRIOR:
        points = prior_draws(model, likelihood.free, likelihood.observed.auxiliary[0], null_fit, n_toys, rng)
    else:
        points = np.repeat(null_fit[None, :], n_toys, axis=0)
    expected = np.empty((n_toys, model.n_bins))
    unused = np.empty(model.n_bins)
    for point, row in zip(points, expected, strict=True):
        rates(model, point, row, unused)
    # Shapes extrapolated to where a rate is negative have no events there.
    return rng.poisson(np.maximum(expected, 0.0)).astype(np.float64)


def toy_limits(
    likelihood: Likelihood, counts: Floats, start: Floats, control: ImportanceControl, rng: np.random.Generator
) -> Floats:
    """Return the limit of each toy, NaN where it could not be found, shape (n_toys,).

    Parameters
    ----------
    likelihood
        The model.
    counts
        Toys, shape (n_toys, n_bins).
    start
        Parameters from which fits start, shape (n_parameters,).
    control
        Integration.
    rng
        Source of randomness.
    """
    lower = likelihood.control.lower.copy()
    lower[likelihood.poi] = 0.0
    fitted = np.flatnonzero(likelihood.free).astype(np.int64)
    limits = np.empty(len(counts))
    importance_limits(
        likelihood.model,
        likelihood.control._replace(lower=lower),
        fitted,
        counts,
        likelihood.observed.auxiliary[0],
        start,
        control,
        rng,
        limits,
    )
    return limits


def _median_error(limits: Floats) -> float:
    """Return half the distance between the order statistics that enclose the median with 68 % confidence."""
    n = limits.size
    low, high = (int(binom.ppf(norm.cdf(z), n, 0.5)) for z in (-1.0, 1.0))
    return 0.5 * float(limits[min(high, n - 1)] - limits[max(low, 0)])
