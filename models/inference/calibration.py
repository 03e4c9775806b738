"""What limits and significances are worth: coverage of each limit and the distribution of p-values, by toys.

Toys are thrown at known cross-sections with the nuisance parameters of the background-only fit, their auxiliary
observations fluctuating, so that all fractions are frequencies of repeated experiments.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from models.inference.bayesian.posterior import Posterior
from models.inference.binomial import Fraction
from models.inference.cls_limits import log_cls_observed
from models.inference.compiled_model import Floats
from models.inference.configuration import InferenceSettings, LimitMethod
from models.inference.fits import ObservedFits, fit, fit_observed, profile
from models.inference.likelihood import Dataset, Likelihood
from models.inference.quasi_monte_carlo import quasi_monte_carlo_limit
from models.inference.toy_cls import cls_from_toys
from models.inference.toy_data import toy_data

COVERED_METHODS: Final = (LimitMethod.CLS, LimitMethod.QMC, LimitMethod.CLS_TOYS)


def at_luminosity(likelihood: Likelihood, factor: float) -> Likelihood:
    """Return the likelihood at another luminosity, with the background expected before any fit as its observations.

    Yields scale and relative uncertainties stay.
    """
    model = likelihood.model
    scaled = model._replace(
        nominal=factor * model.nominal, shift_up=factor * model.shift_up, shift_down=factor * model.shift_down
    )
    control = likelihood.control._replace(barrier=factor * likelihood.control.barrier)
    changed = replace(likelihood, model=scaled, control=control)
    point = model.initial.copy()
    point[likelihood.poi] = 0.0
    return changed.with_data(changed.asimov(point))


def asymptotic_cls_of(likelihood: Likelihood, data: Dataset, xsec: float, start: Floats) -> Floats:
    """Return the asymptotic CLs of each dataset at a cross-section, NaN where a fit failed, shape (n_toys,).

    Parameters
    ----------
    likelihood
        The model.
    data
        Datasets.
    xsec
        Tested cross-section, above zero.
    start
        Parameters from which fits start, shape (n_parameters,).
    """
    n_toys = len(data.counts)
    null = profile(likelihood, data, np.zeros(n_toys), np.repeat(start[None, :], n_toys, axis=0))
    best = fit(likelihood, data, null.points, poi_free=True)
    positive = best.points[:, likelihood.poi] > 0
    reference = np.where(positive, best.nll, null.nll)
    tested = np.full(n_toys, xsec)
    held = profile(likelihood, data, tested, np.where(positive[:, None], best.points, null.points))
    asimov = Dataset(*(np.concatenate(part) for part in zip(*map(likelihood.asimov, null.points), strict=True)))
    held_asimov = profile(likelihood, asimov, tested, null.points)
    q = np.where(best.points[:, likelihood.poi] < xsec, np.maximum(2.0 * (held.nll - reference), 0.0), 0.0)
    cls = np.exp(log_cls_observed(q, np.maximum(2.0 * held_asimov.nll, 0.0)))
    usable = null.converged & best.converged & held.converged & held_asimov.converged
    return np.asarray(np.where(usable, cls, np.nan))


def covered(
    likelihood: Likelihood,
    truth: Floats,
    n_toys: int,
    n_with_inner_toys: int,
    n_inner_toys: int,
    settings: InferenceSettings,
    rng: np.random.Generator,
) -> dict[LimitMethod, tuple[int, int]]:
    """Return how many toys have an upper limit at or above the true cross-section, and how many have one, by method.

    For CLs that is whether the true value is excluded, which one test tells; a Bayesian limit is computed.

    Parameters
    ----------
    likelihood
        The model.
    truth
        Parameters at which toys are thrown, shape (n_parameters,); the cross-section is above zero.
    n_toys
        Number of toys.
    n_with_inner_toys
        How many of them are tested with CLs from toys, which takes longer than everything else.
    n_inner_toys
        Toys that each of those throws.
    settings
        Confidence level, precision of the Bayesian limit.
    rng
        Source of randomness.
    """
    alpha, xsec = 1.0 - settings.confidence_level, float(truth[likelihood.poi])
    data = toy_data(likelihood, truth, n_toys, rng)
    asymptotic = asymptotic_cls_of(likelihood, data, xsec, truth)
    from_toys, bayesian = np.full(n_toys, np.nan), np.full(n_toys, np.nan)
    for i in range(n_toys):
        toy = likelihood.with_data(data.select([i]))
        fits = fit_observed(toy)
        if not (fits.usable(toy) and fits.null.converged[0]):
            continue
        bayesian[i] = _bayesian_limit(toy, fits, settings, rng)
        if i < n_with_inner_toys:
            from_toys[i] = cls_from_toys(toy, fits, np.array([xsec]), n_inner_toys, rng)[0]
    passed = {
        LimitMethod.CLS: np.where(np.isfinite(asymptotic), asymptotic > alpha, np.nan),
        LimitMethod.QMC: np.where(np.isfinite(bayesian), bayesian >= xsec, np.nan),
        LimitMethod.CLS_TOYS: np.where(np.isfinite(from_toys), from_toys > alpha, np.nan),
    }
    return {method: (int(np.nansum(flags)), int(np.sum(np.isfinite(flags)))) for method, flags in passed.items()}


def _bayesian_limit(
    likelihood: Likelihood, fits: ObservedFits, settings: InferenceSettings, rng: np.random.Generator
) -> float:
    bayesian, point = settings.bayesian, fits.physical(likelihood).points[0]
    posterior = Posterior.around(likelihood, point, bayesian.posterior, bayesian.metropolis.tempering)
    level = settings.confidence_level
    limit = quasi_monte_carlo_limit(posterior, point, level, settings.quasi_monte_carlo, rng).limit_fb
    return np.nan if limit is None else limit


def excess_frequencies(significances: Floats, thresholds: Floats) -> tuple[Fraction, ...]:
    """Return the fraction of toys with at least each significance; NaN, failed fits, are left out.

    Parameters
    ----------
    significances
        Of background-only toys, shape (n_toys,).
    thresholds
        Signed significances, shape (n_thresholds,); 1 − Φ of them is what the asymptotic p-value claims.
    """
    found = significances[np.isfinite(significances)]
    return tuple(Fraction.of(int(np.sum(found >= z)), found.size) for z in thresholds)
