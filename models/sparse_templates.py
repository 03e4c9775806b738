"""Expected yields of bins that hold few simulated events, estimated from a wider stretch of mass.

A simulation of limited size leaves many narrow bins empty, which says nothing about their expectation. A bin with
fewer effective events than asked for is therefore given the mean density of the smallest interval around it that
has them, as far as its own count agrees: an interval that reaches into a peak says nothing about a wide empty bin
beside it. With that density's prediction μ as the mean of an exponential prior, k events give (k + 1)/(1 + 1/μ): close
to μ where μ ≪ 1, as in narrow bins, and to k in wide ones. Bins with enough events are exact sums.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.copies import BinPairs
from models.scan_grid import bins_within, sum_into_bins


class BinnedMass(NamedTuple):
    """A component's mass distribution in atomic bins under several variations, nominal first."""

    edges_gev: NDArray[np.float64]
    """Atomic edges, shape (n_atomic + 1,)."""
    values: NDArray[np.float64]
    """Yields, shape (n_variations, n_atomic)."""
    variance: NDArray[np.float64]
    """Of the nominal yields, from the size of the simulation, shape (n_atomic,)."""
    pairs: BinPairs = BinPairs.none()
    """Covariances of the nominal yields of different bins."""


class Yields(NamedTuple):
    """Yields in the bins of a fit."""

    values: NDArray[np.float64]
    """Shape (n_variations, n_bins)."""
    stat_error: NDArray[np.float64]
    """Statistical uncertainty of the nominal, shape (n_bins,)."""
    widened: NDArray[np.bool_]
    """Bins that were estimated from a wider interval, shape (n_bins,)."""


def template_yields(
    distribution: BinnedMass, edges_gev: NDArray[np.float64], *, minimum_effective: float, growth: float = 1.25
) -> Yields:
    """Return the yields of a fit's bins, widening where the simulation is sparse.

    All variations of a bin use the interval that the nominal needs, so that their ratios stay meaningful.

    Parameters
    ----------
    distribution
        Atomic bins.
    edges_gev
        Edges of the fit's bins, all of them atomic edges, shape (n_bins + 1,).
    minimum_effective
        Effective events, yield² over variance, below which a bin is widened; zero never widens.
    growth
        Factor between successive trial widths.

    Examples
    --------
    >>> flat = BinnedMass(np.arange(9.0), np.ones((1, 8)), np.ones(8))
    >>> yields = template_yields(flat, np.array([0.0, 4.0, 5.0, 8.0]), minimum_effective=4)
    >>> yields.values.round(12).tolist(), yields.widened.tolist()
    ([[4.0, 1.0, 3.0]], [False, True, True])
    """
    values = sum_into_bins(distribution.values, distribution.edges_gev, edges_gev)
    within = bins_within(distribution.edges_gev, edges_gev)
    variance = sum_into_bins(distribution.variance, distribution.edges_gev, edges_gev)
    variance += distribution.pairs.merged(within, len(edges_gev) - 1)[0]
    sparse = _effective(values[0], variance) < minimum_effective
    errors = np.sqrt(variance)
    if np.any(sparse):
        low, high, widened_variance = _widened(
            distribution, edges_gev[:-1][sparse], edges_gev[1:][sparse], minimum_effective, growth
        )
        share = (edges_gev[1:] - edges_gev[:-1])[sparse] / (high - low)
        estimate = share * _between(distribution.values, distribution.edges_gev, low, high)
        estimate_variance = share * widened_variance
        scale = _agreement(values[0, sparse], estimate[0], estimate_variance)
        values[:, sparse] = scale * estimate
        errors[sparse] = scale * np.sqrt(share * estimate_variance)
    return Yields(values, errors, sparse)


def _agreement(
    counted: NDArray[np.float64], estimate: NDArray[np.float64], estimate_variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the factor on each bin's estimate that its own count asks for."""
    event = np.divide(estimate_variance, estimate, out=np.ones_like(estimate), where=estimate > 0)
    # (k + 1)/(1 + 1/μ) over μ, with both in units of the typical weight of an event
    return (counted / event + 1.0) / (estimate / event + 1.0)


def _widened(
    distribution: BinnedMass,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    minimum_effective: float,
    growth: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the smallest tried interval around each bin that has enough events, and its variance.

    The whole axis is the last resort.
    """
    first, last = distribution.edges_gev[[0, -1]]
    width = high - low
    n_trials = 1 + int(np.ceil(np.log((last - first) / np.min(width)) / np.log(growth)))
    margin = 0.5 * width[:, None] * (growth ** np.arange(n_trials + 1) - 1.0)
    lows = np.maximum(first, low[:, None] - margin)
    highs = np.minimum(last, high[:, None] + margin)
    lows[:, -1], highs[:, -1] = first, last
    value = _between(distribution.values[:1], distribution.edges_gev, lows, highs)[0]
    variance = _between(distribution.variance[None], distribution.edges_gev, lows, highs)[0]
    if len(distribution.pairs):
        centres = 0.5 * (distribution.edges_gev[1:] + distribution.edges_gev[:-1])
        variance += [distribution.pairs.of_nested(centres, *ends) for ends in zip(lows, highs, strict=True)]
    enough = _effective(value, variance) >= minimum_effective
    enough[:, -1] = True
    chosen = np.arange(len(low)), np.argmax(enough, axis=1)
    return lows[chosen], highs[chosen], variance[chosen]


def _between(
    contents: NDArray[np.float64], edges: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return contents between masses, taken uniform within an atomic bin; shape (n_variations, *low.shape)."""
    cumulative = np.concatenate([np.zeros((len(contents), 1)), np.cumsum(contents, axis=1)], axis=1)
    return np.stack([np.interp(high, edges, row) - np.interp(low, edges, row) for row in cumulative])


def _effective(value: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    # interpolated sums leave rounding noise where there is nothing
    return np.divide(value**2, variance, out=np.zeros_like(value), where=variance > 1e-12)
