"""What the figures of one workspace are drawn from: posterior, profile likelihood, chains, CLs and ranked nuisances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.inference.bayesian.metropolis import Chains, metropolis_limit
from models.inference.bayesian.posterior import Posterior
from models.inference.cls_limits import BAND_SIGMAS, cls_limits, log_cls_expected, log_cls_observed
from models.inference.compiled_model import Floats
from models.inference.configuration import InferenceSettings
from models.inference.fits import ObservedFits, fit_observed, profile
from models.inference.likelihood import Dataset, Likelihood
from models.inference.results import BayesianLimit, BestFit, NuisanceFit, Status
from models.inference.summary import summarise

N_CURVE: Final = 121
"""Points of each curve."""
PROFILE_REACH: Final = 3.5
"""Standard deviations of the cross-section that the profile likelihood is drawn to."""
CLS_REACH: Final = 1.6
"""CLs is drawn to this multiple of the largest limit on it."""


@dataclass(frozen=True)
class Curve:
    """A function of the cross-section; shapes (n_points,), NaN where it could not be found."""

    xsec: Floats
    values: Floats


@dataclass(frozen=True)
class ClsCurves:
    """CLs as a function of the cross-section."""

    xsec: Floats
    observed: Floats | None
    """None while blinded."""
    expected: Floats
    """At −2, −1, 0, +1, +2 standard deviations of the background-only fluctuation, shape (5, n_points)."""


@dataclass(frozen=True)
class RankedNuisance:
    """A nuisance parameter in the order of what it does to the cross-section."""

    name: str
    fit: NuisanceFit

    @property
    def impact(self) -> float:
        """Larger of the absolute changes of the best-fit cross-section, zero where there is none."""
        return max(abs(self.fit.impact_down_fb or 0.0), abs(self.fit.impact_up_fb or 0.0))


@dataclass(frozen=True)
class Diagnostics:
    """Everything that is drawn for one workspace; what needs observed data is None or empty while blinded."""

    poi: str
    """Name of the parameter of interest."""
    parameters: tuple[str, ...]
    """Names of all parameters, in the order of the chains' points."""
    level: float
    """Credibility and confidence level of the limits."""
    fit: BestFit
    profile: Curve | None
    """−2 ln λ of the profile likelihood."""
    metropolis: BayesianLimit | None
    chains: Chains | None
    posterior: Curve | None
    """Density of the posterior in the cross-section."""
    cls: ClsCurves | None
    """None without a fit without signal."""

    @property
    def ranked(self) -> tuple[RankedNuisance, ...]:
        """Nuisance parameters with a pull or an impact, the most important first."""
        return ranked_nuisances(self.fit)


def ranked_nuisances(fit: BestFit) -> tuple[RankedNuisance, ...]:
    """Return the nuisance parameters of a fit with a pull or an impact, the most important first."""
    named = [
        RankedNuisance(name, nuisance)
        for name, nuisance in fit.nuisances.items()
        if nuisance.pull is not None or nuisance.impact_up_fb is not None
    ]
    return tuple(sorted(named, key=lambda n: (-n.impact, -abs(n.fit.pull or 0.0), n.name)))


def profile_curve(likelihood: Likelihood, fits: ObservedFits, error: float) -> Curve:
    """Return −2 ln λ around the best fit, as far down as rates stay positive.

    Parameters
    ----------
    likelihood
        The model with its observations.
    fits
        Fits to them.
    error
        Standard deviation of the cross-section.
    """
    best = fits.xsec_hat_fb(likelihood)
    xsec = np.linspace(best - PROFILE_REACH * error, best + PROFILE_REACH * error, N_CURVE)
    nll = _profiled(likelihood, likelihood.observed, xsec, fits.best.points[0])
    return Curve(xsec, np.maximum(2.0 * (nll - float(fits.best.nll[0])), 0.0))


def cls_curves(likelihood: Likelihood, fits: ObservedFits, largest: float, *, blinded: bool) -> ClsCurves:
    """Return CLs, observed and expected, from zero to a cross-section.

    Parameters
    ----------
    likelihood
        The model with its observations.
    fits
        Fits to them; the Asimov data are generated from the one without signal.
    largest
        End of the curves.
    blinded
        Leave out the observed curve.
    """
    xsec = np.linspace(0.0, largest, N_CURVE)
    asimov = likelihood.asimov(fits.null.points[0])
    # Asimov data are what their own parameters expect: the likelihood is that of the saturated model.
    q_asimov = np.maximum(2.0 * _profiled(likelihood, asimov, xsec, fits.null.points[0]), 0.0)
    expected = np.stack([np.exp(log_cls_expected(q_asimov, np.array([sigma]))) for sigma in BAND_SIGMAS])
    observed = None
    if not blinded:
        physical = fits.physical(likelihood)
        nll = _profiled(likelihood, likelihood.observed, xsec, physical.points[0])
        q = np.maximum(2.0 * (nll - float(physical.nll[0])), 0.0)
        q[xsec <= fits.xsec_hat_fb(likelihood)] = 0.0
        observed = np.exp(log_cls_observed(q, q_asimov))
    return ClsCurves(xsec, observed, expected)


def _profiled(likelihood: Likelihood, data: Dataset, xsec: Floats, start: Floats) -> Floats:
    """Return −ln L with nuisance parameters fitted at each cross-section, NaN where a fit failed."""
    fitted = profile(likelihood, data.repeat(xsec.size), xsec, np.repeat(start[None, :], xsec.size, axis=0))
    return np.where(fitted.converged, fitted.nll, np.nan)


def gather_diagnostics(
    likelihood: Likelihood, settings: InferenceSettings, seed: int, *, blinded: bool = False
) -> Diagnostics:
    """Return everything that the figures of a workspace need.

    Parameters
    ----------
    likelihood
        The model with its observations.
    settings
        As for the inference.
    seed
        With that of the inference, the chains are those that its limit comes from.
    blinded
        Leave out everything that depends on observed data.
    """
    fits = fit_observed(likelihood)
    usable = not blinded and fits.usable(likelihood)
    best = BestFit(Status.BLINDED) if blinded else summarise(likelihood, fits, settings)
    limit, chains = None, None
    if usable:
        bayesian = settings.bayesian
        point = fits.physical(likelihood).points[0]
        posterior = Posterior.around(likelihood, point, bayesian.posterior, bayesian.metropolis.tempering)
        rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
        limit, chains = metropolis_limit(posterior, settings.confidence_level, bayesian.metropolis, rng)
    cls = cls_limits(likelihood, fits, settings, blinded=blinded)
    reach = [found for found in (cls.observed_fb, *cls.expected_fb) if found is not None]
    return Diagnostics(
        poi=likelihood.names.parameters[likelihood.poi],
        parameters=likelihood.names.parameters,
        level=settings.confidence_level,
        fit=best,
        profile=profile_curve(likelihood, fits, best.xsec_err_fb) if usable and best.xsec_err_fb else None,
        metropolis=limit,
        chains=chains,
        posterior=_posterior_curve(chains) if chains else None,
        cls=cls_curves(likelihood, fits, CLS_REACH * max(reach), blinded=blinded) if reach else None,
    )


def _posterior_curve(chains: Chains) -> Curve:
    density = chains.grid.densities_in_xsec(chains.densities.mean(axis=(0, 1)))
    return Curve(chains.grid.xsec, density)
