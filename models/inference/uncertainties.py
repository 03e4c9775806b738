"""Uncertainties of a best fit: covariance from the observed information, profile intervals, impacts of nuisances."""

from typing import NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import CompiledModel, Flags, Floats, Indices
from models.inference.crossings import find_crossings
from models.inference.fits import profile
from models.inference.likelihood import Likelihood
from models.inference.minimisation import FitControl, gradient_of, minimise_one
from models.inference.rate_kernels import rates_and_slopes

GRADIENT_STEP = 1e-4
"""Step of the differences of the analytic gradient, in standard deviations of each parameter."""


@compiled
def _gradient_at(model: CompiledModel, point: Floats, counts: Floats, auxiliary: Floats, gradient: Floats) -> None:
    expected, local_slopes = np.empty(model.n_bins), np.empty(point.size)
    global_slopes = np.empty((model.n_bins, model.n_globals))
    rates_and_slopes(model, point, expected, global_slopes, local_slopes)
    gradient_of(model, point, counts, auxiliary, expected, global_slopes, local_slopes, gradient)


@compiled
def _hessian(
    model: CompiledModel, point: Floats, counts: Floats, auxiliary: Floats, fitted: Indices, step: Floats
) -> Floats:
    """Return the second derivatives of −ln L by the fitted parameters, shape (n_fitted, n_fitted)."""
    n = fitted.size
    above, below, moved = np.empty(point.size), np.empty(point.size), point.copy()
    hessian = np.empty((n, n))
    for i in range(n):
        parameter = fitted[i]
        moved[parameter] = point[parameter] + step[parameter]
        _gradient_at(model, moved, counts, auxiliary, above)
        moved[parameter] = point[parameter] - step[parameter]
        _gradient_at(model, moved, counts, auxiliary, below)
        moved[parameter] = point[parameter]
        for j in range(n):
            hessian[i, j] = (above[fitted[j]] - below[fitted[j]]) / (2.0 * step[parameter])
    return 0.5 * (hessian + hessian.T)


@compiled
def _fit_held(
    model: CompiledModel,
    control: FitControl,
    counts: Floats,
    auxiliary: Floats,
    points: Floats,
    fallback: Floats,
    held: Indices,
    converged: Flags,
) -> None:
    """Fit all but one parameter from each starting point, or else from the fallback, replacing the points."""
    for i in range(held.size):
        value = points[i, held[i]]
        control.free[held[i]] = False
        _, converged[i] = minimise_one(model, control, counts, auxiliary, points[i], True)
        if not converged[i]:
            points[i] = fallback
            points[i, held[i]] = value
            _, converged[i] = minimise_one(model, control, counts, auxiliary, points[i], True)
        control.free[held[i]] = True


class Covariance(NamedTuple):
    """Covariance of the parameters that a best fit moved."""

    fitted: Indices
    """The parameters, cross-section included; those at a bound or without influence are left out."""
    matrix: Floats
    """Shape (n_fitted, n_fitted)."""

    def error_of(self, parameter: int) -> float | None:
        """Return the standard deviation of a parameter, None if it was not fitted."""
        where = np.flatnonzero(self.fitted == parameter)
        return float(np.sqrt(self.matrix[where[0], where[0]])) if where.size else None


def covariance(likelihood: Likelihood, point: Floats, xsec_scale_fb: float) -> Covariance | None:
    """Return the inverse of the observed information at a best fit, None where that is not positive.

    Parameters
    ----------
    likelihood
        The model with its observations.
    point
        Best fit, shape (n_parameters,).
    xsec_scale_fb
        Rough error of the cross-section, the unit of its differences.
    """
    model, control = likelihood.model, likelihood.control
    inside = (point > control.lower) & (point < control.upper)
    inside[model.poi] = True
    free = control.free.copy()
    free[model.poi] = True
    step = GRADIENT_STEP * model.width
    step[model.poi] = GRADIENT_STEP * xsec_scale_fb
    step = np.minimum(step, np.where(inside, 0.1 * np.minimum(point - control.lower, control.upper - point), step))
    fitted = np.flatnonzero(free & inside & (step > 0)).astype(np.int64)
    # An empty bin as the fit saw it: its barrier is what the minimum rests on.
    counts = np.maximum(likelihood.observed.counts[0], control.barrier)
    hessian = _hessian(model, point, counts, likelihood.observed.auxiliary[0], fitted, step)
    diagonal = np.diag(hessian)
    if not np.all(np.isfinite(hessian)) or np.any(diagonal < 0):
        return None
    informed = diagonal > 0
    fitted, hessian = fitted[informed], hessian[np.ix_(informed, informed)]
    scale = 1.0 / np.sqrt(np.diag(hessian))
    try:
        root = np.linalg.inv(np.linalg.cholesky(hessian * np.outer(scale, scale)))
    except np.linalg.LinAlgError:
        return None
    return Covariance(fitted, root.T @ root * np.outer(scale, scale))


def profile_error(
    likelihood: Likelihood, best: Floats, nll: float, guess_fb: float, direction: int, tolerance: float, maximum: int
) -> float | None:
    """Return the distance from the best-fit cross-section to where −2 ln L has risen by one, None if it never does.

    Parameters
    ----------
    likelihood
        The model with its observations.
    best, nll
        Best fit, shape (n_parameters,), and −ln L there.
    guess_fb
        First distance to try.
    direction
        1 upwards, −1 downwards; downwards the rates may turn negative before.
    tolerance, maximum
        Relative accuracy and number of fits.
    """
    start = best[None, :].copy()
    origin = best[likelihood.poi]

    def root_of_rise(distance: Floats, _: object) -> Floats:
        nonlocal start
        there = profile(likelihood, likelihood.observed, origin + direction * distance, start)
        if not there.converged[0]:
            return np.array([np.nan])
        start = there.points
        # The root makes a parabola a straight line.
        return np.sqrt(np.maximum(2.0 * (there.nll - nll), 0.0)) - 1.0

    crossing = find_crossings(
        root_of_rise,
        np.zeros(1),
        np.array([-1.0]),
        np.array([guess_fb]),
        relative_tolerance=tolerance,
        maximum_iterations=maximum,
    )
    return float(crossing.position[0]) if crossing.found[0] else None


def impacts(
    likelihood: Likelihood, best: Floats, null: Floats, errors: Covariance
) -> dict[int, tuple[float | None, float | None]]:
    """Return nuisance parameter → change of the best-fit cross-section as it moves by −1 and +1 post-fit error.

    Parameters
    ----------
    likelihood
        The model with its observations.
    best, null
        Fits with and without signal, shape (n_parameters,).
    errors
        Covariance.

    Returns
    -------
    dict
        For every fitted nuisance; a change is None if its fit did not converge.
    """
    model = likelihood.model
    # Which parameter is held changes from fit to fit.
    control = likelihood.control._replace(free=likelihood.control.free.copy())
    rows = np.flatnonzero(errors.fitted != model.poi)
    moved = np.repeat(errors.fitted[rows], 2)
    widths = np.sqrt(np.diag(errors.matrix))
    points = np.repeat(best[None, :], moved.size, axis=0)
    # The parabola says where the others go; the fits start from there.
    for index, row in enumerate(np.repeat(rows, 2)):
        sign = 2 * (index % 2) - 1
        points[index, errors.fitted] += sign * errors.matrix[row] / widths[row]
    converged = np.zeros(moved.size, dtype=np.bool_)
    points = np.clip(points, control.lower, control.upper)
    counts, auxiliary = (part[0] for part in likelihood.observed)
    _fit_held(model, control, counts, auxiliary, points, null, moved, converged)
    change = points[:, model.poi] - best[model.poi]
    values = [float(x) if ok else None for x, ok in zip(change, converged, strict=True)]
    return {int(p): (values[2 * i], values[2 * i + 1]) for i, p in enumerate(errors.fitted[rows])}
