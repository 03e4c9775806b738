"""What every Bayesian limit of one workspace starts from: the proposal and the prior range around its fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.inference.bayesian.conditional import Problem
from models.inference.bayesian.prior_range import extended_nodes, reach
from models.inference.bayesian.proposal import Proposal, gaussian_around
from models.inference.bayesian.settings import PosteriorSettings
from models.inference.bayesian.xsec_grid import xsec_grid
from models.inference.compiled_model import Floats
from models.inference.likelihood import Likelihood


@dataclass(frozen=True)
class Posterior:
    """Posterior of one workspace, ready for integration."""

    likelihood: Likelihood
    problem: Problem
    proposal: Proposal
    settings: PosteriorSettings

    def extended(self) -> Posterior:
        """Return the same posterior with a prior range twice as long."""
        grid = self.problem.grid
        end, n_nodes = extended_nodes(float(grid.xsec[0]), grid.end, grid.xsec.size)
        return self._over(float(grid.xsec[0]), end, n_nodes)

    def _over(self, low: float, high: float, n_nodes: int) -> Posterior:
        background, signal = self.likelihood.rates(self.likelihood.model.initial)
        grid = xsec_grid(low, high, n_nodes, self.settings.prior.code, background, signal)
        return Posterior(self.likelihood, self.problem._replace(grid=grid), self.proposal, self.settings)

    @classmethod
    def around(
        cls, likelihood: Likelihood, physical_fit: Floats, settings: PosteriorSettings, tempering: float
    ) -> Posterior:
        """Return the posterior of a workspace.

        Parameters
        ----------
        likelihood
            Model and observations.
        physical_fit
            Best fit with the cross-section at or above zero, shape (n_parameters,).
        settings
            Prior and its range.
        tempering
            As for `gaussian_around`.
        """
        model = likelihood.model
        fitted = np.flatnonzero(likelihood.free).astype(np.int64)
        counts, auxiliary = (part[0] for part in likelihood.observed)
        centre, factor = np.empty(fitted.size), np.zeros((fitted.size, fitted.size))
        alone, sigma = gaussian_around(model, fitted, counts, auxiliary, physical_fit, tempering, centre, factor)
        background, signal = likelihood.rates(physical_fit)
        peak = max(float(physical_fit[model.poi]), 0.0)
        span = reach(counts, background, signal, peak, settings.range_log_drop) * max(1.0, sigma / alone)
        placeholder = xsec_grid(0.0, 1.0, settings.n_nodes, settings.prior.code, background, signal)
        problem = Problem(model, fitted, counts, auxiliary, placeholder)
        unbounded = cls(likelihood, problem, Proposal(centre, factor), settings)
        return unbounded._over(max(0.0, peak - span), peak + span, settings.n_nodes)
