"""CLs upper limits, observed and expected, with the asymptotic distributions of q̃.

Source: G. Cowan, K. Cranmer, E. Gross, O. Vitells, Eur. Phys. J. C 71 (2011) 1554, section 3.7 for the
statistic and its distribution, section 4 for the expected bands.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from models.inference.compiled_model import Flags, Floats
from models.inference.configuration import InferenceSettings
from models.inference.crossings import find_crossings
from models.inference.fits import ObservedFits, profile
from models.inference.likelihood import Dataset, Likelihood
from models.inference.minimisation import expected_xsec_error
from models.inference.results import ClsLimits, Status

BAND_SIGMAS: Final = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Background-only fluctuations of the expected limits, in standard deviations."""


def log_cls_observed(q: Floats, q_asimov: Floats) -> Floats:
    """Return ln CLs of an observed q̃ given the Asimov q̃, both shape (n,).

    >>> np.exp(log_cls_observed(np.array([0.0]), np.array([0.0]))).item()
    1.0
    """
    root, root_asimov = np.sqrt(q), np.sqrt(q_asimov)
    # q̃ is a parabola in μ up to the Asimov value and a straight line beyond it (eq. 65).
    beyond = np.divide(q - q_asimov, 2.0 * root_asimov, out=np.zeros_like(q), where=root_asimov > 0)
    statistic = np.where(root <= root_asimov, root - root_asimov, beyond)
    log_cls: Floats = log_ndtr(-statistic - root_asimov) - log_ndtr(-statistic)
    return log_cls


def log_cls_expected(q_asimov: Floats, n_sigma: Floats) -> Floats:
    """Return ln CLs where the background fluctuates by `n_sigma` standard deviations.

    >>> np.exp(log_cls_expected(np.array([1.6448536**2]), np.array([0.0]))).round(6).item()
    0.1
    """
    log_cls: Floats = log_ndtr(n_sigma - np.sqrt(q_asimov)) - log_ndtr(n_sigma)
    return log_cls


def cls_limits(likelihood: Likelihood, fits: ObservedFits, settings: InferenceSettings, *, blinded: bool) -> ClsLimits:
    """Return the observed and the five expected limits, all crossings searched together.

    Parameters
    ----------
    likelihood
        The model.
    fits
        Fits to the observed data; the Asimov data are generated from the one without signal, as pyhf does.
    settings
        Confidence level and accuracy.
    blinded
        Leave out the observed limit.
    """
    if not fits.null.converged[0]:
        reason = Status.FIT_FAILED if np.isfinite(fits.null.nll[0]) else Status.BACKGROUND_EXCLUDED
        return ClsLimits(Status.BLINDED if blinded else reason, reason)
    asimov = likelihood.asimov(fits.null.points[0])
    sigma = float(expected_xsec_error(likelihood.model, likelihood.control, fits.null.points[0]))
    curves = _Curves(likelihood, fits, asimov)

    log_alpha = np.log([1.0 - settings.confidence_level])
    band = np.array(BAND_SIGMAS)
    needed_root = band - ndtri((1.0 - settings.confidence_level) * ndtr(band))
    guess = sigma * needed_root
    observed_too = not blinded and bool(fits.best.converged[0])
    if observed_too:
        best = max(fits.xsec_hat_fb(likelihood), 0.0)
        guess = np.append(guess, best - sigma * ndtri(1.0 - settings.confidence_level))
    threshold = _straightened(log_alpha)
    crossings = find_crossings(
        lambda xsec_fb, which: _straightened(curves.log_cls(xsec_fb, which)) - threshold,
        np.zeros_like(guess),
        np.full_like(guess, -threshold),
        guess,
        relative_tolerance=settings.root_tolerance,
        maximum_iterations=settings.maximum_root_iterations,
    )
    limits = [float(x) if found else None for x, found in zip(*crossings, strict=True)]
    m2, m1, median, p1, p2 = limits[: band.size]
    if blinded:
        status_observed = Status.BLINDED
    elif not observed_too:
        status_observed = Status.FIT_FAILED
    else:
        status_observed = Status.OK if crossings.found[-1] else Status.NO_CROSSING
    return ClsLimits(
        status_observed=status_observed,
        status_expected=Status.OK if crossings.found[: band.size].all() else Status.NO_CROSSING,
        observed_fb=limits[-1] if observed_too else None,
        expected_fb=(m2, m1, median, p1, p2),
    )


def _straightened(log_cls: Floats) -> Floats:
    """Return √(−2 ln CLs), which is close to a straight line in the cross-section."""
    straight: Floats = np.sqrt(np.maximum(-2.0 * log_cls, 0.0))
    return straight


class _Curves:
    """ln CLs as functions of the cross-section: the five expected ones, then the observed one.

    Each curve remembers the nuisance parameters of its last fits, from which the next ones start.
    """

    def __init__(self, likelihood: Likelihood, fits: ObservedFits, asimov: Dataset) -> None:
        self._likelihood = likelihood
        self._asimov = asimov
        self._asimov_start = np.repeat(fits.null.points, len(BAND_SIGMAS) + 1, axis=0)
        self._xsec_hat = fits.xsec_hat_fb(likelihood)
        reference = fits.physical(likelihood)
        self._nll_reference = float(reference.nll[0])
        # Asimov data are what their own parameters expect: the likelihood is that of the saturated model.
        self._nll_asimov = 0.0
        self._observed_start = reference.points

    def log_cls(self, xsec_fb: Floats, which: NDArray[np.intp]) -> Floats:
        """Return ln CLs of the curves with the given indices, NaN where a fit failed."""
        is_observed = which == len(BAND_SIGMAS)
        data, start = self._asimov.repeat(len(which)), self._asimov_start[which]
        if is_observed.any():
            data = Dataset(*(np.concatenate(pair) for pair in zip(data, self._likelihood.observed, strict=True)))
            start = np.concatenate([start, self._observed_start])
            xsec_fb = np.append(xsec_fb, xsec_fb[is_observed])
        fit = profile(self._likelihood, data, xsec_fb, start)
        n = len(which)
        self._asimov_start[which] = fit.points[:n]
        q_asimov = _statistic(fit.nll[:n], self._nll_asimov)
        values = log_cls_expected(q_asimov, np.append(BAND_SIGMAS, 0.0)[which])
        usable: Flags = fit.converged[:n].copy()
        if is_observed.any():
            self._observed_start = fit.points[n:]
            q = _statistic(fit.nll[n:], self._nll_reference)
            if xsec_fb[-1] <= self._xsec_hat:
                q = np.zeros_like(q)
            values[is_observed] = log_cls_observed(q, q_asimov[is_observed])
            usable[is_observed] &= fit.converged[n:]
        return np.where(usable, values, np.nan)


def _statistic(nll: Floats, nll_reference: float) -> Floats:
    statistic: Floats = np.maximum(0.0, 2.0 * (nll - nll_reference))
    return statistic
