"""Physical constants in GeV, mm, fb and rad.

Masses and lifetimes: Particle Data Group, Review of Particle Physics 2024 (Phys. Rev. D 110, 030001).
"""

from typing import Final

ELECTRON_MASS_GEV: Final = 0.51099895e-3
MUON_MASS_GEV: Final = 0.1056583755
TAU_MASS_GEV: Final = 1.77693
PION_MASS_GEV: Final = 0.13957039
KAON_MASS_GEV: Final = 0.493677
NEUTRAL_PION_MASS_GEV: Final = 0.1349768
PROTON_MASS_GEV: Final = 0.93827208816
JPSI_MASS_GEV: Final = 3.096900
PSI2S_MASS_GEV: Final = 3.686097
Z_MASS_GEV: Final = 91.1880
Z_WIDTH_GEV: Final = 2.4955

TAU_CTAU_MM: Final = 0.087034
HIGGS_VEV_GEV: Final = 246.0
"""The electroweak vacuum expectation value as it enters the φ couplings m_ℓ/v (arXiv:2207.07476, eq. 1)."""

ALPHA_EM: Final = 1.0 / 137.035999
"""Fine-structure constant at zero momentum transfer."""
SIN2_THETA_W: Final = 0.23129
HBARC_GEV_MM: Final = 1.973269804e-13
GEV_M2_TO_FB: Final = 3.893793721e11
"""(ħc)² in GeV² fb: a cross-section in GeV⁻² times this is in fb."""

CURVATURE_PER_TESLA_GEV_PER_MM: Final = 0.000299792458
"""Helix curvature: omega [mm⁻¹] = charge · B [T] · this / p_t [GeV]."""
