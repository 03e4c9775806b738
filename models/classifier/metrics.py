"""Weighted two-sample measures: ROC curve, its area, and the Kolmogorov–Smirnov test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwobign

from models.copies import effective_number


class RocCurve(NamedTuple):
    """Efficiencies of a rising requirement on a discriminant."""

    signal_efficiency: NDArray[np.float64]
    background_efficiency: NDArray[np.float64]
    area: float
    """Probability that a signal event has the larger discriminant, ties counted half."""


class KolmogorovSmirnov(NamedTuple):
    """Largest distance of two cumulative distributions."""

    distance: float
    p_value: float
    """Asymptotic, with effective numbers of events; about uniform if the distributions are equal."""


def roc_curve(
    signal: NDArray[np.floating],
    background: NDArray[np.floating],
    signal_weight: NDArray[np.float64],
    background_weight: NDArray[np.float64],
) -> RocCurve:
    """Return the weighted ROC curve from (1, 1) to (0, 0), every event a step.

    Parameters
    ----------
    signal, background
        Discriminant of the two samples, larger for signal, shapes (n,) and (m,), both non-empty.
    signal_weight, background_weight
        Weights of the same shapes.

    Examples
    --------
    >>> roc_curve(np.array([1.0, 3.0]), np.array([0.0, 2.0]), np.ones(2), np.ones(2)).area
    0.75
    """
    values, index = np.unique(np.concatenate([signal, background]), return_inverse=True)
    n = len(signal)
    in_signal = np.bincount(index[:n], signal_weight, len(values)) / np.sum(signal_weight)
    in_background = np.bincount(index[n:], background_weight, len(values)) / np.sum(background_weight)
    signal_efficiency = np.concatenate([np.cumsum(in_signal[::-1])[::-1], [0.0]])
    background_efficiency = np.concatenate([np.cumsum(in_background[::-1])[::-1], [0.0]])
    area = -np.trapezoid(signal_efficiency, background_efficiency)
    return RocCurve(signal_efficiency, background_efficiency, float(area))


def kolmogorov_smirnov(
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    weight_a: NDArray[np.float64],
    weight_b: NDArray[np.float64],
    generated_a: NDArray[np.int64] | None = None,
    generated_b: NDArray[np.int64] | None = None,
) -> KolmogorovSmirnov:
    """Return the weighted two-sample Kolmogorov–Smirnov test.

    Parameters
    ----------
    a, b
        The samples, shapes (n,) and (m,), both non-empty.
    weight_a, weight_b
        Weights of the same shapes.
    generated_a, generated_b
        Generated events of the same shapes, as in `effective_number`, which gives the sizes of the samples.
    """
    values, index = np.unique(np.concatenate([a, b]), return_inverse=True)
    n = len(a)
    cumulative_a = np.cumsum(np.bincount(index[:n], weight_a, len(values))) / np.sum(weight_a)
    cumulative_b = np.cumsum(np.bincount(index[n:], weight_b, len(values))) / np.sum(weight_b)
    distance = float(np.max(np.abs(cumulative_a - cumulative_b)))
    size_a, size_b = effective_number(weight_a, generated_a), effective_number(weight_b, generated_b)
    root = np.sqrt(size_a * size_b / (size_a + size_b))
    # Stephens' small-sample correction of the asymptotic distribution
    return KolmogorovSmirnov(distance, float(kstwobign.sf(distance * (root + 0.12 + 0.11 / root))))
