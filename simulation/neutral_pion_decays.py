"""Decays of neutral pions, π⁰ → γγ and π⁰ → γe⁺e⁻, in array code.

The Dalitz decay follows N. M. Kroll and W. Wada, Phys. Rev. 98, 1355 (1955), with a linear form factor:

    dΓ/dq² ∝ (1/q²) (1 + 2m²/q²) √(1 − 4m²/q²) (1 − q²/M²)³ (1 + a q²/M²)²,   q = m_ee.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV, NEUTRAL_PION_MASS_GEV
from models.kinematics import boost_from_rest_frame, boost_to_rest_frame, mass_of, unit_vector
from simulation.configuration import NeutralPionDecayConfig
from simulation.detector.species import CHARGED_SPECIES, ELECTRON, PHOTON, is_one_of
from simulation.generated import FINAL_STATE, GeneratedEvents, Particles
from simulation.importance import (
    NATURAL,
    Forced,
    ImportanceSampling,
    PairSource,
    at_least_one_probability,
    boosted_probability,
    force_at_least_one,
)
from simulation.virtual_photon import pair_lepton

FloatArray = NDArray[np.float64]
NEUTRAL_PION: Final = 111
_TRACKS_NEEDED: Final = 4


def decay_neutral_pions(
    events: GeneratedEvents,
    config: NeutralPionDecayConfig,
    rng: np.random.Generator,
    importance: ImportanceSampling = NATURAL,
    source: NDArray[np.int8] | None = None,
) -> GeneratedEvents:
    """Decay every neutral pion that has not decayed, where it was made.

    In events with fewer than four stable charged particles, at least one Dalitz decay is made more often than in nature
    and the event carries the weight for it.

    Parameters
    ----------
    events
        Events with final-state neutral pions.
    config
        Dalitz fraction and form factor.
    rng
        Random stream.
    importance
        How much more often.
    source
        `PairSource` of each event that has been split, shape (n_events,): whether it has a Dalitz decay is decided.

    Returns
    -------
    The events with the decay products appended.
    """
    rows = np.flatnonzero((events.pdg == NEUTRAL_PION) & (events.status == FINAL_STATE))
    pion = events.momentum[rows]
    dalitz, weight = _choose_dalitz(events, rows, config, rng, importance, source)
    pair_mass = np.zeros(len(rows))
    pair_mass[dalitz] = sample_dalitz_pair_mass(int(np.count_nonzero(dalitz)), config, rng)

    # Pions out of Pythia are on their mass shell to rounding: the measured mass of each keeps four-momentum exact.
    mass = mass_of(pion)
    direction = unit_vector(rng.uniform(-1.0, 1.0, len(rows)), rng.uniform(-np.pi, np.pi, len(rows)))
    photon_energy = 0.5 * (mass**2 - pair_mass**2) / mass
    photon = boost_from_rest_frame(np.column_stack([photon_energy[:, None] * direction, photon_energy]), pion)
    partner = pion - photon
    # The virtual photon is polarised along its flight in the pion's rest frame: against the pion in its own.
    axis = -boost_to_rest_frame(pion[dalitz], partner[dalitz])[:, :3]
    electron = pair_lepton(partner[dalitz], axis, ELECTRON_MASS_GEV, rng)

    vertex = events.vertex[rows]
    pairs, n_pairs = rows[dalitz], int(np.count_nonzero(dalitz))
    mother = np.concatenate([rows, rows[~dalitz], pairs, pairs])
    codes = np.repeat([PHOTON, PHOTON, ELECTRON, -ELECTRON], [len(rows), len(rows) - n_pairs, n_pairs, n_pairs])
    return events.reweighted(weight).append(
        events.event_index[mother],
        Particles(
            pdg=codes.astype(np.int32),
            status=np.full(len(mother), FINAL_STATE, dtype=np.int32),
            mother=mother,
            momentum=np.concatenate([photon, partner[~dalitz], electron, partner[dalitz] - electron]),
            vertex=np.concatenate([vertex, vertex[~dalitz], vertex[dalitz], vertex[dalitz]]),
        ),
    )


def _choose_dalitz(
    events: GeneratedEvents,
    rows: NDArray[np.int64],
    config: NeutralPionDecayConfig,
    rng: np.random.Generator,
    importance: ImportanceSampling,
    source: NDArray[np.int8] | None,
) -> Forced:
    """Return which of the pions in `rows` have a Dalitz decay, and the weights of the events."""
    probability, event = np.full(len(rows), config.dalitz_fraction), events.event_index[rows]
    if source is not None:
        decided = (source == PairSource.DALITZ).astype(np.float64)
        return force_at_least_one(probability, event, events.n_events, decided, rng)
    natural = at_least_one_probability(probability, event, events.n_events)
    charged = is_one_of(events.pdg, CHARGED_SPECIES) & (events.status == FINAL_STATE)
    too_few = np.bincount(events.event_index[charged], minlength=events.n_events) < _TRACKS_NEEDED
    forced = boosted_probability(natural, events.weight, importance.pair_boost, importance.forced_probability_max)
    return force_at_least_one(probability, event, events.n_events, np.where(too_few, forced, natural), rng)


def sample_dalitz_pair_mass(n: int, config: NeutralPionDecayConfig, rng: np.random.Generator) -> FloatArray:
    """Return `n` masses in GeV of the e⁺e⁻ pair in π⁰ → γe⁺e⁻."""
    threshold, limit = (2.0 * ELECTRON_MASS_GEV) ** 2, NEUTRAL_PION_MASS_GEV**2
    nodes = np.linspace(np.log(threshold), np.log(limit), config.table_points)
    q2 = np.exp(0.5 * (nodes[1:] + nodes[:-1]))
    form_factor = 1.0 + config.form_factor_slope * q2 / limit
    per_log = (1.0 + 0.5 * threshold / q2) * np.sqrt(1.0 - threshold / q2) * (1.0 - q2 / limit) ** 3 * form_factor**2
    cumulative = np.concatenate([[0.0], np.cumsum(per_log)])
    return np.exp(0.5 * np.interp(rng.uniform(0.0, cumulative[-1], n), cumulative, nodes))
