"""Bayesian limit by randomised quasi-Monte Carlo integration over the nuisance parameters: the precise one.

Monte Carlo statistics are integrated bin by bin (`integration`). Draws of the other parameters come from a normal
approximation of their posterior, placed by Sobol sequences with random digital shifts (P. L'Ecuyer, C. Lemieux, in
Modeling Uncertainty, Kluwer 2002, section 3.4), and are weighted with the exact posterior. A first sequence adapts mean
and covariance of the approximation; independent shifts of what follows give the error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from models.inference.bayesian.posterior import Posterior
from models.inference.bayesian.xsec_grid import XsecGrid, probability_below, root_quantile, tail_probability
from models.inference.chebyshev import chebyshev_nodes, interpolation
from models.inference.compiled_model import Floats
from models.inference.configuration import QuasiMonteCarloSettings
from models.inference.integration import IntegrationPlan, log_joint, plan_integration
from models.inference.laplace import laplace_approximation
from models.inference.likelihood import Likelihood
from models.inference.results import BayesianLimit, Status

BITS: Final = 30
"""Binary digits of the sequences."""


@dataclass(frozen=True)
class SampledPosterior:
    """Normal approximation of the posterior of the sampled nuisance parameters, in their coordinates."""

    likelihood: Likelihood
    plan: IntegrationPlan
    centre: Floats
    """Shape (n_sampled,)."""
    root: Floats
    """Cholesky factor of the covariance, shape (n_sampled, n_sampled)."""

    @classmethod
    def around(cls, likelihood: Likelihood, point: Floats, tempering: float) -> SampledPosterior | None:
        """Return the approximation around a best fit; None where it has no positive covariance."""
        plan = plan_integration(likelihood, point)
        counts, auxiliary = (part[0] for part in likelihood.observed)
        centre, root = np.empty(plan.size), np.empty((plan.size, plan.size))
        exists = laplace_approximation(likelihood.model, plan, counts, auxiliary, point, tempering, centre, root)
        return cls(likelihood, plan, centre, root) if exists else None

    def log_values(self, standard: Floats, grid: XsecGrid, n_evaluations: int) -> Floats:
        """Return ln of likelihood times priors over the approximation's density.

        Parameters
        ----------
        standard
            Standard normal draws, shape (n_draws, n_sampled).
        grid
            Cross-sections.
        n_evaluations
            Number of cross-sections of which the others are interpolated; none are with as many as there are nodes.

        Returns
        -------
        ndarray
            Shape (n_draws, n_nodes), without the prior of the cross-section.
        """
        counts, auxiliary = (part[0] for part in self.likelihood.observed)
        low, high = float(grid.root[0]), float(grid.root[-1])
        interpolated = n_evaluations < grid.root.size
        xsec_fb = chebyshev_nodes(low, high, n_evaluations) ** 2 if interpolated else grid.xsec
        values = np.empty((len(standard), xsec_fb.size))
        location = np.ascontiguousarray(self.centre + standard @ self.root.T)
        log_joint(self.likelihood.model, self.plan, counts, auxiliary, xsec_fb, location, values)
        values += 0.5 * np.sum(standard**2, axis=1)[:, None]
        if not interpolated:
            return values
        possible = np.all(np.isfinite(values), axis=1)
        logs: Floats = np.where(possible[:, None], values, 0.0) @ interpolation(low, high, n_evaluations, grid.root)
        logs[~possible] = -np.inf
        return logs

    def needed_evaluations(self, grid: XsecGrid, settings: QuasiMonteCarloSettings) -> int:
        """Return how many cross-sections to evaluate so that a polynomial through them follows the logarithm.

        That is all nodes with next to no background: the likelihood of an observed event falls to zero at a
        cross-section of zero then, and its logarithm has a pole there.
        """
        centre = np.zeros((1, self.plan.size))
        n_nodes = grid.root.size
        exact = self.log_values(centre, grid, n_nodes)[0]
        peak = float(exact.max())
        if not np.isfinite(peak):
            return settings.n_evaluations
        weights = grid.prior * grid.weights
        posterior = np.exp(exact - peak)
        n = settings.n_evaluations
        while n < n_nodes:
            difference = np.abs(posterior - np.exp(self.log_values(centre, grid, n)[0] - peak)) @ weights
            if difference < settings.interpolation_error * (posterior @ weights):
                return n
            n *= 2
        return n_nodes

    def adapted(
        self, standard: Floats, weight: Floats, present_size: float, smallest_variance: float
    ) -> SampledPosterior:
        """Return the approximation with mean and covariance moved towards those of weighted draws.

        Parameters
        ----------
        standard
            Standard normal draws, shape (n_draws, n_sampled).
        weight
            Posterior weights, shape (n_draws,).
        present_size
            Effective number of draws that the present covariance counts as.
        smallest_variance
            Smallest variance in any direction, in units of the present one.
        """
        weight = weight / weight.sum()
        effective = 1.0 / np.sum(weight**2)
        mean = weight @ standard
        around = standard - mean
        covariance = effective * (around * weight[:, None]).T @ around + present_size * np.eye(mean.size)
        variances, directions = np.linalg.eigh(covariance / (effective + present_size))
        root = np.linalg.cholesky(directions * np.maximum(variances, smallest_variance) @ directions.T)
        return SampledPosterior(self.likelihood, self.plan, self.centre + self.root @ mean, self.root @ root)


@cache
def _sobol(n_dimensions: int, log2_draws: int) -> NDArray[np.int64]:
    """Return a Sobol sequence with scrambled matrices as whole numbers below 2**BITS, the same one every time."""
    sequence = qmc.Sobol(n_dimensions, rng=np.random.default_rng(0)).random_base2(log2_draws)
    return np.asarray(sequence * 2.0**BITS, dtype=np.int64)


def quasi_normal(n_dimensions: int, log2_draws: int, rng: np.random.Generator) -> Floats:
    """Return standard normal draws from a Sobol sequence, digits shifted at random, (2**log2_draws, n_dimensions)."""
    if n_dimensions == 0:
        return np.zeros((1, 0))
    shift = rng.integers(2**BITS, size=n_dimensions)
    uniform = ((_sobol(n_dimensions, log2_draws) ^ shift) + 0.5) / 2.0**BITS
    return np.asarray(ndtri(uniform), dtype=np.float64)


def quasi_monte_carlo_limit(
    posterior: Posterior,
    physical_fit: Floats,
    credibility: float,
    settings: QuasiMonteCarloSettings,
    rng: np.random.Generator,
) -> BayesianLimit:
    """Return the upper limit.

    Parameters
    ----------
    posterior
        Dataset, prior of the cross-section and its range.
    physical_fit
        Best fit with the cross-section at or above zero, shape (n_parameters,).
    credibility
        Probability below the limit.
    settings
        Numbers of draws.
    rng
        Source of the shifts.
    """
    sampled = SampledPosterior.around(posterior.likelihood, physical_fit, settings.tempering)
    if sampled is None:
        return BayesianLimit(Status.FIT_FAILED)
    standard = quasi_normal(sampled.plan.size, settings.log2_pilot_draws, rng)
    for _ in range(posterior.settings.maximum_extensions + 1):
        grid = posterior.problem.grid
        n_evaluations = sampled.needed_evaluations(grid, settings)
        densities = _densities(sampled, [standard], grid, n_evaluations)[0]
        if not densities.any():
            return BayesianLimit(Status.NOT_CONVERGED, prior_range_fb=grid.end)
        if tail_probability(densities.mean(axis=0), grid.root) < posterior.settings.tail_below:
            break
        posterior = posterior.extended()
    else:
        return BayesianLimit(Status.PRIOR_RANGE, prior_range_fb=grid.end)
    sampled = sampled.adapted(
        standard,
        densities @ grid.weights,
        settings.covariance_weight * sampled.plan.size,
        settings.smallest_variance,
    )
    for log2_draws in range(settings.log2_first_draws, settings.log2_maximum_draws + 1):
        shifted = [quasi_normal(sampled.plan.size, log2_draws, rng) for _ in range(settings.n_shifts)]
        estimate = _estimate(_densities(sampled, shifted, grid, n_evaluations), grid, credibility)
        if estimate.relative_error < settings.relative_error_target:
            break
    accepted = estimate.relative_error < settings.relative_error_accepted
    return BayesianLimit(
        status=Status.OK if accepted else Status.NOT_CONVERGED,
        limit_fb=estimate.limit_fb if accepted else None,
        relative_error=estimate.relative_error,
        effective_size=estimate.effective_size,
        prior_range_fb=grid.end,
    )


def _densities(sampled: SampledPosterior, parts: list[Floats], grid: XsecGrid, n_evaluations: int) -> Floats:
    """Return posterior densities of the draws in the root of the cross-section, (n_parts, n_draws, n_nodes).

    They are on one scale; their sizes are the draws' weights.
    """
    logs = sampled.log_values(np.concatenate(parts), grid, n_evaluations).reshape(len(parts), -1, grid.root.size)
    peak = float(logs.max())
    densities: Floats = np.exp(logs - (peak if np.isfinite(peak) else 0.0)) * grid.prior
    return densities


class _Estimate(NamedTuple):
    limit_fb: float
    relative_error: float
    effective_size: float


def _estimate(densities: Floats, grid: XsecGrid, credibility: float) -> _Estimate:
    weights = densities @ grid.weights
    mean = densities.mean(axis=(0, 1))
    root = root_quantile(mean, grid.root, credibility)
    of_shifted = densities.mean(axis=1)
    below, total = probability_below(of_shifted, grid, root**2), of_shifted @ grid.weights
    # The error of a ratio of two means, from independent pairs of them.
    residual = (below - below.mean() / total.mean() * total) / total.mean()
    error = float(residual.std(ddof=1)) / np.sqrt(residual.size)
    density = float(np.interp(root, grid.root, mean)) / total.mean()
    return _Estimate(
        limit_fb=root**2,
        # dσ = 2 √σ d√σ
        relative_error=2.0 * error / (density * root),
        effective_size=float(weights.sum() ** 2 / np.sum(weights**2)),
    )
