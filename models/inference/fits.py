"""Best fit, its uncertainty, and the signed significance of a signal."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from models.inference.configuration import InferenceSettings
from models.inference.crossings import find_crossings
from models.inference.likelihood import Dataset, Likelihood
from models.inference.minimisation import FitBatch, minimise, xsec_error
from models.inference.rates import Floats
from models.inference.results import BestFit, Status

CURVATURE_STEP = 0.1
"""Step of the second difference of the profile likelihood, in standard deviations of the cross-section."""
BOUND_TOLERANCE = 1e-6
"""Distance from a bound at which a nuisance parameter lies on it."""
BOUNDARY_BARRIERS = 10.0
"""Rates of empty bins below this multiple of the fit's barrier are held by it."""
VANISHING_RATE = 1e-6
"""Events below which a rate has vanished where there is no background and hence no barrier."""


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


def fit_observed(likelihood: Likelihood) -> ObservedFits:
    """Fit the observed data with and without signal."""
    start = likelihood.initial[None, :].copy()
    start[:, likelihood.poi] = 0.0
    null = minimise(likelihood, likelihood.observed, start, poi_free=False)
    start[:, likelihood.poi] = _starting_xsec(likelihood)
    return ObservedFits(minimise(likelihood, likelihood.observed, start, poi_free=True), null)


def _starting_xsec(likelihood: Likelihood) -> float:
    """Return a rough least-squares cross-section, positive where only signal can explain an event."""
    background, signal = (rates[0] for rates in likelihood.rates(likelihood.initial[None, :]))
    counts = likelihood.observed.counts[0]
    weight = signal / (background + counts + 1.0)
    estimate = float(weight @ (counts - background) / (weight @ signal))
    needs_signal = (counts > 0) & (background <= 0)
    if needs_signal.any():
        return max(estimate, 1.0 / float(signal.sum()))
    filled = signal > 0
    deepest = float(np.min(background[filled] / signal[filled]))
    return max(estimate, -0.5 * deepest)


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
    return minimise(likelihood, data, at_xsec, poi_free=False)


def summarise(likelihood: Likelihood, fits: ObservedFits, settings: InferenceSettings) -> BestFit:
    """Return the best fit with its error, significance, pulls and yields.

    The significance is the signed root of the discovery statistic, with the cross-section allowed below zero
    (Cowan et al., Eur. Phys. J. C 71 (2011) 1554, eqs. 12 and 52, continued to deficits).
    """
    if not fits.best.converged[0]:
        return BestFit(Status.FIT_FAILED)
    point = fits.best.points[0]
    xsec_hat = float(point[likelihood.poi])
    at_boundary = _is_at_rate_boundary(likelihood, fits.best)
    error = _error_above(likelihood, fits, settings) if at_boundary else _error_from_curvature(likelihood, fits)
    significance = p_local = None
    if fits.null.converged[0]:
        root = float(np.sqrt(max(0.0, 2.0 * (fits.null.nll[0] - fits.best.nll[0]))))
        significance = float(np.copysign(root, xsec_hat))
        p_local = float(norm.sf(significance))
    return BestFit(
        status=_status(likelihood, fits, at_boundary=at_boundary, has_error=error is not None),
        xsec_hat_fb=xsec_hat,
        xsec_err_fb=error,
        significance=significance,
        p_local=p_local,
        nuisances={
            name: float(v)
            for i, (name, v) in enumerate(zip(likelihood.names, point, strict=True))
            if i != likelihood.poi
        },
        pulls=_pulls(likelihood, point),
        yields=_yields(likelihood, point),
    )


def _is_at_rate_boundary(likelihood: Likelihood, best: FitBatch) -> bool:
    """Return whether the cross-section, or the nuisance parameters with it, have emptied a bin without events."""
    rates = likelihood.rates(best.points).total(best.points[:, likelihood.poi])
    is_empty = likelihood.observed.counts == 0
    return bool(np.any(is_empty & (rates < BOUNDARY_BARRIERS * likelihood.barrier + VANISHING_RATE)))


def _status(likelihood: Likelihood, fits: ObservedFits, *, at_boundary: bool, has_error: bool) -> Status:
    point = fits.best.points[0]
    gap = np.minimum(point - likelihood.lower, likelihood.upper - point)
    if not np.isfinite(fits.null.nll[0]):
        return Status.BACKGROUND_EXCLUDED
    if not fits.null.converged[0] or not has_error:
        return Status.FIT_FAILED
    if at_boundary:
        return Status.RATE_BOUNDARY
    if np.any(likelihood.free & (gap < BOUND_TOLERANCE)):
        return Status.NUISANCE_BOUND
    return Status.OK


def _error_from_curvature(likelihood: Likelihood, fits: ObservedFits) -> float | None:
    step = CURVATURE_STEP * float(xsec_error(likelihood, fits.best.points)[0])
    xsec = fits.best.points[0, likelihood.poi] + np.array([-step, step])
    around = profile(likelihood, likelihood.observed.repeat(2), xsec, np.repeat(fits.best.points, 2, axis=0))
    rise = float(np.mean(around.nll - fits.best.nll))
    if not around.converged.all() or rise <= 0:
        return None
    return step / float(np.sqrt(2.0 * rise))


def _error_above(likelihood: Likelihood, fits: ObservedFits, settings: InferenceSettings) -> float | None:
    """Return the distance from the best fit up to where −2 ln L has risen by one."""
    origin = fits.best.points[:, likelihood.poi]
    start = fits.best.points.copy()

    def root_of_rise(xsec_fb: Floats, _: object) -> Floats:
        nonlocal start
        fit = profile(likelihood, likelihood.observed, xsec_fb, start)
        start = np.where(fit.converged[:, None], fit.points, start)
        # The root makes a parabola a straight line.
        rise = np.sqrt(np.maximum(2.0 * (fit.nll - fits.best.nll), 0.0)) - 1.0
        values: Floats = np.where(fit.converged, rise, np.nan)
        return values

    crossing = find_crossings(
        root_of_rise,
        origin,
        np.array([-1.0]),
        # The rates at the boundary are nearly zero, so their information is useless; the null fit's is not.
        origin + xsec_error(likelihood, fits.null.points),
        relative_tolerance=settings.root_tolerance,
        maximum_iterations=settings.maximum_root_iterations,
    )
    return float((crossing.position - origin)[0]) if crossing.found[0] else None


def _pulls(likelihood: Likelihood, point: Floats) -> dict[str, float]:
    terms = likelihood.constraints
    centre = terms.auxiliary / terms.factor
    prior_width = np.where(terms.is_poisson, np.sqrt(np.maximum(terms.auxiliary, 0.0)) / terms.factor, terms.width)
    pulled = likelihood.free & terms.constrained & (prior_width > 0)
    return {likelihood.names[i]: float((point[i] - centre[i]) / prior_width[i]) for i in np.flatnonzero(pulled)}


def _yields(likelihood: Likelihood, point: Floats) -> dict[str, tuple[float, ...]]:
    by_sample = likelihood.rates.by_sample(point[None, :])[0]
    samples = likelihood.rates.model.config.samples
    return {name: tuple(map(float, rates)) for name, rates in zip(samples, by_sample, strict=True)}
