"""Signed significances of a mass point in many toys, and the global p-value of a scan from correlated ones.

Source: the definition of the global p-value, E. Gross, O. Vitells, Eur. Phys. J. C 70 (2010) 525, section 1: the
probability, without signal, of a largest local significance anywhere in the scan at least as large as the observed one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from models.compiled import compiled
from models.inference.binomial import Fraction
from models.inference.compiled_model import CompiledModel, Floats
from models.inference.likelihood import Dataset, Likelihood
from models.inference.minimisation import FitControl, minimise_one
from models.inference.results import InferenceError


@dataclass(frozen=True)
class GlobalPValue:
    """Global p-value from toys, with the binomial uncertainty of their number."""

    p_global: float
    """Fraction of toys whose largest significance is at least the observed one."""
    p_global_low: float
    """Lower end of the central 68 % interval (Clopper and Pearson)."""
    p_global_high: float
    """Upper end; the number to quote where no toy reaches the observed significance."""
    z_global: float | None
    """Significance of `p_global`; None where it is 0 or 1."""
    n_toys: int
    n_above: int
    """Toys that reach the observed significance."""
    n_failed_fits: int
    """Mass points of toys whose fits failed; they are left out of the largest significance."""


@compiled
def _signed_significances(
    model: CompiledModel, control: FitControl, counts: Floats, auxiliary: Floats, start: Floats, found: Floats
) -> None:
    """Fill in the significance of each dataset, NaN where a fit failed, shape (n_toys,); a row of data each."""
    point = np.empty(start.size)
    for i in range(counts.shape[0]):
        point[:] = start
        null, null_converged = minimise_one(model, control, counts[i], auxiliary[i], point, False)
        best, best_converged = minimise_one(model, control, counts[i], auxiliary[i], point, True)
        found[i] = np.nan
        if null_converged and best_converged:
            found[i] = np.sqrt(max(0.0, 2.0 * (null - best)))
            if point[model.poi] < 0.0:
                found[i] = -found[i]


def signed_significances(likelihood: Likelihood, data: Dataset) -> Floats:
    """Return the signed significance of a signal in each toy, NaN where a fit failed, shape (n_toys,).

    Parameters
    ----------
    likelihood
        The model.
    data
        The toys. Equal ones, frequent where few events are expected, are fitted once.
    """
    start = likelihood.model.initial.copy()
    start[likelihood.poi] = 0.0
    _, first, which = np.unique(np.hstack(data), axis=0, return_index=True, return_inverse=True)
    distinct = Dataset(*(np.ascontiguousarray(part, dtype=np.float64) for part in data.select(first)))
    found = np.empty(len(first))
    _signed_significances(likelihood.model, likelihood.control, *distinct, start, found)
    return np.asarray(found[which.ravel()])


def matched_counts(
    counts: Floats, expected: Floats, nominal: Floats, wanted: Floats, rng: np.random.Generator
) -> Floats:
    """Return toys of a mass point with the mean that its own templates have, shape (n_toys, n_bins).

    Templates of sparse bins are estimates, whose sum over narrow bins is not the estimate of a wide one. Where a point
    expects fewer events than the spectrum, some are left out at random, where it expects more, some are added; all
    others are the events that every mass point sees.

    Parameters
    ----------
    counts, expected
        Events and expectation of each toy of the spectrum in the bins of the point, shapes (n_toys, n_bins).
    nominal
        Expectation of the spectrum without systematics, shape (n_bins,).
    wanted
        Expectation of the point's own templates, shape (n_bins,).
    rng
        Source of randomness.
    """
    ratio = np.divide(wanted, nominal, out=np.ones_like(wanted), where=nominal > 0)
    kept = rng.binomial(counts.astype(np.int64), np.minimum(ratio, 1.0))
    missing = np.where(nominal > 0, np.maximum(ratio - 1.0, 0.0) * expected, wanted)
    return np.asarray(kept + rng.poisson(missing), dtype=np.float64)


def global_p_value(observed: float, significances: Floats) -> GlobalPValue:
    """Return the global p-value of the largest observed significance.

    Parameters
    ----------
    observed
        Largest signed local significance of the scan.
    significances
        Of all mass points in each toy, NaN where a fit failed, shape (n_points, n_toys).

    Raises
    ------
    InferenceError
        If there is no toy, or one in which no fit succeeded.

    Examples
    --------
    >>> toys = np.array([[0.1, 2.5, -1.0, 1.0], [1.2, 0.3, 0.0, -0.5]])
    >>> result = global_p_value(1.1, toys)
    >>> result.p_global, result.n_above, round(result.p_global_low, 3), round(result.p_global_high, 3)
    (0.5, 2, 0.185, 0.815)
    """
    failed = ~np.isfinite(significances)
    if not significances.size or np.any(failed.all(axis=0)):
        raise InferenceError("A global p-value from toys needs at least one fit in every toy.")
    largest = np.where(failed, -np.inf, significances).max(axis=0)
    n_toys, n_above = largest.size, int(np.sum(largest >= observed))
    above = Fraction.of(n_above, n_toys)
    return GlobalPValue(
        p_global=above.value,
        p_global_low=above.low,
        p_global_high=above.high,
        z_global=float(norm.isf(above.value)) if 0 < n_above < n_toys else None,
        n_toys=n_toys,
        n_above=n_above,
        n_failed_fits=int(failed.sum()),
    )
