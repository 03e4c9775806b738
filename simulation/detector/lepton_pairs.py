"""Sampling identified lepton pairs among four tracks on purpose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulation.importance import Forced, at_least_one_probability, boosted_probability, choice_weight, choose_given

FloatArray = NDArray[np.float64]


def force_lepton_pairs(
    probability: FloatArray, weight: FloatArray, boost: float, maximum: float, rng: np.random.Generator
) -> Forced:
    """Draw which of four tracks are identified as leptons, one of either charge more often than in nature.

    Given that both charges have one, or that they do not, the tracks identified are distributed as in nature.

    Parameters
    ----------
    probability
        Probability of each track to be identified, shape (n_events, 2, 2): two of one charge, then two of the other.
    weight
        Weights that the events have already, shape (n_events,).
    boost, maximum
        Inverse of the weight that events with a pair get, and how probable a pair may become by that.
    rng
        Random stream.

    Returns
    -------
    Flags of the shape of `probability` and the factor on the weight of each event.

    Examples
    --------
    >>> probability = np.full((1, 2, 2), 0.05)
    >>> identified, factor = force_lepton_pairs(probability, np.ones(1), 50.0, 0.5, np.random.default_rng(2))
    >>> identified.any(axis=-1).tolist(), factor.round(4).tolist()
    ([[True, True]], [0.02])
    """
    n_events = len(probability)
    flat = probability.reshape(-1)
    side = np.repeat(np.arange(2 * n_events), 2)
    one_of_side = at_least_one_probability(flat, side, 2 * n_events)
    first, second = one_of_side.reshape(n_events, 2).T
    natural = first * second
    forced = boosted_probability(natural, weight, boost, maximum)
    pair = rng.random(n_events) < forced
    # Without a pair: only the first side, only the second, or neither.
    case = rng.random(n_events) * (1.0 - natural)
    only_first = ~pair & (case < first * (1.0 - second))
    only_second = ~pair & ~only_first & (case < first + second - 2.0 * natural)
    happens = np.column_stack([pair | only_first, pair | only_second]).ravel()
    chosen = choose_given(happens, flat, side, one_of_side, rng)
    return Forced(chosen.reshape(probability.shape), choice_weight(pair, natural, forced))
