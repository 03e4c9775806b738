"""Cross-section of e⁺e⁻ → τ⁺τ⁻φ at ξ = 1, interpolated in the shipped table over mass."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from models.constants import ELECTRON_MASS_GEV, TAU_MASS_GEV
from models.theory.configuration import CollisionSettings
from models.theory.errors import MassRangeError, StaleTableError
from models.theory.vacuum_polarisation import vacuum_polarisation_factor

TABLE_PATH: Final = Path(__file__).with_name("cross_section.csv")
"""Written by `python -m models.theory.make_table`."""
TABLE_COLUMNS: Final = ("sqrt_s_gev", "m_phi_gev", "sigma_born_fb", "sigma_isr_fb", "sigma_vp_fb")


class Order(StrEnum):
    """Radiative factors in a tabulated cross-section; the value is the table's column."""

    BORN = "sigma_born_fb"
    ISR = "sigma_isr_fb"
    ISR_AND_VACUUM_POLARISATION = "sigma_vp_fb"


@cache
def _table() -> NDArray[np.float64]:
    table: NDArray[np.float64] = np.loadtxt(TABLE_PATH, delimiter=",", skiprows=1, encoding="utf-8")
    energy = CollisionSettings().sqrt_s_gev
    if not np.all(table[:, 0] == energy):
        raise StaleTableError(
            f"{TABLE_PATH.name} is for √s = {table[0, 0]} GeV, not {energy} GeV; "
            "python -m models.theory.make_table remakes it."
        )
    return table


@cache
def _log_spline(order: Order) -> CubicSpline:
    """Return the cubic spline of ln σ in ln[m/(m_max − m)], in which both ends of the mass range are straight lines."""
    table = _table()
    mass, cross_section = table[:, 1], table[:, TABLE_COLUMNS.index(order)]
    return CubicSpline(_logit(mass), np.log(cross_section), bc_type="natural")


def mass_range_gev() -> tuple[float, float]:
    """Return the φ masses that can be produced with a τ pair and decay to leptons: 2 m_e and √s − 2 m_τ.

    >>> [round(end, 3) for end in mass_range_gev()]
    [0.001, 7.026]
    """
    return 2.0 * ELECTRON_MASS_GEV, CollisionSettings().sqrt_s_gev - 2.0 * TAU_MASS_GEV


def _logit(m_phi_gev: NDArray[np.float64]) -> NDArray[np.float64]:
    highest = mass_range_gev()[1]
    logit: NDArray[np.float64] = np.log(m_phi_gev / (highest - m_phi_gev))
    return logit


def check_mass(m_phi_gev: ArrayLike) -> NDArray[np.float64]:
    """Return the masses as an array, having checked that all of them are in the physical range.

    Raises
    ------
    MassRangeError
        If a mass is not above 2 m_e and below √s − 2 m_τ, or is not a number.
    """
    mass = np.asarray(m_phi_gev, dtype=np.float64)
    low, high = mass_range_gev()
    outside = ~((mass > low) & (mass < high))
    if np.any(outside):
        raise MassRangeError(
            f"m_φ = {float(np.atleast_1d(mass)[np.atleast_1d(outside)][0]):g} GeV is outside the range of "
            f"e⁺e⁻ → τ⁺τ⁻φ, φ → ℓℓ: {low:.6f} < m_φ < {high:.4f} GeV."
        )
    return mass


def cross_section_fb(
    m_phi_gev: ArrayLike, *, isr: bool = True, vacuum_polarisation: bool = True
) -> NDArray[np.float64]:
    """Return σ(e⁺e⁻ → τ⁺τ⁻φ) at ξ = 1 and √s = 10.58 GeV; it scales with ξ².

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV, any shape.
    isr
        Whether initial-state radiation is included.
    vacuum_polarisation
        Whether α runs to the energy of the exchanged photon.

    Returns
    -------
    ndarray
        Cross-section in fb, interpolated to better than 10⁻³.

    Raises
    ------
    MassRangeError
        If a mass is outside 2 m_e … √s − 2 m_τ.

    Examples
    --------
    >>> float(cross_section_fb(1.0, isr=False, vacuum_polarisation=False).round(3))
    1.386
    """
    mass = check_mass(m_phi_gev)
    if isr:
        order = Order.ISR_AND_VACUUM_POLARISATION if vacuum_polarisation else Order.ISR
        return _interpolate(mass, order)
    born = _interpolate(mass, Order.BORN)
    if not vacuum_polarisation:
        return born
    return born * vacuum_polarisation_factor(CollisionSettings().sqrt_s_gev ** 2)


def _interpolate(mass: NDArray[np.float64], order: Order) -> NDArray[np.float64]:
    cross_section: NDArray[np.float64] = np.exp(_log_spline(order)(_logit(mass)))
    return cross_section
