"""A library of B⁺ and B⁰ decays at rest, made by Pythia once and drawn from in array code ever after.

A B meson has no spin: its decay knows nothing of the other one's, and any rotation of it is as likely. Neutral B mesons
do not mix in the library; the pair decides on that when it is put together (`simulation.b_pairs`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pythia8mc
from numpy.typing import NDArray

from models.kinematics import boost_to_rest_frame
from simulation.configuration import UpsilonConfig
from simulation.decay_library import DecayLibrary
from simulation.detector.species import CHARGED_SPECIES, ELECTRON, MUON, is_one_of
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.pythia_processes import HardProcesses, continued_events

PURPOSE: Final = "B decay library"
CHARGED_B: Final = 521
NEUTRAL_B: Final = 511
_SQRT_S_GEV: Final = 10.58
_BATCH: Final = 20_000


def make_b_library_part(n: int, config: UpsilonConfig, rng: np.random.Generator) -> DecayLibrary:
    """Make B decays with Pythia and keep most of those that four tracks and a lepton pair can come from.

    Parameters
    ----------
    n
        Decays to make, half of them of B⁺ and half of B⁰; a fraction by charged particles and leptons is
        kept, with a weight that makes up for it (`config.library`).
    config
        Masses, and what is kept.
    rng
        Random stream.

    Raises
    ------
    PythiaError
        If Pythia cannot be set up or gives up.
    """
    settings = (
        "ParticleDecays:mixB = off",
        f"{CHARGED_B}:m0 = {config.charged_mass_gev}",
        f"{NEUTRAL_B}:m0 = {config.neutral_mass_gev}",
        # The decay is at the origin: a B flies when its pair is put together.
        f"{CHARGED_B}:tau0 = 0.",
        f"{NEUTRAL_B}:tau0 = 0.",
    )
    batches = continued_events(_pairs_along_z(n // 2, config), _BATCH, _SQRT_S_GEV, rng, PURPOSE, settings)
    kept_fraction = np.array(config.library.kept_fraction)
    particle_data = pythia8mc.Pythia("", False).particleData
    parts = []
    for events in batches:
        decays = _decays(events, particle_data)
        fraction = kept_fraction[np.minimum(charged_multiplicity(decays), len(kept_fraction) - 1)]
        leptonic = decays.count(is_one_of(decays.pdg, (ELECTRON, MUON))) > 0
        fraction = np.where(leptonic, 1.0, config.library.kept_without_leptons) * fraction
        kept = np.flatnonzero(rng.random(decays.n_decays) < fraction)
        decays.weight[:] = 1.0 / fraction
        parts.append(decays.take(kept))
    return DecayLibrary.concatenate(parts)


def charged_multiplicity(library: DecayLibrary) -> NDArray[np.int64]:
    """Return the number of charged particles that reach the detector from each decay, shape (n_decays,)."""
    return library.count(is_one_of(library.pdg, CHARGED_SPECIES) & (library.status == FINAL_STATE))


def _pairs_along_z(n: int, config: UpsilonConfig) -> HardProcesses:
    """Return B⁺B⁻ and B⁰B̄⁰ pairs in turn, along the z axis: their directions are undone in `_decays`."""
    charged = np.arange(n) % 2 == 0
    code = np.where(charged, CHARGED_B, NEUTRAL_B)
    mass = np.where(charged, config.charged_mass_gev, config.neutral_mass_gev)
    along = np.sqrt((0.5 * _SQRT_S_GEV) ** 2 - mass**2)
    momentum = np.zeros((n, 2, 4))
    momentum[:, 0, 2], momentum[:, 1, 2] = along, -along
    momentum[:, :, 3] = 0.5 * _SQRT_S_GEV
    return HardProcesses(
        pdg=np.stack([code, -code], axis=1),
        momentum=momentum,
        mass_gev=np.stack([mass, mass], axis=1),
        colour=np.zeros((n, 2, 2), dtype=np.int64),
    )


def _decays(events: GeneratedEvents, particle_data: pythia8mc.ParticleData) -> DecayLibrary:
    """Return both decays of each event, those of B⁻ and B̄⁰ turned into their CP conjugates; weights are one."""
    first = events.offsets[:-1][events.event_index]
    mother_row = events.mother + first
    is_b = np.arange(len(events.pdg)) - first < 2
    b = np.where(is_b, np.arange(len(events.pdg)), mother_row)
    while np.any(~is_b[b]):
        b = np.where(is_b[b], b, mother_row[b])
    products = np.flatnonzero(~is_b)
    # All particles of the first B, then those of the second, of one event after another; mothers stay before daughters.
    order = products[np.argsort(b[products], kind="stable")]
    parents = np.flatnonzero(is_b)
    counts = np.bincount(b[order], minlength=len(is_b))[parents]
    row = np.full(len(is_b), -1, dtype=np.int64)
    row[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)

    parent = b[order]
    momentum, vertex, moving = events.momentum, events.vertex, events.momentum[parent]
    anti = events.pdg[parent] < 0
    parity = np.where(anti[:, None], [-1.0, -1.0, -1.0, 1.0], 1.0)
    codes, index = np.unique(events.pdg[order], return_inverse=True)
    conjugate = np.array([-c if particle_data.hasAnti(int(c)) else c for c in codes], dtype=np.int32)[index]
    pdg = events.pdg[order]
    return DecayLibrary(
        counts=counts,
        weight=np.ones(len(parents)),
        parent=np.abs(events.pdg[parents]),
        pdg=np.where(anti, conjugate, pdg),
        conjugate_pdg=np.where(anti, pdg, conjugate),
        status=events.status[order],
        mother=row[mother_row[order]].astype(np.int32),
        momentum=parity * boost_to_rest_frame(momentum[order], moving),
        vertex=parity * boost_to_rest_frame(vertex[order], moving),
    )
