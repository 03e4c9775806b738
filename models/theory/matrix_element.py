"""Helicity amplitudes of e⁺e⁻ → γ*/Z → τ⁺τ⁻φ and e⁺e⁻ → γ*/Z → τ⁺τ⁻ at tree level.

The electron moves along +z of the centre-of-mass frame and is massless, so its current of helicity ±1 is the fixed
circular polarisation √s (0, 1, ±i, 0), and contracting it with γ^μ leaves one raising or lowering matrix. φ couples as
ξ m_τ/v and is radiated from either τ; radiation from the electrons is suppressed by (m_e/m_τ)² ≈ 10⁻⁷ and left out.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import HIGGS_VEV_GEV, TAU_MASS_GEV
from models.theory.electroweak import exchange_couplings
from models.theory.spinors import Momenta, outgoing_antifermions, outgoing_fermions, row_slash, slash_on_column

FloatOrArray = float | NDArray[np.float64]
"""A number, or an array of shape (N,)."""

TAU_COUPLING: Final = TAU_MASS_GEV / HIGGS_VEV_GEV
"""Coupling of φ to the τ at ξ = 1."""


def _minkowski_square(momenta: Momenta) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = momenta[:, 0] ** 2 - np.sum(momenta[:, 1:] ** 2, axis=1)
    return squares


def _current(
    row: NDArray[np.complex128],
    column: NDArray[np.complex128],
    couplings: NDArray[np.complex128],
    sqrt_s_gev: FloatOrArray,
) -> NDArray[np.complex128]:
    """Return ψ̄ L̸ (C_L P_L + C_R P_R) ψ' for both electron helicities, shape (2, 2, 2, N): [electron, row, column]."""
    by_row, by_column = row[:, np.newaxis], column[np.newaxis]
    # L̸ is a lowering (raising) matrix for a left- (right-) handed electron, joining L to L and R to R components.
    left_handed = (
        couplings[0, 0] * by_row[:, :, 3] * by_column[:, :, 0] - couplings[0, 1] * by_row[:, :, 1] * by_column[:, :, 2]
    )
    right_handed = (
        couplings[1, 0] * by_row[:, :, 2] * by_column[:, :, 1] - couplings[1, 1] * by_row[:, :, 0] * by_column[:, :, 3]
    )
    current: NDArray[np.complex128] = np.stack([left_handed, right_handed])
    return 2.0 * sqrt_s_gev * current


def tau_pair_amplitudes(
    p_tau_minus: Momenta, p_tau_plus: Momenta, *, sqrt_s_gev: float, with_z: bool = True
) -> NDArray[np.complex128]:
    """Return the helicity amplitudes of e⁺e⁻ → τ⁺τ⁻.

    Parameters
    ----------
    p_tau_minus, p_tau_plus
        c.m. four-momenta in GeV, shape (N, 4), with the e⁻ along +z.
    sqrt_s_gev
        Centre-of-mass energy.
    with_z
        Whether Z exchange is added to the photon's.

    Returns
    -------
    ndarray
        Shape (2, 2, 2, N): [e⁻ helicity, τ⁻ helicity, τ⁺ helicity, event], helicities −1 and +1.
    """
    couplings = exchange_couplings(sqrt_s_gev**2, with_z=with_z)
    tau_minus = outgoing_fermions(p_tau_minus, TAU_MASS_GEV)
    tau_plus = outgoing_antifermions(p_tau_plus, TAU_MASS_GEV)
    return _current(tau_minus, tau_plus, couplings, sqrt_s_gev)


def scalar_radiation_amplitudes(
    p_tau_minus: Momenta, p_tau_plus: Momenta, p_phi: Momenta, *, sqrt_s_gev: FloatOrArray, with_z: bool = True
) -> NDArray[np.complex128]:
    """Return the helicity amplitudes of e⁺e⁻ → τ⁺τ⁻φ at ξ = 1.

    Parameters
    ----------
    p_tau_minus, p_tau_plus, p_phi
        c.m. four-momenta in GeV, shape (N, 4), with the e⁻ along +z.
    sqrt_s_gev
        Centre-of-mass energy, a number or shape (N,).
    with_z
        Whether Z exchange is added to the photon's.

    Returns
    -------
    ndarray
        Shape (2, 2, 2, N), in GeV⁻¹: [e⁻ helicity, τ⁻ helicity, τ⁺ helicity, event].
    """
    couplings = exchange_couplings(sqrt_s_gev**2, with_z=with_z)
    tau_minus = outgoing_fermions(p_tau_minus, TAU_MASS_GEV)
    tau_plus = outgoing_antifermions(p_tau_plus, TAU_MASS_GEV)
    # ū(p)(p̸ + k̸ + m) = ū(p)(2m + k̸) and (−p̸ − k̸ + m)v(p) = (2m − k̸)v(p) by the Dirac equation.
    off_shell_minus = 2.0 * TAU_MASS_GEV * tau_minus + row_slash(p_phi, tau_minus)
    off_shell_plus = 2.0 * TAU_MASS_GEV * tau_plus - slash_on_column(p_phi, tau_plus)
    off_shell_minus /= _minkowski_square(p_tau_minus + p_phi) - TAU_MASS_GEV**2
    off_shell_plus /= _minkowski_square(p_tau_plus + p_phi) - TAU_MASS_GEV**2
    return TAU_COUPLING * (
        _current(off_shell_minus, tau_plus, couplings, sqrt_s_gev)
        + _current(tau_minus, off_shell_plus, couplings, sqrt_s_gev)
    )


def helicity_weights(amplitudes: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return |M|² of each τ helicity configuration, averaged over the four e± spin states.

    Parameters
    ----------
    amplitudes
        Shape (2, 2, 2, N), as from `scalar_radiation_amplitudes` or `tau_pair_amplitudes`.

    Returns
    -------
    ndarray
        Shape (2, 2, N): [τ⁻ helicity, τ⁺ helicity, event]. Only the two states with opposite e± helicities contribute.
    """
    weights: NDArray[np.float64] = 0.25 * np.sum(amplitudes.real**2 + amplitudes.imag**2, axis=0)
    return weights
