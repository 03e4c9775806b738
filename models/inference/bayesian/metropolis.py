"""Bayesian upper limit on the cross-section by Metropolis–Hastings.

The chain moves in all parameters. A proposal is made in two parts: nuisance parameters from a Gaussian (a fresh draw,
or a step that leaves this Gaussian invariant: preconditioned Crank–Nicolson, S. Cotter et al., Stat. Sci. 28 (2013)
424), then the cross-section from its exact posterior given these. The cross-section then cancels in the acceptance
probability, which is min(1, w'/w) with

    w = prior(θ) · ∫ L(σ, θ) prior(σ) dσ / Gaussian(θ),

and need not even be drawn: averaging its conditional posteriors along the chain gives the marginal posterior. The
target is exact whatever the Gaussian, which starts as that around the best fit and is adapted to the draws of the
burn-in, and not afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.bayesian.conditional import Problem
from models.inference.bayesian.coordinates import place
from models.inference.bayesian.posterior import Posterior
from models.inference.bayesian.proposal import Proposal, back_substitute, weigh
from models.inference.bayesian.settings import MetropolisSettings
from models.inference.bayesian.xsec_grid import (
    XsecGrid,
    probability_below,
    root_quantile,
    tail_probability,
)
from models.inference.compiled_model import Floats
from models.inference.convergence import Convergence, diagnose
from models.inference.results import BayesianLimit, Status


@compiled
def run_chains(
    problem: Problem,
    proposal: Proposal,
    standard: Floats,
    log_weight: Floats,
    density: Floats,
    normals: Floats,
    log_uniforms: Floats,
    sizes: Floats,
    history: Floats,
    visited: Floats,
) -> int:
    """Advance many chains, recording every step.

    Parameters
    ----------
    problem, proposal
        The posterior and what is proposed from.
    standard, log_weight, density
        State of the chains, updated: standard normal coordinates of the proposal (n_chains, n_fitted), ln of the weight
        (n_chains,), conditional posterior of the cross-section (n_chains, n_nodes).
    normals
        Standard normal numbers, shape (n_chains, n_steps, n_fitted).
    log_uniforms
        ln of uniform numbers, shape (n_chains, n_steps).
    sizes
        Size of each step, shape (n_steps,).
    history
        Filled with the conditional posterior after each step, shape (n_chains, n_steps, n_nodes).
    visited
        Filled with the standard coordinates after each step, shape (n_chains, n_steps, n_fitted).

    Returns
    -------
    Number of proposals accepted.
    """
    n_accepted = 0
    trial, trial_density = np.empty(standard.shape[1]), np.empty(density.shape[1])
    point = problem.model.initial.copy()
    for c in range(standard.shape[0]):
        for t in range(sizes.size):
            kept = np.sqrt(1.0 - sizes[t] ** 2)
            for k in range(trial.size):
                trial[k] = kept * standard[c, k] + sizes[t] * normals[c, t, k]
            weight = weigh(problem, proposal, trial, point, trial_density)
            # A chain that still has weight zero takes whatever is offered.
            if weight > -np.inf and (log_weight[c] == -np.inf or log_uniforms[c, t] < weight - log_weight[c]):
                standard[c] = trial
                log_weight[c] = weight
                density[c] = trial_density
                n_accepted += 1
            history[c, t] = density[c]
            visited[c, t] = standard[c]
    return n_accepted


class Chains(NamedTuple):
    """Everything that a sampling recorded after its burn-in."""

    grid: XsecGrid
    densities: Floats
    """Posterior of the cross-section given the nuisance parameters at each step, per unit of the root of the
    cross-section, shape (n_chains, n_steps, n_nodes)."""
    points: Floats
    """Parameters at each step, shape (n_chains, n_steps, n_parameters); cross-sections drawn from `densities`."""


class Sampled(NamedTuple):
    """A limit and the chains that it comes from."""

    limit: BayesianLimit
    chains: Chains | None
    """None if there was no sampling."""


def metropolis_limit(
    posterior: Posterior, credibility: float, settings: MetropolisSettings, rng: np.random.Generator
) -> Sampled:
    """Return the upper limit and the chains.

    Parameters
    ----------
    posterior
        Posterior with the prior of the cross-section.
    credibility
        Probability below the limit.
    settings
        Chains and their convergence criteria.
    rng
        Source of randomness; the result depends on nothing else that is random.
    """
    for _ in range(posterior.settings.maximum_extensions + 1):
        sampler = _Sampler.started(posterior, settings, rng)
        estimate = sampler.sample(credibility)
        if estimate.tail < posterior.settings.tail_below:
            return Sampled(sampler.limit(estimate), sampler.chains())
        posterior = posterior.extended()
    return Sampled(BayesianLimit(Status.PRIOR_RANGE, prior_range_fb=posterior.problem.grid.end), None)


class _Estimate(NamedTuple):
    """The limit from the conditional posteriors along the chains."""

    limit: float
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
    mean = densities.mean(axis=(0, 1))
    root = root_quantile(mean, grid.root, credibility)
    below = probability_below(densities, grid, root**2)
    convergence = diagnose(below)
    error = float(below.std()) / np.sqrt(convergence.effective_size)
    # The density is per unit of the root, and the limit its square.
    relative_error = 2.0 * error / (float(np.interp(root, grid.root, mean)) * root)
    return _Estimate(root**2, float(relative_error), convergence, float(tail_probability(mean, grid.root)))


@dataclass
class _Sampler:
    """Chains of one workspace and what they have recorded."""

    posterior: Posterior
    proposal: Proposal
    settings: MetropolisSettings
    rng: np.random.Generator
    standard: Floats
    log_weight: Floats
    density: Floats
    densities: Floats
    visited: Floats
    n_proposed: int = 0
    n_accepted: int = 0

    @classmethod
    def started(cls, posterior: Posterior, settings: MetropolisSettings, rng: np.random.Generator) -> _Sampler:
        """Return chains after their burn-in, with the proposal adapted to it."""
        n_fitted, n_nodes = posterior.problem.fitted.size, posterior.problem.grid.root.size
        n_chains = settings.n_chains
        sampler = cls(
            posterior,
            posterior.proposal,
            settings,
            rng,
            standard=rng.standard_normal((n_chains, n_fitted)),
            log_weight=np.full(n_chains, -np.inf),
            density=np.zeros((n_chains, n_nodes)),
            densities=np.empty((n_chains, 0, n_nodes)),
            visited=np.empty((n_chains, 0, n_fitted)),
        )
        sampler.advance(settings.burn_in_steps)
        sampler.adapt()
        # After a change of the proposal, the chains forget what all of them learnt from the same draws.
        sampler.advance(settings.burn_in_steps)
        sampler.forget()
        return sampler

    def advance(self, n_steps: int) -> None:
        """Take steps and record them."""
        n_chains, n_fitted = self.standard.shape
        first = self.visited.shape[1]
        sizes = np.resize(np.array(self.settings.step_sizes), first + n_steps)[first:]
        history = np.empty((n_chains, n_steps, self.density.shape[1]))
        visited = np.empty((n_chains, n_steps, n_fitted))
        self.n_accepted += run_chains(
            self.posterior.problem,
            self.proposal,
            self.standard,
            self.log_weight,
            self.density,
            self.rng.standard_normal((n_chains, n_steps, n_fitted)),
            -self.rng.standard_exponential((n_chains, n_steps)),
            sizes,
            history,
            visited,
        )
        self.n_proposed += n_chains * n_steps
        self.densities = np.concatenate([self.densities, history], axis=1)
        self.visited = np.concatenate([self.visited, visited], axis=1)

    def adapt(self) -> None:
        """Move the proposal towards mean and covariance of the second half of what was recorded."""
        n_fitted = self.standard.shape[1]
        if n_fitted == 0:
            return
        draws = self.visited[:, self.visited.shape[1] // 2 :].reshape(-1, n_fitted)
        trust = len(draws) / (len(draws) + self.settings.adaptation_draws * n_fitted)
        shift = trust * draws.mean(axis=0)
        spread = np.cov(draws, rowvar=False).reshape(n_fitted, n_fitted)
        covariance = (1.0 - trust) * np.eye(n_fitted) + trust * self.settings.tempering * spread
        inner = np.linalg.cholesky(np.linalg.inv(covariance))
        moved = shift.copy()
        back_substitute(self.proposal.factor, moved)
        # Standard coordinates of the new proposal: z = Lᵀ (old z − shift), and its factor is the product of both.
        self.proposal = Proposal(self.proposal.centre + moved, np.ascontiguousarray(self.proposal.factor @ inner))
        self.standard = np.ascontiguousarray((self.standard - shift) @ inner)
        self._reweigh()

    def _reweigh(self) -> None:
        point = self.posterior.problem.model.initial.copy()
        for c in range(self.standard.shape[0]):
            self.log_weight[c] = weigh(self.posterior.problem, self.proposal, self.standard[c], point, self.density[c])

    def forget(self) -> None:
        """Drop what was recorded."""
        self.densities, self.visited = self.densities[:, :0], self.visited[:, :0]
        self.n_proposed = self.n_accepted = 0

    def sample(self, credibility: float) -> _Estimate:
        """Take steps until the criteria are met or the steps run out."""
        chosen, grid = self.settings, self.posterior.problem.grid
        self.advance(chosen.first_look_steps)
        estimate = _estimate(self.densities, grid, credibility)
        while not estimate.meets(chosen.relative_error_target, chosen):
            n_steps = self.visited.shape[1]
            n_more = min(ceil((chosen.look_growth - 1.0) * n_steps), chosen.maximum_steps - n_steps)
            if n_more <= 0:
                break
            self.advance(n_more)
            estimate = _estimate(self.densities, grid, credibility)
        return estimate

    def limit(self, estimate: _Estimate) -> BayesianLimit:
        """Return the limit, or why there is none."""
        accepted = estimate.meets(self.settings.relative_error_accepted, self.settings)
        return BayesianLimit(
            status=Status.OK if accepted else Status.NOT_CONVERGED,
            limit_fb=estimate.limit if accepted else None,
            relative_error=estimate.relative_error,
            r_hat=estimate.convergence.r_hat,
            effective_size=estimate.convergence.effective_size,
            acceptance=self.n_accepted / self.n_proposed,
            prior_range_fb=self.posterior.problem.grid.end,
        )

    def chains(self) -> Chains:
        """Return everything recorded, as parameters."""
        problem = self.posterior.problem
        n_chains, n_steps, n_fitted = self.visited.shape
        points = np.empty((n_chains * n_steps, problem.model.initial.size))
        points_of(problem, self.proposal, self.visited.reshape(n_chains * n_steps, n_fitted), points)
        densities = self.densities.reshape(n_chains * n_steps, -1)
        points[:, problem.model.poi] = draw_xsec(densities, problem.grid, self.rng)
        return Chains(problem.grid, self.densities, points.reshape(n_chains, n_steps, -1))


@compiled
def points_of(problem: Problem, proposal: Proposal, standard: Floats, points: Floats) -> None:
    """Fill in the parameters at standard coordinates of a proposal, shapes (n_points, …)."""
    for i in range(points.shape[0]):
        coordinates = standard[i].copy()
        back_substitute(proposal.factor, coordinates)
        coordinates += proposal.centre
        points[i] = problem.model.initial
        place(problem.model, problem.fitted, coordinates, problem.auxiliary, points[i])


def draw_xsec(densities: Floats, grid: XsecGrid, rng: np.random.Generator) -> Floats:
    """Return one cross-section drawn from each posterior, densities of shape (n_draws, n_nodes)."""
    areas = np.cumsum(0.5 * (densities[:, 1:] + densities[:, :-1]), axis=1)
    target = rng.random(len(densities)) * areas[:, -1]
    interval = (areas < target[:, None]).sum(axis=1)
    rows = np.arange(len(densities))
    start = np.where(interval > 0, areas[rows, interval - 1], 0.0)
    fraction = (target - start) / (areas[rows, interval] - start)
    step = grid.root[1] - grid.root[0]
    return np.asarray((grid.root[interval] + fraction * step) ** 2)
