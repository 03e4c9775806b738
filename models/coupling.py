"""From a cross-section limit to a limit on the coupling ξ.

With σ_theory and B at ξ = 1 the limit is ξ = √(σ_UL/(σ_theory B)). Where φ flies, σ_UL depends on cτ, hence on ξ:
limits at several decay lengths are interpolated in cτ, and the fixed point ξ = ξ_UL(cτ(ξ)) is found by iteration.
Because cτ ∝ 1/ξ² it is where cτ·σ_UL(cτ) = cτ(ξ=1)·σ_theory·B, a crossing that can be bracketed and never escapes.
Where σ_UL falls faster than 1/cτ there are several crossings: the coupling is excluded from the limit upwards, and in
bands below it.
"""

from collections.abc import Callable
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from models.constants import MUON_MASS_GEV
from models.coupling_conventions import PUBLISHED, CouplingConvention
from models.errors import LeptophileError
from models.search import Channel
from models.theory.cross_section import cross_section_fb
from models.theory.decays import branching_fraction, ctau_mm

_STEPS: Final = 8
"""Parts of each interval between decay lengths that are looked at for crossings: cτ·σ_UL is at most a parabola there.
"""


class CouplingError(LeptophileError):
    """Cross-section limits cannot be turned into a limit on ξ; the message names the mass point."""


PUBLISHED_CTAU_MM: Final = (10.0, 50.0)
"""Decay lengths beside prompt that the published analysis set limits at (arXiv:2207.07476)."""


class CouplingStatus(StrEnum):
    """How a limit on ξ came about."""

    CONVERGED = "converged"
    """Fixed point in cτ, between the decay lengths for which limits were given."""
    EXTRAPOLATED = "extrapolated"
    """Fixed point in cτ beyond the longest of those decay lengths, within what the convention accepts."""
    NOT_APPLICABLE = "not applicable"
    """The lifetime plays no part at this mass in this convention; the prompt limit was used."""
    NO_FIXED_POINT = "no fixed point"
    """No ξ reproduces itself at an accepted decay length: there is no limit."""
    NO_LIFETIME_LIMITS = "no lifetime limits"
    """The convention needs limits at more than one decay length and got the prompt one only: there is no limit."""


class ExcludedRange(NamedTuple):
    """Couplings that are excluded below the limit, where longer lifetimes are excluded again."""

    low: float
    high: float


class CouplingLimit(NamedTuple):
    """Limit on ξ at one mass point: every larger coupling is excluded."""

    xi: float | None
    """Upper limit, None where there is none."""
    ctau_mm: float | None
    """cτ of φ with that coupling."""
    xsec_ul_fb: float | None
    """The cross-section limit at that cτ, or the prompt one where the lifetime plays no part."""
    status: CouplingStatus
    bands: tuple[ExcludedRange, ...] = ()
    """Excluded couplings below the limit, strongest first; the last low end is the smallest excluded coupling."""


def needs_lifetime(m_phi_gev: float, convention: CouplingConvention) -> bool:
    """Return whether the lifetime of φ counts at a mass; above 2 m_μ it is shorter than the vertex resolution.

    >>> from models.coupling_conventions import LIFETIME_AWARE, PUBLISHED
    >>> needs_lifetime(0.15, PUBLISHED), needs_lifetime(0.15, LIFETIME_AWARE), needs_lifetime(1.0, LIFETIME_AWARE)
    (False, True, False)
    """
    below = convention.prompt_from_gev
    return m_phi_gev < 2.0 * MUON_MASS_GEV and (below is None or m_phi_gev < below)


def interpolate_in_ctau(
    ctau: float, nodes_mm: NDArray[np.float64], limits_fb: NDArray[np.float64], *, logarithmic: bool = False
) -> float:
    """Interpolate a cross-section limit in cτ.

    Parameters
    ----------
    ctau
        Decay length in mm.
    nodes_mm, limits_fb
        Decay lengths in increasing order and the limits there, at least two.
    logarithmic
        Whether to interpolate ln σ_UL in ln cτ instead of σ_UL in cτ; from prompt to the first node it is always the
        latter.

    Returns
    -------
    float
        Limit in fb. Beyond the last node the last slope is continued, because there the efficiency falls like 1/cτ;
        where the slope is negative the last limit is kept.

    Examples
    --------
    >>> interpolate_in_ctau(70.0, np.array([0.0, 10.0, 50.0]), np.array([1.0, 2.0, 4.0]))
    5.0
    """
    if logarithmic and nodes_mm[1] < ctau <= nodes_mm[-1]:
        return float(np.exp(np.interp(np.log(ctau), np.log(nodes_mm[1:]), np.log(limits_fb[1:]))))
    if ctau <= nodes_mm[-1]:
        return float(np.interp(ctau, nodes_mm, limits_fb))
    slope = (limits_fb[-1] - limits_fb[-2]) / (nodes_mm[-1] - nodes_mm[-2])
    return float(limits_fb[-1] + max(slope, 0.0) * (ctau - nodes_mm[-1]))


def xi_limit(
    xsec_ul_fb: ArrayLike,
    m_phi_gev: float,
    channel: Channel,
    convention: CouplingConvention = PUBLISHED,
    *,
    ctau_nodes_mm: ArrayLike = 0.0,
) -> CouplingLimit:
    """Turn limits on σ(e⁺e⁻ → τ⁺τ⁻φ)·B(φ → ℓℓ) at one mass into a limit on ξ.

    Parameters
    ----------
    xsec_ul_fb
        Upper limits in fb: a number (prompt), or shape (n,) for the decay lengths in `ctau_nodes_mm`.
    m_phi_gev
        Mass of φ.
    channel
        Decay channel of the limits.
    convention
        `PUBLISHED` or `LIFETIME_AWARE`, or another choice.
    ctau_nodes_mm
        Decay lengths cτ of the limits in increasing order, beginning with 0 (prompt).

    Returns
    -------
    CouplingLimit
        With the status that says how it came about.

    Raises
    ------
    CouplingError
        If the limits are not positive numbers, one for each decay length, or B vanishes.
    MassRangeError
        If the mass is outside 2 m_e … √s − 2 m_τ.

    Examples
    --------
    >>> limit = xi_limit(0.5, 1.0, Channel.MUMU)
    >>> limit.status.value, round(limit.xi ** 2 * 1.532, 2)
    ('not applicable', 0.5)
    """
    limits, nodes = _checked_limits(xsec_ul_fb, ctau_nodes_mm, m_phi_gev)
    theory_fb = float(
        cross_section_fb(m_phi_gev, isr=convention.isr, vacuum_polarisation=convention.vacuum_polarisation)
        * branching_fraction(m_phi_gev, channel, include_photons=convention.include_photons)
    )
    if theory_fb <= 0.0:
        raise CouplingError(
            f"m_φ = {m_phi_gev} GeV cannot decay in channel {channel}: its coupling has no limit there."
        )
    unit_ctau = float(ctau_mm(m_phi_gev, include_photons=convention.include_photons))

    if not needs_lifetime(m_phi_gev, convention):
        xi = float(np.sqrt(limits[0] / theory_fb))
        return CouplingLimit(xi, unit_ctau / xi**2, float(limits[0]), CouplingStatus.NOT_APPLICABLE)
    if len(nodes) < 2:
        return CouplingLimit(None, None, None, CouplingStatus.NO_LIFETIME_LIMITS)

    def excess(ctau: float) -> float:
        """Negative where the coupling with this cτ is excluded."""
        limit = interpolate_in_ctau(ctau, nodes, limits, logarithmic=convention.logarithmic)
        return ctau * limit - unit_ctau * theory_fb

    # Downwards from strong couplings (cτ = 0), the limit is where the exclusion first ends.
    crossings = _crossings(excess, nodes, convention)
    if not crossings:
        return CouplingLimit(None, None, None, CouplingStatus.NO_FIXED_POINT)
    couplings = [float(np.sqrt(unit_ctau / ctau)) for ctau in crossings]
    bands = [
        ExcludedRange(low=couplings[index + 1] if index + 1 < len(couplings) else 0.0, high=couplings[index])
        for index in range(1, len(couplings), 2)
    ]
    status = CouplingStatus.CONVERGED if crossings[0] <= nodes[-1] else CouplingStatus.EXTRAPOLATED
    limit = interpolate_in_ctau(crossings[0], nodes, limits, logarithmic=convention.logarithmic)
    # A band whose lower end is not seen ends at the longest decay length that limits are known for.
    longest = float(np.sqrt(unit_ctau / (convention.longest_extrapolation * float(nodes[-1]))))
    known = tuple(band._replace(low=max(band.low, longest)) for band in bands)
    return CouplingLimit(couplings[0], crossings[0], limit, status, known)


def _crossings(
    excess: Callable[[float], float], nodes: NDArray[np.float64], convention: CouplingConvention
) -> list[float]:
    """Return all decay lengths at which the exclusion ends or begins, ascending; it begins excluded at zero."""
    ends = [*nodes.tolist(), convention.longest_extrapolation * float(nodes[-1])]
    points = np.unique(np.concatenate([np.linspace(low, high, _STEPS + 1) for low, high in pairwise(ends)]))
    signs = np.array([excess(float(point)) >= 0.0 for point in points])
    return [
        float(brentq(excess, points[index], points[index + 1], xtol=1e-300, rtol=convention.tolerance))
        for index in np.flatnonzero(signs[1:] != signs[:-1])
    ]


def _checked_limits(
    xsec_ul_fb: ArrayLike, ctau_nodes_mm: ArrayLike, m_phi_gev: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    limits = np.atleast_1d(np.asarray(xsec_ul_fb, dtype=np.float64))
    nodes = np.atleast_1d(np.asarray(ctau_nodes_mm, dtype=np.float64))
    where = f"Limits at m_φ = {m_phi_gev} GeV"
    if limits.shape != nodes.shape or limits.ndim != 1:
        raise CouplingError(f"{where}: {limits.size} cross-section limits were given for {nodes.size} decay lengths.")
    if not (np.all(np.isfinite(limits)) and np.all(limits > 0.0)):
        raise CouplingError(f"{where}: a cross-section limit is not a positive number: {limits.tolist()} fb.")
    if nodes[0] != 0.0 or not np.all(np.diff(nodes) > 0.0) or not np.all(np.isfinite(nodes)):
        raise CouplingError(f"{where}: decay lengths must increase from 0 (prompt), not {nodes.tolist()} mm.")
    return limits, nodes
