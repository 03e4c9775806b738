"""Every number of the generators and of the production, with its source."""

from __future__ import annotations

import itertools
import math

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from models.lifetime import LifetimeComponent, LifetimeMixture
from models.search import BACKGROUNDS, Channel, Process
from models.settings import Settings
from processors.configuration import CandidateSettings, IdentificationSettings, NtupleWriterSettings, TrackSettings
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


class MultiplicitySettings(Settings):
    """Chance of a pair of B mesons to have exactly four good tracks, as far as it steers importance sampling."""

    track_efficiency: float = Field(default=0.8, gt=0.0, lt=1.0)
    """Probability that a charged particle is a good track: 91 % solid angle, slow tracks, reconstruction (estimate)."""
    pair_fraction: float = Field(default=0.02, gt=0.0, lt=1.0)
    """Probability of a conversion or Dalitz decay that adds two tracks (estimate)."""


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
    kept_fraction: tuple[PositiveFloat, ...] = (1.0, 1.0, 1.0, 1.0, 0.5, 0.2, 0.1, 0.05)
    """Fraction of the decays with 0, 1, 2, … charged particles that is kept, the last for all with more: of decays in
    events with four tracks and a lepton pair, 79 % have up to three, 16 % four, 5 % more."""
    kept_without_leptons: float = Field(default=0.3, gt=0.0, le=1.0)
    """Factor on that for decays without electron and muon: nine in ten lepton pairs come from leptonic decays."""

    @model_validator(mode="after")
    def _fractions_are_fractions(self) -> BLibraryConfig:
        if not self.kept_fraction or max(self.kept_fraction) > 1.0:
            raise ValueError("kept_fraction needs numbers in (0, 1], at least one")
        return self


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
    """e⁺e⁻ → e⁺e⁻ℓ⁺ℓ⁻ with both beam particles scattered into the detector, else τ pairs, and e⁺e⁻ → e⁺e⁻ + hadrons."""

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


class ElectronExchangeConfig(Settings):
    """e⁺e⁻ → e⁺e⁻τ⁺τ⁻ by the diagrams that exchange electrons, part of `tautaull`.

    Both beam particles are scattered by more than `two_photon.scattering_angle_min_deg`; all else is in `twophoton`.
    """

    enabled: bool = True
    photons: EquivalentPhotonSettings = EquivalentPhotonSettings(log2_integration_points=15)
    """Where phase space is sampled, and the integral: 2^15 points give it to 1 %."""


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


class SignalGeneratorSettings(Settings):
    """How e⁺e⁻ → τ⁺τ⁻φ events are generated."""

    isr: bool = True
    """Whether the colliding electrons radiate; without, all events have the full energy."""
    fsr: bool = True
    """Whether the leptons of φ radiate, with the softest photon and the table of `radiation`."""
    radiated_fraction_min: float = Field(default=1e-4, gt=0.0, lt=1.0)
    """Softest photon that is followed, as a fraction of s: 0.5 MeV."""
    spectrum_points: int = Field(default=2000, ge=100)
    """Nodes of the tabulated spectrum of the radiated fraction."""
    slice_ends: tuple[float, ...] = (0.985, 0.95, 0.9, 0.8, 0.65, 0.45, 0.25, 0.1)
    """Ends of the envelope's slices, as fractions of the energy above threshold, descending."""
    recoil_cells: int = Field(default=64, ge=4)
    """Cells of the envelope in the energy of φ."""
    pair_cells: int = Field(default=24, ge=4)
    """Cells of the envelope in the τ⁻ angle in the τ⁺τ⁻ rest frame."""
    margin: float = Field(default=0.04, ge=0.0)
    """Relative margin of the envelope: curvature inside a cell and the γ–Z interference, each below 2 %."""
    block_size: int = Field(default=8192, ge=1)
    """Trials evaluated together; chosen to stay in the processor's cache. Part of what a seed reproduces."""

    @model_validator(mode="after")
    def _slices_descend(self) -> SignalGeneratorSettings:
        ends = (1.0, *self.slice_ends, 0.0)
        if any(low >= high for high, low in itertools.pairwise(ends)):
            raise ValueError(f"slice_ends must descend between 1 and 0, not {self.slice_ends}")
        return self


class SignalGrid(Settings):
    """Signal samples to generate in one channel."""

    masses_gev: tuple[PositiveFloat, ...]
    """φ masses."""
    lifetimes: LifetimeMixture = LifetimeMixture.single(0.0)
    """Distribution of the proper flight lengths of φ; prompt by default."""
    n_events: PositiveInt = 4_000
    """Events of each sample."""


ELECTRON_GRID = SignalGrid(
    masses_gev=(0.04, 0.05, 0.07, 0.09, 0.10, 0.13, 0.16, 0.19, 0.21),
    # Half are prompt, as many as a prompt sample would have; each decay length serves the decade around it, and all of
    # them together what is longer, because what flies further than the inner tracker is not found anyway.
    lifetimes=LifetimeMixture(
        components=(
            LifetimeComponent(ctau_mm=0.0, share=3.0),
            LifetimeComponent(ctau_mm=0.3),
            LifetimeComponent(ctau_mm=3.0),
            LifetimeComponent(ctau_mm=30.0),
        )
    ),
    n_events=8_000,
)
# Dense towards the threshold, where efficiency and resolution turn.
MUON_GRID = SignalGrid(masses_gev=(0.225, 0.25, 0.3, 0.4, 0.5, 0.8, 1.2, 1.8, 2.5, 3.3, 4.2, 5.2, 6.0, 6.5))


class PreselectionConfig(Settings):
    """Which reconstructed events are worth writing: no tighter than the selection, or it would decide results.

    Good tracks must be those of the selection, because "exactly four" has no looser version.
    """

    enabled: bool = False
    """True drops events that no search selects, by the requirements below; they still count as generated."""
    tracks: TrackSettings = TrackSettings()
    """What makes a track good; four of them with charge zero are needed, by any search's transverse distance."""
    identification: IdentificationSettings = IdentificationSettings()
    """What makes a lepton."""
    lepton_pair: bool = True
    """Require a lepton pair of either channel."""
    missing_mass_gev: tuple[float, float] | None = None
    """Window of the missing mass in GeV; None requires nothing."""
    missing_mass_margin_gev: NonNegativeFloat = 0.3
    """By how much that window must reach beyond the selection's on either side, GeV: variations of momenta by per mille
    and of photon energies by per cent move the missing mass by less."""
    momentum_scale_uncertainty: float = Field(default=0.001, ge=0.0, lt=1.0)
    """Relative change of all momenta, either way, under which an event must fail to be dropped."""
    min_photon_energy_gev: NonNegativeFloat = 0.0
    """Smallest energy of a photon that counts for the missing mass."""

    def contradiction(self, candidates: CandidateSettings) -> str | None:
        """Return the name of a requirement that drops events which a selection would take, None if there is none."""
        missing, leptons = candidates.missing_momentum, candidates.identification
        low, high = self.missing_mass_gev or (-math.inf, math.inf)
        tight = {
            "tracks": self.tracks != candidates.tracks,
            "identification": self.lepton_pair
            and (
                self.identification.min_electron_likelihood > leptons.min_electron_likelihood
                or self.identification.min_muon_likelihood > leptons.min_muon_likelihood
            ),
            "missing_mass_gev": low > missing.min_mass_gev - self.missing_mass_margin_gev
            or high < missing.max_mass_gev + self.missing_mass_margin_gev,
            "min_photon_energy_gev": self.missing_mass_gev is not None
            and self.min_photon_energy_gev != candidates.features.min_photon_energy_gev,
        }
        return next((name for name, is_tight in tight.items() if self.enabled and is_tight), None)


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
    preselection: PreselectionConfig = PreselectionConfig()
    """What is required of events once they are reconstructed."""

    @model_validator(mode="after")
    def _window_is_open(self) -> SkimConfig:
        if self.n_charged_max < self.n_charged_min:
            raise ValueError(f"n_charged_max ({self.n_charged_max}) is below n_charged_min ({self.n_charged_min})")
        return self


class InjectedSignal(Settings):
    """A signal that is mixed into pseudo-data; its lifetime and rate follow from mass and coupling."""

    channel: Channel
    """Decay of φ."""
    m_phi_gev: PositiveFloat
    """φ mass."""
    xi: PositiveFloat
    """Coupling."""


class HiddenSignal(Settings):
    """Ranges that a signal is drawn from, by the seed of the production; what was drawn is only in the sealed truth.

    Channels are drawn evenly, masses and couplings evenly in their logarithms.
    """

    m_phi_gev: dict[Channel, tuple[PositiveFloat, PositiveFloat]] = Field(
        default={Channel.EE: (0.04, 0.21), Channel.MUMU: (0.225, 6.5)}, min_length=1
    )
    """Least and largest φ mass of each channel that may be drawn."""
    xi: tuple[PositiveFloat, PositiveFloat] = (1.0, 100.0)
    """Least and largest coupling."""


class ProductionConfig(Settings):
    """How much is simulated, and in what pieces."""

    data_luminosity_fb: PositiveFloat = 0.1
    """Luminosity of the pseudo-data, in fb⁻¹."""
    mc_luminosity_ratio: dict[Process, PositiveFloat] = Field(default=dict.fromkeys(BACKGROUNDS, 2.0))
    """Equivalent luminosity of each background's Monte Carlo over that of the pseudo-data."""
    events_per_file: PositiveInt = 100_000
    """Generated events in a file of Monte Carlo: one task, a matter of ten seconds at Pythia's speed."""
    events_per_file_of: dict[Process, PositiveInt] = Field(
        default={Process.BHABHA: 1_000_000, Process.DIMUON: 1_000_000}
    )
    """The same for processes of which another part is stored: few lepton pairs pass the skim."""
    data_luminosity_per_file_fb: PositiveFloat = 0.02
    """Luminosity of one file of pseudo-data, which is in memory as a whole to be shuffled."""
    data_generated_fraction: dict[Process, PositiveFloat] = Field(default={})
    """Events generated for pseudo-data over those expected, 1 if not listed. At 1 a process is sampled as in nature and
    no event is used twice. Below, importance sampling is used and an event of weight w is taken w/fraction times."""
    injected_signal: InjectedSignal | None = None
    """A signal in the pseudo-data."""
    hidden_signal: HiddenSignal | None = None
    """A signal in the pseudo-data that is not known to who reads the configuration."""
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

    @model_validator(mode="after")
    def _one_signal(self) -> ProductionConfig:
        if self.injected_signal is not None and self.hidden_signal is not None:
            raise ValueError("injected_signal and hidden_signal exclude each other")
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
    electron_exchange: ElectronExchangeConfig = ElectronExchangeConfig()
    cross_sections: CrossSections = CrossSections()
    signal_generator: SignalGeneratorSettings = SignalGeneratorSettings()
    signal: dict[Channel, SignalGrid] = Field(default={Channel.EE: ELECTRON_GRID, Channel.MUMU: MUON_GRID})
    skim: SkimConfig = SkimConfig()
    ntuples: NtupleWriterSettings = NtupleWriterSettings()
    production: ProductionConfig = ProductionConfig()
    detector: DetectorConfig = DetectorConfig()

    @property
    def phi_radiation(self) -> RadiationSettings | None:
        """Photons of the leptons of φ, None if they do not radiate."""
        return self.radiation if self.signal_generator.fsr else None

    @model_validator(mode="after")
    def _split_events_are_skimmed(self) -> SimulationConfig:
        split = [process for process, importance in self.production.importance.items() if importance.splitting.copies]
        preselection = self.skim.preselection
        if split and not (self.skim.enabled and preselection.enabled and preselection.lepton_pair):
            raise ValueError(
                f"production.importance.{split[0]}.splitting follows only what can have four tracks and a lepton pair: "
                "it needs skim.preselection.enabled and lepton_pair"
            )
        return self
