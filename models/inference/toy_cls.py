"""CLs upper limits, observed and expected, with distributions of q̃ from toys instead of asymptotic ones.

Source: A. Read, J. Phys. G 28 (2002) 2693 for CLs; G. Cowan et al., Eur. Phys. J. C 71 (2011) 1554, section 2.4, for
q̃; toys as in `toy_data`, at the nuisance parameters fitted to the observed data at each tested cross-section.

Toys are thrown without signal, at some tested cross-sections and at the best fit, and each serves every hypothesis
with the weight p(toy | hypothesis) / Σ_k (n_k/n) p(toy | hypothesis k): the balance heuristic (E. Veach, L. Guibas,
SIGGRAPH 95), with weights that are never large. The same toys everywhere make CLs a smooth curve that can be
interpolated, and toys without signal populate the tail that a limit is made of. Resampling the toys gives the error of
each limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from scipy.special import logsumexp

from models.inference.cls_limits import cls_limits
from models.inference.compiled_model import Flags, Floats, Indices
from models.inference.configuration import InferenceSettings, ToyClsSettings
from models.inference.fits import ObservedFits, fit, profile
from models.inference.likelihood import Dataset, Likelihood
from models.inference.results import Status, ToyClsLimits
from models.inference.toy_curves import N_CURVES, Crossing, Tail, crossings, multiplicity
from models.inference.toy_data import log_densities, toy_data

SPAN: Final = (0.7, 1.5)
"""Where toys may place a limit at first, relative to the asymptotic one."""


class _Hypotheses(NamedTuple):
    """Cross-sections that are tested, ascending, and how well they describe what was observed."""

    xsec: Floats
    """Shape (n_tested,)."""
    points: Floats
    """Parameters fitted to the observed data, shape (n_tested + 2, n_parameters): without signal, at every tested
    cross-section, and the best fit. Toys of the last one look like what was observed, however deep a deficit it is."""
    q_observed: Floats
    """Shape (n_tested,)."""


class _Toys(NamedTuple):
    """Toys of all hypotheses and the statistic of each at every tested cross-section."""

    data: Dataset
    thrown_at: Indices
    """Hypothesis, shape (n_toys,)."""
    q: Floats
    """Shape (n_toys, n_tested)."""
    usable: Flags
    """Whether all fits converged, shape (n_toys,)."""

    def joined(self, other: _Toys) -> _Toys:
        """Return both together."""
        data = Dataset(*(np.concatenate(pair) for pair in zip(self.data, other.data, strict=True)))
        rest = (np.concatenate(pair) for pair in zip(self[1:], other[1:], strict=True))
        return _Toys(data, *rest)


def toy_cls_limits(
    likelihood: Likelihood,
    fits: ObservedFits,
    settings: InferenceSettings,
    rng: np.random.Generator,
    *,
    blinded: bool,
) -> ToyClsLimits:
    """Return the observed and the five expected limits.

    Parameters
    ----------
    likelihood
        The model with its observations.
    fits
        Fits to the observed data.
    settings
        Confidence level and numbers of toys.
    rng
        Source of randomness.
    blinded
        Leave out the observed limit; toys are those of the Asimov data that stand in for the observed ones.
    """
    chosen = settings.toy_cls
    asymptotic = cls_limits(likelihood, fits, settings, blinded=blinded)
    guesses = [x for x in (*asymptotic.expected_fb, asymptotic.observed_fb) if x is not None]
    if not guesses or not fits.usable(likelihood):
        reason = asymptotic.status_expected if not guesses else Status.FIT_FAILED
        return ToyClsLimits(Status.BLINDED if blinded else reason, reason)
    target = float(np.sqrt(-2.0 * np.log1p(-settings.confidence_level)))
    curves = range(N_CURVES - 1 if blinded else N_CURVES)
    physical = _physical(likelihood)
    nodes = _nodes([(SPAN[0] * x, SPAN[1] * x) for x in guesses], chosen.node_ratio)
    for _ in range(chosen.maximum_searches):
        hypotheses = _hypotheses(likelihood, fits, nodes)
        toys = _throw(physical, hypotheses, chosen.first_toys, rng)
        found = crossings(hypotheses.xsec, _tails(likelihood, hypotheses, toys), np.ones(len(toys.q)), target)
        wide = [found[i] for i in curves if not found[i].high <= 1.01 * chosen.node_ratio * found[i].low]
        if not wide:
            break
        nodes = _nodes([*((x, x) for x in nodes), *(_missing(crossing, nodes) for crossing in wide)], chosen.node_ratio)
    while True:
        limits = _limits(likelihood, hypotheses, toys, target, chosen, rng, blinded=blinded)
        if _precise(limits, chosen) or 2 * len(toys.q) > chosen.maximum_toys:
            return limits
        toys = toys.joined(_throw(physical, hypotheses, len(toys.q), rng))


def cls_from_toys(
    likelihood: Likelihood, fits: ObservedFits, xsec: Floats, n_toys: int, rng: np.random.Generator
) -> Floats:
    """Return the observed CLs at given cross-sections, NaN where no toy is as extreme as the data, shape (n_tested,).

    Parameters
    ----------
    likelihood
        The model with its observations.
    fits
        Fits to them.
    xsec
        Tested cross-sections, ascending and above zero, shape (n_tested,).
    n_toys
        Toys of all hypotheses together.
    rng
        Source of randomness.
    """
    hypotheses = _hypotheses(likelihood, fits, xsec)
    toys = _throw(_physical(likelihood), hypotheses, n_toys, rng)
    tails = _tails(likelihood, hypotheses, toys)
    roots = np.array([tail.straightened(np.ones(n_toys))[-1] for tail in tails])
    return np.asarray(np.exp(-0.5 * roots**2))


def toy_statistics(likelihood: Likelihood, data: Dataset, start: Floats, xsec: Floats) -> tuple[Floats, Flags]:
    """Return q̃ of each dataset at each cross-section, shape (n_toys, n_tested), and whether its fits converged.

    Parameters
    ----------
    likelihood
        The model, with its cross-section bounded at zero.
    data
        Datasets.
    start
        Parameters from which fits start, shape (n_toys, n_parameters).
    xsec
        Tested cross-sections, ascending, shape (n_tested,).
    """
    best = fit(likelihood, data, start, poi_free=True)
    q, usable, warm = np.zeros((len(start), xsec.size)), best.converged.copy(), best.points.copy()
    for j, tested in enumerate(xsec):
        which = np.flatnonzero(best.points[:, likelihood.poi] < tested)
        held = profile(likelihood, data.select(which), np.full(which.size, tested), warm[which])
        q[which, j] = np.maximum(2.0 * (held.nll - best.nll[which]), 0.0)
        usable[which] &= held.converged
        warm[which] = held.points
    return q, usable


def _physical(likelihood: Likelihood) -> Likelihood:
    """Return the likelihood with its cross-section bounded at zero."""
    lower = likelihood.control.lower.copy()
    lower[likelihood.poi] = 0.0
    return replace(likelihood, control=likelihood.control._replace(lower=lower))


def _nodes(spans: Sequence[tuple[float, float]], ratio: float) -> Floats:
    """Return ascending cross-sections over all spans, neighbours within a span no further apart than a ratio."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] * (1.0 + 1e-9):
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    pieces = [
        np.geomspace(low, high, 1 + int(np.ceil(np.log(high / low) / np.log(ratio) - 1e-9))) for low, high in merged
    ]
    return np.asarray(np.concatenate(pieces))


def _missing(crossing: Crossing, nodes: Floats) -> tuple[float, float]:
    """Return the span in which a crossing that is not enclosed closely has to be looked for."""
    low = crossing.low if crossing.low > 0 else SPAN[0] * float(nodes[0]) / 2.0
    return low, crossing.high if np.isfinite(crossing.high) else 2.0 * SPAN[1] * float(nodes[-1])


def _hypotheses(likelihood: Likelihood, fits: ObservedFits, xsec: Floats) -> _Hypotheses:
    physical = fits.physical(likelihood)
    start = np.repeat(physical.points, xsec.size, axis=0)
    held = profile(likelihood, likelihood.observed.repeat(xsec.size), xsec, start)
    q = np.maximum(2.0 * (held.nll - physical.nll[0]), 0.0)
    q[xsec <= fits.xsec_hat_fb(likelihood)] = 0.0
    return _Hypotheses(xsec, np.concatenate([fits.null.points, held.points, fits.best.points]), q)


def _throw(likelihood: Likelihood, hypotheses: _Hypotheses, n_toys: int, rng: np.random.Generator) -> _Toys:
    """Return toys, half of them without signal and the others in equal parts from everywhere else."""
    n_others = len(hypotheses.points) - 1
    n_each = max(1, n_toys // (2 * n_others))
    sizes = np.array([n_toys - n_each * n_others, *[n_each] * n_others])
    drawn = [toy_data(likelihood, p, n, rng) for p, n in zip(hypotheses.points, sizes, strict=True)]
    data = Dataset(*(np.concatenate(parts) for parts in zip(*drawn, strict=True)))
    thrown_at = np.repeat(np.arange(sizes.size), sizes)
    q, usable = toy_statistics(likelihood, data, hypotheses.points[thrown_at], hypotheses.xsec)
    return _Toys(data, thrown_at, q, usable)


def _tails(likelihood: Likelihood, hypotheses: _Hypotheses, toys: _Toys) -> list[Tail]:
    log_density = log_densities(likelihood, toys.data, hypotheses.points)
    share = np.bincount(toys.thrown_at, minlength=len(hypotheses.points)) / len(toys.q)
    mixture = logsumexp(log_density + np.log(share), axis=1)
    weights = np.where(toys.usable[:, None], np.exp(log_density - mixture[:, None]), 0.0)
    return [
        Tail.of(toys.q[:, j], q_observed, weights[:, 0], weights[:, j + 1])
        for j, q_observed in enumerate(hypotheses.q_observed)
    ]


def _limits(
    likelihood: Likelihood,
    hypotheses: _Hypotheses,
    toys: _Toys,
    target: float,
    settings: ToyClsSettings,
    rng: np.random.Generator,
    *,
    blinded: bool,
) -> ToyClsLimits:
    """Return the limits with the errors that the toys leave."""
    tails = _tails(likelihood, hypotheses, toys)
    found = crossings(hypotheses.xsec, tails, np.ones(len(toys.q)), target)
    positions = np.array([crossing.position for crossing in found])
    resampled = np.array(
        [
            [c.position for c in crossings(hypotheses.xsec, tails, multiplicity(toys.thrown_at, rng), target)]
            for _ in range(settings.n_resamplings)
        ]
    )
    numbers = np.array([tail.effective_numbers() for tail in tails])
    n_failed = int(np.sum(~toys.usable))
    too_many_failed = n_failed > settings.largest_failed_fraction * len(toys.q)
    limits: list[float | None] = []
    errors: list[float | None] = []
    statuses = []
    for i, crossing in enumerate(found):
        near = np.isin(hypotheses.xsec, (crossing.low, crossing.high))
        lost = np.mean(~np.isfinite(resampled[:, i]))
        error = float(np.nanstd(resampled[:, i], ddof=1)) if lost < settings.largest_failed_fraction else np.inf
        if too_many_failed or (np.isfinite(positions[i]) and _poor(positions[i], error, numbers[near, i], settings)):
            statuses.append(Status.NOT_CONVERGED)
        else:
            statuses.append(Status.OK if np.isfinite(positions[i]) else Status.NO_CROSSING)
        given = statuses[-1] is Status.OK
        limits.append(float(positions[i]) if given else None)
        errors.append(error if given else None)
    m2, m1, median, p1, p2 = limits[: N_CURVES - 1]
    em2, em1, emedian, ep1, ep2 = errors[: N_CURVES - 1]
    return ToyClsLimits(
        status_observed=Status.BLINDED if blinded else statuses[-1],
        status_expected=next((status for status in statuses[:-1] if status is not Status.OK), Status.OK),
        observed_fb=None if blinded else limits[-1],
        observed_error_fb=None if blinded else errors[-1],
        expected_fb=(m2, m1, median, p1, p2),
        expected_errors_fb=(em2, em1, emedian, ep1, ep2),
        n_toys=len(toys.q),
        n_failed=n_failed,
    )


def _poor(position: float, error: float, effective_numbers: Floats, settings: ToyClsSettings) -> bool:
    """Return whether too few toys stand behind a limit for it, or its error, to be believed."""
    few = bool(np.any(effective_numbers < settings.effective_toys_above))
    return few or error > settings.relative_error_accepted * position


def _precise(limits: ToyClsLimits, settings: ToyClsSettings) -> bool:
    """Return whether every limit that is wanted is there and known well enough."""
    wanted = list(zip(limits.expected_fb, limits.expected_errors_fb, strict=True))
    if limits.status_observed is not Status.BLINDED:
        wanted.append((limits.observed_fb, limits.observed_error_fb))
    return all(
        limit is not None and error is not None and error < settings.relative_error_target * limit
        for limit, error in wanted
    )
