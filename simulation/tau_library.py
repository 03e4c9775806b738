"""A library of polarised τ⁻ decays at rest, made by Pythia once and drawn from in array code ever after.

A τ decay knows nothing of how the τ was made but the spin: with decays of one spin direction, a rotation gives every
other, and the polarimeter vector of each what two τ's of correlated spins need beyond that. Pythia's helicity
formalism: P. Ilten, arXiv:1211.6730.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, NamedTuple

import numpy as np
import pythia8mc
from numpy.typing import NDArray

from models.constants import TAU_MASS_GEV
from models.kinematics import boost_to_rest_frame
from simulation.configuration import TauLibraryConfig
from simulation.decay_library import DecayLibrary
from simulation.generated import DECAYED, FINAL_STATE
from simulation.pythia_events import SEED_RANGE, PythiaError, start_pythia
from simulation.tau_decay_class import TauDecayClass
from simulation.tau_polarimeter import LEPTONIC_MODE, TauPolarimeter, leptonic_polarimeter

PURPOSE: Final = "τ decay library"
TAU: Final = 15
CLASSES: Final = tuple(TauDecayClass)
"""Classes of decay in the order in which a library numbers them."""
_NEUTRAL_PION: Final = 111
_CHARGED_HADRONS: Final = (211, 321)
_SETTINGS: Final = (
    "ProcessLevel:all = off",
    "PartonLevel:all = off",
    "Check:event = off",
    # Neutral pions decay in array code when the library is used: no Dalitz pair is ever used twice.
    "111:mayDecay = off",
)
_OUTGOING_STATUS: Final = 23
"""Pythia's code for a particle that comes out of the hard process."""
_TAUS_PER_EVENT: Final = 100
_MOTION_GEV: Final = 1.0
"""Momentum along +z of the τ as Pythia gets it, because the helicity of a particle at rest has no meaning."""


class DrawnDecays(NamedTuple):
    """Decays drawn from a library, both arrays of shape (n,)."""

    decay: NDArray[np.int64]
    """Numbers of the decays."""
    weight: NDArray[np.float64]
    """Probability of each decay's class in nature over that in the drawing; its expectation is one."""


@dataclass(frozen=True)
class TauDecayLibrary(DecayLibrary):
    """Decays of τ⁻ with spin along +z, in the τ rest frame, the decay at the origin at time zero."""

    PER_DECAY: ClassVar[frozenset[str]] = DecayLibrary.PER_DECAY | {"polarimeter", "decay_class"}

    polarimeter: NDArray[np.float64]
    """Vector h of each decay, shape (n_decays, 3): its density is ∝ 1 + s·h for a spin s (`tau_polarimeter`)."""
    decay_class: NDArray[np.int8]
    """Place of each decay's class in `CLASSES`, shape (n_decays,)."""

    def draw(
        self, n: int, rng: np.random.Generator, enrichment: Mapping[TauDecayClass, float] | None = None
    ) -> DrawnDecays:
        """Draw decays with replacement.

        Parameters
        ----------
        n
            How many.
        rng
            Random stream.
        enrichment
            Relative oversampling of classes of decay, 1 for those not named; all of them by default.
        """
        factor = np.array([(enrichment or {}).get(kind, 1.0) for kind in CLASSES])[self.decay_class]
        cumulative = np.cumsum(self.weight * factor)
        drawn = np.searchsorted(cumulative, rng.uniform(0.0, cumulative[-1], n), side="right")
        decay = np.minimum(drawn, self.n_decays - 1)
        if not enrichment:
            return DrawnDecays(decay, np.ones(n))
        return DrawnDecays(decay, cumulative[-1] / (self.weight.sum() * factor[decay]))


def make_tau_decay_library(n: int, config: TauLibraryConfig, rng: np.random.Generator) -> TauDecayLibrary:
    """Make a library of τ⁻ decays with Pythia.

    Every decay channel gets its share of `n`, at least one, so that the branching fractions are exact whatever the
    size; the weights undo the smaller shares of the slow channels.

    Parameters
    ----------
    n
        Number of decays, up to rounding.
    config
        Share of each kind of channel.
    rng
        Random stream that Pythia's seed is taken from.

    Raises
    ------
    PythiaError
        If Pythia cannot be set up or fails to decay a τ.
    """
    pythia = start_pythia(_SETTINGS, int(rng.integers(1, SEED_RANGE)), PURPOSE)
    entry = pythia.particleData.findParticle(TAU)
    channels = [entry.channel(index) for index in range(entry.sizeChannels())]
    fraction = np.array([channel.bRatio() for channel in channels])
    share = fraction * [config.sampling_share.get(channel.meMode(), 1.0) for channel in channels]
    wanted = np.maximum(np.rint(n * share / share.sum()), fraction > 0.0).astype(np.int64)
    polarimeter = TauPolarimeter(pythia)
    parts: list[TauDecayLibrary] = []
    for open_channel in np.flatnonzero(wanted):
        for index, channel in enumerate(channels):
            channel.onMode(int(index == open_channel))
        mode = channels[open_channel].meMode()
        parts += [_decay_batch(pythia, batch, polarimeter, mode) for batch in _batches(int(wanted[open_channel]))]
    weight = np.repeat(fraction / np.maximum(wanted, 1), wanted)
    return replace(TauDecayLibrary.concatenate(parts), weight=weight)


def _batches(n: int) -> list[int]:
    """Return how many τ's go into each Pythia event: many, because an event costs more to start than to extend."""
    full, rest = divmod(n, _TAUS_PER_EVENT)
    return [_TAUS_PER_EVENT] * full + ([rest] if rest else [])


def _decay_batch(pythia: pythia8mc.Pythia, n: int, polarimeter: TauPolarimeter, mode: int) -> TauDecayLibrary:
    """Decay `n` τ's of spin up in one Pythia event, all with one matrix element; the library's weights are one."""
    mass = TAU_MASS_GEV
    energy = np.hypot(_MOTION_GEV, mass)
    pythia.event.reset()
    for _ in range(n):
        pythia.event.append(TAU, _OUTGOING_STATUS, 0, 0, 0.0, 0.0, _MOTION_GEV, energy, mass, 0.0, 1.0)
    if not pythia.next():
        raise PythiaError(f"{PURPOSE}: Pythia failed to decay a τ")
    has_anti = pythia.particleData.hasAnti
    record = np.array(
        [
            (
                *(particle.id(), particle.status(), particle.mother1(), has_anti(particle.id())),
                *(particle.px(), particle.py(), particle.pz(), particle.e()),
                *(particle.xProd(), particle.yProd(), particle.zProd(), particle.tProd()),
            )
            for particle in pythia.event
        ]
    )
    library = _library_from_record(record, n)
    if mode == LEPTONIC_MODE:
        antineutrino = np.isin(library.pdg, (-12, -14)) & (library.mother < 0)
        return replace(library, polarimeter=leptonic_polarimeter(library.momentum[antineutrino]))
    return replace(library, polarimeter=np.stack([polarimeter(pythia.event, tau, mode) for tau in range(1, n + 1)]))


def _decay_classes(
    counts: NDArray[np.int64], pdg: NDArray[np.int32], status: NDArray[np.int32], mother: NDArray[np.int32]
) -> NDArray[np.int8]:
    """Return the place in `CLASSES` of each decay, from its particles; a K_S → π⁺π⁻ counts by its pions."""
    decay = np.repeat(np.arange(len(counts)), counts)

    def number(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(decay[chosen], minlength=len(counts))

    leptons = number(np.isin(np.abs(pdg), (11, 13)) & (mother < 0))
    prongs = number(np.isin(np.abs(pdg), _CHARGED_HADRONS) & (status == FINAL_STATE))
    neutral_pions = number(pdg == _NEUTRAL_PION)
    return np.select(
        [leptons == 1, (prongs == 1) & (neutral_pions == 0), prongs == 1, prongs == 3],
        [
            CLASSES.index(kind)
            for kind in (
                TauDecayClass.LEPTONIC,
                TauDecayClass.ONE_PRONG,
                TauDecayClass.ONE_PRONG_NEUTRAL_PIONS,
                TauDecayClass.THREE_PRONG,
            )
        ],
        CLASSES.index(TauDecayClass.OTHER),
    ).astype(np.int8)


def _library_from_record(record: NDArray[np.float64], n: int) -> TauDecayLibrary:
    """Sort the lines of an event record, of which 1 to `n` are the τ's, into one decay after another, without h."""
    pdg, status, mother, has_anti = record[:, :4].T.astype(np.int64)
    tau = np.arange(len(record))
    while np.any(tau > n):
        tau = np.where(tau > n, mother[tau], tau)
    products = np.arange(n + 1, len(record))
    order = products[np.argsort(tau[products], kind="stable")]
    counts = np.bincount(tau[order] - 1, minlength=n)
    row = np.full(len(record), -1)
    row[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    moving = np.array([0.0, 0.0, _MOTION_GEV, np.hypot(_MOTION_GEV, TAU_MASS_GEV)])
    particle_pdg = pdg[order].astype(np.int32)
    particle_status = np.where(status > 0, FINAL_STATE, DECAYED)[order].astype(np.int32)
    particle_mother = row[mother[order]].astype(np.int32)
    return TauDecayLibrary(
        counts=counts,
        weight=np.ones(n),
        parent=np.full(n, TAU, dtype=np.int32),
        polarimeter=np.zeros((n, 3)),
        decay_class=_decay_classes(counts, particle_pdg, particle_status, particle_mother),
        pdg=particle_pdg,
        conjugate_pdg=np.where(has_anti, -pdg, pdg)[order].astype(np.int32),
        status=particle_status,
        mother=particle_mother,
        momentum=boost_to_rest_frame(record[order, 4:8], moving),
        vertex=boost_to_rest_frame(record[order, 8:12], moving),
    )
