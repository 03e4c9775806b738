"""Likelihood fits: a projected Levenberg–Marquardt minimiser, compiled.

The curvature is that of the Poisson terms with linearised rates (n/λ² in each bin), damped along the expected
information (1/λ). An empty bin alone would let its rate run below zero; the fits treat it as if it had counted a
small fraction of its background, which keeps the rate positive like the barrier of an interior-point method, and
report −ln L without that.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import CompiledModel, Flags, Floats
from models.inference.newton import newton_step
from models.inference.rate_kernels import rates_and_slopes

INITIAL_DAMPING: Final = 1e-3
DAMPING_DECREASE: Final = 0.1
DAMPING_INCREASE: Final = 10.0
SMALLEST_DAMPING: Final = 1e-9
LARGEST_DAMPING: Final = 1e12
NLL_ROUNDING: Final = 1e-13
"""An accepted step may raise −ln L by rounding, relative to its size."""


class FitControl(NamedTuple):
    """What a fit may do; shapes (n_parameters,) unless said."""

    free: Flags
    """Parameters that are fitted; the cross-section is, if a fit is told so."""
    lower: Floats
    upper: Floats
    barrier: Floats
    """Counts that fits give to an empty bin to keep its rate positive, shape (n_bins,)."""
    edm_below: float
    """Estimated distance to the minimum of −ln L at which a fit has converged."""
    maximum_iterations: int
    feasible_fraction: float
    """A step may reduce the rate of a bin at most to this fraction of its value."""


@compiled
def poisson_deviance(count: float, rate: float) -> float:
    """Return −ln Poisson(count | rate) less its value at a rate equal to the count.

    Infinite where the rate is negative, or zero where events were counted.

    >>> poisson_deviance(3.0, 3.0), poisson_deviance(0.0, 0.5), poisson_deviance(1.0, 0.0)
    (0.0, 0.5, inf)
    """
    if rate < 0.0 or (rate == 0.0 and count > 0.0):
        return np.inf
    if count <= 0.0:
        return rate
    return rate - count - count * math.log(rate / count)


@compiled
def constraint_deviance(model: CompiledModel, point: Floats, auxiliary: Floats) -> float:
    """Return −ln of the constraint terms, zero where each is at its maximum."""
    total = 0.0
    for i in range(point.size):
        if model.constraint[i] == 1:
            total += 0.5 * ((point[i] - auxiliary[i]) / model.width[i]) ** 2
        elif model.constraint[i] == 2:
            total += poisson_deviance(auxiliary[i], model.factor[i] * point[i])
    return total


@compiled
def deviance(counts: Floats, expected: Floats) -> float:
    """Return the sum of `poisson_deviance` over bins."""
    total = 0.0
    for b in range(counts.size):
        total += poisson_deviance(counts[b], expected[b])
    return total


@compiled
def gradient_of(
    model: CompiledModel,
    point: Floats,
    counts: Floats,
    auxiliary: Floats,
    expected: Floats,
    global_slopes: Floats,
    local_slopes: Floats,
    gradient: Floats,
) -> None:
    """Fill in the derivative of −ln L by every parameter, shape (n_parameters,)."""
    gradient[:] = 0.0
    for i in range(point.size):
        if model.constraint[i] == 1:
            gradient[i] = (point[i] - auxiliary[i]) / model.width[i] ** 2
        elif model.constraint[i] == 2:
            gradient[i] = model.factor[i] - (auxiliary[i] / point[i] if auxiliary[i] > 0.0 else 0.0)
    for b in range(model.n_bins):
        # Where nothing is expected and nothing counted, the ratio is that of its limit.
        residual = 1.0 - (counts[b] / expected[b] if counts[b] > 0.0 else 0.0)
        for i in range(model.n_globals):
            gradient[model.global_parameter[i]] += residual * global_slopes[b, i]
        for i in range(model.local_start[b], model.local_start[b + 1]):
            parameter = model.local_parameter[i]
            gradient[parameter] += residual * local_slopes[parameter]


@compiled
def information_of(
    model: CompiledModel,
    point: Floats,
    counts: Floats,
    auxiliary: Floats,
    expected: Floats,
    damping: float,
    weights: Floats,
    curvature: Floats,
) -> None:
    """Fill in the observed information of bins and constraints, plus `damping` times the expected one."""
    for b in range(model.n_bins):
        inverse = 1.0 / expected[b] if expected[b] > 0.0 else 0.0
        weights[b] = inverse * (counts[b] * inverse + damping)
    for i in range(point.size):
        curvature[i] = 0.0
        if model.constraint[i] == 1:
            curvature[i] = (1.0 + damping) / model.width[i] ** 2
        elif model.constraint[i] == 2 and point[i] > 0.0:
            curvature[i] = (auxiliary[i] / point[i] + damping * model.factor[i]) / point[i]


@compiled
def minimise_one(
    model: CompiledModel, control: FitControl, counts: Floats, auxiliary: Floats, point: Floats, poi_free: bool
) -> tuple[float, bool]:
    """Fit one dataset, moving `point` to the minimum.

    Parameters
    ----------
    model
        The model.
    control
        Bounds and criteria.
    counts
        Events per bin, shape (n_bins,).
    auxiliary
        Auxiliary observation of each parameter, shape (n_parameters,).
    point
        Start, replaced by the best fit, shape (n_parameters,).
    poi_free
        Whether the cross-section is fitted.

    Returns
    -------
    −ln L at the best fit relative to the saturated model, and whether the fit converged.
    """
    n, n_bins = point.size, model.n_bins
    fitted_counts = np.maximum(counts, control.barrier)
    free = control.free.copy()
    free[model.poi] = poi_free
    for i in range(n):
        if free[i]:
            point[i] = min(max(point[i], control.lower[i]), control.upper[i])
    expected, trial_expected = np.empty(n_bins), np.empty(n_bins)
    global_slopes, trial_global = np.empty((n_bins, model.n_globals)), np.empty((n_bins, model.n_globals))
    local_slopes, trial_local = np.empty(n), np.empty(n)
    weights, curvature = np.empty(n_bins), np.empty(n)
    gradient, step, trial = np.empty(n), np.empty(n), np.empty(n)
    movable = free.copy()

    rates_and_slopes(model, point, expected, global_slopes, local_slopes)
    nll = deviance(fitted_counts, expected) + constraint_deviance(model, point, auxiliary)
    converged = False
    damping = INITIAL_DAMPING
    for _ in range(control.maximum_iterations):
        if not np.isfinite(nll):
            break
        gradient_of(model, point, fitted_counts, auxiliary, expected, global_slopes, local_slopes, gradient)
        for i in range(n):
            held = (point[i] <= control.lower[i] and gradient[i] > 0.0) or (
                point[i] >= control.upper[i] and gradient[i] < 0.0
            )
            movable[i] = free[i] and not held
        # The expected information: the observed one says little of bins that counted little.
        zero_counts = np.zeros(n_bins)
        information_of(model, point, zero_counts, np.zeros(n), expected, 1.0, weights, curvature)
        newton_step(model, movable, weights, curvature, global_slopes, local_slopes, gradient, step)
        edm = -0.5 * np.sum(gradient * step)
        if edm < control.edm_below:
            converged = True
            break
        if damping > LARGEST_DAMPING:
            break
        information_of(model, point, fitted_counts, auxiliary, expected, damping, weights, curvature)
        newton_step(model, movable, weights, curvature, global_slopes, local_slopes, gradient, step)
        length = 1.0
        for b in range(n_bins):
            change = 0.0
            for i in range(model.n_globals):
                change += global_slopes[b, i] * step[model.global_parameter[i]]
            for i in range(model.local_start[b], model.local_start[b + 1]):
                change += local_slopes[model.local_parameter[i]] * step[model.local_parameter[i]]
            if change < 0.0 and expected[b] > 0.0:
                length = min(length, (1.0 - control.feasible_fraction) * expected[b] / -change)
        for i in range(n):
            trial[i] = point[i] + length * step[i]
            if movable[i]:
                trial[i] = min(max(trial[i], control.lower[i]), control.upper[i])
        rates_and_slopes(model, trial, trial_expected, trial_global, trial_local)
        trial_nll = deviance(fitted_counts, trial_expected) + constraint_deviance(model, trial, auxiliary)
        if trial_nll <= nll + NLL_ROUNDING * (1.0 + abs(nll)):
            point[:] = trial
            nll = trial_nll
            expected, trial_expected = trial_expected, expected
            global_slopes, trial_global = trial_global, global_slopes
            local_slopes, trial_local = trial_local, local_slopes
            damping = max(damping * DAMPING_DECREASE, SMALLEST_DAMPING)
        else:
            damping *= DAMPING_INCREASE
    return deviance(counts, expected) + constraint_deviance(model, point, auxiliary), converged


@compiled
def minimise_many(
    model: CompiledModel,
    control: FitControl,
    counts: Floats,
    auxiliary: Floats,
    points: Floats,
    poi_free: bool,
    nll: Floats,
    converged: Flags,
) -> None:
    """Fit many datasets; the first axis of every array is the fit. `points`, `nll` and `converged` are filled."""
    for i in range(points.shape[0]):
        nll[i], converged[i] = minimise_one(model, control, counts[i], auxiliary[i], points[i], poi_free)


@compiled
def expected_xsec_error(model: CompiledModel, control: FitControl, point: Floats) -> float:
    """Return the standard deviation of the cross-section from the expected information; infinite without any."""
    n, n_bins = point.size, model.n_bins
    expected, local_slopes = np.empty(n_bins), np.empty(n)
    global_slopes = np.empty((n_bins, model.n_globals))
    weights, curvature = np.empty(n_bins), np.empty(n)
    rates_and_slopes(model, point, expected, global_slopes, local_slopes)
    information_of(model, point, np.zeros(n_bins), np.zeros(n), expected, 1.0, weights, curvature)
    movable = control.free.copy()
    movable[model.poi] = True
    # A step along the gradient of the cross-section alone is its column of the covariance.
    gradient, step = np.zeros(n), np.empty(n)
    gradient[model.poi] = -1.0
    newton_step(model, movable, weights, curvature, global_slopes, local_slopes, gradient, step)
    return math.sqrt(step[model.poi]) if step[model.poi] > 0.0 else np.inf
