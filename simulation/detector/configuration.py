"""Every number of the parametrised detector, with its source.

"Choice" marks a number without a published value; `docs/simulation/detector.md` says why it is what it is.
NIM A479 is A. Abashian et al., The Belle detector, Nucl. Instrum. Meth. A 479 (2002) 117.
"""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, model_validator

from models.constants import CURVATURE_PER_TESLA_GEV_PER_MM
from models.settings import Settings

Table = tuple[tuple[float, ...], ...]
"""A number per momentum bin (rows) and polar-angle bin (columns)."""


class MaterialLayer(Settings):
    """A thin cylinder around the z axis."""

    name: str
    radius_mm: float = Field(gt=0)
    x_over_x0: float = Field(ge=0, lt=0.5)
    """Thickness in radiation lengths at perpendicular incidence."""


class MaterialConfig(Settings):
    """Material in front of the drift chamber, where photons convert and electrons radiate."""

    layers: tuple[MaterialLayer, ...] = (
        MaterialLayer(name="beam pipe", radius_mm=15.0, x_over_x0=0.009),
        MaterialLayer(name="silicon 1", radius_mm=20.0, x_over_x0=0.005),
        MaterialLayer(name="silicon 2", radius_mm=44.0, x_over_x0=0.005),
        MaterialLayer(name="silicon 3", radius_mm=70.0, x_over_x0=0.005),
        MaterialLayer(name="silicon 4", radius_mm=88.0, x_over_x0=0.005),
    )
    """From the inside out. Beam pipe: 2 × 0.5 mm beryllium (0.3 %) and 20 μm gold (0.6 %), NIM A479 §3. Silicon: 0.3 mm
    (0.32 %) and a choice of 0.18 % for ribs, glue and flexible circuits."""
    polar_range_deg: tuple[float, float] = (17.0, 150.0)
    """Polar angles that the layers cover as seen from the origin (NIM A479)."""
    radiated_photon_threshold_gev: float = Field(default=0.02, gt=0)
    """Softest bremsstrahlung photon that becomes a particle of its own: the calorimeter's cluster threshold."""

    @model_validator(mode="after")
    def _layers_go_outwards(self) -> MaterialConfig:
        if any(outer.radius_mm <= inner.radius_mm for inner, outer in pairwise(self.layers)):
            raise ValueError("material layers must be listed from the inside out")
        return self


class TrackingConfig(Settings):
    """Track finding and helix resolution of the drift chamber and the four-layer silicon detector."""

    field_tesla: float = Field(default=1.5, gt=0)
    """Solenoid field along +z (NIM A479)."""
    polar_range_deg: tuple[float, float] = (17.0, 150.0)
    """Acceptance in laboratory polar angle (NIM A479)."""
    pt_threshold_gev: float = Field(default=0.07, ge=0)
    """Transverse momentum below which no track is found."""
    pt_turn_on_gev: float = Field(default=0.03, gt=0)
    """Scale of the exponential rise of the efficiency above threshold (choice: 63 % at 0.1 GeV, as for slow pions)."""
    plateau_efficiency: float = Field(default=0.98, gt=0, le=1)
    """Efficiency of isolated tracks well above threshold."""
    displaced_efficiency_length_mm: float = Field(default=200.0, gt=0)
    """Exponential fall of the efficiency with the production radius beyond the innermost silicon layer (choice)."""

    curvature_slope_per_gev: float = Field(default=0.0019, gt=0)
    """σ(p_t)/p_t² of the measurement term, from 0.19 % p_t ⊕ 0.30 %/β."""
    curvature_scattering: float = Field(default=0.0030, gt=0)
    """σ(p_t)/p_t of the scattering term, divided by β."""
    d0_resolution_mm: float = Field(default=0.0219, gt=0)
    """Measurement term of σ(rφ) = 21.9 ⊕ 35.5/(pβ sin^{3/2}θ) μm, four-layer silicon detector."""
    d0_scattering_mm_gev: float = Field(default=0.0355, gt=0)
    """Scattering term of σ(rφ)."""
    z0_resolution_mm: float = Field(default=0.0278, gt=0)
    """Measurement term of σ(z) = 27.8 ⊕ 31.9/(pβ sin^{5/2}θ) μm."""
    z0_scattering_mm_gev: float = Field(default=0.0319, gt=0)
    """Scattering term of σ(z)."""
    phi0_resolution_rad: float = Field(default=0.00025, gt=0)
    """Measurement term of σ(φ0): 12 μm hits over the 68 mm of the silicon layers (choice)."""
    tan_lambda_resolution: float = Field(default=0.0005, gt=0)
    """Measurement term of σ(tan λ): 25 μm hits over the same lever arm (choice)."""
    scattering_radius_mm: float = Field(default=20.0, gt=0)
    """Radius at which the scattering of the impact-parameter formulae happens: angle = impact parameter / radius."""

    measurement_correlation_d0_phi0: float = Field(default=0.6, gt=-1, lt=1)
    """Positive, because the hits that fix the direction lie ahead of the perigee (choice)."""
    measurement_correlation_d0_omega: float = Field(default=0.2, gt=-1, lt=1)
    """As above, for the curvature (choice)."""
    measurement_correlation_phi0_omega: float = Field(default=0.4, gt=-1, lt=1)
    """φ0 is the direction at the silicon plus ω times its distance (choice)."""
    measurement_correlation_z0_tan_lambda: float = Field(default=-0.7, gt=-1, lt=1)
    """Negative: a steeper track through the same hits starts lower (choice)."""
    scattering_correlation: float = Field(default=0.95, ge=0, lt=1)
    """|correlation| of impact parameter and direction: one scattering changes both (choice, 1 for a single layer)."""

    silicon_radii_mm: tuple[float, ...] = (20.0, 44.0, 70.0, 88.0)
    """Layers a track can lose by starting outside them."""
    transverse_degradation: tuple[float, ...] = (1.0, 2.2, 3.5, 4.4, 10.0)
    """Factor on σ(d0) by number of layers lost: radius of the first layer left over the innermost; the last, drift
    chamber alone, gives the 0.2 mm known there (choice)."""
    longitudinal_degradation: tuple[float, ...] = (1.0, 2.2, 3.5, 4.4, 60.0)
    """The same for σ(z0); stereo wires alone give 1–2 mm (choice)."""
    angular_degradation: tuple[float, ...] = (1.0, 1.2, 1.5, 2.5, 4.0)
    """Factor on the measurement terms of σ(φ0) and σ(tan λ), by number of layers lost (choice)."""
    curvature_degradation: tuple[float, ...] = (1.0, 1.0, 1.1, 1.2, 1.47)
    """Factor on the measurement term of σ(ω); the last is 0.28 % over 0.19 %, drift chamber alone (NIM A479)."""

    @property
    def curvature_of_1_gev_per_mm(self) -> float:
        """|ω| of a particle of unit charge and p_t = 1 GeV."""
        return self.field_tesla * CURVATURE_PER_TESLA_GEV_PER_MM

    @model_validator(mode="after")
    def _one_degradation_per_layer(self) -> TrackingConfig:
        for name in ("transverse", "longitudinal", "angular", "curvature"):
            if len(getattr(self, f"{name}_degradation")) != len(self.silicon_radii_mm) + 1:
                raise ValueError(f"{name}_degradation needs one factor per silicon layer lost, and one for none")
        return self


class LikelihoodRatio(Settings):
    """One identification likelihood ratio: what fraction of each species passes the working point."""

    cut: float = Field(gt=0, lt=1)
    """Working point: a track passes when its likelihood ratio is above this."""
    spread: float = Field(default=3.0, gt=0)
    """Width of the log-likelihood difference of each species (choice; it only shapes scores away from the cut)."""
    momentum_edges_gev: tuple[float, ...]
    """Edges between the momentum bins; the first and last bins are open."""
    polar_edges_deg: tuple[float, ...] = (32.2, 128.7)
    """Edges between the polar-angle bins: forward, barrel, backward."""
    electron: Table
    muon: Table
    pion: Table
    kaon: Table
    proton: Table

    @model_validator(mode="after")
    def _tables_fit_their_bins(self) -> LikelihoodRatio:
        for name in ("electron", "muon", "pion", "kaon", "proton"):
            table: Table = getattr(self, name)
            shape_is_right = len(table) == len(self.momentum_edges_gev) + 1 and all(
                len(row) == len(self.polar_edges_deg) + 1 for row in table
            )
            if not shape_is_right or not all(0 < value < 1 for row in table for value in row):
                raise ValueError(f"{name} needs one fraction in (0, 1) per momentum bin and polar-angle bin")
        return self


def _uniform_in_angle(*fractions: float) -> Table:
    return tuple((fraction, fraction, fraction) for fraction in fractions)


class IdentificationConfig(Settings):
    """Particle identification at the working point of the analysis."""

    electron: LikelihoodRatio = LikelihoodRatio(
        cut=0.9,
        momentum_edges_gev=(0.2, 0.35, 0.5, 0.75, 1.0),
        electron=(
            (0.25, 0.30, 0.20),
            (0.50, 0.60, 0.45),
            (0.68, 0.76, 0.62),
            (0.80, 0.86, 0.75),
            (0.86, 0.90, 0.82),
            (0.90, 0.925, 0.87),
        ),
        muon=_uniform_in_angle(0.010, 0.010, 0.005, 0.002, 0.001, 0.001),
        pion=_uniform_in_angle(0.020, 0.012, 0.008, 0.006, 0.004, 0.0025),
        kaon=_uniform_in_angle(0.010, 0.010, 0.010, 0.008, 0.005, 0.0025),
        proton=_uniform_in_angle(0.002, 0.002, 0.003, 0.005, 0.005, 0.0025),
    )
    """Above 1 GeV: 92 % and π→e 0.25 % (K. Hanagaki et al., Nucl. Instrum. Meth. A 485 (2002) 490). Below, the
    calorimeter loses curling tracks and dE/dx bands cross: choice."""
    muon: LikelihoodRatio = LikelihoodRatio(
        cut=0.9,
        momentum_edges_gev=(0.8, 1.0),
        electron=_uniform_in_angle(0.0005, 0.0005, 0.0005),
        muon=((0.40, 0.55, 0.35), (0.70, 0.82, 0.65), (0.88, 0.905, 0.85)),
        pion=_uniform_in_angle(0.018, 0.014, 0.010),
        kaon=_uniform_in_angle(0.010, 0.010, 0.010),
        proton=_uniform_in_angle(0.003, 0.003, 0.003),
    )
    """Above 1 GeV: 90 % and π→μ 1.5 % with decays in flight, which are simulated apart (A. Abashian et al., Nucl.
    Instrum. Meth. A 491 (2002) 69). Hadrons here are punch-through only."""
    kaon: LikelihoodRatio = LikelihoodRatio(
        cut=0.6,
        momentum_edges_gev=(1.5, 3.0),
        electron=_uniform_in_angle(0.08, 0.10, 0.12),
        muon=_uniform_in_angle(0.06, 0.09, 0.12),
        pion=_uniform_in_angle(0.070, 0.095, 0.120),
        kaon=_uniform_in_angle(0.90, 0.87, 0.84),
        proton=_uniform_in_angle(0.50, 0.50, 0.60),
    )
    """Averages 88 % and 8.5 % (E. Nakano, Nucl. Instrum. Meth. A 494 (2002) 402); their slope with momentum, and the
    rates of the other species: choice."""
    muon_momentum_gev: float = Field(default=0.6, gt=0)
    """Momentum needed to reach the muon detector; below, there is no muon likelihood."""
    muon_polar_range_deg: tuple[float, float] = (20.0, 155.0)
    """Acceptance of the muon detector (NIM A479)."""
    flight_radius_mm: float = Field(default=1100.0, gt=0)
    """Transverse length of the region in which a meson can decay in flight: the drift chamber and a bit."""
    pion_decay_like_muon: float = Field(default=0.5, ge=0, le=1)
    """Fraction of decays in flight of pions that give one good track with a muon's signature (choice)."""
    kaon_decay_like_muon: float = Field(default=0.1, ge=0, le=1)
    """The same for kaons, whose kink is larger (choice)."""


class CalorimeterConfig(Settings):
    """The CsI(Tl) calorimeter and what fires it besides photons."""

    polar_range_deg: tuple[float, float] = (12.4, 155.1)
    """Acceptance (NIM A479)."""
    gaps_deg: tuple[tuple[float, float], ...] = ((31.4, 32.2), (128.7, 130.7))
    """Dead regions between barrel and end caps (NIM A479)."""
    radius_mm: float = Field(default=1250.0, gt=0)
    """Inner radius of the barrel (NIM A479)."""
    forward_z_mm: float = Field(default=1960.0, gt=0)
    """Front of the forward end cap (NIM A479)."""
    backward_z_mm: float = Field(default=-1020.0, lt=0)
    """Front of the backward end cap (NIM A479)."""
    threshold_gev: float = Field(default=0.02, gt=0)
    """Least energy of a cluster."""
    photon_efficiency: float = Field(default=0.98, gt=0, le=1)
    """Fraction of photons that arrive unharmed by the material outside the silicon detector (choice)."""

    energy_constant: float = Field(default=0.0134, ge=0)
    """First term of σ_E/E = 1.34 % ⊕ 0.066 %/E ⊕ 0.81 %/E^{1/4} (E in GeV; H. Ikeda et al., Nucl. Instrum. Meth.
    A 441 (2000) 401)."""
    energy_noise_gev: float = Field(default=0.00066, ge=0)
    """Second term."""
    energy_stochastic: float = Field(default=0.0081, ge=0)
    """Third term, at 1 GeV."""
    position_constant_mm: float = Field(default=0.27, ge=0)
    """First term of the position resolution 0.27 + 3.4/√E + 1.8/E^{1/4} mm, a plain sum (E in GeV; Ikeda et al.)."""
    position_sqrt_mm: float = Field(default=3.4, ge=0)
    """Second term, at 1 GeV."""
    position_fourth_root_mm: float = Field(default=1.8, ge=0)
    """Third term, at 1 GeV."""
    electromagnetic_e9e25: tuple[float, float] = (38.0, 2.0)
    """Parameters (a, b) of the beta distribution of E9/E25 for electromagnetic showers (choice: mean 0.95)."""
    hadronic_e9e25: tuple[float, float] = (8.0, 2.0)
    """The same for everything else (choice: mean 0.8)."""
    track_match_mm: float = Field(default=60.0, ge=0)
    """A cluster closer than this to a track's impact belongs to the track: about one crystal (choice)."""

    ionisation_gev: float = Field(default=0.17, gt=0)
    """Deposit of a minimum-ionising particle: 300 mm of CsI at 0.56 MeV/mm (PDG 2024)."""
    hadron_interaction: float = Field(default=0.55, ge=0, le=1)
    """Probability that a neutral hadron interacts in the 0.8 interaction lengths of the crystals."""
    hadron_response: tuple[float, float] = (1.0, 3.0)
    """Parameters (a, b) of the beta distribution of the visible share of a neutral hadron's kinetic energy (choice)."""
    split_off_probability: float = Field(default=0.15, ge=0, le=1)
    """Probability that the shower of a charged hadron leaves a cluster away from its track (choice)."""
    split_off_energy_gev: float = Field(default=0.08, gt=0)
    """Mean energy of such a cluster, exponential (choice)."""
    split_off_distance_mm: float = Field(default=150.0, gt=0)
    """Width of its distance from the track's impact, each way (choice)."""
    background_photons: float = Field(default=2.0, ge=0)
    """Mean number of beam-background clusters above threshold in an event (choice)."""
    background_energy_gev: float = Field(default=0.025, gt=0)
    """Mean energy of those above threshold, exponential (choice)."""


class NeutralPionConfig(Settings):
    """π⁰ candidates."""

    mass_window_gev: tuple[float, float] = (0.115, 0.152)
    """Accepted two-photon mass, about ±3σ."""
    photon_threshold_gev: float = Field(default=0.05, gt=0)
    """Least photon energy, usual in Belle analyses; beam background makes many false pairs below."""


class DetectorConfig(Settings):
    """The parametrised Belle detector."""

    material: MaterialConfig = MaterialConfig()
    tracking: TrackingConfig = TrackingConfig()
    identification: IdentificationConfig = IdentificationConfig()
    calorimeter: CalorimeterConfig = CalorimeterConfig()
    neutral_pions: NeutralPionConfig = NeutralPionConfig()
