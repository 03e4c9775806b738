"""Branching fractions and decay length of the leptophilic scalar."""

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ELECTRON_MASS_GEV, HBARC_GEV_MM
from models.theory.errors import MassRangeError
from models.theory.widths import Lepton, gamma_gamma_width_gev, partial_width_gev


class Decay(StrEnum):
    """Final state of a φ decay; `Decay(channel)` turns a `models.search.Channel` into one."""

    EE = "ee"
    MUMU = "mumu"
    TAUTAU = "tautau"
    GAMMAGAMMA = "gammagamma"


_LEPTON = {Decay.EE: Lepton.ELECTRON, Decay.MUMU: Lepton.MUON, Decay.TAUTAU: Lepton.TAU}


def _width_gev(m_phi_gev: NDArray[np.float64], decay: Decay, xi: ArrayLike) -> NDArray[np.float64]:
    if decay is Decay.GAMMAGAMMA:
        return gamma_gamma_width_gev(m_phi_gev, xi)
    return partial_width_gev(m_phi_gev, _LEPTON[decay], xi)


def total_width_gev(m_phi_gev: ArrayLike, xi: ArrayLike = 1.0, *, include_photons: bool = True) -> NDArray[np.float64]:
    """Return the total width of φ.

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape, above 2 m_e.
    xi
        Coupling strength, broadcast against the mass.
    include_photons
        Whether φ → γγ counts; below 2 m_μ it adds up to a third to the electron width.

    Returns
    -------
    ndarray
        Width in GeV.

    Raises
    ------
    MassRangeError
        If a mass is not above 2 m_e.
    """
    mass = np.asarray(m_phi_gev, dtype=np.float64)
    if not np.all(mass > 2.0 * ELECTRON_MASS_GEV):
        raise MassRangeError(
            f"φ decays to leptons only above 2 m_e = {2e3 * ELECTRON_MASS_GEV:.3f} MeV: got {mass} GeV."
        )
    decays = [decay for decay in Decay if include_photons or decay is not Decay.GAMMAGAMMA]
    widths: NDArray[np.float64] = np.sum([_width_gev(mass, decay, xi) for decay in decays], axis=0)
    return widths


def branching_fraction(m_phi_gev: ArrayLike, decay: str, *, include_photons: bool = True) -> NDArray[np.float64]:
    """Return the branching fraction of φ to one final state; it does not depend on ξ.

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape.
    decay
        A `Decay` or a `models.search.Channel`.
    include_photons
        Whether φ → γγ is in the total width. Without it B(ee) = 1 below 2 m_μ, the convention of most published limits.

    Returns
    -------
    ndarray
        Branching fraction, zero below threshold.

    Raises
    ------
    MassRangeError
        If a mass is not above 2 m_e.

    Examples
    --------
    >>> float(branching_fraction(0.1, Decay.EE, include_photons=False))
    1.0
    >>> float(branching_fraction(0.2, Decay.EE).round(2))
    0.79
    """
    mass = np.asarray(m_phi_gev, dtype=np.float64)
    final_state = Decay(decay)
    total = total_width_gev(mass, include_photons=include_photons)
    if final_state is Decay.GAMMAGAMMA and not include_photons:
        return np.zeros_like(total)
    return _width_gev(mass, final_state, 1.0) / total


def ctau_mm(m_phi_gev: ArrayLike, xi: ArrayLike = 1.0, *, include_photons: bool = True) -> NDArray[np.float64]:
    """Return the proper decay length cτ = ħc/Γ in mm, proportional to 1/ξ².

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape.
    xi
        Coupling strength, broadcast against the mass.
    include_photons
        Whether φ → γγ is in the total width.

    Returns
    -------
    ndarray
        cτ in mm.

    Raises
    ------
    MassRangeError
        If a mass is not above 2 m_e.

    Examples
    --------
    >>> float(ctau_mm(0.1, 1.0, include_photons=False).round(1))
    11.5
    """
    return HBARC_GEV_MM / total_width_gev(m_phi_gev, xi, include_photons=include_photons)
