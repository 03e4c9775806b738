"""Every number of the generators and of the production, with its source."""

from __future__ import annotations

import math

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from models.search import BACKGROUNDS, Channel, Process
from models.settings import Settings
from simulation.detector.configuration import DetectorConfig
from simulation.importance import NATURAL, ImportanceSampling


class BeamConfig(Settings):
    """The colliding beams and where they meet."""

    electron_energy_gev: PositiveFloat = 8.0
    """Energy of the electron beam, which flies to +z at the crossing angle (KEKB)."""
    positron_energy_gev: PositiveFloat = 3.5
    """Energy of the positron beam, which flies to −z (KEKB)."""
    crossing_angle_rad: float = Field(default=0.022, ge=0.0, lt=math.pi / 2)
    """Angle of the electron beam to +z in the x–z plane (KEKB)."""
    ip_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Mean interaction point."""
    ip_spread_mm: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = (0.1, 0.005, 4.0)
    """Standard deviations of the interaction point along x, y and z (Belle)."""


class RadiationSettings(Settings):
    """Photons radiated by a fermion pair."""

    fraction_min: float = Field(default=1e-4, gt=0.0, lt=1.0)
    """Softest photon that is followed, as a fraction of the beam energy (0.5 MeV)."""
    table_points: PositiveInt = 2000
    """Nodes of the tabulated spectrum."""


class NeutralPionDecayConfig(Settings):
    """π⁰ decays."""

    dalitz_fraction: float = Field(default=0.01174, ge=0.0, le=1.0)
    """Branching fraction of π⁰ → γe⁺e⁻ (PDG 2024); everything else is γγ."""
    form_factor_slope: float = 0.0335
    """Linear coefficient of the transition form factor in m_ee²/m_π⁰² (PDG 2024)."""
    table_points: PositiveInt = 4000
    """Nodes of the tabulated m_ee spectrum."""


class TauLibraryConfig(Settings):
    """The libraries of τ decays that τ pairs and signal are made from, one for Monte Carlo, one for pseudo-data."""

    n_decays: PositiveInt = 60_000
    """Decays in a library."""
    decays_per_task: PositiveInt = 7_500
    """Decays that one task makes."""
    sampling_share: dict[int, float] = Field(default={1544: 0.1, 1551: 0.3, 1561: 0.3})
    """Decays made of a channel relative to its branching fraction, by Pythia's matrix-element code (1 if not listed).

    The decays drawn follow the branching fractions whatever this is: γπ⁻π⁰ takes Pythia 15 ms a decay and the four- and
    five-pion channels 4–6 ms against 0.06–0.6 ms for all others, and would otherwise take a third of the time.
    """

    @model_validator(mode="after")
    def _shares_are_positive(self) -> TauLibraryConfig:
        for code, share in self.sampling_share.items():
            if not 0.0 < share <= 1.0:
                raise ValueError(f"sampling_share of matrix element {code} is {share}, expected a number in (0, 1]")
        return self


class ContinuumConfig(Settings):
    """e⁺e⁻ → qq̄, q = u, d, s, c."""

    hadronic_mass_min_gev: PositiveFloat = 3.6
    """Smallest mass of the quark pair after initial-state radiation."""


class BLibraryConfig(Settings):
    """The libraries of B decays that B pairs are made from, one for Monte Carlo, one for pseudo-data."""

    n_decays: PositiveInt = 60_000
    """Decays that Pythia makes for a library."""
    decays_per_task: PositiveInt = 30_000
    """Decays that one task makes."""
    kept_fraction: tuple[PositiveFloat, ...] = (1.0, 1.0, 1.0, 1.0, 0.6, 0.6, 0.2, 0.2, 0.1)
    """Fraction of the decays with 0, 1, 2, … charged particles that is kept, the last for all with more: four tracks
    come from decays with few."""

    @model_validator(mode="after")
    def _fractions_are_fractions(self) -> BLibraryConfig:
        if not self.kept_fraction or max(self.kept_fraction) > 1.0:
            raise ValueError("kept_fraction needs numbers in (0, 1], at least one")
        return self


class MultiplicitySettings(Settings):
    """Chance of a hadronic event to have exactly four good tracks, as far as it steers importance sampling."""

    track_efficiency: float = Field(default=0.8, gt=0.0, lt=1.0)
    """Probability that a charged particle is a good track: 91 % solid angle, slow tracks, reconstruction (estimate)."""
    pair_fraction: float = Field(default=0.02, gt=0.0, lt=1.0)
    """Probability of a conversion or Dalitz decay that adds two tracks (estimate)."""


class UpsilonConfig(Settings):
    """e⁺e⁻ → Υ(4S) → BB̄."""

    library: BLibraryConfig = BLibraryConfig()
    multiplicity: MultiplicitySettings = MultiplicitySettings()
    mixing_x: PositiveFloat = 0.769
    """Δm/Γ of the neutral B (PDG 2024)."""
    charged_ctau_mm: PositiveFloat = 0.4911
    """Lifetime of B⁺ times c (PDG 2024)."""
    neutral_ctau_mm: PositiveFloat = 0.4551
    """Lifetime of B⁰ times c (PDG 2024)."""
    charged_fraction: float = Field(default=0.514, ge=0.0, le=1.0)
    """Fraction of B⁺B⁻ (PDG 2024)."""
    charged_mass_gev: PositiveFloat = 5.27941
    """Mass of B⁺ (PDG 2024)."""
    neutral_mass_gev: PositiveFloat = 5.27972
    """Mass of B⁰ (PDG 2024)."""


class LeptonPairConfig(Settings):
    """e⁺e⁻ → e⁺e⁻γ and μ⁺μ⁻γ with at least one photon hard enough to make two tracks when it converts."""

    photon_energy_min_gev: PositiveFloat = 0.14
    """Least c.m. energy of the hardest photon; twice the transverse momentum below which no track is found."""
    bhabha_polar_range_deg: tuple[float, float] = (20.0, 165.0)
    """Polar angles of the electron in the rest frame of the pair: 17°–150° in the laboratory are 25°–160° there, with a
    margin for recoil against photons."""
    pair_mass_min_gev: PositiveFloat = 1.0
    """Smallest mass of the lepton pair after initial-state radiation."""


class EquivalentPhotonSettings(Settings):
    """Integration and sampling of the flux of photons that accompanies a beam."""

    fraction_max: float = Field(default=0.99, gt=0.0, lt=1.0)
    """Largest fraction of its energy that a beam particle gives to its photon."""
    log2_integration_points: PositiveInt = 16
    """Logarithm of the number of points of the integral; 2^16 give it to 10⁻³."""
    trials: PositiveInt = 100_000
    """Points tried together when sampling."""
    bound_points: PositiveInt = 1000
    """Masses among which the largest cross-section is looked for."""
    bound_margin: float = Field(default=1.01, ge=1.0)
    """Factor on the bound of the density for a maximum between two of them."""


class TwoPhotonConfig(Settings):
    """e⁺e⁻ → e⁺e⁻ℓ⁺ℓ⁻ with both beam particles scattered into the detector, and e⁺e⁻ → e⁺e⁻ + hadrons."""

    photons: EquivalentPhotonSettings = EquivalentPhotonSettings()
    scattering_angle_min_deg: PositiveFloat = 20.0
    """Smallest c.m. scattering angle of either beam particle beside leptons: without both beam particles such an event
    has no four tracks of charge zero, and 17°–150° in the laboratory are 25°–160° in the c.m. frame."""
    lepton_pair_mass_min_gev: PositiveFloat = 0.25
    """Smallest mass of an electron pair; a muon pair starts at its threshold. Lighter pairs at such angles come from
    radiated photons rather than from two photons."""
    hadron_mass_min_gev: PositiveFloat = 2.5
    """Smallest mass of a hadronic system: a lighter one leaves a missing mass above 6 GeV or flies along the beams."""
    hadron_constant_nb: PositiveFloat = 240.0
    """First term of σ(γγ → hadrons) = 240 nb + 270 nb GeV/W (J. L. Rosner, BNL report 17522 (1972))."""
    hadron_falling_nb_gev: PositiveFloat = 270.0
    """Second term."""
    vector_meson_mass_gev: PositiveFloat = 0.77526
    """Mass of the form factor of a virtual photon that turns into hadrons: the ρ (PDG 2024)."""
    quark_transverse_momentum_gev: PositiveFloat = 0.35
    """Width of the transverse momentum of the quarks to the photons' axis: soft, as in photoproduction (choice)."""
    quark_masses_gev: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.33, 0.33, 0.5)
    """Masses of the d, u, s quarks that begin the string (Pythia's constituent masses)."""
    quark_weights: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 4.0, 1.0)
    """Relative rates of d, u, s: squared charges."""


class CrossSection(Settings):
    """A cross-section with its source."""

    value_fb: PositiveFloat
    source: str = Field(min_length=1)


class CrossSections(Settings):
    """Totals at √s = 10.58 GeV that the samples are normalised to.

    Signal is normalised per fb, two-photon to what its generator integrates.
    """

    tautau: CrossSection = CrossSection(value_fb=0.919e6, source="KKMC, arXiv:0706.3235")
    dimuon: CrossSection = CrossSection(value_fb=1.148e6, source="KKMC, arXiv:0706.3235")
    bhabha: CrossSection = CrossSection(value_fb=300e6, source="BABAYAGA.NLO for 10°–170°, arXiv:1808.10567, table 2")
    bhabha_polar_range_deg: tuple[float, float] = (10.0, 170.0)
    """Range of polar angles that the Bhabha cross-section is for."""
    qqbar: CrossSection = CrossSection(
        value_fb=3.69e6, source="uū 1.61, dd̄ 0.40, ss̄ 0.38, cc̄ 1.30 nb, arXiv:1808.10567, table 2"
    )
    bbbar: CrossSection = CrossSection(value_fb=1.11e6, source="Υ(4S) on resonance, arXiv:1808.10567, table 2")


class SignalGrid(Settings):
    """Signal samples to generate in one channel."""

    masses_gev: tuple[PositiveFloat, ...]
    """φ masses."""
    displaced_below_gev: NonNegativeFloat = 0.0
    """Masses below this are also generated with the lifetimes below."""
    displaced_ctau_mm: tuple[PositiveFloat, ...] = ()
    """Proper decay lengths beside prompt."""
    n_events: PositiveInt = 4_000
    """Events of each sample."""

    def lifetimes_mm(self, mass_gev: float) -> tuple[float, ...]:
        """Return the proper decay lengths generated at a mass; prompt is zero."""
        return (0.0, *self.displaced_ctau_mm) if mass_gev < self.displaced_below_gev else (0.0,)


ELECTRON_GRID = SignalGrid(
    masses_gev=(0.04, 0.05, 0.07, 0.09, 0.10, 0.13, 0.16, 0.19, 0.21),
    displaced_below_gev=0.1,
    displaced_ctau_mm=(10.0, 50.0),
)
MUON_GRID = SignalGrid(masses_gev=(0.225, 0.3, 0.5, 0.8, 1.2, 1.8, 2.5, 3.3, 4.2, 5.2, 6.0, 6.5))


class SkimConfig(Settings):
    """Which simulated events are worth tracking and writing; what is dropped still counts as generated."""

    enabled: bool = True
    """False writes every event."""
    n_charged_min: NonNegativeInt = 4
    """Fewest charged particles inside the acceptance, conversions included."""
    n_charged_max: PositiveInt = 8
    """Most of them."""
    polar_range_deg: tuple[float, float] = (15.0, 152.0)
    """Acceptance in laboratory polar angle, with a margin to the tracker's 17°–150° for resolution."""
    pt_min_gev: NonNegativeFloat = 0.06
    """Least transverse momentum of a counted particle, with a margin to the tracker's threshold."""

    @model_validator(mode="after")
    def _window_is_open(self) -> SkimConfig:
        if self.n_charged_max < self.n_charged_min:
            raise ValueError(f"n_charged_max ({self.n_charged_max}) is below n_charged_min ({self.n_charged_min})")
        return self


class ProductionConfig(Settings):
    """How much is simulated, and in what pieces."""

    data_luminosity_fb: PositiveFloat = 0.1
    """Luminosity of the pseudo-data, in fb⁻¹."""
    mc_luminosity_ratio: dict[Process, PositiveFloat] = Field(default=dict.fromkeys(BACKGROUNDS, 2.0))
    """Equivalent luminosity of each background's Monte Carlo over that of the pseudo-data."""
    events_per_file: PositiveInt = 100_000
    """Generated events in a file of Monte Carlo: one task, a matter of ten seconds at Pythia's speed."""
    lepton_pairs_per_file: PositiveInt = 1_000_000
    """The same for Bhabha and μ⁺μ⁻ events, of which few pass the skim."""
    data_luminosity_per_file_fb: PositiveFloat = 0.02
    """Luminosity of one file of pseudo-data."""
    importance: dict[Process, ImportanceSampling] = Field(default={})
    """Importance sampling of each process; natural if not listed."""
    batch_events: PositiveInt = 20_000
    """Events that are in memory before the skim."""
    first_run: NonNegativeInt = 1
    """Run number of the first file; every file of a production has a run number of its own."""
    experiment: NonNegativeInt = 0
    """Experiment number, 0 for simulation (Belle's convention)."""

    def importance_of(self, process: Process) -> ImportanceSampling:
        """Return the importance sampling of a process."""
        return self.importance.get(process, NATURAL)

    @model_validator(mode="after")
    def _backgrounds_are_named(self) -> ProductionConfig:
        for process in self.mc_luminosity_ratio:
            if not process.is_background:
                raise ValueError(f"mc_luminosity_ratio names '{process}', which is not a background")
        return self


class SimulationConfig(Settings):
    """Everything that decides what the simulated samples contain."""

    beams: BeamConfig = BeamConfig()
    radiation: RadiationSettings = RadiationSettings()
    neutral_pions: NeutralPionDecayConfig = NeutralPionDecayConfig()
    tau_library: TauLibraryConfig = TauLibraryConfig()
    continuum: ContinuumConfig = ContinuumConfig()
    upsilon: UpsilonConfig = UpsilonConfig()
    lepton_pairs: LeptonPairConfig = LeptonPairConfig()
    two_photon: TwoPhotonConfig = TwoPhotonConfig()
    cross_sections: CrossSections = CrossSections()
    signal: dict[Channel, SignalGrid] = Field(default={Channel.EE: ELECTRON_GRID, Channel.MUMU: MUON_GRID})
    skim: SkimConfig = SkimConfig()
    production: ProductionConfig = ProductionConfig()
    detector: DetectorConfig = DetectorConfig()
