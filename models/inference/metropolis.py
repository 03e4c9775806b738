"""Bayesian upper limit on the cross-section by Metropolis–Hastings.

The chain moves in all parameters. A proposal is made in two parts: nuisance parameters from a Gaussian around the
best fit (a fresh draw, or a step that leaves this Gaussian invariant: preconditioned Crank–Nicolson, S. Cotter et
al., Stat. Sci. 28 (2013) 424), then the cross-section from its exact posterior given these. The cross-section then
cancels in the acceptance probability, which is min(1, w'/w) with

    w = prior(θ) · ∫ L(σ, θ) dσ / Gaussian(θ),

and need not even be drawn: averaging its conditional posteriors along the chain gives the marginal posterior.
The target is exact whatever the Gaussian; the Gaussian only decides how fast the chain mixes.
"""

from dataclasses import dataclass
from itertools import cycle
from math import ceil
from typing import NamedTuple

import numpy as np

from models.inference.configuration import InferenceSettings, MetropolisSettings
from models.inference.convergence import Convergence, diagnose
from models.inference.fits import ObservedFits
from models.inference.likelihood import Likelihood
from models.inference.minimisation import counts_information
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


def metropolis_limit(
    likelihood: Likelihood, fits: ObservedFits, settings: InferenceSettings, rng: np.random.Generator
) -> BayesianLimit:
    """Return the upper limit at the settings' credibility, flat prior in the cross-section at and above zero.

    Parameters
    ----------
    likelihood
        The model.
    fits
        Fits to the observed data.
    settings
        Credibility, prior range, chains and their convergence criteria.
    rng
        Source of randomness.
    """
    if not (fits.best.converged[0] and (fits.null.converged[0] or fits.xsec_hat_fb(likelihood) > 0)):
        return BayesianLimit(Status.FIT_FAILED)
    grid = starting_grid(likelihood, fits, settings.posterior)
    proposal = _Proposal.around_fit(likelihood, fits, settings.metropolis.tempering)
    for _ in range(settings.posterior.maximum_extensions + 1):
        limit, tail = _sample(proposal, grid, settings, rng)
        if tail < settings.posterior.tail_below:
            return limit
        grid = extended(grid)
    return BayesianLimit(Status.PRIOR_RANGE, prior_range_fb=grid.end_fb)


@dataclass(frozen=True)
class _Proposal:
    """Gaussian in the prior coordinates of the nuisance parameters."""

    coordinates: PriorCoordinates
    centre: Floats
    """Shape (n_fitted,)."""
    root: Floats
    """Cholesky factor of the covariance, shape (n_fitted, n_fitted)."""

    @classmethod
    def around_fit(cls, likelihood: Likelihood, fits: ObservedFits, tempering: float) -> "_Proposal":
        """Return the Gaussian approximation of the posterior.

        The likelihood of the counts is taken as a parabola around the fit with the cross-section at or above zero
        and multiplied with the priors, which are exactly normal in these coordinates.
        """
        coordinates = PriorCoordinates(likelihood)
        point = fits.physical(likelihood).points
        free = np.append(np.flatnonzero(likelihood.free), likelihood.poi)
        fitted, slope = (
            np.append(part, whole) for part, whole in zip(coordinates.coordinates(point[0]), (0.0, 1.0), strict=True)
        )
        has_prior = np.append(coordinates.has_prior, False)
        of_counts = counts_information(likelihood, point)[0] / tempering
        information = of_counts[np.ix_(free, free)] * np.outer(slope, slope)
        information += np.diag(has_prior)
        # A parameter without a prior that no bin feels keeps a unit width.
        information += np.diag(np.where(np.diag(information) > 0, 0.0, 1.0))
        covariance = np.linalg.inv(information)[:-1, :-1]
        # At the fit, the slopes of counts and constraint terms cancel.
        pull_of_counts = likelihood.constraints.gradient(point, likelihood.observed.auxiliary)[0, free] * slope
        centre = fitted[:-1] + covariance @ (pull_of_counts - has_prior * fitted)[:-1]
        return cls(coordinates, centre, np.linalg.cholesky(covariance))


@dataclass
class _Chains:
    """Present state of all chains."""

    standard: Floats
    """Nuisance parameters in the proposal's standard normal coordinates, shape (n_chains, n_fitted)."""
    log_weight: Floats
    """ln of posterior over proposal density, shape (n_chains,)."""
    density: Floats
    """Posterior of the cross-section given the nuisance parameters, shape (n_chains, n_nodes)."""

    def advance(self, proposed: "_Chains", rng: np.random.Generator) -> float:
        """Accept or reject a proposal for each chain and return the fraction accepted."""
        # A chain that still has weight zero takes whatever is offered.
        gain = np.where(np.isneginf(self.log_weight), np.inf, proposed.log_weight - np.nan_to_num(self.log_weight))
        accepted = np.log(rng.random(len(gain))) < gain
        for mine, new in zip(
            (self.standard, self.log_weight, self.density),
            (proposed.standard, proposed.log_weight, proposed.density),
            strict=True,
        ):
            mine[accepted] = new[accepted]
        return float(accepted.mean())


def _weigh(proposal: _Proposal, grid: XsecGrid, standard: Floats) -> _Chains:
    coordinates = proposal.coordinates
    location = proposal.centre + standard @ proposal.root.T
    points = coordinates.points(location)
    posteriors = conditional_posteriors(coordinates.likelihood, points, grid)
    log_prior = -0.5 * (location[:, coordinates.has_prior] ** 2).sum(axis=1)
    log_weight = log_prior + posteriors.log_evidence + 0.5 * (standard**2).sum(axis=1)
    return _Chains(standard, np.where(coordinates.inside_bounds(points), log_weight, -np.inf), posteriors.density)


class _Estimate(NamedTuple):
    """The limit from the conditional posteriors along the chains."""

    limit_fb: float
    relative_error: float
    convergence: Convergence
    tail: float
    """Posterior probability at the end of the prior range."""

    def meets(self, relative_error: float, criteria: MetropolisSettings) -> bool:
        """Return whether the chains agree and the limit is known to a relative error."""
        return (
            self.convergence.r_hat < criteria.r_hat_below
            and self.convergence.effective_size > criteria.effective_size_above
            and self.relative_error < relative_error
        )


def _estimate(densities: Floats, grid: XsecGrid, credibility: float) -> _Estimate:
    """Return the limit from conditional posteriors, shape (n_chains, n_steps, n_nodes)."""
    mean = densities.mean(axis=(0, 1))
    limit_fb = quantile(mean, grid, credibility)
    below = probability_below(densities, grid, limit_fb)
    convergence = diagnose(below)
    error = float(below.std()) / np.sqrt(convergence.effective_size)
    relative_error = float(error / (density_at(mean, grid, limit_fb) * limit_fb))
    return _Estimate(limit_fb, relative_error, convergence, tail_probability(mean, grid))


def _sample(
    proposal: _Proposal, grid: XsecGrid, settings: InferenceSettings, rng: np.random.Generator
) -> tuple[BayesianLimit, float]:
    """Run the chains until they meet the criteria; return the limit and the posterior's tail probability."""
    chosen = settings.metropolis
    shape = (chosen.n_chains, proposal.coordinates.size)
    chains = _weigh(proposal, grid, rng.standard_normal(shape))
    sizes = cycle(chosen.step_sizes)
    acceptance: list[float] = []

    def step() -> Floats:
        size = next(sizes)
        standard = np.sqrt(1.0 - size**2) * chains.standard + size * rng.standard_normal(shape)
        acceptance.append(chains.advance(_weigh(proposal, grid, standard), rng))
        return chains.density.copy()

    for _ in range(chosen.burn_in_steps):
        step()
    history = [step() for _ in range(chosen.first_look_steps)]
    estimate = _estimate(np.stack(history, axis=1), grid, settings.confidence_level)
    while not estimate.meets(chosen.relative_error_target, chosen) and len(history) < chosen.maximum_steps:
        n_more = ceil((chosen.look_growth - 1.0) * len(history))
        history += [step() for _ in range(min(n_more, chosen.maximum_steps - len(history)))]
        estimate = _estimate(np.stack(history, axis=1), grid, settings.confidence_level)
    accepted = estimate.meets(chosen.relative_error_accepted, chosen)
    limit = BayesianLimit(
        status=Status.OK if accepted else Status.NOT_CONVERGED,
        limit_fb=estimate.limit_fb if accepted else None,
        relative_error=estimate.relative_error,
        r_hat=estimate.convergence.r_hat,
        effective_size=estimate.convergence.effective_size,
        acceptance=float(np.mean(acceptance)),
        prior_range_fb=grid.end_fb,
    )
    return limit, estimate.tail
