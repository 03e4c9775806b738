"""One dataset's limit from few draws of a Gaussian around its fit, weighted: fast enough for toys by the thousand.

The weights make the posterior exact for any Gaussian, so that the limit has a random error but, unlike a Gaussian
approximation of the nuisance parameters' integral, no systematic one that toys would not average out. Draws come in
pairs of opposite sign, which cancels what is linear in them.
"""

from typing import NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.bayesian.conditional import Problem
from models.inference.bayesian.prior_range import extended_nodes, reach
from models.inference.bayesian.proposal import Proposal, gaussian_around, weigh
from models.inference.bayesian.xsec_grid import root_quantile, tail_probability, xsec_grid
from models.inference.compiled_model import CompiledModel, Floats, Indices
from models.inference.minimisation import FitControl, minimise_one
from models.inference.rate_kernels import rates


class ImportanceControl(NamedTuple):
    """How a toy's limit is integrated; see `ExpectedBandSettings` and `PosteriorSettings`."""

    credibility: float
    prior_code: int
    n_nodes: int
    range_log_drop: float
    tail_below: float
    maximum_extensions: int
    first_draws: int
    maximum_draws: int
    effective_size_above: float
    tempering: float


@compiled
def importance_limit(
    model: CompiledModel,
    fit: FitControl,
    fitted: Indices,
    counts: Floats,
    auxiliary: Floats,
    start: Floats,
    control: ImportanceControl,
    rng: np.random.Generator,
) -> float:
    """Return the upper limit on one dataset, NaN if it could not be found.

    Parameters
    ----------
    model
        The model.
    fit
        Fit criteria with the cross-section bounded at zero.
    fitted
        Nuisance parameters, shape (n_fitted,).
    counts
        Events per bin, shape (n_bins,).
    auxiliary
        Auxiliary observations, shape (n_parameters,).
    start
        Parameters from which the fit starts, shape (n_parameters,).
    control
        Integration.
    rng
        Source of randomness.
    """
    point = start.copy()
    minimise_one(model, fit, counts, auxiliary, point, True)
    centre, factor = np.empty(fitted.size), np.zeros((fitted.size, fitted.size))
    alone, sigma = gaussian_around(model, fitted, counts, auxiliary, point, control.tempering, centre, factor)
    proposal = Proposal(centre, factor)
    background, signal = np.empty(model.n_bins), np.empty(model.n_bins)
    rates(model, point, background, signal)
    peak = max(point[model.poi], 0.0)
    span = reach(counts, background, signal, peak, control.range_log_drop) * max(1.0, sigma / alone)
    low, high, n_nodes = max(0.0, peak - span), peak + span, control.n_nodes
    rates(model, model.initial, background, signal)
    for _ in range(control.maximum_extensions + 1):
        grid = xsec_grid(low, high, n_nodes, control.prior_code, background, signal)
        problem = Problem(model, fitted, counts, auxiliary, grid)
        mean = np.zeros(n_nodes)
        if not integrate(problem, proposal, control, rng, mean):
            return np.nan
        if tail_probability(mean, grid.root) < control.tail_below:
            return root_quantile(mean, grid.root, control.credibility) ** 2
        high, n_nodes = extended_nodes(low, high, n_nodes)
    return np.nan


@compiled
def integrate(
    problem: Problem, proposal: Proposal, control: ImportanceControl, rng: np.random.Generator, mean: Floats
) -> bool:
    """Fill in the posterior of the cross-section, not normalised, shape (n_nodes,); return whether draws sufficed."""
    n = problem.fitted.size
    standard, density = np.empty(n), np.empty(mean.size)
    point = problem.model.initial.copy()
    largest, total, squares = -np.inf, 0.0, 0.0
    n_draws, n_wanted = 0, control.first_draws
    while n_wanted <= control.maximum_draws:
        while n_draws < n_wanted:
            if n_draws % 2 == 0:
                for k in range(n):
                    standard[k] = rng.standard_normal()
            else:
                for k in range(n):
                    standard[k] = -standard[k]
            n_draws += 1
            log_weight = weigh(problem, proposal, standard, point, density)
            if log_weight == -np.inf:
                continue
            if log_weight > largest:
                # Weights are relative to the largest one so far.
                shrink = np.exp(largest - log_weight)
                total *= shrink
                squares *= shrink**2
                mean *= shrink
                largest = log_weight
            weight = np.exp(log_weight - largest)
            total += weight
            squares += weight**2
            for k in range(mean.size):
                mean[k] += weight * density[k]
        if squares > 0.0 and total**2 > control.effective_size_above * squares:
            return True
        n_wanted *= 2
    return False


@compiled
def importance_limits(
    model: CompiledModel,
    fit: FitControl,
    fitted: Indices,
    counts: Floats,
    auxiliary: Floats,
    start: Floats,
    control: ImportanceControl,
    rng: np.random.Generator,
    limits: Floats,
) -> None:
    """Fill in the limits of many datasets, counts of shape (n_toys, n_bins); the rest as for `importance_limit`."""
    for i in range(counts.shape[0]):
        limits[i] = importance_limit(model, fit, fitted, counts[i], auxiliary, start, control, rng)
