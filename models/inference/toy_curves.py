"""CLs as curves in the cross-section from weighted toys: probabilities of tails, and where they make a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr

from models.inference.cls_limits import BAND_SIGMAS
from models.inference.compiled_model import Floats, Indices

TIE: Final = 1e-6
"""Difference in q̃ below which two datasets are equally extreme: fits stop within 1e-9 of their minima."""
LARGEST_ROOT: Final = 38.0
"""√(−2 ln CLs) of the smallest number there is."""
N_CURVES: Final = len(BAND_SIGMAS) + 1
"""The expected limits, then the observed one."""


class Tail(NamedTuple):
    """Toys in falling order of the statistic at one tested cross-section; shapes (n_toys,)."""

    order: Indices
    q: Floats
    null_weight: Floats
    signal_weight: Floats
    n_observed: int
    """Toys at least as extreme as what was observed."""

    @classmethod
    def of(cls, q: Floats, q_observed: float, null_weight: Floats, signal_weight: Floats) -> Tail:
        """Return the toys in order; q̃ and the weights under either hypothesis have shape (n_toys,)."""
        order = np.argsort(-q, kind="stable")
        ordered = q[order]
        n_observed = int(np.searchsorted(-ordered, TIE - q_observed, side="right"))
        return cls(order, ordered, null_weight[order], signal_weight[order], n_observed)

    def counts(self, null: Floats) -> Indices:
        """Return how many toys are as extreme as each curve's dataset, given the cumulated weights without signal."""
        wanted = ndtr(BAND_SIGMAS) * null[-1] * (1.0 - 1e-12)
        quantiles = self.q[np.minimum(np.searchsorted(null, wanted), null.size - 1)]
        return np.append(np.searchsorted(-self.q, TIE - quantiles, side="right"), self.n_observed)

    def straightened(self, multiplicity: Floats) -> Floats:
        """Return √(−2 ln CLs) of each curve with every toy counted so many times, NaN where no toy says anything."""
        counted = multiplicity[self.order]
        null, signal = np.cumsum(self.null_weight * counted), np.cumsum(self.signal_weight * counted)
        last = self.counts(null) - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            cls = (signal[last] / signal[-1]) / (null[last] / null[-1])
            root = np.minimum(np.sqrt(np.maximum(-2.0 * np.log(cls), 0.0)), LARGEST_ROOT)
        return np.asarray(np.where(last < 0, np.nan, root))

    def effective_numbers(self) -> Floats:
        """Return the effective number of toys behind the rarer of the two probabilities of each curve."""
        smallest = np.full(N_CURVES, np.inf)
        last = self.counts(np.cumsum(self.null_weight)) - 1
        for weight in (self.null_weight, self.signal_weight):
            total, squares = np.cumsum(weight)[last], np.cumsum(weight**2)[last]
            number = np.divide(total**2, squares, out=np.zeros(N_CURVES), where=(squares > 0) & (last >= 0))
            smallest = np.minimum(smallest, number)
        return smallest


class Crossing(NamedTuple):
    """Where one curve reaches the confidence level."""

    position: float
    """NaN where there is none."""
    low: float
    high: float
    """Tested cross-sections around it; zero below the lowest, infinite above the highest."""


def crossings(xsec: Floats, tails: Sequence[Tail], counted: Floats, target: float) -> list[Crossing]:
    """Return where √(−2 ln CLs) of each curve reaches a target for the last time.

    Parameters
    ----------
    xsec
        Tested cross-sections, ascending, shape (n_tested,).
    tails
        Toys in the order of the statistic at each of them.
    counted
        How often each toy counts, shape (n_toys,).
    target
        √(−2 ln(1 − confidence level)).
    """
    roots = np.stack([tail.straightened(counted) for tail in tails], axis=1)
    # At a cross-section of zero both hypotheses are the same, and CLs is one.
    from_zero = np.concatenate([[0.0], xsec])
    return [_last_crossing(from_zero, np.concatenate([[0.0], curve]), target) for curve in roots]


def _last_crossing(xsec: Floats, root: Floats, target: float) -> Crossing:
    """Return the last crossing of a curve, interpolated by monotone cubics.

    >>> _last_crossing(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 3.0]), 2.5)
    Crossing(position=2.5, low=2.0, high=3.0)
    """
    last = int(np.flatnonzero(~(root >= target))[-1])
    if last == root.size - 1 or np.isnan(root[last]):
        return Crossing(np.nan, float(xsec[last]), np.inf)
    known = np.isfinite(root)
    solutions = PchipInterpolator(xsec[known], root[known]).solve(target, extrapolate=False)
    inside = solutions[(solutions >= xsec[last]) & (solutions <= xsec[last + 1])]
    position = float(inside[-1]) if inside.size else np.nan
    return Crossing(position, float(xsec[last]), float(xsec[last + 1]))


def multiplicity(thrown_at: Indices, rng: np.random.Generator) -> Floats:
    """Return random multiplicities of mean one whose sum over the toys of each hypothesis is their number."""
    drawn = rng.standard_exponential(thrown_at.size)
    return np.asarray(drawn * (np.bincount(thrown_at) / np.bincount(thrown_at, weights=drawn))[thrown_at])
