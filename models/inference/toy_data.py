"""Pseudo-experiments of one mass point: counts and auxiliary observations, goodness of fit, injected signal.

Each toy fluctuates everything that was measured: the counts, and the auxiliary measurement behind every constrained
nuisance parameter. Parameters stay at their true values, so that fits to the toys have pulls of known distribution.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.special import xlogy

from models.inference.compiled_model import Constraint, Floats
from models.inference.fits import FitBatch, fit, profile
from models.inference.likelihood import Dataset, Likelihood
from models.inference.minimisation import expected_xsec_error
from models.inference.results import InferenceError


class InjectedSignal(NamedTuple):
    """Fits to toys with one true cross-section."""

    strength: float
    """True cross-section in units of the uncertainty without signal."""
    n_expected: float
    """Events expected where the signal is; of less than about five nothing has a normal distribution."""
    n_toys: int
    n_failed: int
    """Toys whose fits did not converge; they are in no mean."""
    mean: float
    """Mean best fit, in the same units."""
    mean_error: float
    """Its statistical uncertainty."""
    pull_mean: float
    """Mean of sign(σ̂ − σ) √(2 Δ ln L(σ)): (fit − true)/error where the likelihood is a parabola."""
    pull_width: float
    """Standard deviation of the same."""


_ENOUGH_WORSE: Final = 10
"""Toys worse than the data with which a probability is known well enough, to a third."""
_TIE: Final = 1e-6
"""Difference in −ln L below which data are equally far from the model: fits stop within 1e-9 of their minima."""
_HOLDS_SIGNAL: Final = 0.05
"""Bins with more than this fraction of the signal are where the signal is."""


class InjectionStudy(NamedTuple):
    """Fitted against injected cross-section at one mass point, in units of the uncertainty without signal."""

    xsec_error_fb: float
    """That uncertainty, from the expected information."""
    signals: tuple[InjectedSignal, ...]
    slope: float
    slope_error: float
    offset: float
    offset_error: float


def toy_data(likelihood: Likelihood, point: Floats, n_toys: int, rng: np.random.Generator) -> Dataset:
    """Return pseudo-experiments with the parameters of a point.

    Parameters
    ----------
    likelihood
        The model.
    point
        True parameters, shape (n_parameters,).
    n_toys
        Number of toys.
    rng
        Source of randomness.
    """
    model = likelihood.model
    counts = rng.poisson(np.maximum(likelihood.expected(point), 0.0), size=(n_toys, model.n_bins)).astype(np.float64)
    auxiliary = np.zeros((n_toys, point.size))
    for i in np.flatnonzero(likelihood.constrained):
        if model.constraint[i] == Constraint.POISSON:
            auxiliary[:, i] = rng.poisson(model.factor[i] * point[i], size=n_toys)
        else:
            auxiliary[:, i] = rng.normal(point[i], model.width[i], size=n_toys)
    return Dataset(counts, auxiliary)


def log_densities(likelihood: Likelihood, data: Dataset, points: Floats) -> Floats:
    """Return ln of the density of each dataset at each point, up to a constant of the dataset, (n_toys, n_points).

    Parameters
    ----------
    likelihood
        The model.
    data
        Datasets.
    points
        Shape (n_points, n_parameters).
    """
    model = likelihood.model
    normal, poisson = (model.constraint == kind for kind in (Constraint.NORMAL, Constraint.POISSON))
    found = np.empty((len(data.counts), len(points)))
    for k, point in enumerate(points):
        expected, factors = likelihood.expected(point), (model.factor * point)[poisson]
        pulls = (data.auxiliary[:, normal] - point[normal]) / model.width[normal]
        found[:, k] = (
            xlogy(data.counts, expected).sum(axis=1)
            - expected.sum()
            - 0.5 * np.sum(pulls**2, axis=1)
            + xlogy(data.auxiliary[:, poisson], factors).sum(axis=1)
            - factors.sum()
        )
    return found


def goodness_of_fit(
    likelihood: Likelihood, best: FitBatch, n_toys: int, maximum_toys: int, rng: np.random.Generator
) -> float | None:
    """Return the probability of data that the model describes worse than the observed ones, from toys of the best fit.

    With fewer than about five events in a bin the likelihood ratio to the saturated model has no χ² distribution.

    Parameters
    ----------
    likelihood
        The model with its observations.
    best
        Best fit to them, one.
    n_toys
        Toys at first; a small probability is followed with more of them.
    maximum_toys
        Where this ends.
    rng
        Source of randomness.

    Returns
    -------
    (k + 1)/(n + 1) for k of n toys that are worse; None if the fit did not converge.
    """
    if not best.converged[0]:
        return None
    n_fitted = n_worse = 0
    while n_toys > 0:
        toys = toy_data(likelihood, best.points[0], n_toys, rng)
        fitted = fit(likelihood, toys, np.repeat(best.points, n_toys, axis=0), poi_free=True)
        n_fitted += int(fitted.converged.sum())
        n_worse += int(np.sum(fitted.nll[fitted.converged] >= best.nll[0] - _TIE))
        n_toys = min(3 * n_fitted, maximum_toys - n_fitted) if n_worse < _ENOUGH_WORSE else 0
    return (1 + n_worse) / (1 + n_fitted)


def inject(likelihood: Likelihood, strengths: Sequence[float], n_toys: int, rng: np.random.Generator) -> InjectionStudy:
    """Fit toys with injected signal and compare what is fitted with what was injected.

    Parameters
    ----------
    likelihood
        The model.
    strengths
        Injected cross-sections in units of the uncertainty without signal, at least two different ones.
    n_toys
        Toys of each.
    rng
        Source of randomness.

    Raises
    ------
    InferenceError
        If the cross-section has no finite uncertainty without signal, or fits to half of the toys fail.
    """
    true = likelihood.model.initial.copy()
    true[likelihood.poi] = 0.0
    error = float(expected_xsec_error(likelihood.model, likelihood.control, true))
    if not np.isfinite(error):
        raise InferenceError("Signal cannot be injected in units of an uncertainty that is infinite.")
    signals = tuple(_inject_one(likelihood, true, strength, error, n_toys, rng) for strength in strengths)
    x = np.array([signal.strength for signal in signals])
    y = np.array([signal.mean for signal in signals])
    weight = 1.0 / np.array([signal.mean_error for signal in signals])
    (slope, offset), covariance = np.polyfit(x, y, 1, w=weight, cov="unscaled")
    slope_error, offset_error = np.sqrt(np.diag(covariance))
    return InjectionStudy(error, signals, float(slope), float(slope_error), float(offset), float(offset_error))


def _inject_one(
    likelihood: Likelihood, true: Floats, strength: float, error: float, n_toys: int, rng: np.random.Generator
) -> InjectedSignal:
    point = true.copy()
    point[likelihood.poi] = strength * error
    toys = toy_data(likelihood, point, n_toys, rng)
    start = np.repeat(point[None, :], n_toys, axis=0)
    best = fit(likelihood, toys, start, poi_free=True)
    held = profile(likelihood, toys, start[:, likelihood.poi], start)
    good = best.converged & held.converged
    n_good = int(good.sum())
    if n_good < max(n_toys // 2, 2):
        raise InferenceError(f"{n_toys - n_good} of {n_toys} fits to toys with injected signal did not converge.")
    _, signal = likelihood.rates(point)
    holds_signal = signal > _HOLDS_SIGNAL * signal.sum()
    fitted = best.points[good, likelihood.poi] / error
    pull = np.copysign(np.sqrt(np.maximum(2.0 * (held.nll - best.nll)[good], 0.0)), fitted - strength)
    return InjectedSignal(
        strength=strength,
        n_expected=float(likelihood.expected(point)[holds_signal].sum()),
        n_toys=n_toys,
        n_failed=n_toys - n_good,
        mean=float(fitted.mean()),
        mean_error=float(fitted.std(ddof=1) / np.sqrt(n_good)),
        pull_mean=float(pull.mean()),
        pull_width=float(pull.std(ddof=1)),
    )
