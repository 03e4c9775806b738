"""How hadronic events are sampled by their charged multiplicity: four good tracks come from few charged particles."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulation.configuration import MultiplicitySettings

FloatArray = NDArray[np.float64]
_SELECTED = 4
_OF_A_PAIR = 2


def four_track_chance(n_charged: NDArray[np.int64], settings: MultiplicitySettings) -> FloatArray:
    """Return roughly the chance of exactly four good tracks, one of them perhaps from an electron pair that is added.

    Parameters
    ----------
    n_charged
        Charged particles of the event, π⁰ undecayed and photons unconverted, any shape.
    settings
        Track efficiency and the probability of an added pair.

    Examples
    --------
    >>> chance = four_track_chance(np.array([1, 2, 4, 6, 10]), MultiplicitySettings())
    >>> chance.round(3).tolist()
    [0.0, 0.008, 0.406, 0.242, 0.005]
    """
    table = np.array([_four_of(n, settings.track_efficiency) for n in range(int(np.max(n_charged, initial=0)) + 3)])
    with_pair: FloatArray = table[n_charged + _OF_A_PAIR]
    return (1.0 - settings.pair_fraction) * table[n_charged] + settings.pair_fraction * with_pair


def multiplicity_enrichment(
    n_charged: NDArray[np.int64], enrichment: float, settings: MultiplicitySettings
) -> FloatArray:
    """Return how much more often events of a multiplicity are sampled, from 1 to `enrichment`.

    The best sampling of a rare selection goes with the square root of its probability. Events that the skim leaves out
    are among those sampled least.

    Parameters
    ----------
    n_charged
        Charged particles of the event, any shape.
    enrichment
        Factor at the best multiplicity; 1 for nature.
    settings
        What the chance of four tracks is estimated with.

    Examples
    --------
    >>> multiplicity_enrichment(np.array([2, 4, 6, 10]), 10.0, MultiplicitySettings()).round(1).tolist()
    [2.3, 10.0, 7.9, 2.0]
    """
    best = float(np.max(four_track_chance(np.arange(2 * _SELECTED), settings)))
    relative = np.sqrt(four_track_chance(n_charged, settings) / best)
    return np.asarray(1.0 + (enrichment - 1.0) * relative)


def _four_of(n: int, efficiency: float) -> float:
    return math.comb(n, _SELECTED) * efficiency**_SELECTED * (1.0 - efficiency) ** max(n - _SELECTED, 0)
