"""Cross-section of e⁺e⁻ → τ⁺τ⁻φ with and without radiative factors, integrated directly."""

from typing import NamedTuple

from models.constants import TAU_MASS_GEV
from models.theory.born import born_cross_section_fb
from models.theory.configuration import CollisionSettings, HadronicPolarisationSettings, QuadratureSettings
from models.theory.initial_state_radiation import radiation_nodes
from models.theory.vacuum_polarisation import vacuum_polarisation_factor


class CrossSections(NamedTuple):
    """σ(e⁺e⁻ → τ⁺τ⁻φ) at ξ = 1 in fb, one factor after the other."""

    sigma_born_fb: float
    """Tree level with α at zero momentum transfer."""
    sigma_isr_fb: float
    """With initial-state radiation."""
    sigma_vp_fb: float
    """With initial-state radiation and vacuum polarisation at the reduced energy."""


def integrate_cross_sections(
    m_phi_gev: float,
    collision: CollisionSettings | None = None,
    quadrature: QuadratureSettings | None = None,
    hadronic: HadronicPolarisationSettings | None = None,
) -> CrossSections:
    """Integrate the cross-sections at one mass, without the table.

    Parameters
    ----------
    m_phi_gev
        Mass of φ.
    collision, quadrature, hadronic
        Collision energy, orders of the integrals, hadronic vacuum polarisation.

    Returns
    -------
    CrossSections
        At ξ = 1.

    Raises
    ------
    BelowThresholdError
        If √s does not exceed 2 m_τ + m_φ.

    Examples
    --------
    >>> born, isr, vp = integrate_cross_sections(1.0)
    >>> born < isr < vp
    True
    """
    sqrt_s = (collision or CollisionSettings()).sqrt_s_gev
    orders = quadrature or QuadratureSettings()
    born = born_cross_section_fb(m_phi_gev, sqrt_s_gev=sqrt_s, quadrature=orders)
    nodes = radiation_nodes(sqrt_s, 2.0 * TAU_MASS_GEV + m_phi_gev, points=orders.radiation_points)
    polarisation = vacuum_polarisation_factor(nodes.reduced_sqrt_s_gev**2, hadronic)
    isr = vp = 0.0
    for energy, weight, factor in zip(nodes.reduced_sqrt_s_gev, nodes.weights, polarisation, strict=True):
        contribution = weight * born_cross_section_fb(m_phi_gev, sqrt_s_gev=float(energy), quadrature=orders)
        isr += contribution
        vp += contribution * factor
    return CrossSections(born, float(isr), float(vp))
