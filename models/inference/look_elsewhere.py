"""The probability of the scan's largest excess anywhere in the scan (look-elsewhere effect).

Source: E. Gross, O. Vitells, Eur. Phys. J. C 70 (2010) 525: for a scan in one parameter, the probability that the
local significance exceeds z somewhere is at most

    p_global ≤ p_local(z) + ⟨N(z₀)⟩ exp(−(z² − z₀²)/2),

with ⟨N(z₀)⟩ the mean number of times that the curve crosses a low level z₀ upwards. The mean is estimated by the
number in the scan at hand, as the authors suggest where toys are too dear. A scan of n discrete points has in
addition p_global ≤ n p_local, whatever their correlation; that bound is the lower one where neighbouring mass points
lie further apart than the mass resolution.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from models.inference.results import InferenceError


class GlobalSignificance(NamedTuple):
    """The largest excess of a scan."""

    strongest: int
    """Mass point of the largest local significance; with several curves, counted through all of them in order."""
    z_local: float
    p_local: float
    p_global: float
    """Bound on the probability, without signal, of an excess at least as significant anywhere in the scan."""
    z_global: float | None
    """Significance of `p_global`; None where the bound is 1."""
    n_points: int
    """Mass points scanned."""
    n_upcrossings: int
    """Upward crossings of the reference level, all curves together."""
    reference_level: float


def count_upcrossings(significances: NDArray[np.float64], level: float) -> int:
    """Return how often a curve crosses a level upwards.

    >>> count_upcrossings(np.array([-1.0, 0.5, 1.0, -0.2, 0.3]), 0.0)
    2
    """
    above = significances > level
    return int(np.sum(above[1:] & ~above[:-1]))


def global_p_value_bound(
    z_local: ArrayLike, n_upcrossings: ArrayLike, n_points: int, *, reference_level: float = 0.0
) -> NDArray[np.float64]:
    """Return the lower of the two bounds on the global p-value of a largest local significance.

    Parameters
    ----------
    z_local
        Largest local significances, any shape.
    n_upcrossings
        Upward crossings of the reference level, counted in a scan or their mean, broadcast against `z_local`.
    n_points
        Mass points scanned.
    reference_level
        Level z₀ at which crossings are counted.

    Examples
    --------
    >>> global_p_value_bound([3.0, -1.0], 10.0, 262).round(4).tolist()
    [0.1124, 1.0]
    """
    z = np.asarray(z_local, dtype=np.float64)
    p_local = norm.sf(z)
    # The first bound counts excursions above the reference level, so it says nothing about a maximum below it.
    excursions = n_upcrossings * np.exp(-0.5 * (z**2 - reference_level**2))
    bound = np.where(z > reference_level, p_local + excursions, 1.0)
    return np.asarray(np.minimum(np.minimum(bound, n_points * p_local), 1.0))


def global_significance(curves: Sequence[NDArray[np.float64]], *, reference_level: float = 0.0) -> GlobalSignificance:
    """Return the global significance of the largest excess.

    Parameters
    ----------
    curves
        Signed local significances in order of mass, one array for each stretch that is scanned without a gap
        (a channel, or the part of it between two vetoes).
    reference_level
        Level z₀ at which crossings are counted. Crossings of a fluctuating curve through zero are the most
        numerous, so the estimate there is the least uncertain.

    Returns
    -------
    GlobalSignificance
        `p_global` is the lower of the two bounds, which are close for small probabilities.

    Raises
    ------
    InferenceError
        If there is no significance or one of them is not finite.

    Examples
    --------
    >>> curve = np.array([0.5, -0.7, 0.3, 3.0, -0.2, 0.1, -1.0])
    >>> result = global_significance([curve])
    >>> result.n_upcrossings, round(result.p_local, 5), round(result.p_global, 4)
    (2, 0.00135, 0.0094)
    """
    scanned = np.concatenate(curves) if len(curves) else np.empty(0)
    if not scanned.size or not np.all(np.isfinite(scanned)):
        raise InferenceError("A global significance needs the local significance of every mass point.")
    strongest = int(np.argmax(scanned))
    z_local = float(scanned[strongest])
    p_local = float(norm.sf(z_local))
    n_upcrossings = sum(count_upcrossings(curve, reference_level) for curve in curves)
    p_global = float(global_p_value_bound(z_local, n_upcrossings, scanned.size, reference_level=reference_level))
    return GlobalSignificance(
        strongest=strongest,
        z_local=z_local,
        p_local=p_local,
        p_global=p_global,
        z_global=float(norm.isf(p_global)) if p_global < 1.0 else None,
        n_points=int(scanned.size),
        n_upcrossings=n_upcrossings,
        reference_level=reference_level,
    )
