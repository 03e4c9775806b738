"""Bayesian upper limit by averaging the likelihood over draws from the nuisance priors ("toy Monte Carlo").

A numerical integration that shares no chain with Metropolis–Hastings, hence a cross-check of it. It needs a prior,
that is a constraint term, for every nuisance parameter.
"""

import numpy as np

from models.inference.configuration import InferenceSettings
from models.inference.fits import ObservedFits
from models.inference.likelihood import Likelihood
from models.inference.posterior import (
    XsecGrid,
    conditional_posteriors,
    density_at,
    extended,
    probability_below,
    quantile,
    starting_grid,
    tail_probability,
)
from models.inference.prior_coordinates import PriorCoordinates
from models.inference.rates import Floats
from models.inference.results import BayesianLimit, Status


def prior_averaged_limit(
    likelihood: Likelihood, fits: ObservedFits, settings: InferenceSettings, rng: np.random.Generator
) -> BayesianLimit:
    """Return the upper limit at the settings' credibility, flat prior in the cross-section at and above zero.

    Parameters
    ----------
    likelihood
        The model.
    fits
        Fits to the observed data, which set the prior range.
    settings
        Credibility, prior range and number of draws.
    rng
        Source of randomness.
    """
    chosen = settings.prior_averaging
    if chosen.n_toys == 0:
        return BayesianLimit(Status.NOT_COMPUTED)
    coordinates = PriorCoordinates(likelihood)
    if not coordinates.has_prior.all():
        return BayesianLimit(Status.NO_PRIOR)
    if not (fits.best.converged[0] and (fits.null.converged[0] or fits.xsec_hat_fb(likelihood) > 0)):
        return BayesianLimit(Status.FIT_FAILED)
    points = coordinates.points(rng.standard_normal((chosen.n_toys, coordinates.size)))
    inside = coordinates.inside_bounds(points)
    grid = starting_grid(likelihood, fits, settings.posterior)
    for _ in range(settings.posterior.maximum_extensions + 1):
        posteriors = conditional_posteriors(likelihood, points, grid)
        log_weight = np.where(inside, posteriors.log_evidence, -np.inf)
        if not np.isfinite(log_weight).any():
            return BayesianLimit(Status.NOT_CONVERGED, prior_range_fb=grid.end_fb)
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        mean = weight @ posteriors.density
        if tail_probability(mean, grid) < settings.posterior.tail_below:
            return _limit(weight, posteriors.density, grid, settings)
        grid = extended(grid)
    return BayesianLimit(Status.PRIOR_RANGE, prior_range_fb=grid.end_fb)


def _limit(weight: Floats, density: Floats, grid: XsecGrid, settings: InferenceSettings) -> BayesianLimit:
    """Return the limit from weighted conditional posteriors, with the error of a weighted mean."""
    mean = weight @ density
    limit_fb = quantile(mean, grid, settings.confidence_level)
    below = probability_below(density, grid, limit_fb)
    error = float(np.sqrt(weight**2 @ (below - weight @ below) ** 2))
    relative_error = error / (density_at(mean, grid, limit_fb) * limit_fb)
    accepted = relative_error < settings.prior_averaging.relative_error_accepted
    return BayesianLimit(
        status=Status.OK if accepted else Status.NOT_CONVERGED,
        limit_fb=limit_fb if accepted else None,
        relative_error=relative_error,
        effective_size=float(1.0 / (weight**2).sum()),
        prior_range_fb=grid.end_fb,
    )
