"""Choices of the theory calculations that are not constants of nature."""

from pydantic import Field

from models.constants import ELECTRON_MASS_GEV
from models.settings import Settings


class CollisionSettings(Settings):
    """The collision for which e⁺e⁻ → τ⁺τ⁻φ is calculated."""

    sqrt_s_gev: float = Field(default=10.58, gt=3.6)
    """Centre-of-mass energy in GeV: the Υ(4S), where most of the data were taken (arXiv:2207.07476)."""


class QuadratureSettings(Settings):
    """Gauss–Legendre orders of the cross-section integrals; doubling each changes no result by 10⁻⁵."""

    recoil_points: int = Field(default=24, ge=4)
    """Points in the energy of φ."""
    pair_points: int = Field(default=16, ge=4)
    """Points in the τ⁻ polar angle in the τ⁺τ⁻ rest frame."""
    radiation_points: int = Field(default=12, ge=4)
    """Points in each of the two panels, soft and hard, of the energy radiated from the initial state."""


class MuonG2Settings(Settings):
    """The measured excess of the muon's anomalous magnetic moment over the Standard Model.

    With the 2025 world average and lattice-based prediction (arXiv:2505.21476) the difference is
    (0.38 ± 0.63)·10⁻⁹ and favours no band; the default is what the published search compares with.
    """

    difference: float = 2.51e-9
    """a_μ(exp) − a_μ(SM)."""
    uncertainty: float = Field(default=0.59e-9, gt=0.0)
    """Standard deviation of the difference."""
    n_sigma: float = Field(default=2.0, gt=0.0)
    """Half-width of the favoured band in standard deviations."""
    source: str = "Muon g-2 Collaboration, Phys. Rev. Lett. 126, 141801 (2021), with the 2020 Theory Initiative"
    """Where the difference comes from."""


class HadronicPolarisationSettings(Settings):
    """Hadronic vacuum polarisation Δα_had(s) = A + B ln(1 + C|s|) between 10 GeV and the Z mass, s in GeV².

    Source: H. Burkhardt and B. Pietrzyk, Phys. Lett. B 513, 46 (2001). It is fitted for space-like s and used here
    for time-like s, where it averages over the Υ resonances; that is good to about 10⁻³ in Δα.
    Below 10 GeV the ranges of the same fit apply, given as (upper end in GeV, A, B, C).
    """

    ranges: tuple[tuple[float, float, float, float], ...] = (
        (2.0, 0.0, 0.0022333, 4.2191779),
        (4.0, 0.0, 0.0024402, 3.2496684),
        (10.0, 0.0, 0.0027340, 2.0995092),
        (91.2, 0.0010485, 0.0029431, 1.0),
    )


class TableSettings(Settings):
    """Masses of the shipped cross-section table: even steps in ln[m_φ/(m_max − m_φ)], m_max = √s − 2m_τ."""

    lowest_mass_gev: float = Field(default=2.0 * ELECTRON_MASS_GEV, gt=0.0)
    """First mass, 2 m_e."""
    closest_to_threshold_gev: float = Field(default=1e-4, gt=0.0)
    """Distance of the last mass from m_max; beyond it the threshold power law is continued."""
    points: int = Field(default=180, ge=8)
    """Number of masses; the cubic in between is good to 10⁻⁵."""
