"""Likelihood fits in batches: a projected Levenberg–Marquardt minimiser.

The curvature is that of the Poisson terms with linearised rates (n/λ² in each bin), damped along the expected
information (1/λ). An empty bin alone would let its rate run below zero; the fits treat it as if it had counted a
small fraction of its background, which keeps the rate positive like the barrier of an interior-point method, and
report −ln L without that. All fits of a batch advance together, each with its own damping, so that one evaluation of
the model serves them all.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from models.inference.likelihood import Dataset, Likelihood, poisson_nll
from models.inference.rates import Flags, Floats

INITIAL_DAMPING: Final = 1e-3
DAMPING_DECREASE: Final = 0.1
DAMPING_INCREASE: Final = 10.0
SMALLEST_DAMPING: Final = 1e-9
LARGEST_DAMPING: Final = 1e12
NLL_ROUNDING: Final = 1e-13
"""An accepted step may raise −ln L by rounding, relative to its size."""


@dataclass(frozen=True)
class FitBatch:
    """Results of a batch of fits; the first axis is the fit."""

    points: Floats
    """Best-fit parameters, shape (n_fits, n_parameters)."""
    nll: Floats
    """−ln L at the best fit, relative to the saturated model."""
    converged: Flags


class _Expansion(NamedTuple):
    """−ln L around parameter points."""

    nll: Floats
    gradient: Floats
    observed: Floats
    """Observed information with linearised rates."""
    expected: Floats
    """Expected information."""
    rates: Floats
    jacobian: Floats


def minimise(likelihood: Likelihood, data: Dataset, start: Floats, *, poi_free: bool) -> FitBatch:
    """Fit each dataset of a batch.

    Parameters
    ----------
    likelihood
        The model.
    data
        Datasets, one for each fit.
    start
        Starting parameters, shape (n_fits, n_parameters); with `poi_free` false, the cross-section stays at its
        value here.
    poi_free
        Whether the cross-section is fitted.

    Returns
    -------
    FitBatch
        A fit whose start has a vanishing likelihood, or that does not converge, is marked as such.
    """
    settings, poi = likelihood.settings, likelihood.poi
    free = likelihood.free.copy()
    free[poi] = poi_free
    lower = np.where(free, likelihood.lower, -np.inf) + np.zeros_like(start)
    upper = np.where(free, likelihood.upper, np.inf)
    upper[poi] = np.inf
    if poi_free:
        lower[:, poi] = likelihood.poi_lower_bound
    observed, data = data, data._replace(counts=np.maximum(data.counts, likelihood.barrier))

    points = np.clip(start, lower, upper)
    here = _expand(likelihood, points, data, poi_free=poi_free)
    damping = np.full(len(points), INITIAL_DAMPING)
    movable = _movable(points, here, free, lower, upper)
    converged = np.isfinite(here.nll) & (_edm(here, movable) < settings.edm_below)
    running = np.isfinite(here.nll) & ~converged
    for _ in range(settings.maximum_iterations):
        if not running.any():
            break
        now = _take(here, running)
        step = _damped_step(now, movable[running], damping[running], settings.feasible_fraction)
        trial = np.clip(points[running] + step, lower[running], upper)
        there = _expand(likelihood, trial, data.select(running), poi_free=poi_free)
        better = there.nll <= now.nll + NLL_ROUNDING * (1.0 + np.abs(now.nll))
        accepted = np.flatnonzero(running)[better]
        points[accepted] = trial[better]
        for kept, new in zip(here, there, strict=True):
            kept[accepted] = new[better]
        factor = np.where(better, DAMPING_DECREASE, DAMPING_INCREASE)
        damping[running] = np.maximum(damping[running] * factor, SMALLEST_DAMPING)
        movable = _movable(points, here, free, lower, upper)
        converged |= running & (_edm(here, movable) < settings.edm_below)
        running &= ~converged & (damping < LARGEST_DAMPING)
    return FitBatch(points, likelihood.nll(points, observed), converged)


def counts_information(likelihood: Likelihood, points: Floats) -> Floats:
    """Return the expected information of the counts on the fitted parameters and the cross-section.

    Parameters
    ----------
    likelihood
        The model.
    points
        Parameter points, shape (n_points, n_parameters).

    Returns
    -------
    ndarray
        Shape (n_points, n_parameters, n_parameters), constraint terms not included, zero for other parameters.
    """
    jacobian, rates = _slopes(likelihood, points, poi_free=True)
    inverse = np.divide(1.0, rates, out=np.zeros_like(rates), where=rates > 0)
    information: Floats = (jacobian.transpose(0, 2, 1) * inverse[:, None, :]) @ jacobian
    return information


def xsec_error(likelihood: Likelihood, points: Floats) -> Floats:
    """Return the standard deviation of the cross-section from the expected information, shape (n_points,).

    Infinite where the counts say nothing about it.
    """
    information = counts_information(likelihood, points)
    prior = likelihood.constraints.curvature(points, likelihood.constraints.expected(points))
    diagonal = np.diagonal(information, axis1=1, axis2=2)
    # Parameters that are not fitted, or act on nothing, are given a unit width of their own.
    idle = np.where(diagonal > 0, 0.0, 1.0)
    covariance = np.linalg.inv(information + np.eye(points.shape[1]) * (prior + idle)[:, :, None])
    errors: Floats = np.where(
        diagonal[:, likelihood.poi] > 0, np.sqrt(covariance[:, likelihood.poi, likelihood.poi]), np.inf
    )
    return errors


def _expand(likelihood: Likelihood, points: Floats, data: Dataset, *, poi_free: bool) -> _Expansion:
    jacobian, rates = _slopes(likelihood, points, poi_free=poi_free)
    terms = likelihood.constraints
    nll = poisson_nll(data.counts, rates) + terms.nll(points, data.auxiliary)
    inverse = np.divide(1.0, rates, out=np.zeros_like(rates), where=rates > 0)
    gradient = np.einsum("kbi,kb->ki", jacobian, 1.0 - data.counts * inverse)
    gradient += terms.gradient(points, data.auxiliary)
    prior = np.eye(points.shape[1]) * terms.curvature(points, data.auxiliary)[:, :, None]
    transposed = jacobian.transpose(0, 2, 1)
    observed = (transposed * (data.counts * inverse**2)[:, None, :]) @ jacobian + prior
    expected = (transposed * inverse[:, None, :]) @ jacobian + prior
    return _Expansion(nll, gradient, observed, expected, rates, jacobian)


def _slopes(likelihood: Likelihood, points: Floats, *, poi_free: bool) -> tuple[Floats, Floats]:
    """Return derivatives of the rates (n_points, n_bins, n_parameters) and the rates."""
    values, derivatives = likelihood.differences.differentiate(likelihood.rates, points)
    xsec = points[:, likelihood.poi]
    jacobian = derivatives.total(xsec)
    if poi_free:
        jacobian[:, :, likelihood.poi] = values.signal
    return jacobian, values.total(xsec)


def _take(expansion: _Expansion, which: Flags) -> _Expansion:
    return _Expansion(*(array[which] for array in expansion))


def _movable(points: Floats, here: _Expansion, free: Flags, lower: Floats, upper: Floats) -> Flags:
    """Return the parameters that are fitted, matter, and are not held at a bound by the gradient."""
    held = ((points <= lower) & (here.gradient > 0)) | ((points >= upper) & (here.gradient < 0))
    matters = np.diagonal(here.expected, axis1=1, axis2=2) > 0
    movable: Flags = free & matters & ~held
    return movable


def _restrict(matrix: Floats, movable: Flags) -> Floats:
    restricted: Floats = np.where(movable[:, :, None] & movable[:, None, :], matrix, np.eye(matrix.shape[1]))
    return restricted


def _edm(here: _Expansion, movable: Flags) -> Floats:
    """Return the estimated vertical distance to the minimum, shape (n_fits,)."""
    gradient = np.where(movable, here.gradient, 0.0)
    newton = np.linalg.solve(_restrict(here.expected, movable), gradient[:, :, None])[:, :, 0]
    distance: Floats = 0.5 * np.einsum("ki,ki->k", gradient, newton)
    return distance


def _damped_step(here: _Expansion, movable: Flags, damping: Floats, feasible_fraction: float) -> Floats:
    """Return the step to the damped minimum, shortened where it would make a rate vanish."""
    scale = np.diagonal(here.expected, axis1=1, axis2=2)
    damped = here.observed + np.eye(scale.shape[1]) * (damping[:, None] * scale)[:, :, None]
    downhill = np.where(movable, -here.gradient, 0.0)
    step = np.linalg.solve(_restrict(damped, movable), downhill[:, :, None])[:, :, 0]
    change = np.einsum("kbi,ki->kb", here.jacobian, step)
    falling = (change < 0) & (here.rates > 0)
    room = np.divide((1.0 - feasible_fraction) * here.rates, -change, out=np.ones_like(change), where=falling)
    shortened: Floats = step * np.minimum(room.min(axis=1), 1.0)[:, None]
    return shortened
