"""Everything the theory says about one φ mass, for the command line and the reports."""

from typing import NamedTuple

from models.theory.cross_section import check_mass, cross_section_fb
from models.theory.decays import Decay, branching_fraction, ctau_mm
from models.theory.muon_g2 import delta_a_mu


class TheoryPoint(NamedTuple):
    """Predictions at ξ = 1 and √s = 10.58 GeV; cross-sections and Δa_μ scale with ξ², cτ with 1/ξ²."""

    m_phi_gev: float
    sigma_born_fb: float
    """σ(e⁺e⁻ → τ⁺τ⁻φ) at tree level with α at zero momentum transfer."""
    sigma_isr_fb: float
    """The same with initial-state radiation."""
    sigma_vp_fb: float
    """The same with initial-state radiation and vacuum polarisation."""
    br_ee: float
    """Branching fractions include φ → γγ in the total width."""
    br_mumu: float
    br_tautau: float
    br_gammagamma: float
    ctau_mm: float
    delta_a_mu: float


def theory_point(m_phi_gev: float) -> TheoryPoint:
    """Return the predictions for one mass of φ.

    Parameters
    ----------
    m_phi_gev
        Mass of φ in GeV.

    Returns
    -------
    TheoryPoint
        At ξ = 1.

    Raises
    ------
    MassRangeError
        If the mass is outside 2 m_e … √s − 2 m_τ.

    Examples
    --------
    >>> round(theory_point(0.1).br_ee + theory_point(0.1).br_gammagamma, 12)
    1.0
    """
    mass = float(check_mass(m_phi_gev))
    branching = {decay: float(branching_fraction(mass, decay)) for decay in Decay}
    return TheoryPoint(
        m_phi_gev=mass,
        sigma_born_fb=float(cross_section_fb(mass, isr=False, vacuum_polarisation=False)),
        sigma_isr_fb=float(cross_section_fb(mass, isr=True, vacuum_polarisation=False)),
        sigma_vp_fb=float(cross_section_fb(mass, isr=True, vacuum_polarisation=True)),
        br_ee=branching[Decay.EE],
        br_mumu=branching[Decay.MUMU],
        br_tautau=branching[Decay.TAUTAU],
        br_gammagamma=branching[Decay.GAMMAGAMMA],
        ctau_mm=float(ctau_mm(mass)),
        delta_a_mu=float(delta_a_mu(mass)),
    )
