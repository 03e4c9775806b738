"""Nuisance parameters in coordinates in which their priors are standard normal, or nearly so.

With a flat prior before the auxiliary measurement, a normal constraint term is a normal prior around the auxiliary
observation, and a Poisson term with n auxiliary events is a gamma prior of shape k = n + 1. The cube root of a gamma
variable is close to normal (E. Wilson, M. Hilferty, Proc. Natl. Acad. Sci. 17 (1931) 684); the density in it is used
exactly. Parameters without a constraint keep a flat prior within their bounds, which cut every other prior, too.
"""

import math

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import CompiledModel, Flags, Floats, Indices


@compiled
def cube_root_of(shape: float, coordinate: float) -> float:
    """Return the cube root of a gamma variable over its shape, at a coordinate."""
    return 1.0 - 1.0 / (9.0 * shape) + coordinate / (3.0 * math.sqrt(shape))


@compiled
def place(model: CompiledModel, fitted: Indices, coordinates: Floats, auxiliary: Floats, point: Floats) -> float:
    """Move nuisance parameters to coordinates and return ln of their prior density there, −∞ where there is none.

    Parameters
    ----------
    model
        The model.
    fitted
        Nuisance parameters that have a coordinate, shape (n_fitted,).
    coordinates
        Shape (n_fitted,).
    auxiliary
        Auxiliary observation of each parameter, shape (n_parameters,).
    point
        Full parameter point, the fitted ones replaced.
    """
    log_density = 0.0
    for k in range(fitted.size):
        i, y = fitted[k], coordinates[k]
        if model.constraint[i] == 2:
            shape = auxiliary[i] + 1.0
            root = cube_root_of(shape, y)
            if root <= 0.0:
                return -np.inf
            point[i] = shape * root**3 / model.factor[i]
            log_density += (3.0 * shape - 1.0) * math.log(root) - shape * (root**3 - 1.0)
        elif model.constraint[i] == 1:
            point[i] = auxiliary[i] + model.width[i] * y
            log_density -= 0.5 * y * y
        else:
            point[i] = model.initial[i] + model.width[i] * y
        if point[i] < model.lower[i] or point[i] > model.upper[i]:
            return -np.inf
    return log_density


@compiled
def locate(
    model: CompiledModel,
    fitted: Indices,
    point: Floats,
    auxiliary: Floats,
    coordinates: Floats,
    slopes: Floats,
    gradient: Floats,
    curvature: Floats,
) -> None:
    """Fill in the coordinates of a point and the shape of the prior there, each of shape (n_fitted,).

    Parameters
    ----------
    model, fitted, point, auxiliary
        As for `place`.
    coordinates
        Filled.
    slopes
        Filled with the derivative of each parameter by its coordinate.
    gradient, curvature
        Filled with the first and second derivative of −ln of the prior by the coordinate.
    """
    for k in range(fitted.size):
        i = fitted[k]
        if model.constraint[i] == 2:
            shape = auxiliary[i] + 1.0
            scale = 1.0 / (3.0 * math.sqrt(shape))
            root = max(point[i] * model.factor[i] / shape, 1e-9) ** (1.0 / 3.0)
            coordinates[k] = (root - 1.0 + 1.0 / (9.0 * shape)) / scale
            slopes[k] = 3.0 * shape * root**2 * scale / model.factor[i]
            gradient[k] = scale * (3.0 * shape * root**2 - (3.0 * shape - 1.0) / root)
            curvature[k] = scale**2 * (6.0 * shape * root + (3.0 * shape - 1.0) / root**2)
        elif model.constraint[i] == 1:
            slopes[k] = model.width[i]
            coordinates[k] = (point[i] - auxiliary[i]) / model.width[i]
            gradient[k] = coordinates[k]
            curvature[k] = 1.0
        else:
            slopes[k] = model.width[i]
            coordinates[k] = (point[i] - model.initial[i]) / model.width[i]
            gradient[k] = 0.0
            curvature[k] = 0.0


def prior_draws(
    model: CompiledModel,
    free: Flags,
    auxiliary: Floats,
    centre: Floats,
    n_draws: int,
    rng: np.random.Generator,
) -> Floats:
    """Return parameter points with their nuisance parameters drawn from the priors, shape (n_draws, n_parameters).

    Parameters
    ----------
    model
        The model.
    free
        Nuisance parameters that are drawn, shape (n_parameters,). Those without a constraint are not.
    auxiliary
        Auxiliary observation of each parameter, shape (n_parameters,).
    centre
        What all other parameters stay at, shape (n_parameters,).
    n_draws
        Number of draws.
    rng
        Source of randomness. A draw outside the bounds of its parameter is drawn again.
    """
    points = np.repeat(centre[None, :], n_draws, axis=0)
    for i in np.flatnonzero(free & (model.constraint != 0)):
        pending = np.arange(n_draws)
        while pending.size:
            if model.constraint[i] == 2:
                values = rng.standard_gamma(auxiliary[i] + 1.0, size=pending.size) / model.factor[i]
            else:
                values = auxiliary[i] + model.width[i] * rng.standard_normal(pending.size)
            points[pending, i] = values
            pending = pending[(values < model.lower[i]) | (values > model.upper[i])]
    return points
