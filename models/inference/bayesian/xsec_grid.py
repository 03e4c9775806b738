"""Quadrature and quantiles in the root of the cross-section, in which every prior's density is finite."""

from typing import Final, NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.bayesian.priors import prior_in_root
from models.inference.compiled_model import Floats

TAIL_FRACTION: Final = 0.1
"""Part of the prior range, in the root of the cross-section, whose probability has to be negligible."""
N_FINE: Final = 128
"""Steps of the integral of a prior next to the start of its range, dense at the start."""


class XsecGrid(NamedTuple):
    """Equidistant nodes in the root of the cross-section; shapes (n_nodes,)."""

    root: Floats
    xsec: Floats
    """Cross-sections: the squares."""
    prior: Floats
    """Prior density per unit of the root."""
    weights: Floats
    """Simpson's rule in the root."""

    @property
    def end(self) -> float:
        """End of the prior range, a cross-section."""
        return float(self.xsec[-1])

    def densities_in_xsec(self, density: Floats) -> Floats:
        """Return posterior densities per unit of the cross-section from those per unit of the root.

        Nodes at zero, where the change of variable is singular, get NaN.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.root > 0, density / (2.0 * self.root), np.nan)


@compiled
def xsec_grid(low: float, high: float, n_nodes: int, prior_code: int, background: Floats, signal: Floats) -> XsecGrid:
    """Return a grid between two cross-sections.

    Parameters
    ----------
    low, high
        Ends, in the unit of the parameter of interest.
    n_nodes
        Odd.
    prior_code
        Of the prior of the cross-section.
    background, signal
        Rates at the nominal nuisance parameters, (n_bins,), which one of the priors needs.

    Examples
    --------
    >>> grid = xsec_grid(0.0, 4.0, 65, 0, np.zeros(1), np.ones(1))
    >>> round(float(np.sum(grid.weights * grid.prior * grid.xsec)), 6)
    8.0
    """
    step = (np.sqrt(high) - np.sqrt(low)) / (n_nodes - 1)
    root, prior, weights = np.empty(n_nodes), np.empty(n_nodes), np.empty(n_nodes)
    for k in range(n_nodes):
        root[k] = np.sqrt(low) + k * step
        prior[k] = prior_in_root(prior_code, root[k], background, signal)
        weights[k] = step / 3.0 * (4.0 if k % 2 == 1 else 2.0)
    weights[0] = weights[-1] = step / 3.0
    # Where there is hardly any background, Jeffreys' prior rises from zero within less than a step: the first node
    # stands for the mean of the first two steps, which is its own value where the prior is smooth.
    area = 0.0
    for k in range(N_FINE):
        t = (k + 0.5) / N_FINE
        area += prior_in_root(prior_code, root[0] + 2.0 * step * t * t, background, signal) * t
    area *= 4.0 * step / N_FINE
    prior[0] = max(3.0 * area / step - 4.0 * prior[1] - prior[2], 0.0)
    return XsecGrid(root, root**2, prior, weights)


@compiled
def cumulative(density: Floats, step: float, total: Floats) -> None:
    """Fill in the integral of a density from the first node to each node, shape (n_nodes,), by cubics."""
    n = density.size
    total[0] = 0.0
    for i in range(n - 1):
        here, there = density[i], density[i + 1]
        if i == 0:
            area = (9.0 * here + 19.0 * there - 5.0 * density[2] + density[3]) / 24.0
        elif i == n - 2:
            area = (9.0 * there + 19.0 * here - 5.0 * density[n - 3] + density[n - 4]) / 24.0
        else:
            area = (13.0 * (here + there) - density[i - 1] - density[i + 2]) / 24.0
        total[i + 1] = total[i] + max(area, 0.0) * step


@compiled
def root_quantile(density: Floats, root: Floats, probability: float) -> float:
    """Return the root of the cross-section below which a posterior has a probability.

    Parameters
    ----------
    density
        Posterior per unit of the root, of any normalisation, shape (n_nodes,), n_nodes ≥ 4.
    root
        Equidistant nodes.
    probability
        Credibility.

    Examples
    --------
    >>> nodes = np.linspace(0.0, 30.0, 513)
    >>> round(root_quantile(np.exp(-nodes), nodes, 0.9), 4)
    2.3026
    """
    step = root[1] - root[0]
    total = np.empty(density.size)
    cumulative(density, step, total)
    target = probability * total[-1]
    i = 0
    while i < density.size - 2 and total[i + 1] < target:
        i += 1
    # The cumulative between two nodes is the cubic that has its values and slopes there.
    rise = total[i + 1] - total[i]
    here, there = density[i] * step, density[i + 1] * step
    low, high = 0.0, 1.0
    for _ in range(50):
        t = 0.5 * (low + high)
        value = total[i] + t * (here + t * (3.0 * rise - 2.0 * here - there + t * (here + there - 2.0 * rise)))
        if value < target:
            low = t
        else:
            high = t
    quantile: float = root[i] + step * 0.5 * (low + high)
    return quantile


@compiled
def tail_probability(density: Floats, root: Floats) -> float:
    """Return the posterior probability of the end of the prior range, for `TAIL_FRACTION` of it."""
    total = np.empty(density.size)
    cumulative(density, root[1] - root[0], total)
    start = density.size - 1 - round(TAIL_FRACTION * (density.size - 1))
    tail: float = (total[-1] - total[start]) / total[-1]
    return tail


def probability_below(densities: Floats, grid: XsecGrid, limit: float) -> Floats:
    """Return the probability below a cross-section for each of many normalised posteriors, shape (...,).

    Parameters
    ----------
    densities
        Per unit of the root, shape (..., n_nodes).
    grid
        Nodes.
    limit
        A cross-section.
    """
    step = grid.root[1] - grid.root[0]
    centre = 0.5 * (grid.root[1:] + grid.root[:-1])
    covered = np.clip((np.sqrt(limit) - centre) / step + 0.5, 0.0, 1.0) * step
    weights = np.zeros(grid.root.size)
    weights[1:] += 0.5 * covered
    weights[:-1] += 0.5 * covered
    return np.asarray(densities @ weights)
