"""Training weights: balanced classes, flattened signal masses, physical weights inside a class."""

import numpy as np
from numpy.typing import NDArray

from models.classifier.configuration import ClassifierError

SIGNAL_LABEL = 0


def training_weights(
    label: NDArray[np.integer],
    group: NDArray[np.integer],
    physical_weight: NDArray[np.float64],
    *,
    half_share_events: float,
) -> NDArray[np.float64]:
    """Return weights that give every class, and every group within it, the same total, if it has the events.

    Background events weigh one on average, whatever the size of the signal samples: their number is what limits how
    much can be learned, and leaf sizes are measured in it. The signal as a whole weighs as much as the mean background
    class, so a score of one half means the same at every sample size. The groups of the signal are its generated
    masses (and lifetimes): with equal totals the classifier cannot gain by preferring a mass. Inside a class or group
    the physical weights, hence the kinematics, are untouched. A class or group of n = (Σw)²/Σw² effective events gets
    a share proportional to n/(n + `half_share_events`), so that few events are not taken for many.

    Parameters
    ----------
    label
        Class of each event, zero for signal, shape (n,).
    group
        Group of each event within its class, shape (n,).
    physical_weight
        Weight of each event, non-negative, any normalisation within a class, shape (n,).
    half_share_events
        See above.

    Returns
    -------
    Weights of shape (n,).

    Raises
    ------
    ClassifierError
        If a weight is negative or not finite.

    Examples
    --------
    >>> label, physical_weight = np.array([0, 0, 1, 1, 1, 2]), np.array([1.0, 1.0, 1.0, 1.0, 1.0, 7.0])
    >>> training_weights(label, np.zeros(6, int), physical_weight, half_share_events=0).round(3).tolist()
    [1.0, 1.0, 0.667, 0.667, 0.667, 2.0]
    """
    if not np.all(np.isfinite(physical_weight)) or np.any(physical_weight < 0):
        raise ClassifierError("training weights must be finite and not negative")
    keys, index = np.unique(np.stack([label, group]), axis=1, return_inverse=True)
    index = index.ravel()
    sums = np.bincount(index, physical_weight)
    squares = np.bincount(index, physical_weight**2)
    effective = np.divide(sums**2, squares, out=np.zeros_like(sums), where=squares > 0)
    is_signal = keys[0] == SIGNAL_LABEL
    total = np.zeros_like(sums)
    total[~is_signal] = _shares(effective[~is_signal], half_share_events)
    total[is_signal] = _shares(effective[is_signal], half_share_events)
    if np.sum(total[~is_signal]) > 0 and np.sum(total[is_signal]) > 0:
        mean_class = np.sum(total[~is_signal]) / len(np.unique(keys[0][~is_signal]))
        total[is_signal] *= mean_class / np.sum(total[is_signal])
    scale = np.divide(total, sums, out=np.zeros_like(sums), where=sums > 0)
    return np.asarray(physical_weight * scale[index], dtype=np.float64)


def _shares(effective: NDArray[np.float64], half_share_events: float) -> NDArray[np.float64]:
    """Return the effective events shared out equally, with less for parts that have few of them."""
    fullness = np.divide(effective, effective + half_share_events, out=np.zeros_like(effective), where=effective > 0)
    total = np.sum(fullness)
    return np.asarray(np.sum(effective) * fullness / total) if total > 0 else fullness
