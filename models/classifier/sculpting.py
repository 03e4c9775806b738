"""Mass sculpting: whether a requirement on the signal score changes the shape of the background in m(ℓℓ)."""

from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.classifier.metrics import kolmogorov_smirnov
from models.copies import effective_number
from models.settings import Settings

Fraction = Annotated[float, Field(ge=0, le=1)]

SLICE_EDGES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
"""Edges of the slices of the signal score that are compared with all candidates."""


class SculptedSlice(Settings):
    """The background's mass distribution in one slice of the signal score, against that of all other background."""

    low: Fraction
    high: Fraction
    effective_events: float = Field(ge=0)
    distance: Fraction | None
    """Largest distance of the two cumulative distributions (Kolmogorov–Smirnov); None where either is empty."""
    p_value: Fraction | None
    divergence: Fraction | None
    """Jensen–Shannon divergence of the two in bins that hold equal parts of all background, in bits; it grows with the
    scatter of few events too."""


def mass_sculpting(
    signal_score: NDArray[np.floating],
    mass_gev: NDArray[np.float64],
    weight: NDArray[np.float64],
    generated: NDArray[np.int64] | None = None,
    *,
    edges: tuple[float, ...] = SLICE_EDGES,
    n_bins: int = 20,
) -> tuple[SculptedSlice, ...]:
    """Compare the mass distribution of background in slices of the signal score with that outside of them.

    Parameters
    ----------
    signal_score, mass_gev, weight
        Background candidates, shape (n,).
    generated
        Number that copies of one generated event share, shape (n,); None if there are no copies.
    edges
        Of the slices.
    n_bins
        Of the divergence.

    Examples
    --------
    >>> score, mass = np.linspace(0, 1, 1000, endpoint=False), np.tile(np.linspace(1, 2, 10), 100)
    >>> flat = mass_sculpting(score, mass, np.ones(1000))[-1]
    >>> flat.distance < 0.02, flat.divergence < 0.01
    (True, True)
    """
    order = np.argsort(mass_gev)
    cumulative = np.cumsum(weight[order])
    inner = np.searchsorted(cumulative, cumulative[-1] * np.arange(1, n_bins) / n_bins) if len(order) else []
    bin_of = np.searchsorted(mass_gev[order][inner], mass_gev, side="right")
    slices = []
    for low, high in pairwise(edges):
        inside = (signal_score >= low) & ((signal_score < high) | (high == edges[-1]))
        own, rest = weight[inside], weight[~inside]
        comparable = own.sum() > 0 and rest.sum() > 0
        copies = None if generated is None else generated[inside]
        copies_outside = None if generated is None else generated[~inside]
        test = (
            kolmogorov_smirnov(mass_gev[inside], mass_gev[~inside], own, rest, copies, copies_outside)
            if comparable
            else None
        )
        slices.append(
            SculptedSlice(
                low=low,
                high=high,
                effective_events=effective_number(own, copies),
                distance=min(test.distance, 1.0) if test else None,
                p_value=min(test.p_value, 1.0) if test else None,
                divergence=_divergence(bin_of[inside], own, bin_of[~inside], rest, n_bins) if comparable else None,
            )
        )
    return tuple(slices)


def _divergence(
    bin_a: NDArray[np.intp],
    weight_a: NDArray[np.float64],
    bin_b: NDArray[np.intp],
    weight_b: NDArray[np.float64],
    n_bins: int,
) -> float:
    p, q = np.bincount(bin_a, weight_a, n_bins) / weight_a.sum(), np.bincount(bin_b, weight_b, n_bins) / weight_b.sum()
    mean = 0.5 * (p + q)
    bits = 0.0
    for part in (p, q):
        filled = part > 0
        bits += 0.5 * float(np.sum(part[filled] * np.log2(part[filled] / mean[filled])))
    return float(np.clip(bits, 0.0, 1.0))
