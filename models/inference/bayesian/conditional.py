"""The posterior of the cross-section given the nuisance parameters, and their weight with it integrated out.

Given the nuisance parameters, the rates are linear in the cross-section and its posterior is an exact one-dimensional
function. Averaging these conditional posteriors over draws of the nuisance parameters (rather than histogramming drawn
cross-sections) gives the same marginal posterior with far less noise (Rao–Blackwell; A. Gelfand, A. Smith, J. Am. Stat.
Assoc. 85 (1990) 398).
"""

import math
from typing import NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.bayesian.xsec_grid import XsecGrid
from models.inference.compiled_model import CompiledModel, Floats, Indices
from models.inference.rate_kernels import rates


class Problem(NamedTuple):
    """One dataset with the prior of its cross-section."""

    model: CompiledModel
    fitted: Indices
    """Nuisance parameters that are integrated over, shape (n_fitted,)."""
    counts: Floats
    """Shape (n_bins,)."""
    auxiliary: Floats
    """Shape (n_parameters,)."""
    grid: XsecGrid


@compiled
def conditional_posterior(grid: XsecGrid, counts: Floats, background: Floats, signal: Floats, density: Floats) -> float:
    """Fill in the posterior of the cross-section at given rates; return ln of the evidence.

    Parameters
    ----------
    grid
        Nodes and prior.
    counts
        Events per bin, shape (n_bins,).
    background, signal
        Rates, signal for a cross-section of one, shape (n_bins,).
    density
        Filled with the normalised posterior per unit of the root of the cross-section, shape (n_nodes,).

    Returns
    -------
    ln of the likelihood of the counts, without its factorials, integrated over the prior; −∞ where a rate is
    impossible.
    """
    total_background, total_signal = 0.0, 0.0
    for b in range(counts.size):
        if background[b] < 0.0 or signal[b] < 0.0:
            return -np.inf
        total_background += background[b]
        total_signal += signal[b]
    largest = -np.inf
    for k in range(grid.xsec.size):
        xsec = grid.xsec[k]
        value = -total_background - xsec * total_signal
        for b in range(counts.size):
            if counts[b] > 0.0:
                rate = background[b] + xsec * signal[b]
                value += counts[b] * math.log(rate) if rate > 0.0 else -np.inf
        density[k] = value
        largest = max(largest, value)
    if not np.isfinite(largest):
        return -np.inf
    integral = 0.0
    for k in range(grid.xsec.size):
        density[k] = math.exp(density[k] - largest) * grid.prior[k]
        integral += grid.weights[k] * density[k]
    if integral <= 0.0:
        return -np.inf
    for k in range(grid.xsec.size):
        density[k] /= integral
    return largest + math.log(integral)


@compiled
def posterior_at(problem: Problem, point: Floats, density: Floats) -> float:
    """Fill in the conditional posterior at a parameter point; return ln of the evidence."""
    background, signal = np.empty(problem.model.n_bins), np.empty(problem.model.n_bins)
    rates(problem.model, point, background, signal)
    return conditional_posterior(problem.grid, problem.counts, background, signal, density)


@compiled
def posteriors_at(problem: Problem, points: Floats, log_evidence: Floats, densities: Floats) -> None:
    """Fill in conditional posteriors at many points.

    Parameters
    ----------
    problem
        Dataset and prior.
    points
        Parameter points, shape (n_points, n_parameters); their cross-sections are not used.
    log_evidence
        Filled, shape (n_points,).
    densities
        Filled, shape (n_points, n_nodes).
    """
    for i in range(points.shape[0]):
        log_evidence[i] = posterior_at(problem, points[i], densities[i])
