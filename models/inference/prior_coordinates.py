"""Nuisance parameters in coordinates in which their priors are standard normal.

With a flat prior before the auxiliary measurement, a normal constraint term is a normal prior around the auxiliary
observation, and a Poisson term with n auxiliary events is a gamma prior of shape n + 1. Parameters without a
constraint keep a flat prior within their bounds; their coordinate is linear.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv, ndtr, ndtri
from scipy.stats import gamma

from models.inference.likelihood import Likelihood
from models.inference.rates import Flags, Floats


@dataclass(frozen=True)
class PriorCoordinates:
    """Coordinates of the fitted nuisance parameters of a likelihood."""

    likelihood: Likelihood

    @property
    def has_prior(self) -> Flags:
        """Whether each coordinate has a (standard normal) prior, shape (n_fitted,)."""
        constrained: Flags = self.likelihood.constraints.constrained[self.likelihood.free]
        return constrained

    @property
    def size(self) -> int:
        """Number of fitted nuisance parameters."""
        return int(self.likelihood.free.sum())

    def points(self, coordinates: Floats) -> Floats:
        """Return full parameter points of coordinates (n_points, n_fitted); other parameters at initial values."""
        likelihood, free = self.likelihood, self.likelihood.free
        terms = likelihood.constraints
        centre = np.where(terms.is_normal, terms.auxiliary, likelihood.initial)
        values = centre[free] + terms.width[free] * coordinates
        is_poisson = terms.is_poisson[free]
        if is_poisson.any():
            shape, factor = terms.auxiliary[free][is_poisson] + 1.0, terms.factor[free][is_poisson]
            values[:, is_poisson] = _gamma_quantile(shape, coordinates[:, is_poisson]) / factor
        points = np.repeat(likelihood.initial[None, :], len(coordinates), axis=0)
        points[:, free] = values
        return points

    def coordinates(self, point: Floats) -> tuple[Floats, Floats]:
        """Return coordinates of one parameter point and the derivatives of the parameters by them, (n_fitted,) each."""
        likelihood, free = self.likelihood, self.likelihood.free
        terms = likelihood.constraints
        centre = np.where(terms.is_normal, terms.auxiliary, likelihood.initial)
        slope = terms.width[free].copy()
        coordinates = (point - centre)[free] / slope
        is_poisson = terms.is_poisson[free]
        if is_poisson.any():
            shape, factor = terms.auxiliary[free][is_poisson] + 1.0, terms.factor[free][is_poisson]
            events = factor * point[free][is_poisson]
            normal = np.where(events < shape, ndtri(gammainc(shape, events)), -ndtri(gammaincc(shape, events)))
            coordinates[is_poisson] = normal
            slope[is_poisson] = np.exp(-0.5 * normal**2) / np.sqrt(2 * np.pi) / gamma.pdf(events, shape) / factor
        return coordinates, slope

    def inside_bounds(self, points: Floats) -> Flags:
        """Return which parameter points lie within the bounds of all fitted nuisance parameters."""
        likelihood = self.likelihood
        inside = (points >= likelihood.lower) & (points <= likelihood.upper)
        return np.asarray(inside[:, likelihood.free].all(axis=1), dtype=bool)


def _gamma_quantile(shape: Floats, normal: Floats) -> Floats:
    """Return the gamma quantile at the probability of a standard normal deviate, accurate in both tails."""
    quantile: Floats = np.where(
        normal < 0,
        gammaincinv(shape, ndtr(np.minimum(normal, 0.0))),
        gammainccinv(shape, ndtr(np.minimum(-normal, 0.0))),
    )
    return quantile
