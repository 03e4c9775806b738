"""A Gaussian that resembles the posterior of the nuisance parameters, to propose draws from.

It decides how fast integrals converge, never what they converge to.
"""

import math
from typing import NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.bayesian.conditional import Problem, posterior_at
from models.inference.bayesian.coordinates import locate, place
from models.inference.compiled_model import CompiledModel, Floats, Indices
from models.inference.rate_kernels import rates_and_slopes


class Proposal(NamedTuple):
    """Gaussian in the coordinates of the nuisance parameters."""

    centre: Floats
    """Shape (n_fitted,)."""
    factor: Floats
    """Lower Cholesky factor of the inverse covariance, shape (n_fitted, n_fitted)."""


@compiled
def lower_cholesky(matrix: Floats) -> None:
    """Replace the lower triangle of a positive matrix by its Cholesky factor; the upper one is not touched."""
    for i in range(matrix.shape[0]):
        for j in range(i):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = total / matrix[j, j]
            matrix[i, i] -= matrix[i, j] ** 2
        matrix[i, i] = math.sqrt(max(matrix[i, i], 1e-12))


@compiled
def gaussian_around(
    model: CompiledModel,
    fitted: Indices,
    counts: Floats,
    auxiliary: Floats,
    point: Floats,
    tempering: float,
    centre: Floats,
    factor: Floats,
) -> tuple[float, float]:
    """Fill in the Gaussian approximation of the posterior around a fit, the cross-section integrated out.

    Parameters
    ----------
    model, fitted, counts, auxiliary
        As in `Problem`.
    point
        The best fit with the cross-section at or above zero, shape (n_parameters,).
    tempering
        Factor by which the counts are taken to know less than they do: wider tails where they constrain.
    centre, factor
        Filled: those of a `Proposal`.

    Returns
    -------
    Standard deviation of the cross-section with the nuisance parameters held, and integrated out.
    """
    n, n_bins = fitted.size, model.n_bins
    expected, local_slopes = np.empty(n_bins), np.empty(point.size)
    global_slopes = np.empty((n_bins, model.n_globals))
    rates_and_slopes(model, point, expected, global_slopes, local_slopes)
    location, slopes, gradient, curvature = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    locate(model, fitted, point, auxiliary, location, slopes, gradient, curvature)
    # The cross-section comes first: the factor of what remains is then that of the nuisance parameters alone.
    information = np.zeros((n + 1, n + 1))
    jacobian = np.zeros(n + 1)
    local_bin = np.full(point.size, -1)
    for b in range(n_bins):
        for i in range(model.local_start[b], model.local_start[b + 1]):
            local_bin[model.local_parameter[i]] = b
    alone = 0.0
    for b in range(n_bins):
        jacobian[0] = global_slopes[b, model.slot[model.poi]]
        for k in range(n):
            parameter = fitted[k]
            if model.slot[parameter] >= 0:
                jacobian[k + 1] = global_slopes[b, model.slot[parameter]] * slopes[k]
            else:
                jacobian[k + 1] = local_slopes[parameter] * slopes[k] if local_bin[parameter] == b else 0.0
        weight = 1.0 / max(expected[b], 1e-300)
        alone += weight * jacobian[0] ** 2
        residual = 1.0 - counts[b] * weight
        for i in range(n + 1):
            if jacobian[i] != 0.0:
                if i > 0:
                    gradient[i - 1] += residual * jacobian[i]
                scaled = weight / tempering * jacobian[i]
                for j in range(i + 1):
                    information[i, j] += scaled * jacobian[j]
    for k in range(n):
        information[k + 1, k + 1] += curvature[k]
    for i in range(n + 1):
        # What neither a prior nor a bin knows keeps a unit width.
        if information[i, i] <= 0.0:
            information[i, i] = 1.0
    # The cross-section's variance is that of the last position of a factorisation.
    reverse = np.empty((n + 1, n + 1))
    for i in range(n + 1):
        for j in range(i + 1):
            reverse[n - j, n - i] = information[i, j]
    lower_cholesky(reverse)
    sigma = 1.0 / (reverse[n, n] * math.sqrt(tempering))
    lower_cholesky(information)
    for i in range(n):
        for j in range(n):
            factor[i, j] = information[i + 1, j + 1] if j <= i else 0.0
    # One Newton step from the fit, whose maximum is that of another parametrisation.
    solution = gradient.copy()
    for i in range(n):
        for k in range(i):
            solution[i] -= factor[i, k] * solution[k]
        solution[i] /= factor[i, i]
    back_substitute(factor, solution)
    for k in range(n):
        centre[k] = location[k] - solution[k]
    return 1.0 / math.sqrt(alone) if alone > 0.0 else np.inf, sigma


@compiled
def back_substitute(factor: Floats, vector: Floats) -> None:
    """Replace a vector by the solution of the transposed lower triangular system."""
    n = vector.size
    for i in range(n - 1, -1, -1):
        total = vector[i]
        for k in range(i + 1, n):
            total -= factor[k, i] * vector[k]
        vector[i] = total / factor[i, i]


@compiled
def weigh(problem: Problem, proposal: Proposal, standard: Floats, point: Floats, density: Floats) -> float:
    """Return ln of posterior over proposal density at standard normal coordinates of the proposal, up to a constant.

    Parameters
    ----------
    problem, proposal
        The posterior and its approximation.
    standard
        Shape (n_fitted,).
    point
        Moved to the parameters there, shape (n_parameters,).
    density
        Filled with the conditional posterior of the cross-section, shape (n_nodes,).
    """
    coordinates = standard.copy()
    back_substitute(proposal.factor, coordinates)
    for k in range(coordinates.size):
        coordinates[k] += proposal.centre[k]
    log_weight = place(problem.model, problem.fitted, coordinates, problem.auxiliary, point)
    if not np.isfinite(log_weight):
        return -np.inf
    log_weight += posterior_at(problem, point, density)
    for k in range(standard.size):
        log_weight += 0.5 * standard[k] ** 2
    return log_weight
