"""e⁺e⁻ → e⁺e⁻ℓ⁺ℓ⁻, e⁺e⁻τ⁺τ⁻ and e⁺e⁻ + hadrons through the collision of two equivalent photons.

τ pairs with both beam particles in the detector are not made here but from their amplitudes, in
`simulation.electron_exchange`. Spins of the τ's made by photons are taken as independent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, GEV_M2_TO_FB, TAU_MASS_GEV
from models.kinematics import boost_from_rest_frame, boost_to_rest_frame, rotate_z_to, unit_vector
from models.search import Channel
from simulation.configuration import EquivalentPhotonSettings, TwoPhotonConfig
from simulation.detector.species import ELECTRON
from simulation.equivalent_photons import ScatteredBeams, TwoPhotonProcess
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling
from simulation.pythia_processes import HardProcesses, continued_events
from simulation.tau_decays import decay_tau_pairs
from simulation.tau_library import TAU, TauDecayLibrary

FloatArray = NDArray[np.float64]
PURPOSE: Final = "two-photon hadrons"
_FB_PER_NB: Final = 1e6
_FIRST_COLOUR: Final = 501
_DOWN_UP_STRANGE: Final = np.array([1, 2, 3])


def lepton_pair_cross_section_fb(mass_gev: FloatArray, lepton_mass_gev: float) -> FloatArray:
    """Return σ(γγ → ℓ⁺ℓ⁻) in fb for pair masses of any shape (Budnev et al., eq. E.1).

    >>> round(float(lepton_pair_cross_section_fb(np.array(2.0), 0.1056583755)) / 1e6)
    322
    """
    mass_ratio = np.minimum((2.0 * lepton_mass_gev / mass_gev) ** 2, 1.0)
    velocity = np.sqrt(1.0 - mass_ratio)
    logarithm = 2.0 * np.log((1.0 + velocity) / np.sqrt(mass_ratio))
    shape: FloatArray = (1.0 + mass_ratio - 0.5 * mass_ratio**2) * logarithm - velocity * (1.0 + mass_ratio)
    return 4.0 * np.pi * ALPHA_EM**2 * GEV_M2_TO_FB / mass_gev**2 * shape


def lepton_process(channel: Channel, sqrt_s_gev: float, config: TwoPhotonConfig) -> TwoPhotonProcess:
    """Return e⁺e⁻ → e⁺e⁻ℓ⁺ℓ⁻ with both beam particles scattered into the detector."""
    lepton_mass = channel.lepton_mass_gev
    return TwoPhotonProcess(
        sqrt_s_gev=sqrt_s_gev,
        mass_min_gev=max(config.lepton_pair_mass_min_gev, 2.0 * lepton_mass),
        cross_section_fb=lambda mass: lepton_pair_cross_section_fb(mass, lepton_mass),
        settings=config.photons,
        scattering_angle_min_rad=float(np.deg2rad(config.scattering_angle_min_deg)),
    )


def tau_process(sqrt_s_gev: float, photons: EquivalentPhotonSettings, angle_min_rad: float) -> TwoPhotonProcess:
    """Return e⁺e⁻ → e⁺e⁻τ⁺τ⁻ with both beam particles scattered by at least some angle."""
    return TwoPhotonProcess(
        sqrt_s_gev=sqrt_s_gev,
        mass_min_gev=2.0 * TAU_MASS_GEV,
        cross_section_fb=lambda mass: lepton_pair_cross_section_fb(mass, TAU_MASS_GEV),
        settings=photons,
        scattering_angle_min_rad=angle_min_rad,
    )


def untagged_tau_process(sqrt_s_gev: float, config: TwoPhotonConfig) -> TwoPhotonProcess:
    """Return e⁺e⁻ → e⁺e⁻τ⁺τ⁻ but for events with both beam particles scattered into the detector."""
    return replace(
        tau_process(sqrt_s_gev, config.photons, 0.0),
        both_angles_max_rad=float(np.deg2rad(config.scattering_angle_min_deg)),
    )


def hadron_process(sqrt_s_gev: float, config: TwoPhotonConfig) -> TwoPhotonProcess:
    """Return e⁺e⁻ → e⁺e⁻ + hadrons, the beam particles scattered by any angle."""
    return TwoPhotonProcess(
        sqrt_s_gev=sqrt_s_gev,
        mass_min_gev=config.hadron_mass_min_gev,
        cross_section_fb=lambda mass: _FB_PER_NB * (config.hadron_constant_nb + config.hadron_falling_nb_gev / mass),
        settings=config.photons,
        vector_meson_mass_gev=config.vector_meson_mass_gev,
    )


def two_photon_cross_section_fb(sqrt_s_gev: float, config: TwoPhotonConfig) -> float:
    """Return the cross-section in fb of everything that `two_photon_events` makes."""
    return sum(process.integrated_cross_section_fb() for process in _processes(sqrt_s_gev, config))


def _processes(sqrt_s_gev: float, config: TwoPhotonConfig) -> list[TwoPhotonProcess]:
    """Return hadrons, τ pairs, and the lepton pairs of each channel."""
    return [
        hadron_process(sqrt_s_gev, config),
        untagged_tau_process(sqrt_s_gev, config),
        *(lepton_process(channel, sqrt_s_gev, config) for channel in Channel),
    ]


def two_photon_events(
    n: int,
    batch: int,
    sqrt_s_gev: float,
    config: TwoPhotonConfig,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    importance: ImportanceSampling = NATURAL,
) -> Iterator[GeneratedEvents]:
    """Yield batches of two-photon events in the c.m. frame, leptons, τ's and hadrons in their proportion.

    Parameters
    ----------
    n
        Number of events.
    batch
        Most events in a batch.
    sqrt_s_gev
        Centre-of-mass energy.
    config
        Phase space and hadronic cross-section.
    library
        τ decays.
    rng
        Random stream.
    importance
        Classes of τ decay that are oversampled; without any, all weights are one.

    Raises
    ------
    PythiaError
        If Pythia cannot be set up or gives up.
    """
    hadronic, tauonic, *leptonic = _processes(sqrt_s_gev, config)
    cross_sections = np.array([p.integrated_cross_section_fb() for p in (hadronic, tauonic, *leptonic)])
    n_hadronic, n_tauonic, *n_leptonic = rng.multinomial(n, cross_sections / cross_sections.sum()).tolist()
    for channel, process, size in zip(Channel, leptonic, n_leptonic, strict=True):
        yield _lepton_pair_events(size, channel.lepton_mass_gev, channel.lepton_pdg, process, rng)
    if n_tauonic:
        pairs = _lepton_pair_events(n_tauonic, TAU_MASS_GEV, TAU, tauonic, rng)
        unpolarised = np.zeros((n_tauonic, 4, 4))
        unpolarised[:, 0, 0] = 1.0
        rows = pairs.offsets[:-1, None] + np.array([2, 3])
        yield decay_tau_pairs(pairs, rows, unpolarised, library, rng, enrichment=importance.tau_enrichment)
    if n_hadronic:
        processes = _quark_pairs(hadronic.sample(n_hadronic, rng), config, rng)
        yield from continued_events(processes, batch, sqrt_s_gev, rng, PURPOSE)


def _lepton_pair_events(
    n: int, lepton_mass_gev: float, lepton_pdg: int, process: TwoPhotonProcess, rng: np.random.Generator
) -> GeneratedEvents:
    beams = process.sample(n, rng)
    mass = beams.mass_gev
    cosine = _sample_lepton_cosine((2.0 * lepton_mass_gev / mass) ** 2, rng)
    along = np.sqrt(np.maximum(0.25 * mass**2 - lepton_mass_gev**2, 0.0))
    at_rest = along[:, None] * unit_vector(cosine, rng.uniform(-np.pi, np.pi, n))
    lepton, antilepton = from_photon_frame(at_rest, 0.5 * mass, beams)
    momentum = np.stack([beams.electron, beams.positron, lepton, antilepton], axis=1)
    momentum = turned(momentum, rng)
    codes = np.array([ELECTRON, -ELECTRON, lepton_pdg, -lepton_pdg], dtype=np.int32)
    return GeneratedEvents.from_table(np.tile(codes, (n, 1)), momentum)


def _sample_lepton_cosine(mass_ratio: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return cosines between lepton and photon in γγ → ℓ⁺ℓ⁻, for 4m²/W² of each event, shape (n,).

    The density is ∝ [1 + 2β²(1 − β²)(1 − c²) − β⁴c⁴]/(1 − β²c²)² (Budnev et al., eq. E.2).
    """
    velocity = np.sqrt(1.0 - mass_ratio)
    rapidity = np.log((1.0 + velocity) / np.sqrt(mass_ratio))
    cosine = np.empty_like(mass_ratio)
    pending = np.arange(len(mass_ratio))
    while len(pending):
        beta2 = velocity[pending] ** 2
        # βc = tanh η, with 1 − β²c² = 1/cosh²η
        eta = rng.uniform(-1.0, 1.0, len(pending)) * rapidity[pending]
        along2 = np.tanh(eta) ** 2
        numerator = 1.0 + 2.0 * (1.0 - beta2) * (beta2 - along2) - along2**2
        accepted = rng.uniform(0.0, 2.0, len(pending)) < numerator * np.cosh(eta) ** 2
        cosine[pending[accepted]] = np.tanh(eta[accepted]) / velocity[pending[accepted]]
        pending = pending[~accepted]
    return np.clip(cosine, -1.0, 1.0)


def _quark_pairs(beams: ScatteredBeams, config: TwoPhotonConfig, rng: np.random.Generator) -> HardProcesses:
    """Return the scattered beams with a quark pair along the photons' axis, at little transverse momentum."""
    mass = beams.mass_gev
    n = len(mass)
    weights = np.array(config.quark_weights)
    flavour = rng.choice(len(weights), size=n, p=weights / weights.sum())
    quark_mass = np.array(config.quark_masses_gev)[flavour]
    momentum = np.sqrt(0.25 * mass**2 - quark_mass**2)
    transverse = np.minimum(config.quark_transverse_momentum_gev * rng.rayleigh(size=n), momentum)
    cosine = np.sqrt(1.0 - (transverse / momentum) ** 2) * rng.choice([-1.0, 1.0], size=n)
    at_rest = momentum[:, None] * unit_vector(cosine, rng.uniform(-np.pi, np.pi, n))
    quark, antiquark = from_photon_frame(at_rest, 0.5 * mass, beams)
    code = _DOWN_UP_STRANGE[flavour]
    electron_mass = np.full(n, ELECTRON_MASS_GEV)
    electron_code = np.full(n, ELECTRON)
    colour = np.zeros((n, 4, 2), dtype=np.int64)
    colour[:, 2, 0] = colour[:, 3, 1] = _FIRST_COLOUR
    return HardProcesses(
        pdg=np.stack([electron_code, -electron_code, code, -code], axis=1),
        momentum=turned(np.stack([beams.electron, beams.positron, quark, antiquark], axis=1), rng),
        mass_gev=np.stack([electron_mass, electron_mass, quark_mass, quark_mass], axis=1),
        colour=colour,
    )


def from_photon_frame(at_rest: FloatArray, energy: FloatArray, beams: ScatteredBeams) -> tuple[FloatArray, FloatArray]:
    """Return a particle and its partner, of momentum (n, 3) to the electron's photon in the two-photon rest frame."""
    total = beams.electron_photon + beams.positron_photon
    axis = boost_to_rest_frame(beams.electron_photon, total)[:, :3]
    particle = boost_from_rest_frame(np.column_stack([rotate_z_to(at_rest, axis), energy]), total)
    return particle, total - particle


def turned(momentum: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return events, shape (n, k, 4), turned about the beams by a random angle: the electron came at azimuth zero."""
    angle = rng.uniform(-np.pi, np.pi, (len(momentum), 1))
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z, energy = np.moveaxis(momentum, -1, 0)
    return np.stack([x * cosine - y * sine, x * sine + y * cosine, z, energy], axis=-1)
