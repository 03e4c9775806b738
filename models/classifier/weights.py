"""Training weights: balanced classes, flattened signal masses, physical weights inside a class."""

import numpy as np
from numpy.typing import NDArray

from models.classifier.configuration import ClassifierError


def training_weights(
    label: NDArray[np.integer], group: NDArray[np.integer], physical_weight: NDArray[np.float64], *, max_boost: float
) -> NDArray[np.float64]:
    """Return weights that give every class, and every group within a class, the same total, if it has the events.

    The groups of the signal are its generated masses (and lifetimes): with equal totals the classifier cannot
    gain by preferring a mass. Inside a group the physical weights, hence the kinematics, are untouched.
    A group's total is capped at `max_boost` times its effective number of events, (Σw)²/Σw².

    Parameters
    ----------
    label
        Class of each event, shape (n,).
    group
        Group of each event within its class, shape (n,).
    physical_weight
        Weight of each event, non-negative, any common normalisation, shape (n,).
    max_boost
        See above.

    Returns
    -------
    Weights of shape (n,) whose sum is n where no cap applies.

    Raises
    ------
    ClassifierError
        If a weight is negative or not finite.

    Examples
    --------
    >>> label, physical_weight = np.array([0, 0, 0, 1]), np.array([2.0, 1.0, 1.0, 5.0])
    >>> training_weights(label, np.zeros(4, int), physical_weight, max_boost=20).tolist()
    [1.0, 0.5, 0.5, 2.0]
    """
    if not np.all(np.isfinite(physical_weight)) or np.any(physical_weight < 0):
        raise ClassifierError("training weights must be finite and not negative")
    keys, index = np.unique(np.stack([label, group]), axis=1, return_inverse=True)
    index = index.ravel()
    _, class_index, groups_in_class = np.unique(keys[0], return_inverse=True, return_counts=True)
    sums = np.bincount(index, physical_weight)
    squares = np.bincount(index, physical_weight**2)
    effective = np.divide(sums**2, squares, out=np.zeros_like(sums), where=squares > 0)
    fair_share = len(label) / len(groups_in_class) / groups_in_class[class_index]
    total = np.minimum(fair_share, max_boost * effective)
    scale = np.divide(total, sums, out=np.zeros_like(sums), where=sums > 0)
    return np.asarray(physical_weight * scale[index], dtype=np.float64)
