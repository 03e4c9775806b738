"""Bayesian upper limit by averaging the likelihood over draws from the nuisance priors ("toy Monte Carlo").

A numerical integration that shares no chain and no fit with Metropolis–Hastings, hence a cross-check of it. It needs a
prior, that is a constraint term, for every nuisance parameter.
"""

from __future__ import annotations

import numpy as np

from models.inference.bayesian.conditional import posteriors_at
from models.inference.bayesian.coordinates import prior_draws
from models.inference.bayesian.posterior import Posterior
from models.inference.bayesian.settings import PriorAveragingSettings
from models.inference.bayesian.xsec_grid import XsecGrid, probability_below, root_quantile, tail_probability
from models.inference.compiled_model import Constraint, Floats
from models.inference.results import BayesianLimit, Status


def prior_averaged_limit(
    posterior: Posterior, credibility: float, settings: PriorAveragingSettings, rng: np.random.Generator
) -> BayesianLimit:
    """Return the upper limit.

    Parameters
    ----------
    posterior
        Dataset, prior of the cross-section and its range.
    credibility
        Probability below the limit.
    settings
        Number of draws and accuracy.
    rng
        Source of randomness.
    """
    if settings.first_draws == 0:
        return BayesianLimit(Status.NOT_COMPUTED)
    problem = posterior.problem
    model, free = problem.model, posterior.likelihood.free
    if np.any(free & (model.constraint == Constraint.NONE)):
        return BayesianLimit(Status.NO_PRIOR)
    n_draws = settings.first_draws
    n_extensions = 0
    points = prior_draws(model, free, problem.auxiliary, model.initial, n_draws, rng)
    log_evidence, densities = _average(posterior, points)
    while True:
        grid = posterior.problem.grid
        weight = np.exp(log_evidence - np.max(log_evidence)) if np.isfinite(log_evidence).any() else np.zeros(n_draws)
        if not weight.any():
            return BayesianLimit(Status.NOT_CONVERGED, prior_range_fb=grid.end)
        weight /= weight.sum()
        mean = weight @ densities
        if tail_probability(mean, grid.root) > posterior.settings.tail_below:
            if n_extensions == posterior.settings.maximum_extensions:
                return BayesianLimit(Status.PRIOR_RANGE, prior_range_fb=grid.end)
            n_extensions += 1
            posterior = posterior.extended()
            log_evidence, densities = _average(posterior, points)
            continue
        limit = _limit(weight, densities, mean, grid, credibility, settings)
        reached = limit.relative_error is not None and limit.relative_error < settings.relative_error_target
        if (reached and limit.status is Status.OK) or 2 * n_draws > settings.maximum_draws:
            return limit
        more = prior_draws(model, free, problem.auxiliary, model.initial, n_draws, rng)
        n_draws *= 2
        points = np.concatenate([points, more])
        log_evidence, densities = (
            np.concatenate(pair) for pair in zip((log_evidence, densities), _average(posterior, more), strict=True)
        )


def _average(posterior: Posterior, points: Floats) -> tuple[Floats, Floats]:
    log_evidence = np.empty(len(points))
    densities = np.zeros((len(points), posterior.problem.grid.root.size))
    posteriors_at(posterior.problem, points, log_evidence, densities)
    return log_evidence, densities


def _limit(
    weight: Floats,
    densities: Floats,
    mean: Floats,
    grid: XsecGrid,
    credibility: float,
    settings: PriorAveragingSettings,
) -> BayesianLimit:
    """Return the limit from weighted conditional posteriors, with the error of a weighted mean."""
    root = root_quantile(mean, grid.root, credibility)
    below = probability_below(densities, grid, root**2)
    error = float(np.sqrt(weight**2 @ (below - weight @ below) ** 2))
    relative_error = 2.0 * error / (float(np.interp(root, grid.root, mean)) * root)
    effective_size = float(1.0 / (weight**2).sum())
    accepted = relative_error < settings.relative_error_accepted and effective_size > settings.effective_size_above
    return BayesianLimit(
        status=Status.OK if accepted else Status.NOT_CONVERGED,
        limit_fb=root**2 if accepted else None,
        relative_error=relative_error,
        effective_size=effective_size,
        prior_range_fb=grid.end,
    )
