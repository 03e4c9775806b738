"""Newton steps of a likelihood whose local parameters are eliminated bin by bin.

With linearised rates the information is DᵀWD + C: D the slopes, W the weights of the bins and C the constraints'
curvature, which is diagonal. A local parameter touches one bin only, so eliminating all of them leaves the same form
for the global ones with the smaller weights w/(1 + w Σ j²/c) — a bin counts as its statistical and Monte Carlo
variance together — and costs nothing.
"""

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import CompiledModel, Flags, Floats

SMALLEST_CURVATURE = 1e-10
"""Curvature given to a local parameter without constraint, relative to that of its bin: damping, not a bias."""
SMALLEST_PIVOT = 1e-12
"""Parameters that others can stand for up to this fraction of their own information are not moved."""


@compiled
def factorise(matrix: Floats) -> None:
    """Replace a positive matrix (lower triangle) by its Cholesky factor.

    Directions without information get an infinite pivot: they are not moved.
    """
    for i in range(matrix.shape[0]):
        diagonal = matrix[i, i]
        for j in range(i):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = total / matrix[j, j]
            matrix[i, i] -= matrix[i, j] ** 2
        matrix[i, i] = np.sqrt(matrix[i, i]) if matrix[i, i] > SMALLEST_PIVOT * diagonal else np.inf


@compiled
def solve_factorised(factor: Floats, vector: Floats) -> None:
    """Replace a vector by the solution of the linear system of a Cholesky factor."""
    n = vector.size
    for i in range(n):
        for k in range(i):
            vector[i] -= factor[i, k] * vector[k]
        vector[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= factor[k, i] * vector[k]
        vector[i] /= factor[i, i]


@compiled
def reduced_information(
    model: CompiledModel,
    movable: Flags,
    weights: Floats,
    curvature: Floats,
    global_slopes: Floats,
    local_slopes: Floats,
    information: Floats,
    reduced: Floats,
) -> None:
    """Fill in the information on the global parameters with the local ones eliminated.

    Parameters
    ----------
    model
        The model.
    movable
        Parameters that are not held, shape (n_parameters,); held ones get a unit of information of their own.
    weights
        Information of each bin on its rate, shape (n_bins,).
    curvature
        Of the constraint terms, shape (n_parameters,).
    global_slopes, local_slopes
        Of `rates_and_slopes`.
    information
        Lower triangle filled, shape (n_globals, n_globals).
    reduced
        Filled with the weights that are left after the elimination, shape (n_bins,).
    """
    n = model.n_globals
    information[:, :] = 0.0
    for b in range(model.n_bins):
        spread = 0.0
        for i in range(model.local_start[b], model.local_start[b + 1]):
            parameter = model.local_parameter[i]
            if movable[parameter]:
                slope2 = local_slopes[parameter] ** 2
                spread += slope2 / max(curvature[parameter], SMALLEST_CURVATURE * weights[b] * slope2)
        reduced[b] = weights[b] / (1.0 + weights[b] * spread)
        for i in range(n):
            if global_slopes[b, i] != 0.0:
                scaled = reduced[b] * global_slopes[b, i]
                for j in range(i + 1):
                    information[i, j] += scaled * global_slopes[b, j]
    for i in range(n):
        parameter = model.global_parameter[i]
        if movable[parameter]:
            information[i, i] += curvature[parameter]
            for j in range(i):
                if not movable[model.global_parameter[j]]:
                    information[i, j] = 0.0
        else:
            information[i, :i] = 0.0
            information[i, i] = 1.0


@compiled
def newton_step(
    model: CompiledModel,
    movable: Flags,
    weights: Floats,
    curvature: Floats,
    global_slopes: Floats,
    local_slopes: Floats,
    gradient: Floats,
    step: Floats,
) -> None:
    """Fill in the step to the minimum of the local parabola, zero for held parameters, shape (n_parameters,).

    Arguments as of `reduced_information`; `gradient` is that of −ln L, shape (n_parameters,).
    """
    n = model.n_globals
    information, reduced = np.empty((n, n)), np.empty(model.n_bins)
    reduced_information(model, movable, weights, curvature, global_slopes, local_slopes, information, reduced)
    pulls = np.zeros(model.n_bins)
    downhill = np.zeros(n)
    for i in range(n):
        if movable[model.global_parameter[i]]:
            downhill[i] = -gradient[model.global_parameter[i]]
    for b in range(model.n_bins):
        for i in range(model.local_start[b], model.local_start[b + 1]):
            parameter = model.local_parameter[i]
            slope = local_slopes[parameter]
            if movable[parameter] and slope != 0.0:
                held = max(curvature[parameter], SMALLEST_CURVATURE * weights[b] * slope**2)
                pulls[b] += slope * gradient[parameter] / held
        for i in range(n):
            if movable[model.global_parameter[i]]:
                downhill[i] += global_slopes[b, i] * reduced[b] * pulls[b]
    factorise(information)
    solve_factorised(information, downhill)
    step[:] = 0.0
    for i in range(n):
        step[model.global_parameter[i]] = downhill[i]
    for b in range(model.n_bins):
        change = 0.0
        for i in range(n):
            change += global_slopes[b, i] * downhill[i]
        for i in range(model.local_start[b], model.local_start[b + 1]):
            parameter = model.local_parameter[i]
            slope = local_slopes[parameter]
            if movable[parameter] and (slope != 0.0 or curvature[parameter] > 0.0):
                held = max(curvature[parameter], SMALLEST_CURVATURE * weights[b] * slope**2)
                step[parameter] = -(gradient[parameter] + slope * reduced[b] * (change - pulls[b])) / held
