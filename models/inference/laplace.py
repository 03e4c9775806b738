"""Normal approximation of the posterior of the sampled nuisance parameters around a fit.

Quasi-Monte Carlo integration draws from it; it decides how fast that converges, never what it converges to.
"""

import math

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import CompiledModel, Floats
from models.inference.integration import IntegrationPlan, parameter_at
from models.inference.newton import factorise
from models.inference.rate_kernels import rates_and_slopes


@compiled
def coordinate_of(model: CompiledModel, parameter: int, auxiliary: Floats, value: float) -> float:
    """Return the coordinate at which `parameter_at` gives a value."""
    if model.constraint[parameter] == 2:
        shape = auxiliary[parameter] + 1.0
        root = (max(value, 0.0) * model.factor[parameter] / shape) ** (1.0 / 3.0)
        return float(3.0 * math.sqrt(shape) * (root - 1.0 + 1.0 / (9.0 * shape)))
    centre = auxiliary[parameter] if model.constraint[parameter] == 1 else model.initial[parameter]
    return float((value - centre) / model.width[parameter])


@compiled
def laplace_approximation(
    model: CompiledModel,
    plan: IntegrationPlan,
    counts: Floats,
    auxiliary: Floats,
    point: Floats,
    tempering: float,
    centre: Floats,
    root: Floats,
) -> bool:
    """Fill in a normal approximation of the sampled parameters' posterior around a best fit.

    Parameters
    ----------
    model, plan, counts, auxiliary
        As for `log_joint`.
    point
        Best fit, shape (n_parameters,).
    tempering
        Factor by which the counts are taken to know less than they do.
    centre
        Filled with the coordinates of the fit, shape (n_sampled,).
    root
        Filled with a Cholesky factor of the covariance, the cross-section integrated over, (n_sampled, n_sampled).

    Returns
    -------
    Whether the approximation exists.
    """
    n_sampled, n_bins = plan.sampled.size, model.n_bins
    expected, local_slopes = np.empty(n_bins), np.empty(point.size)
    global_slopes = np.empty((n_bins, model.n_globals))
    rates_and_slopes(model, point, expected, global_slopes, local_slopes)
    slopes = np.empty(n_sampled)
    # The cross-section comes first, so that the rest of the inverse is its marginal.
    information = np.zeros((n_sampled + 1, n_sampled + 1))
    for j in range(n_sampled):
        parameter = plan.sampled[j]
        # The maximum of a gamma density in the cube root lies higher than in the variable itself.
        raise_by = 2.0 / 3.0 / model.factor[parameter] if model.constraint[parameter] == 2 else 0.0
        centre[j] = coordinate_of(model, parameter, auxiliary, point[parameter] + raise_by)
        origin = auxiliary[parameter] if model.constraint[parameter] != 0 else model.initial[parameter]
        _, slopes[j], _ = parameter_at(
            model.constraint[parameter], origin, model.width[parameter], model.factor[parameter], centre[j]
        )
        information[j + 1, j + 1] = 1.0 if model.constraint[parameter] != 0 else 1e-12
    row = np.empty(n_sampled + 1)
    for b in range(n_bins):
        if expected[b] <= 0.0 or counts[b] <= 0.0:
            continue
        spread = 0.0
        for i in range(plan.bin_start[b], plan.bin_start[b + 1]):
            parameter = plan.bin_parameter[i]
            width = model.width[parameter]
            if model.constraint[parameter] == 2:
                width = math.sqrt(auxiliary[parameter] + 1.0) / model.factor[parameter]
            spread += (local_slopes[parameter] * width) ** 2
        weight = counts[b] / expected[b] ** 2
        weight = weight / (1.0 + weight * spread) / tempering
        row[0] = global_slopes[b, model.slot[model.poi]]
        for j in range(n_sampled):
            parameter = plan.sampled[j]
            slot = model.slot[parameter]
            row[j + 1] = slopes[j] * global_slopes[b, slot] if slot >= 0 else 0.0
        for i in range(model.local_start[b], model.local_start[b + 1]):
            for j in range(n_sampled):
                if plan.sampled[j] == model.local_parameter[i]:
                    row[j + 1] = slopes[j] * local_slopes[plan.sampled[j]]
        for i in range(n_sampled + 1):
            if row[i] != 0.0:
                for j in range(i + 1):
                    information[i, j] += weight * row[i] * row[j]
    for i in range(1, n_sampled + 1):
        if information[i, i] <= 2e-12:
            # Neither prior nor counts: a unit of width in the coordinate.
            information[i, i] = 1.0
    if information[0, 0] <= 0.0:
        information[0, 0] = 1.0
    for i in range(n_sampled + 1):
        for j in range(i):
            information[j, i] = information[i, j]
    covariance = np.linalg.inv(information)
    for i in range(n_sampled):
        for j in range(n_sampled):
            root[i, j] = covariance[i + 1, j + 1]
    factorise(root)
    for i in range(n_sampled):
        if not np.isfinite(root[i, i]):
            return False
        for j in range(i + 1, n_sampled):
            root[i, j] = 0.0
    return True
