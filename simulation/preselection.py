"""Leaving out reconstructed events that no search can select: what makes samples of full luminosity fit on a disk.

An event is kept if it has exactly four good tracks of charge zero by any search's definition, an identified lepton pair
of any channel, and a missing mass in a window that is wider than the selection's, whatever the momentum scale. The
definitions are those of the selection, applied to the numbers as they are stored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix
from models.search import Channel
from processors import selection
from processors.configuration import MissingMomentumSettings
from simulation.beams import beam_four_momentum
from simulation.configuration import BeamConfig, PreselectionConfig
from simulation.detector.detected import DetectedEvents
from simulation.detector.four_tracks import FourTracks, neutral_four_tracks
from simulation.detector.identification import Identification
from simulation.detector.response import IdentifiedEvents

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
_TO_POSITRON = (0.0, 0.0, -1.0)
"""Any direction: the missing mass does not depend on it."""


def has_four_tracks(
    helix: Helix, track_event: NDArray[np.int64], ip_mm: FloatArray, config: PreselectionConfig
) -> BoolArray:
    """Return which events have exactly four good tracks, two of each charge, shape (n_events,).

    Parameters
    ----------
    helix
        Measured tracks.
    track_event
        Event of each, ascending.
    ip_mm
        Measured interaction point, shape (n_events, 3).
    config
        What makes a track good.
    """
    return _mask(neutral_four_tracks(helix, track_event, ip_mm, config.tracks).event, len(ip_mm))


def has_lepton_pairs(identified: IdentifiedEvents, ip_mm: FloatArray, config: PreselectionConfig) -> BoolArray:
    """Return which events have an identified lepton pair among their four tracks, shape (n_events,)."""
    tracked = identified.tracked
    four = neutral_four_tracks(tracked.tracks.helix, tracked.track_event, ip_mm, config.tracks)
    leptons = _leptons(identified.identification, four, config)
    # Two negative tracks, then two positive ones.
    charge = np.broadcast_to(np.array([-1, -1, 1, 1], dtype=np.int8), (len(four.event), selection.N_TRACKS))
    paired = np.logical_or.reduce([selection.has_lepton_pair(charge, leptons.of(channel)) for channel in Channel])
    return _mask(four.event[paired], len(ip_mm))


def has_missing_mass(
    detected: DetectedEvents, ip_mm: FloatArray, beams: BeamConfig, config: PreselectionConfig
) -> BoolArray:
    """Return which events have a missing mass in the window for some momentum scale, shape (n_events,)."""
    assert config.missing_mass_gev is not None
    tracks, photons = detected.tracks, detected.photons
    event = np.repeat(np.arange(len(ip_mm)), tracks.counts)
    four = neutral_four_tracks(tracks.helix, event, ip_mm, config.tracks)
    rows = four.track.reshape(-1, selection.N_TRACKS)
    ratios = Identification(tracks.electron_id, tracks.muon_id, tracks.muon_quality, tracks.kaon_pion_id)
    leptons = _leptons(ratios, four, config)
    momentum = tracks.momentum_gev.astype(np.float32).astype(np.float64)[rows]
    counted = photons.energy_gev.astype(np.float32) >= np.float32(config.min_photon_energy_gev)
    photon_event = np.repeat(np.arange(len(ip_mm)), photons.counts)[counted]
    energy_last = np.column_stack([photons.momentum_gev, photons.energy_gev])[counted]
    sums = [np.bincount(photon_event, p, len(ip_mm)).astype(np.float64) for p in energy_last.T]
    neutrals = np.stack(sums, axis=-1)[four.event]
    beam = np.broadcast_to(beam_four_momentum(beams), (len(four.event), 4))
    low, high = config.missing_mass_gev
    window = MissingMomentumSettings(min_mass_gev=low, max_mass_gev=high)
    inside = np.zeros(len(four.event), dtype=np.bool_)
    for scale in (1.0, 1.0 + config.momentum_scale_uncertainty, 1.0 - config.momentum_scale_uncertainty):
        four_momenta = selection.track_four_momenta(scale * momentum, leptons)
        inside |= selection.missing_momentum(beam, four_momenta, neutrals, _TO_POSITRON).mass_passes(window)
    return _mask(four.event[inside], len(ip_mm))


def _leptons(ratios: Identification, four: FourTracks, config: PreselectionConfig) -> selection.LeptonFlags:
    """Return the lepton flags of the four tracks, shape (n_selected, 4), from the numbers as they will be stored."""
    rows = four.track.reshape(-1, selection.N_TRACKS)
    electron, muon, quality = (
        ratio[rows].astype(np.float32) for ratio in (ratios.electron_id, ratios.muon_id, ratios.muon_quality)
    )
    return selection.identify_leptons(electron, muon, quality, config.identification)


def _mask(events: NDArray[np.int64], n_events: int) -> BoolArray:
    kept = np.zeros(n_events, dtype=np.bool_)
    kept[events] = True
    return kept
