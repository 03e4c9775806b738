"""The whole detector: from generated events in the laboratory to what the ntuple holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulation.detector.calorimeter import find_photons
from simulation.detector.configuration import DetectorConfig
from simulation.detector.detected import DetectedEvents, Tracks
from simulation.detector.identification import identify
from simulation.detector.material import convert_photons
from simulation.detector.neutral_pions import find_neutral_pions
from simulation.detector.species import PHOTON
from simulation.detector.tracking import FoundTracks, Tracking, find_tracks
from simulation.generated import FINAL_STATE, GeneratedEvents, Particles

FloatArray = NDArray[np.float64]


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
    events: GeneratedEvents, ip_mm: FloatArray, rng: np.random.Generator, config: DetectorConfig
) -> DetectedEvents:
    """Return the detector's response to events whose photons have been converted.

    Conversion is apart because its e⁺e⁻ count as charged particles in a skim that saves reconstructing the rest.

    Parameters
    ----------
    events
        Result of `convert_photons`, or some of its events.
    ip_mm, rng, config
        As in `simulate_detector`.
    """
    tracking = find_tracks(events, rng, tracking=config.tracking, material=config.material)
    tracks = _identified_tracks(events, tracking.tracks, rng, config)
    with_radiation = _with_radiated_photons(events, tracking)
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


def _identified_tracks(
    events: GeneratedEvents, found: FoundTracks, rng: np.random.Generator, config: DetectorConfig
) -> Tracks:
    particle = found.particle
    transverse = np.hypot(events.px[particle], events.py[particle])
    identification = identify(
        events.pdg[particle],
        np.hypot(transverse, events.pz[particle]),
        np.arctan2(transverse, events.pz[particle]),
        rng,
        config.identification,
    )
    event = events.event_index[particle]
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


def _with_radiated_photons(events: GeneratedEvents, tracking: Tracking) -> GeneratedEvents:
    radiated = tracking.radiated
    electron = tracking.electron[radiated.photon_electron]
    # The electron is as fast as light here and its path, a few cm, straight enough for a time.
    flight = np.linalg.norm(radiated.photon_position_mm - events.vertex[electron, :3], axis=1)
    photons = Particles(
        pdg=np.full(len(electron), PHOTON, dtype=np.int32),
        status=np.full(len(electron), FINAL_STATE, dtype=np.int32),
        mother=electron,
        momentum=np.column_stack([radiated.photon_momentum_gev, np.linalg.norm(radiated.photon_momentum_gev, axis=1)]),
        vertex=np.column_stack([radiated.photon_position_mm, events.vt[electron] + flight]),
    )
    return events.append(events.event_index[electron], photons, mothers_decay=False)
