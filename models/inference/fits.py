"""Fits of batches of datasets, and the two fits to the observed data that everything else starts from."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.inference.compiled_model import Flags, Floats
from models.inference.likelihood import Dataset, Likelihood
from models.inference.minimisation import minimise_many

BOUNDARY_BARRIERS = 10.0
"""Rates of empty bins below this multiple of the fit's barrier are held by it."""
VANISHING_RATE = 1e-6
"""Events below which a rate has vanished where there is no background and hence no barrier."""


@dataclass(frozen=True)
class FitBatch:
    """Results of a batch of fits; the first axis is the fit."""

    points: Floats
    """Best-fit parameters, shape (n_fits, n_parameters)."""
    nll: Floats
    """−ln L at the best fit, relative to the saturated model."""
    converged: Flags


def fit(likelihood: Likelihood, data: Dataset, start: Floats, *, poi_free: bool) -> FitBatch:
    """Fit each dataset of a batch.

    Parameters
    ----------
    likelihood
        The model.
    data
        Datasets, one for each fit.
    start
        Starting parameters, shape (n_fits, n_parameters); with `poi_free` false, the cross-section stays at its
        value here.
    poi_free
        Whether the cross-section is fitted.

    Returns
    -------
    FitBatch
        A fit whose start has a vanishing likelihood, or that does not converge, is marked as such.
    """
    points = np.array(start, dtype=np.float64, order="C")
    nll, converged = np.empty(len(points)), np.zeros(len(points), dtype=np.bool_)
    counts, auxiliary = (np.ascontiguousarray(part) for part in data)
    minimise_many(likelihood.model, likelihood.control, counts, auxiliary, points, poi_free, nll, converged)
    return FitBatch(points, nll, converged)


def profile(likelihood: Likelihood, data: Dataset, xsec_fb: Floats, start: Floats) -> FitBatch:
    """Fit the nuisance parameters at given cross-sections.

    Parameters
    ----------
    likelihood
        The model.
    data
        One dataset for each cross-section.
    xsec_fb
        Cross-sections, shape (n_fits,).
    start
        Starting parameters, shape (n_fits, n_parameters).
    """
    at_xsec = start.copy()
    at_xsec[:, likelihood.poi] = xsec_fb
    return fit(likelihood, data, at_xsec, poi_free=False)


class ObservedFits(NamedTuple):
    """The two fits to the observed data that everything else starts from; batches of one."""

    best: FitBatch
    """Cross-section free, negative values allowed."""
    null: FitBatch
    """Cross-section zero."""

    def xsec_hat_fb(self, likelihood: Likelihood) -> float:
        """Return the best-fit cross-section."""
        return float(self.best.points[0, likelihood.poi])

    def physical(self, likelihood: Likelihood) -> FitBatch:
        """Return the best fit with the cross-section at or above zero."""
        return self.best if self.xsec_hat_fb(likelihood) > 0 else self.null

    def usable(self, likelihood: Likelihood) -> bool:
        """Return whether both the best fit and the physical one converged."""
        return bool(self.best.converged[0] and self.physical(likelihood).converged[0])


def fit_observed(likelihood: Likelihood) -> ObservedFits:
    """Fit the observed data with and without signal."""
    start = likelihood.model.initial[None, :].copy()
    start[:, likelihood.poi] = 0.0
    null = fit(likelihood, likelihood.observed, start, poi_free=False)
    counts = likelihood.observed.counts[0]
    if null.converged[0]:
        start = null.points.copy()
    start[:, likelihood.poi] = starting_xsec(likelihood, counts, start[0])
    return ObservedFits(fit(likelihood, likelihood.observed, start, poi_free=True), null)


def starting_xsec(likelihood: Likelihood, counts: Floats, point: Floats) -> float:
    """Return a rough least-squares cross-section, positive where only signal can explain an event."""
    background, signal = likelihood.rates(point)
    weight = signal / (background + counts + 1.0)
    estimate = float(weight @ (counts - background) / (weight @ signal))
    if np.any((counts > 0) & (background <= 0)):
        return max(estimate, 1.0 / float(signal.sum()))
    filled = signal > 0
    deepest = float(np.min(background[filled] / signal[filled]))
    return max(estimate, -0.5 * deepest)


def is_at_rate_boundary(likelihood: Likelihood, point: Floats) -> bool:
    """Return whether the cross-section, or the nuisance parameters with it, have emptied a bin without events."""
    is_empty = likelihood.observed.counts[0] == 0
    smallest = BOUNDARY_BARRIERS * likelihood.control.barrier + VANISHING_RATE
    return bool(np.any(is_empty & (likelihood.expected(point) < smallest)))
