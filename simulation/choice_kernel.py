"""Compiled part of `simulation.importance`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def choose(probability: FloatArray, event: IntArray, first: FloatArray, uniform: FloatArray) -> BoolArray:
    """Return the choices, the first of an event where the probability summed in order passes `first`."""
    chosen = np.zeros(len(probability), dtype=np.bool_)
    current = -1
    found = False
    none_yet = 1.0
    summed = 0.0
    last_possible = -1
    for index in range(len(probability)):
        if event[index] != current:
            # Rounding must not lose a success that was decided: the last candidate that can takes it.
            if current >= 0 and not found and last_possible >= 0 and first[current] < np.inf:
                chosen[last_possible] = True
            current = event[index]
            found, none_yet, summed, last_possible = False, 1.0, 0.0, -1
        if first[current] == np.inf:
            continue
        if found:
            chosen[index] = uniform[index] < probability[index]
            continue
        if probability[index] > 0.0:
            last_possible = index
        summed += none_yet * probability[index]
        none_yet *= 1.0 - probability[index]
        if first[current] < summed:
            chosen[index] = True
            found = True
    if current >= 0 and not found and last_possible >= 0 and first[current] < np.inf:
        chosen[last_possible] = True
    return chosen
