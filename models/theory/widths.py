"""Partial widths of the leptophilic scalar: tree-level lepton pairs and loop-induced photon pairs."""

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, HIGGS_VEV_GEV, MUON_MASS_GEV, TAU_MASS_GEV


class Lepton(StrEnum):
    """A charged lepton that φ couples to."""

    ELECTRON = "electron"
    MUON = "muon"
    TAU = "tau"

    @property
    def mass_gev(self) -> float:
        """Mass of the lepton."""
        return _MASSES_GEV[self]


_MASSES_GEV = {Lepton.ELECTRON: ELECTRON_MASS_GEV, Lepton.MUON: MUON_MASS_GEV, Lepton.TAU: TAU_MASS_GEV}


def partial_width_gev(m_phi_gev: ArrayLike, lepton: Lepton, xi: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Return Γ(φ → ℓ⁺ℓ⁻) = ξ² m_ℓ² m_φ/(8πv²) · (1 − 4m_ℓ²/m_φ²)^{3/2}.

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape, above zero.
    lepton
        Flavour of the pair.
    xi
        Coupling strength, broadcast against the mass.

    Returns
    -------
    ndarray
        Width in GeV, zero below threshold. Source: B. Batell et al., arXiv:1606.04943, with coupling ξ m_ℓ/v.

    Examples
    --------
    >>> float(partial_width_gev(0.2, Lepton.MUON))
    0.0
    """
    mass = np.asarray(m_phi_gev, dtype=np.float64)
    beta_squared = np.clip(1.0 - 4.0 * lepton.mass_gev**2 / mass**2, 0.0, None)
    coupling = np.asarray(xi, dtype=np.float64) * lepton.mass_gev / HIGGS_VEV_GEV
    width: NDArray[np.float64] = coupling**2 * mass / (8.0 * np.pi) * beta_squared**1.5
    return width


def fermion_loop_form_factor(mass_ratio: ArrayLike) -> NDArray[np.complex128]:
    """Return the spin-½ form factor A(τ) = 2[τ + (τ − 1) f(τ)]/τ² of a scalar's two-photon decay.

    Parameters
    ----------
    mass_ratio
        τ = m_φ²/(4 m_ℓ²) > 0; above one the loop leptons go on shell and A is complex.

    Returns
    -------
    ndarray
        A(τ): 4/3 for a heavy lepton, falling as ln²τ/τ for a light one.
        Source: A. Djouadi, Phys. Rept. 457, 1 (2008), sec. 2.3.1.

    Examples
    --------
    >>> bool(abs(fermion_loop_form_factor(1e-3) - 4 / 3) < 1e-3)
    True
    """
    tau = np.asarray(mass_ratio, dtype=np.float64)
    below = tau <= 1.0
    arcsine = np.arcsin(np.sqrt(np.where(below, tau, 1.0)))
    root = np.sqrt(1.0 - 1.0 / np.where(below, 1.0, tau))
    # ln[(1 + √(1−1/τ))/(1 − √(1−1/τ))], with the small denominator rationalised for τ ≫ 1.
    logarithm = 2.0 * np.log1p(root) + np.log(np.where(below, 1.0, tau))
    function = np.where(below, arcsine**2, -0.25 * (logarithm - 1j * np.pi) ** 2)
    # Below τ ~ 10⁻³ the two terms cancel; the series in τ is exact to rounding there.
    series = 4.0 / 3.0 * (1.0 + tau * (7.0 / 30.0 + tau * (2.0 / 21.0 + tau * 26.0 / 525.0)))
    factor: NDArray[np.complex128] = np.where(tau < 1e-3, series, 2.0 * (tau + (tau - 1.0) * function) / tau**2)
    return factor


def gamma_gamma_width_gev(m_phi_gev: ArrayLike, xi: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Return Γ(φ → γγ) = α² m_φ³ ξ²/(256 π³ v²) · |Σ_ℓ A(m_φ²/4m_ℓ²)|² with electron, muon and τ in the loop.

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape, above zero.
    xi
        Coupling strength, broadcast against the mass.

    Returns
    -------
    ndarray
        Width in GeV. Source: A. Djouadi, Phys. Rept. 457, 1 (2008), sec. 2.3.1, with G_F/√2 = 1/(2v²).

    Examples
    --------
    >>> bool(gamma_gamma_width_gev(0.2) / partial_width_gev(0.2, Lepton.ELECTRON) > 0.1)
    True
    """
    mass = np.asarray(m_phi_gev, dtype=np.float64)
    amplitude = sum(fermion_loop_form_factor((mass / (2.0 * lepton.mass_gev)) ** 2) for lepton in Lepton)
    scale = ALPHA_EM * np.asarray(xi, dtype=np.float64) / HIGGS_VEV_GEV
    width: NDArray[np.float64] = scale**2 * mass**3 / (256.0 * np.pi**3) * np.abs(amplitude) ** 2
    return width
