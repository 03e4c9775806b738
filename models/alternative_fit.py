"""A second way to fit a mass point: a smooth background from the data themselves, and a peak of known width.

The background density is the exponential of a polynomial in m(ℓℓ), so that it cannot turn negative; its order is chosen
by F-test in the side bands alone. The signal is a Gaussian or a double-sided Crystal Ball (J. E. Gaiser, SLAC-R-255,
with a power law on either side). The likelihood is Poisson in bins finer than the peak. Nothing but σ(m_φ) comes from
simulation: where this and the template fit disagree, one of the two backgrounds is wrong.
"""

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from scipy.special import ndtr, xlogy
from scipy.stats import f as f_distribution

from models.errors import LeptophileError
from models.settings import Settings

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class AlternativeFitError(LeptophileError):
    """The alternative fit cannot be made."""


class PeakShape(StrEnum):
    """Shape of the signal."""

    GAUSSIAN = "gaussian"
    CRYSTAL_BALL = "crystal_ball"


class AlternativeFitSettings(Settings):
    """The alternative fit."""

    shape: PeakShape = PeakShape.GAUSSIAN
    half_width_sigma: PositiveFloat = 25.0
    """Half of the fitted range in units of the resolution."""
    minimum_half_width_gev: PositiveFloat = 0.04
    """The least of it, for a background to have a shape."""
    excluded_sigma: PositiveFloat = 3.0
    """Half of the range around m_φ that does not decide about the order."""
    maximum_order: int = Field(default=4, ge=0)
    f_test_p_value: float = Field(default=0.05, gt=0, lt=1)
    """A higher order is taken if the improvement would be this improbable without it."""
    tail_begins_sigma: PositiveFloat = 1.5
    """Where the Gaussian core of a Crystal Ball ends."""
    tail_power: float = Field(default=5.0, gt=1)
    """Power of its tails."""


class AlternativeFit(NamedTuple):
    """Result at one mass point."""

    order: int
    """Of the polynomial."""
    n_signal: float
    """Fitted signal events, may be negative."""
    significance: float
    """√(2 Δ ln L) with the sign of `n_signal`."""
    converged: bool


def fit_alternative(
    counts: FloatArray,
    edges_gev: FloatArray,
    m_phi_gev: float,
    sigma_gev: float,
    settings: AlternativeFitSettings | None = None,
    *,
    masked: BoolArray | None = None,
) -> AlternativeFit:
    """Fit one mass point.

    Parameters
    ----------
    counts
        Observed events in bins of m(ℓℓ), shape (n_bins,).
    edges_gev
        Bin edges, shape (n_bins + 1,).
    m_phi_gev, sigma_gev
        Where the peak would be and its standard deviation.
    settings
        Of the fit.
    masked
        Bins that are left out, such as those of known resonances, shape (n_bins,).

    Raises
    ------
    AlternativeFitError
        If fewer bins are left than the background has parameters.
    """
    settings = settings or AlternativeFitSettings()
    half = max(settings.half_width_sigma * sigma_gev, settings.minimum_half_width_gev)
    centre, width = 0.5 * (edges_gev[1:] + edges_gev[:-1]), np.diff(edges_gev)
    used = np.abs(centre - m_phi_gev) < half
    if masked is not None:
        used &= ~masked
    if used.sum() < settings.maximum_order + 4:
        raise AlternativeFitError(f"m_φ = {m_phi_gev:.3f} GeV: {used.sum()} bins in the range of the alternative fit")
    n, x, w = counts[used], (centre[used] - m_phi_gev) / half, width[used] / width[used].mean()
    peak = _peak(edges_gev, m_phi_gev, sigma_gev, settings)[used]
    order = _choose_order(n, x, w, np.abs(centre[used] - m_phi_gev) > settings.excluded_sigma * sigma_gev, settings)
    basis = np.asarray(legendre.legvander(x, order), dtype=np.float64)
    background = _fit_background(n, basis, w)
    both = _fit_signal(n, basis, w, peak, background)
    gained = max(_deviance(n, _rate(basis, w, background)) - both.deviance, 0.0)
    return AlternativeFit(order, both.n_signal, float(np.copysign(np.sqrt(gained), both.n_signal)), both.converged)


def _peak(edges: FloatArray, m_phi: float, sigma: float, settings: AlternativeFitSettings) -> FloatArray:
    """Return the fraction of the signal in each bin."""
    t = (edges - m_phi) / sigma
    if settings.shape is PeakShape.GAUSSIAN:
        return np.asarray(np.diff(ndtr(t)))
    alpha, power = settings.tail_begins_sigma, settings.tail_power
    fine = np.linspace(t[0], t[-1], 20 * len(t))
    fine = np.unique(np.concatenate([t, fine[np.abs(fine) < 60.0], np.linspace(-60.0, 60.0, 6001)]))
    ratio = power / alpha
    beyond = np.maximum(np.abs(fine) - alpha, 0.0)
    tail = np.exp(-0.5 * alpha**2) * (1.0 + beyond / ratio) ** -power
    density = np.where(np.abs(fine) < alpha, np.exp(-0.5 * fine**2), tail)
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(fine))])
    return np.asarray(np.diff(np.interp(t, fine, cumulative / cumulative[-1])))


def _choose_order(
    n: FloatArray, x: FloatArray, w: FloatArray, outside: BoolArray, settings: AlternativeFitSettings
) -> int:
    """Return the lowest order that the next one does not improve significantly, by F-test on the deviance."""
    n, x, w = n[outside], x[outside], w[outside]
    deviances = [_order_deviance(n, x, w, order) for order in range(settings.maximum_order + 1)]
    order = 0
    while True:
        # A symmetric shape gains nothing from the next order and much from the one after it.
        higher = range(order + 1, min(order + 3, len(deviances)))
        better = [trial for trial in higher if _improves(deviances, order, trial, len(n), settings)]
        if not better:
            return order
        order = better[0]


def _improves(deviances: list[float], low: int, high: int, n_bins: int, settings: AlternativeFitSettings) -> bool:
    left = n_bins - high - 1
    if left < 1 or deviances[high] <= 0:
        return False
    ratio = (deviances[low] - deviances[high]) / (high - low) / (deviances[high] / left)
    return bool(f_distribution.sf(ratio, high - low, left) < settings.f_test_p_value)


def _order_deviance(n: FloatArray, x: FloatArray, w: FloatArray, order: int) -> float:
    basis = np.asarray(legendre.legvander(x, order), dtype=np.float64)
    return _deviance(n, _rate(basis, w, _fit_background(n, basis, w)))


def _fit_background(n: FloatArray, basis: FloatArray, w: FloatArray) -> FloatArray:
    """Return the coefficients of the log-density by Newton's method; the problem is convex."""
    coefficients = np.zeros(basis.shape[1])
    coefficients[0] = np.log(max(n.sum(), 0.5) / w.sum())
    for _ in range(_STEPS):
        rate = _rate(basis, w, coefficients)
        hessian = basis.T @ (rate[:, None] * basis) + _RIDGE * np.eye(len(coefficients))
        step = _newton_step(hessian, basis.T @ (n - rate) - _RIDGE * coefficients)
        coefficients = coefficients + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < _PRECISION:
            break
    return coefficients


class _SignalFit(NamedTuple):
    n_signal: float
    deviance: float
    converged: bool


def _fit_signal(n: FloatArray, basis: FloatArray, w: FloatArray, peak: FloatArray, start: FloatArray) -> _SignalFit:
    """Fit background and signal together by damped Newton steps that keep every rate positive."""
    parameters = np.append(start, 0.0)
    deviance = _deviance(n, _rate(basis, w, start))
    for _ in range(_STEPS):
        background = _rate(basis, w, parameters[:-1])
        rate = background + parameters[-1] * peak
        slope = np.column_stack([background[:, None] * basis, peak])
        gradient = slope.T @ (n / rate - 1.0)
        gradient[:-1] -= _RIDGE * parameters[:-1]
        # the expected curvature: never negative, unlike the observed one
        hessian = slope.T @ (slope / rate[:, None]) + _RIDGE * np.eye(len(parameters))
        step = _newton_step(hessian, gradient)
        size = 1.0
        while size > _SMALLEST_STEP:
            trial = parameters + size * step
            trial_rate = _rate(basis, w, trial[:-1]) + trial[-1] * peak
            if np.all(trial_rate > _SMALLEST_RATE) and (value := _deviance(n, trial_rate)) <= deviance + _PRECISION:
                break
            size *= 0.5
        else:
            # Pushed against a rate of zero: the likelihood has its largest value there.
            return _SignalFit(float(parameters[-1]), deviance, converged=False)
        parameters, gained, deviance = trial, deviance - value, value
        if gained < _PRECISION and size == 1.0:
            return _SignalFit(float(parameters[-1]), deviance, converged=True)
    return _SignalFit(float(parameters[-1]), deviance, converged=False)


def _newton_step(hessian: FloatArray, gradient: FloatArray) -> FloatArray:
    """Return the step to the minimum of a parabola; along directions that it does not know, none."""
    scale = 1.0 / np.sqrt(np.diag(hessian))
    # With the diagonal at one, what is small is not known rather than measured in other units.
    return np.asarray(scale * np.linalg.lstsq(hessian * np.outer(scale, scale), scale * gradient, rcond=1e-12)[0])


def _rate(basis: FloatArray, w: FloatArray, coefficients: FloatArray) -> FloatArray:
    return np.asarray(w * np.exp(np.clip(basis @ coefficients, -30.0, 30.0)))


def _deviance(n: FloatArray, rate: FloatArray) -> float:
    return float(2.0 * np.sum(rate - n + xlogy(n, n / rate)))


_STEPS = 100
_RIDGE = 1e-6
"""Keeps coefficients finite where there are no events at all."""
_PRECISION = 1e-8
_SMALLEST_STEP = 1e-6
_SMALLEST_RATE = 1e-12
"""Events in a bin below which a rate has vanished."""
