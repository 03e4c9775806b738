"""The posterior of the cross-section, conditional on nuisance parameters and averaged over them.

Given the nuisance parameters, the rates are linear in the cross-section and its posterior is an exact
one-dimensional function. Averaging these conditional posteriors over draws of the nuisance parameters (rather
than histogramming drawn cross-sections) gives the same marginal posterior with far less noise
(Rao–Blackwell; Gelfand and Smith, J. Am. Stat. Assoc. 85 (1990) 398).
"""

from typing import Final, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import xlogy

from models.inference.configuration import PosteriorSettings
from models.inference.fits import ObservedFits
from models.inference.likelihood import Likelihood, poisson_nll
from models.inference.minimisation import counts_information, xsec_error
from models.inference.rates import Floats

RANGE_TOLERANCE: Final = 0.05
"""Relative accuracy that the end of the prior range needs."""
TAIL_FRACTION: Final = 0.1
"""Part of the prior range whose probability must be negligible."""


class XsecGrid(NamedTuple):
    """Nodes in the cross-section with Simpson weights, shapes (n_nodes,)."""

    nodes: Floats
    weights: Floats

    @property
    def end_fb(self) -> float:
        """End of the prior range."""
        return float(self.nodes[-1])


def simpson_grid(low: float, high: float, n_nodes: int) -> XsecGrid:
    """Return an odd number of equidistant nodes and their Simpson weights.

    >>> grid = simpson_grid(0.0, 2.0, 5)
    >>> round(float(grid.weights @ grid.nodes**3), 12)
    4.0
    """
    nodes = np.linspace(low, high, n_nodes)
    weights = np.full(n_nodes, 2.0)
    weights[1::2] = 4.0
    weights[[0, -1]] = 1.0
    return XsecGrid(nodes, weights * (high - low) / (3.0 * (n_nodes - 1)))


def starting_grid(likelihood: Likelihood, fits: ObservedFits, settings: PosteriorSettings) -> XsecGrid:
    """Return a grid over the cross-sections ≥ 0 that the likelihood supports.

    It spans where the likelihood at the best nuisance parameters is not negligible, widened by how much the
    nuisance parameters widen its error. Whether that was enough is checked on the posterior itself.
    """
    maximum = fits.physical(likelihood)
    peak = float(maximum.points[0, likelihood.poi])
    background, signal = (rates[0] for rates in likelihood.rates(maximum.points))
    counts = likelihood.observed.counts[0]

    def drop(xsec_fb: float) -> float:
        rates = np.stack([background + peak * signal, background + xsec_fb * signal])
        at_peak, there = poisson_nll(counts, rates)
        return float(there - at_peak) - settings.range_log_drop

    per_event = 1.0 / float(signal.sum())
    upwards = per_event
    while drop(peak + upwards) < 0:
        upwards *= 2.0
    upwards = float(brentq(lambda step: drop(peak + step), 0.0, upwards, rtol=RANGE_TOLERANCE))
    alone = np.sqrt(counts_information(likelihood, maximum.points)[0, likelihood.poi, likelihood.poi])
    widening = max(1.0, float(xsec_error(likelihood, maximum.points)[0] * alone))
    span = upwards * widening
    return simpson_grid(max(0.0, peak - span), peak + span, settings.n_nodes)


def extended(grid: XsecGrid) -> XsecGrid:
    """Return a grid of the same spacing whose prior range ends twice as far from its start."""
    start, end = float(grid.nodes[0]), grid.end_fb
    return simpson_grid(start, 2.0 * end - start, 2 * grid.nodes.size - 1)


class ConditionalPosteriors(NamedTuple):
    """Posteriors of the cross-section at draws of the nuisance parameters."""

    log_evidence: Floats
    """ln of the likelihood of the counts integrated over the prior range, shape (n_draws,); −∞ where a rate is
    impossible."""
    density: Floats
    """Normalised posterior at the nodes, shape (n_draws, n_nodes)."""


def conditional_posteriors(likelihood: Likelihood, points: Floats, grid: XsecGrid) -> ConditionalPosteriors:
    """Return the posterior of the cross-section on the observed counts at each nuisance point.

    Parameters
    ----------
    likelihood
        The model.
    points
        Parameter points (n_draws, n_parameters); their cross-sections are ignored.
    grid
        Nodes in the cross-section.
    """
    counts = likelihood.observed.counts[0]
    background, signal = likelihood.rates(points)
    filled = counts > 0
    possible = (background >= 0).all(axis=1)
    rates = background[:, None, filled] + grid.nodes[:, None] * signal[:, None, filled]
    log_likelihood = xlogy(counts[filled], np.maximum(rates, 0.0)).sum(axis=2)
    log_likelihood -= background.sum(axis=1)[:, None] + grid.nodes * signal.sum(axis=1)[:, None]
    log_likelihood[~possible] = -np.inf
    peak = log_likelihood.max(axis=1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    density = np.exp(log_likelihood - peak)
    integral = density @ grid.weights
    with np.errstate(divide="ignore"):
        log_evidence = np.log(integral) + peak[:, 0]
    density /= np.where(integral > 0, integral, 1.0)[:, None]
    return ConditionalPosteriors(log_evidence, density)


def quantile(density: Floats, grid: XsecGrid, probability: float) -> float:
    """Return the cross-section below which a posterior has the given probability.

    Parameters
    ----------
    density
        Posterior at the nodes, shape (n_nodes,), of any normalisation.
    grid
        Nodes.
    probability
        Credibility.

    Examples
    --------
    >>> grid = simpson_grid(0.0, 30.0, 257)
    >>> round(quantile(np.exp(-grid.nodes), grid, 0.9), 4)
    2.3026
    """
    cumulative = CubicSpline(grid.nodes, density).antiderivative()
    target = probability * float(cumulative(grid.end_fb))
    inside = [x for x in cumulative.solve(target, extrapolate=False) if grid.nodes[0] <= x <= grid.end_fb]
    return float(inside[-1])


def probability_below(densities: Floats, grid: XsecGrid, limit_fb: float) -> Floats:
    """Return the probability below a cross-section for each of many normalised posteriors, shape (n_draws,)."""
    centre = 0.5 * (grid.nodes[1:] + grid.nodes[:-1])
    step = grid.nodes[1] - grid.nodes[0]
    covered = np.clip((limit_fb - centre) / step + 0.5, 0.0, 1.0) * step
    weights = np.zeros(grid.nodes.size)
    weights[1:] += 0.5 * covered
    weights[:-1] += 0.5 * covered
    probability: Floats = densities @ weights
    return probability


def tail_probability(density: Floats, grid: XsecGrid) -> float:
    """Return the probability in the last tenth of the prior range."""
    start = grid.end_fb - TAIL_FRACTION * (grid.end_fb - float(grid.nodes[0]))
    cumulative = CubicSpline(grid.nodes, density).antiderivative()
    total = float(cumulative(grid.end_fb))
    return (total - float(cumulative(start))) / total


def density_at(density: Floats, grid: XsecGrid, xsec_fb: float) -> float:
    """Return an averaged normalised posterior at a cross-section."""
    return float(np.interp(xsec_fb, grid.nodes, density))
