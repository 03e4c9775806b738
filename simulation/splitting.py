"""Splitting: promising events are followed several times, hopeless ones seldom, whatever makes their lepton pair apart.

Making an event costs more than following it through the detector, and few events can have four good tracks and a
lepton pair. Each event is therefore split into exclusive cases, by where a pair of electrons that nature adds to it
comes from: a Dalitz decay, a conversion, or nowhere. A case of probability P is followed m times, at random with that
expectation, each time with the weight P/m. If it is then selected with the probability s, it adds P²s/m to Σw²: the
best m goes with w P √s. Chances are estimated here, and may be wrong without biasing anything: only what is estimated
to be impossible has to be impossible.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.search import Channel
from simulation.configuration import NeutralPionDecayConfig, SkimConfig
from simulation.detector.configuration import DetectorConfig
from simulation.detector.identification import lepton_pass_probabilities
from simulation.detector.species import PHOTON, charge
from simulation.detector.tracking import in_acceptance, track_efficiency
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.importance import ImportanceSampling, PairSource
from simulation.skim import charged_in_acceptance

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
NEUTRAL_PION: Final = 111
_MOST: Final = 2
"""Tracks of one charge that are counted apart."""


class Copies(NamedTuple):
    """What becomes of some events by splitting."""

    event: IntArray
    """Event that each copy is of, ascending, shape (n_copies,)."""
    copy: IntArray
    """Number of the copy among those of its event, same shape."""
    source: NDArray[np.int8]
    """`PairSource` of each copy, same shape."""
    weight: FloatArray
    """Factor on the weight of the event, without the probability of the case; same shape."""


class TrackChances(NamedTuple):
    """What the charged particles of each event are good for."""

    found: FloatArray
    """Probability of exactly 0, 1 and 2 tracks of negative and of positive charge, shape (n_events, 2, 3)."""
    lepton: FloatArray
    """Probability of at least one lepton of either charge, electrons and muons, shape (n_events, 2, 2)."""


def split(
    events: GeneratedEvents,
    importance: ImportanceSampling,
    neutral_pions: NeutralPionDecayConfig,
    detector: DetectorConfig,
    skim: SkimConfig,
    rng: np.random.Generator,
) -> Copies:
    """Return how often each case of each event is followed.

    Parameters
    ----------
    events
        Events in the laboratory, neutral pions undecayed and photons unconverted.
    importance
        Copies per unit of chance, in each channel, and the most copies of one event.
    neutral_pions, detector
        What the chances depend on.
    skim
        What is dropped in any case.
    rng
        Random stream of the numbers of copies.
    """
    expected = _expected_copies(events, importance, neutral_pions, detector, skim)
    # Each number may be one above its expectation.
    most = importance.splitting.copies_max - len(PairSource)
    total = expected.sum(axis=1, keepdims=True)
    expected *= np.minimum(1.0, np.divide(most, total, out=np.ones_like(total), where=total > 0.0))
    number = np.floor(expected + rng.random(expected.shape)).astype(np.int64)
    event, source = (np.repeat(index.ravel(), number.ravel()) for index in np.indices(number.shape))
    per_event = number.sum(axis=1)
    copy = np.arange(len(event)) - np.repeat(np.cumsum(per_event) - per_event, per_event)
    return Copies(event, copy, source.astype(np.int8), 1.0 / expected[event, source])


def _expected_copies(
    events: GeneratedEvents,
    importance: ImportanceSampling,
    neutral_pions: NeutralPionDecayConfig,
    detector: DetectorConfig,
    skim: SkimConfig,
) -> FloatArray:
    """Return the expected number of copies of each case, shape (n_events, 3); zero only for what cannot be selected."""
    chances, settings = track_chances(events, detector), importance.splitting
    final = events.status == FINAL_STATE
    n_pions, n_photons = (
        np.bincount(events.event_index[final & (events.pdg == code)], minlength=events.n_events)
        for code in (NEUTRAL_PION, PHOTON)
    )
    dalitz = -np.expm1(n_pions * np.log1p(-neutral_pions.dalitz_fraction))
    convertible = n_photons + 2 * n_pions
    conversion = (1.0 - dalitz) * -np.expm1(-settings.conversions_per_photon * convertible)

    negative, positive = chances.found[:, 0], chances.found[:, 1]
    four = np.sqrt(negative[:, 2] * positive[:, 2])
    both_added = np.sqrt(settings.pair_selected * negative[:, 1] * positive[:, 1])
    positron_added = np.sqrt(settings.lepton_selected * negative[:, 2] * positive[:, 1])
    electron_added = np.sqrt(settings.lepton_selected * negative[:, 1] * positive[:, 2])
    copies = np.zeros((events.n_events, len(PairSource)))
    for column, channel in enumerate(Channel):
        leptons = chances.lepton[:, :, column]
        pair = leptons.prod(axis=1)
        itself = four * pair
        if channel is Channel.EE:
            with_pair = itself + both_added + positron_added * leptons[:, 0] + electron_added * leptons[:, 1]
        else:
            with_pair = itself + (both_added + positron_added + electron_added) * pair
        per_chance = settings.copies[channel]
        copies[:, PairSource.DALITZ] += per_chance * dalitz * with_pair
        copies[:, PairSource.CONVERSION] += per_chance * conversion * with_pair
        copies[:, PairSource.NONE] += per_chance * (1.0 - dalitz - conversion) * itself
    copies *= events.weight[:, None]
    # The skim drops events with more charged particles, and pairs only add some.
    copies[charged_in_acceptance(events, skim) > skim.n_charged_max] = 0.0
    return copies


def track_chances(events: GeneratedEvents, detector: DetectorConfig) -> TrackChances:
    """Return what tracks and leptons the charged particles of each event can give.

    Particles are found and identified independently of each other. Whether a track is good is not considered.

    Parameters
    ----------
    events
        Events in the laboratory.
    detector
        Efficiencies.
    """
    particle = np.flatnonzero(in_acceptance(events, detector.tracking))
    transverse = np.hypot(events.px[particle], events.py[particle])
    radius = np.hypot(events.vx[particle], events.vy[particle])
    efficiency = track_efficiency(transverse, radius, detector.tracking)
    lepton = lepton_pass_probabilities(
        events.pdg[particle],
        np.hypot(transverse, events.pz[particle]),
        np.arctan2(transverse, events.pz[particle]),
        detector.identification,
    )
    found = np.zeros((events.n_events, 2, _MOST + 1))
    found[:, :, 0] = 1.0
    none = np.ones((events.n_events, 2, 2))
    side = (charge(events.pdg[particle]) > 0).astype(np.int64)
    _accumulate(
        events.event_index[particle],
        side,
        efficiency,
        np.stack([lepton[channel] for channel in Channel], axis=1),
        found,
        none,
    )
    return TrackChances(found, 1.0 - none)


@compiled
def _accumulate(
    event: IntArray, side: IntArray, efficiency: FloatArray, lepton: FloatArray, found: FloatArray, none: FloatArray
) -> None:
    """Add one particle after another to the distribution of the number found and the probability of no lepton."""
    for i in range(len(event)):
        of_side = found[event[i], side[i]]
        for k in range(len(of_side) - 1, 0, -1):
            of_side[k] = of_side[k] * (1.0 - efficiency[i]) + of_side[k - 1] * efficiency[i]
        of_side[0] *= 1.0 - efficiency[i]
        for flavour in range(lepton.shape[1]):
            none[event[i], side[i], flavour] *= 1.0 - lepton[i, flavour]
