"""Inference at one mass point: everything that is computed for a workspace, in one call."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from models.inference.bayesian.expected_band import expected_band
from models.inference.bayesian.metropolis import metropolis_limit
from models.inference.bayesian.posterior import Posterior
from models.inference.bayesian.prior_averaging import prior_averaged_limit
from models.inference.cls_limits import cls_limits
from models.inference.configuration import InferenceSettings, LimitMethod
from models.inference.fits import ObservedFits, fit_observed
from models.inference.likelihood import Likelihood, compile_likelihood
from models.inference.quasi_monte_carlo import quasi_monte_carlo_limit
from models.inference.results import BayesianLimit, BestFit, ClsLimits, MassPointResult, Status
from models.inference.summary import summarise
from models.inference.toy_cls import toy_cls_limits
from models.inference.toy_data import goodness_of_fit
from models.inference.workspace import is_blinded

N_STREAMS: Final = 6
"""Random streams: chains, prior averaging, shifts, expected band, toys of CLs, toys of the goodness of fit."""


def infer_mass_point(
    workspace: Mapping[str, Any],
    settings: InferenceSettings,
    seed: int | np.random.SeedSequence,
    measurement: str | None = None,
    *,
    validate: bool = True,
) -> MassPointResult:
    """Return fit, significance and limits of a workspace with one signal cross-section.

    Parameters
    ----------
    workspace
        pyhf JSON specification; if it is blinded, only expected limits are computed.
    settings
        What to compute and how well.
    seed
        Seed of the Bayesian methods; the result depends on nothing else that is random.
    measurement
        Name of the measurement; the first one if not given.
    validate
        Whether pyhf checks the workspace against its schema; one that `build_workspace` made may go without.

    Raises
    ------
    InferenceError
        If the workspace cannot be used.
    """
    likelihood = compile_likelihood(workspace, settings.minimiser, measurement, validate=validate)
    return infer(likelihood, settings, seed, blinded=is_blinded(workspace))


def infer(
    likelihood: Likelihood, settings: InferenceSettings, seed: int | np.random.SeedSequence, *, blinded: bool = False
) -> MassPointResult:
    """Return fit, significance and limits of a compiled likelihood; arguments as for `infer_mass_point`.

    Each Bayesian method has a random stream of its own, so that none depends on which others are asked for.
    """
    fits = fit_observed(likelihood)
    not_computed = BayesianLimit(Status.NOT_COMPUTED)
    result = MassPointResult(
        fit=BestFit(Status.BLINDED) if blinded else summarise(likelihood, fits, settings),
        cls=ClsLimits(Status.NOT_COMPUTED, Status.NOT_COMPUTED),
        metropolis=not_computed,
        prior_averaging=not_computed,
        quasi_monte_carlo=not_computed,
    )
    if LimitMethod.CLS in settings.methods:
        result = replace(result, cls=cls_limits(likelihood, fits, settings, blinded=blinded))
    result = _with_toys(result, likelihood, fits, settings, seed, blinded=blinded)
    return _with_bayesian_limits(result, likelihood, fits, settings, seed, blinded=blinded)


def _with_toys(
    result: MassPointResult,
    likelihood: Likelihood,
    fits: ObservedFits,
    settings: InferenceSettings,
    seed: int | np.random.SeedSequence,
    *,
    blinded: bool,
) -> MassPointResult:
    """Add what is calibrated by frequentist toys."""
    limits, goodness = (np.random.default_rng(s) for s in _sequence(seed).spawn(N_STREAMS)[-2:])
    if LimitMethod.CLS_TOYS in settings.methods:
        found = toy_cls_limits(likelihood, fits, settings, limits, blinded=blinded)
        result = replace(result, cls_toys=found)
    fit, n_toys = result.fit, settings.goodness_toys
    if n_toys and fit.goodness is not None:
        p_value = goodness_of_fit(likelihood, fits.best, n_toys, n_toys, goodness)
        error = None if p_value is None else float(np.sqrt(p_value * (1.0 - p_value) / n_toys))
        calibrated = replace(fit.goodness, p_value_toys=p_value, p_value_toys_error=error)
        result = replace(result, fit=replace(fit, goodness=calibrated))
    return result


def _with_bayesian_limits(
    result: MassPointResult,
    likelihood: Likelihood,
    fits: ObservedFits,
    settings: InferenceSettings,
    seed: int | np.random.SeedSequence,
    *,
    blinded: bool,
) -> MassPointResult:
    chains, toys, shifts, band = (np.random.default_rng(s) for s in _sequence(seed).spawn(N_STREAMS)[:4])
    level, bayesian, methods = settings.confidence_level, settings.bayesian, settings.methods
    if LimitMethod.EXPECTED_BAYESIAN in methods and fits.null.converged[0]:
        expected = expected_band(likelihood, fits.null.points[0], level, bayesian, band)
        result = replace(result, expected_bayesian=expected)
    asked = {method for method in (LimitMethod.MH, LimitMethod.TOYMC, LimitMethod.QMC) if method in methods}
    reason = Status.BLINDED if blinded else None if fits.usable(likelihood) else Status.FIT_FAILED
    if reason is not None:
        none = {
            method: BayesianLimit(reason) if method in asked else BayesianLimit(Status.NOT_COMPUTED)
            for method in (LimitMethod.MH, LimitMethod.TOYMC, LimitMethod.QMC)
        }
        return replace(
            result,
            metropolis=none[LimitMethod.MH],
            prior_averaging=none[LimitMethod.TOYMC],
            quasi_monte_carlo=none[LimitMethod.QMC],
        )
    point = fits.physical(likelihood).points[0]
    tempering = bayesian.metropolis.tempering
    posterior = Posterior.around(likelihood, point, bayesian.posterior, tempering)
    if LimitMethod.MH in asked:
        result = replace(result, metropolis=metropolis_limit(posterior, level, bayesian.metropolis, chains).limit)
    if LimitMethod.TOYMC in asked:
        result = replace(result, prior_averaging=prior_averaged_limit(posterior, level, bayesian.prior_averaging, toys))
    if LimitMethod.QMC in asked:
        limit = quasi_monte_carlo_limit(posterior, point, level, settings.quasi_monte_carlo, shifts)
        result = replace(result, quasi_monte_carlo=limit)
    return result


def _sequence(seed: int | np.random.SeedSequence) -> np.random.SeedSequence:
    if isinstance(seed, int):
        return np.random.SeedSequence(seed)
    # A sequence remembers what it has spawned; a copy makes the result independent of its past.
    return np.random.SeedSequence(entropy=seed.entropy, spawn_key=seed.spawn_key)
