"""Sums of weights where candidates may be copies of one generated event, which are not independent.

Simulation may follow one generated event several times. What its copies have in common fluctuates once, so the variance
of a sum of weights is Σ (Σ w of one generated event)², which for copies exceeds Σw². In bins the weights of one
generated event are summed bin by bin before they are squared, and its copies in different bins make these covary: the
variance of a union of bins is the sum of their variances and twice that of the covariances of its pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]


def squared_sum(weight: FloatArray, generated: IntegerArray | None = None) -> float:
    """Return the variance of a sum of weights.

    Parameters
    ----------
    weight
        Shape (n,).
    generated
        Number that candidates share if they are copies of one generated event, shape (n,); None if none are.

    Examples
    --------
    >>> squared_sum(np.ones(3)), squared_sum(np.ones(3), np.array([4, 7, 4]))
    (3.0, 5.0)
    """
    if generated is None:
        return float(np.sum(weight**2))
    index = np.unique(generated, return_inverse=True)[1]
    return float(np.sum(np.bincount(index, weight) ** 2))


def effective_number(weight: FloatArray, generated: IntegerArray | None = None) -> float:
    """Return (Σw)²/Σw², the number of events of weight one that fluctuate as much; 0 without weights.

    Parameters
    ----------
    weight, generated
        As in `squared_sum`: copies of one generated event are one event of their summed weight.

    Examples
    --------
    >>> effective_number(np.ones(4)), effective_number(np.ones(4), np.array([7, 7, 3, 3]))
    (4.0, 2.0)
    """
    squares = squared_sum(weight, generated)
    return float(np.sum(weight)) ** 2 / squares if squares > 0.0 else 0.0


def squares_from_above(score: NDArray[np.floating], weight: FloatArray, generated: IntegerArray | None) -> FloatArray:
    """Return what each candidate adds to the variance of the sum of weights of all with a higher score.

    Parameters
    ----------
    score, weight
        Shape (n,).
    generated
        As in `squared_sum`.

    Examples
    --------
    With the second of two copies the variance goes from 1² to (1 + 2)²:

    >>> squares_from_above(np.array([0.9, 0.5]), np.array([1.0, 2.0]), np.array([3, 3])).tolist()
    [1.0, 8.0]
    """
    if generated is None or not len(weight):
        return np.asarray(weight**2)
    order = np.lexsort((-score, generated))
    sorted_weight = weight[order]
    first = np.append(True, np.diff(generated[order]) != 0)
    before = np.cumsum(sorted_weight) - sorted_weight
    before -= before[first][np.cumsum(first) - 1]
    added = np.empty_like(weight)
    added[order] = sorted_weight**2 + 2.0 * sorted_weight * before
    return added


class SummedCopies(NamedTuple):
    """Candidates of which copies of one generated event in one bin were made one."""

    first: NDArray[np.intp]
    """Position of one candidate of each, shape (m,)."""
    member_of: NDArray[np.intp]
    """Which of these each candidate belongs to, shape (n,)."""
    generated: IntegerArray
    """Generated event of each, shape (m,); those of one event are next to each other, bins ascending."""
    bins: IntegerArray
    """Bin of each, shape (m,)."""

    @classmethod
    def of(cls, bins: IntegerArray, generated: IntegerArray) -> SummedCopies:
        """Return the candidates in given bins, of given generated events, both of shape (n,), put together."""
        pairs = np.stack([generated, bins])
        (events, places), first, index = np.unique(pairs, axis=1, return_index=True, return_inverse=True)
        return cls(first, index.reshape(-1), events, places)

    def sum(self, weight: FloatArray) -> FloatArray:
        """Return the summed weights, shape (m,)."""
        return _sums(self.member_of, weight, len(self.first))


@dataclass(frozen=True)
class BinPairs:
    """Covariances between different bins, of the pairs that have one; each pair once, in ascending order."""

    lower: IntegerArray
    """First bin of each pair, shape (n_pairs,)."""
    upper: IntegerArray
    """Second bin, above the first."""
    covariance: FloatArray
    """Sum over generated events of the product of their weights in both."""

    @classmethod
    def none(cls) -> BinPairs:
        """Return that bins do not covary."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    @classmethod
    def of_copies(cls, copies: SummedCopies, weight: FloatArray) -> BinPairs:
        """Return the covariances that copies make.

        Parameters
        ----------
        copies
            Generated events by bin.
        weight
            Summed weight of each, shape (m,).

        Examples
        --------
        >>> copies = SummedCopies.of(np.array([1, 1, 4]), np.array([7, 7, 7]))
        >>> BinPairs.of_copies(copies, copies.sum(np.array([1.0, 1.0, 0.5])))
        BinPairs(lower=array([1]), upper=array([4]), covariance=array([1.]))
        """
        parts = [cls.none()]
        # members of one event are consecutive: neighbours, then next but one, until none are of one event
        for distance in range(1, len(weight)):
            same = np.flatnonzero(copies.generated[distance:] == copies.generated[:-distance])
            if not len(same):
                break
            product = weight[same] * weight[same + distance]
            parts.append(cls(copies.bins[same], copies.bins[same + distance], product))
        return _summed(parts)

    def __add__(self, other: BinPairs) -> BinPairs:
        return _summed([self, other])

    def __len__(self) -> int:
        return len(self.covariance)

    def scaled(self, factor: float) -> BinPairs:
        """Return the covariances of contents times a factor."""
        return BinPairs(self.lower, self.upper, factor**2 * self.covariance)

    def merged(self, group: IntegerArray, n_groups: int) -> tuple[FloatArray, BinPairs]:
        """Return what pairs add to the variances of groups of bins, shape (n_groups,), and the pairs of groups.

        Parameters
        ----------
        group
            Group of each bin, −1 for a bin that is in none, shape (n_bins,).
        n_groups
            How many there are.

        Examples
        --------
        >>> pairs = BinPairs(np.array([0, 0]), np.array([1, 2]), np.array([3.0, 5.0]))
        >>> added, between = pairs.merged(np.array([0, 0, 1]), 2)
        >>> added.tolist(), between
        ([6.0, 0.0], BinPairs(lower=array([0]), upper=array([1]), covariance=array([5.])))
        """
        first, second = group[self.lower], group[self.upper]
        inside = (first >= 0) & (second >= 0)
        same = inside & (first == second)
        added = 2.0 * _sums(first[same], self.covariance[same], n_groups)
        apart = inside & ~same
        low, high = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
        return added, _summed([BinPairs(low, high, self.covariance[apart])])

    def of_nested(self, centres: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """Return what pairs add to the variances of intervals that grow, shape (n_intervals,).

        A pair is in an interval if the centres of both bins are.

        Parameters
        ----------
        centres
            Ascending, shape (n_bins,).
        low, high
            Ends of the intervals, each interval within the next, shape (n_intervals,).
        """
        # the first interval that reaches down to the lower and up to the upper bin of a pair
        first = np.maximum(np.searchsorted(-low, -centres[self.lower]), np.searchsorted(high, centres[self.upper]))
        return 2.0 * np.cumsum(_sums(first, self.covariance, len(low) + 1)[: len(low)], dtype=np.float64)

    def row_sums(self, n_bins: int) -> FloatArray:
        """Return the covariance of each bin with all others together, shape (n_bins,)."""
        return _sums(self.lower, self.covariance, n_bins) + _sums(self.upper, self.covariance, n_bins)


def _summed(parts: list[BinPairs]) -> BinPairs:
    """Return several sets of pairs as one in which each pair is once."""
    lower = np.concatenate([part.lower for part in parts])
    upper = np.concatenate([part.upper for part in parts])
    (first, second), index = np.unique(np.stack([lower, upper]), axis=1, return_inverse=True)
    covariance = _sums(index.reshape(-1), np.concatenate([part.covariance for part in parts]), len(first))
    return BinPairs(first, second, covariance)


def _sums(index: NDArray[np.integer[Any]], weight: FloatArray, n: int) -> FloatArray:
    # without entries bincount counts in integers
    return np.asarray(np.bincount(index, weight, n), dtype=np.float64)
