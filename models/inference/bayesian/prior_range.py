"""The range of cross-sections that a posterior is integrated over."""

import math
from typing import Final

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import Floats

RANGE_TOLERANCE: Final = 0.05
"""Relative accuracy that the end of the prior range needs."""


@compiled
def log_drop(counts: Floats, background: Floats, signal: Floats, origin: float, rise: float) -> float:
    """Return by how much ln L falls when the cross-section rises from `origin` by `rise`."""
    fall = 0.0
    for b in range(counts.size):
        fall += rise * signal[b]
        if counts[b] > 0.0 and signal[b] > 0.0:
            rate = background[b] + origin * signal[b]
            if rate <= 0.0:
                return -np.inf
            fall -= counts[b] * math.log1p(rise * signal[b] / rate)
    return fall


@compiled
def reach(counts: Floats, background: Floats, signal: Floats, origin: float, drop: float) -> float:
    """Return the rise above the best fit at which ln L has fallen by `drop`, to `RANGE_TOLERANCE`.

    Parameters
    ----------
    counts, background, signal
        Shape (n_bins,); signal for a cross-section of one, somewhere positive.
    origin
        Best-fit cross-section at or above zero.
    drop
        Positive.

    Examples
    --------
    >>> round(reach(np.zeros(1), np.ones(1), np.full(1, 2.0), 0.0, 14.0))
    7
    """
    total = 0.0
    for b in range(signal.size):
        total += signal[b]
    high = 1.0 / total
    while log_drop(counts, background, signal, origin, high) < drop:
        high *= 2.0
    low = 0.0
    while high - low > RANGE_TOLERANCE * high:
        middle = 0.5 * (low + high)
        if log_drop(counts, background, signal, origin, middle) < drop:
            low = middle
        else:
            high = middle
    return high


@compiled
def extended_nodes(low: float, high: float, n_nodes: int) -> tuple[float, int]:
    """Return the end of a prior range twice as far from its start, and the number of nodes that keeps their density.

    Nodes are equidistant in the root of the cross-section.

    >>> extended_nodes(0.0, 1.0, 65)
    (2.0, 93)
    """
    end = low + 2.0 * (high - low)
    growth = (math.sqrt(end) - math.sqrt(low)) / (math.sqrt(high) - math.sqrt(low))
    return end, 2 * math.ceil(0.5 * growth * (n_nodes - 1)) + 1
