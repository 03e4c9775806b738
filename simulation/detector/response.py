"""The whole detector: from generated events in the laboratory to what the ntuple holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulation.detector.calorimeter import find_photons
from simulation.detector.configuration import DetectorConfig
from simulation.detector.detected import DetectedEvents, Tracks
from simulation.detector.four_tracks import FourTracks, neutral_four_tracks
from simulation.detector.identification import NO_FOUR_TRACKS, Identification, WeightedFourTracks, identify
from simulation.detector.material import convert_photons
from simulation.detector.neutral_pions import find_neutral_pions
from simulation.detector.species import PHOTON
from simulation.detector.tracking import FoundTracks, find_tracks
from simulation.generated import FINAL_STATE, GeneratedEvents, Particles
from simulation.importance import NATURAL, ImportanceSampling

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class RadiatedPhotons(NamedTuple):
    """Photons that electrons radiated in the material, shape (n, …)."""

    electron: IntArray
    """Flat index of the particle that radiated."""
    momentum_gev: FloatArray
    position_mm: FloatArray

    def select(self, mask: BoolArray) -> RadiatedPhotons:
        """Return the photons where `mask` is true."""
        return RadiatedPhotons(self.electron[mask], self.momentum_gev[mask], self.position_mm[mask])


def simulate_detector(
    events: GeneratedEvents, ip_mm: FloatArray, rng: np.random.Generator, config: DetectorConfig
) -> DetectedEvents:
    """Return the detector's response to events: `convert_photons`, then `reconstruct`.

    Parameters
    ----------
    events
        Events in the laboratory, with the vertices where they happened.
    ip_mm
        Measured interaction point of each event, shape (n_events, 3).
    rng
        Source of random numbers; the same generator state gives the same response.
    config
        The detector.
    """
    return reconstruct(convert_photons(events, rng, config.material), ip_mm, rng, config)


def reconstruct(
    events: GeneratedEvents,
    ip_mm: FloatArray,
    rng: np.random.Generator,
    config: DetectorConfig,
    importance: ImportanceSampling = NATURAL,
) -> DetectedEvents:
    """Return the detector's response to events whose photons have been converted.

    Conversion is apart because its e⁺e⁻ count as charged particles in a skim that saves reconstructing the rest. The
    three steps of this are public for the same reason: tracking alone tells most events that cannot be selected, and
    identification most of the others.

    Parameters
    ----------
    events
        Result of `convert_photons`, or some of its events.
    ip_mm, rng, config
        As in `simulate_detector`.
    importance
        How much more often than in nature lepton pairs are identified among four tracks.
    """
    tracked = track(events, rng, config)
    return measure_neutrals(identify_tracks(tracked, ip_mm, rng, config, importance), ip_mm, rng, config)


@dataclass(frozen=True)
class TrackedEvents:
    """Events after track finding: what a skim on tracks can be made of."""

    events: GeneratedEvents
    tracks: FoundTracks
    """Tracks of all events, in their order."""
    radiated: RadiatedPhotons

    @property
    def track_event(self) -> IntArray:
        """Event of each track, ascending, shape (n_tracks,)."""
        return self.events.event_index[self.tracks.particle]

    def select(self, event_mask: BoolArray) -> TrackedEvents:
        """Return the events where `event_mask`, shape (n_events,), is true."""
        kept = np.repeat(event_mask, self.events.counts)
        row = np.cumsum(kept) - 1
        tracks = self.tracks.select(kept[self.tracks.particle])
        radiated = self.radiated.select(kept[self.radiated.electron])
        return TrackedEvents(
            self.events.select(event_mask),
            tracks._replace(particle=row[tracks.particle]),
            radiated._replace(electron=row[radiated.electron]),
        )


@dataclass(frozen=True)
class IdentifiedEvents:
    """Events after identification of their tracks, before calorimetry."""

    tracked: TrackedEvents
    """The event weights in it include those of identification."""
    identification: Identification
    """Of every track."""

    def select(self, event_mask: BoolArray) -> IdentifiedEvents:
        """Return the events where `event_mask`, shape (n_events,), is true."""
        kept = event_mask[self.tracked.track_event]
        return IdentifiedEvents(
            self.tracked.select(event_mask), Identification(*(ratio[kept] for ratio in self.identification))
        )


def track(events: GeneratedEvents, rng: np.random.Generator, config: DetectorConfig) -> TrackedEvents:
    """Return events with the tracks found in them; arguments as in `reconstruct`."""
    tracking = find_tracks(events, rng, tracking=config.tracking, material=config.material)
    radiated = tracking.radiated
    photons = RadiatedPhotons(
        tracking.electron[radiated.photon_electron], radiated.photon_momentum_gev, radiated.photon_position_mm
    )
    return TrackedEvents(events, tracking.tracks, photons)


def identify_tracks(
    tracked: TrackedEvents,
    ip_mm: FloatArray,
    rng: np.random.Generator,
    config: DetectorConfig,
    importance: ImportanceSampling = NATURAL,
) -> IdentifiedEvents:
    """Return events with their tracks identified, and weights changed accordingly; arguments as in `reconstruct`."""
    events, particle = tracked.events, tracked.tracks.particle
    transverse = np.hypot(events.px[particle], events.py[particle])
    four = FourTracks(NO_FOUR_TRACKS.track, np.empty(0, dtype=np.int64))
    if importance.identification_boost:
        four = neutral_four_tracks(tracked.tracks.helix, tracked.track_event, ip_mm)
    identified = identify(
        events.pdg[particle],
        np.hypot(transverse, events.pz[particle]),
        np.arctan2(transverse, events.pz[particle]),
        rng,
        config.identification,
        importance,
        WeightedFourTracks(four.track, events.weight[four.event]),
    )
    weight = np.ones(events.n_events)
    weight[four.event] = identified.weight
    return IdentifiedEvents(replace(tracked, events=events.reweighted(weight)), identified.ratios)


def measure_neutrals(
    identified: IdentifiedEvents, ip_mm: FloatArray, rng: np.random.Generator, config: DetectorConfig
) -> DetectedEvents:
    """Return the complete response, with photons and neutral pions; arguments as in `reconstruct`."""
    tracked = identified.tracked
    tracks = _tracks(tracked, identified.identification)
    with_radiation = _with_radiated_photons(tracked)
    photons = find_photons(
        with_radiation,
        np.repeat(with_radiation.offsets[:-1], tracks.counts) + tracks.gen,
        ip_mm,
        rng,
        calorimeter=config.calorimeter,
        field_tesla=config.tracking.field_tesla,
    )
    neutral_pions = find_neutral_pions(photons, neutral_pions=config.neutral_pions, calorimeter=config.calorimeter)
    return DetectedEvents(tracks, photons, neutral_pions, with_radiation)


def _tracks(tracked: TrackedEvents, identification: Identification) -> Tracks:
    events, found = tracked.events, tracked.tracks
    particle, event = found.particle, tracked.track_event
    start = events.offsets[event]
    mother = events.mother[particle]
    return Tracks(
        counts=np.bincount(event, minlength=events.n_events),
        momentum_gev=found.momentum_gev,
        helix=found.helix,
        covariance=found.covariance,
        electron_id=identification.electron_id,
        muon_id=identification.muon_id,
        muon_quality=identification.muon_quality,
        kaon_pion_id=identification.kaon_pion_id,
        pdg=events.pdg[particle].astype(np.int64),
        mother_pdg=np.where(mother < 0, 0, events.pdg[start + np.maximum(mother, 0)]).astype(np.int64),
        gen=particle - start,
    )


def _with_radiated_photons(tracked: TrackedEvents) -> GeneratedEvents:
    events, radiated = tracked.events, tracked.radiated
    electron = radiated.electron
    # The electron is as fast as light here and its path, a few cm, straight enough for a time.
    flight = np.linalg.norm(radiated.position_mm - events.vertex[electron, :3], axis=1)
    photons = Particles(
        pdg=np.full(len(electron), PHOTON, dtype=np.int32),
        status=np.full(len(electron), FINAL_STATE, dtype=np.int32),
        mother=electron,
        momentum=np.column_stack([radiated.momentum_gev, np.linalg.norm(radiated.momentum_gev, axis=1)]),
        vertex=np.column_stack([radiated.position_mm, events.vt[electron] + flight]),
    )
    return events.append(events.event_index[electron], photons, mothers_decay=False)
