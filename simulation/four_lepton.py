"""e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻ from its tree-level amplitude, with initial-state radiation, spin correlations and decays.

Trials of `models.theory.four_lepton_cross_section` are accepted in proportion to their weight. The few above the bound
keep the excess as the weight of the event, so that no distribution depends on the bound. The radiated energy
goes into one photon, as in τ pairs; the four leptons are generated in the frame of the reduced collision.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV
from models.kinematics import boost_from_rest_frame, boost_to_rest_frame, rotate_z_to, unit_vector
from models.search import Channel
from models.theory.four_lepton import FourLeptons, four_lepton_amplitudes
from models.theory.four_lepton_cross_section import (
    four_lepton_cross_section,
    polarised_weights_fb,
    radiative_trials,
)
from models.theory.spin_correlation import spin_correlation_from_amplitudes
from simulation.configuration import RadiationSettings
from simulation.detector.species import PHOTON
from simulation.electron_exchange import ElectronExchange
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling
from simulation.radiation import sample_photon_cosine
from simulation.radiative_pairs import annihilation_axis
from simulation.tau_decays import decay_tau_pairs
from simulation.tau_library import TAU, TauDecayLibrary
from simulation.tau_spin import helicity_axes

FloatArray = NDArray[np.float64]

_TRIALS: Final = 10_000
"""Trials made together; part of what a seed reproduces."""


class AcceptedLeptons(NamedTuple):
    """Four leptons and what else there is, events of equal probability but for their weights."""

    fraction: FloatArray
    """Fraction of s that the beams radiated, shape (n,)."""
    leptons: FourLeptons
    """In the frame of the reduced collision, electron along +z."""
    weight: FloatArray
    """One, or the excess over the bound, shape (n,)."""


def four_lepton_cross_section_fb(sqrt_s_gev: float, exchange: ElectronExchange | None = None) -> float:
    """Return the cross-section of e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻, ℓ = e and μ, with radiation and vacuum polarisation.

    Parameters
    ----------
    sqrt_s_gev
        Centre-of-mass energy.
    exchange
        The diagrams with exchanged electrons, if they are added: at tree level.
    """
    return float(_cross_sections_fb(sqrt_s_gev, exchange).sum())


def _cross_sections_fb(sqrt_s_gev: float, exchange: ElectronExchange | None) -> FloatArray:
    annihilation = [four_lepton_cross_section(channel, sqrt_s_gev).sigma_vp_fb for channel in Channel]
    return np.array([*annihilation, 0.0 if exchange is None else exchange.cross_section_fb()])


def four_lepton_events(
    n: int,
    sqrt_s_gev: float,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    radiation: RadiationSettings,
    importance: ImportanceSampling = NATURAL,
    exchange: ElectronExchange | None = None,
) -> GeneratedEvents:
    """Return e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻ events in the centre-of-mass frame, the τ's decayed and neutral pions not.

    Parameters
    ----------
    n
        Number of events; flavours of ℓ come in their proportion.
    sqrt_s_gev
        Centre-of-mass energy.
    library
        τ decays.
    rng
        Random stream.
    radiation
        Softest photon that is followed.
    importance
        Classes of τ decay that are oversampled.
    exchange
        The diagrams with exchanged electrons, if they are added.
    """
    sigma = _cross_sections_fb(sqrt_s_gev, exchange)
    *sizes, n_exchanged = rng.multinomial(n, sigma / sigma.sum()).tolist()
    parts = [
        _events_of(size, channel, sqrt_s_gev, library, rng, radiation, importance)
        for channel, size in zip(Channel, sizes, strict=True)
    ]
    if exchange is not None:
        parts.append(exchange.events(n_exchanged, library, rng, importance))
    return GeneratedEvents.concatenate(parts).take(rng.permutation(n))


def accepted_leptons(
    n: int, sqrt_s_gev: float, channel: Channel, rng: np.random.Generator, radiation: RadiationSettings
) -> AcceptedLeptons:
    """Return `n` events of one flavour.

    Parameters
    ----------
    n
        Number of events.
    sqrt_s_gev
        Centre-of-mass energy before radiation.
    channel
        Flavour of ℓ.
    rng
        Random stream.
    radiation
        Softest photon that is followed.
    """
    bound = four_lepton_cross_section(channel, sqrt_s_gev).bound_fb
    blocks: list[AcceptedLeptons] = []
    missing = n
    while missing > 0 or not blocks:
        trials = radiative_trials(_TRIALS, sqrt_s_gev, channel, rng, fraction_min=radiation.fraction_min)
        ratio = polarised_weights_fb(trials, sqrt_s_gev) / bound
        chosen = np.flatnonzero(rng.random(_TRIALS) < ratio)[: max(missing, 0)]
        leptons = FourLeptons(*(momentum[chosen] for momentum in trials.points.events))
        blocks.append(AcceptedLeptons(trials.fraction[chosen], leptons, np.maximum(ratio[chosen], 1.0)))
        missing -= len(chosen)
    return AcceptedLeptons(
        np.concatenate([block.fraction for block in blocks]),
        FourLeptons(*(np.concatenate(parts) for parts in zip(*(block.leptons for block in blocks), strict=True))),
        np.concatenate([block.weight for block in blocks]),
    )


def four_lepton_spin_correlation(leptons: FourLeptons, channel: Channel) -> FloatArray:
    """Return the τ's spin correlation matrices, shape (n, 4, 4), in the axes of `models.theory.spin_correlation`."""
    amplitudes = four_lepton_amplitudes(leptons, channel.lepton_mass_gev)
    # [event, e⁻, e⁺, τ⁺, τ⁻, ℓ⁺, ℓ⁻] with the τ's last, τ⁻ first
    return spin_correlation_from_amplitudes(
        amplitudes.transpose(1, 2, 5, 6, 4, 3, 0), leptons.tau_minus, leptons.tau_plus
    )


def _events_of(
    n: int,
    channel: Channel,
    sqrt_s_gev: float,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    radiation: RadiationSettings,
    importance: ImportanceSampling,
) -> GeneratedEvents:
    accepted = accepted_leptons(n, sqrt_s_gev, channel, rng, radiation)
    correlation = four_lepton_spin_correlation(accepted.leptons, channel)
    photon_energy = 0.5 * sqrt_s_gev * accepted.fraction
    cosine = sample_photon_cosine(accepted.fraction, sqrt_s_gev**2, ELECTRON_MASS_GEV, rng)
    direction = unit_vector(cosine, rng.uniform(-np.pi, np.pi, n))
    photon = photon_energy[:, None] * np.column_stack([direction, np.ones(n)])
    system = np.array([0.0, 0.0, 0.0, sqrt_s_gev]) - photon
    beam = annihilation_axis(system)
    reduced = [np.roll(momentum, -1, axis=1) for momentum in accepted.leptons]
    momentum = np.stack([*(_to_collision(p, beam, system) for p in reduced), photon], axis=1)
    lepton = channel.lepton_pdg
    codes = np.tile(np.array([TAU, -TAU, lepton, -lepton, PHOTON], dtype=np.int32), (n, 1))
    events = GeneratedEvents.from_table(codes, momentum, momentum[:, :, 3] > 0.0).reweighted(accepted.weight)
    axes = [_spin_axes(p, beam, system, momentum[:, which]) for which, p in enumerate(reduced[:2])]
    return decay_tau_pairs(
        events,
        events.offsets[:-1, None] + np.array([0, 1]),
        correlation,
        library,
        rng,
        axes=np.stack(axes, axis=1),
        enrichment=importance.tau_enrichment,
    )


def _to_collision(four_vector: FloatArray, beam: FloatArray, system: FloatArray) -> FloatArray:
    """Return four-vectors of the reduced collision's frame, electron along +z, in that of the beams."""
    turned = np.concatenate([rotate_z_to(four_vector[..., :3], beam), four_vector[..., 3:]], axis=-1)
    return boost_from_rest_frame(turned, system)


def _spin_axes(reduced: FloatArray, beam: FloatArray, system: FloatArray, seen: FloatArray) -> FloatArray:
    """Return the axes of a τ's spin, shape (n, 3, 3): made in the reduced frame, as found from the beams' frame.

    The boost from one frame to the other turns them (E. Wigner, Ann. Math. 40, 149 (1939)); they are taken along as
    four-vectors orthogonal to the momentum.
    """
    at_rest = np.concatenate([helicity_axes(reduced), np.zeros((len(reduced), 3, 1))], axis=-1)
    moving = boost_from_rest_frame(at_rest, reduced[:, None])
    axes: FloatArray = boost_to_rest_frame(_to_collision(moving, beam[:, None], system[:, None]), seen[:, None])[
        ..., :3
    ]
    return axes
