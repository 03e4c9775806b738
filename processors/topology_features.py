"""Further inputs of the classifier, beyond the published ones: what the τ pair and the pair of leptons look like.

A φ is radiated by a τ, decays isotropically, and leaves two τ's behind it: the rest recoils against it as a pair of
one-prong decays. In backgrounds the other tracks are kaons, come from elsewhere, or make more than a τ weighs with the
photons beside them; a virtual photon in place of φ is polarised and may come from the beams.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import NEUTRAL_PION_MASS_GEV
from models.kinematics import boost_to_rest_frame, dot, length, mass_of, with_mass
from models.search import Channel
from processors.combinatorics import opening_angle, smallest_per_event
from processors.four_track_events import FourTrackEvents, Photons
from processors.phi_candidates import PhiCandidates
from processors.selection import electron_axis_cm

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TOPOLOGY_FEATURES: Final = (
    "vertex_chi2",
    "phi_cos_theta_cm",
    "phi_helicity_cos",
    "phi_nearest_track_angle_cm_rad",
    "tau_tracks_angle_rad",
    "leading_tau_track_momentum_gev",
    "subleading_tau_track_momentum_gev",
    "leading_tau_kaon_likelihood",
    "subleading_tau_kaon_likelihood",
    "larger_tau_mass_gev",
    "smaller_tau_mass_gev",
    "phi_photon_energy_gev",
    "phi_pion_mass_gev",
    "smaller_cross_pair_mass_gev",
    "larger_cross_pair_mass_gev",
    "missing_pt_cm_gev",
    "missing_nearest_track_angle_rad",
)
"""Ordered names. Leading and subleading τ track by the momentum in the rest frame of what recoils against φ."""


class _Frames(NamedTuple):
    """Four-momenta of one event a row, in GeV: c.m. frame, and the rest frame of what recoils against φ."""

    phi_cm: FloatArray
    tau_cm: FloatArray
    """Shape (n_events, 2, 4)."""
    tau_recoil: FloatArray
    """The same in the recoil's frame."""


def topology_features(
    events: FourTrackEvents,
    candidates: PhiCandidates,
    tracks: FloatArray,
    channel: Channel,
    positron_direction: tuple[float, float, float],
    without_photon: float,
) -> dict[str, NDArray[np.float32]]:
    """Return the further inputs of events with a φ candidate each.

    Parameters
    ----------
    events
        Events, photons below the threshold already removed.
    candidates
        One candidate per event, in the order of events.
    tracks
        Four-momenta of the tracks under their identified masses, shape (n_events, 4, 4), GeV.
    channel
        Lepton flavour, which sets the mass of the φ daughters.
    positron_direction
        Flight direction of the e⁺ beam in the laboratory; polar angles count from its opposite.
    without_photon
        Value of a mass with a photon in events that have none.

    Returns
    -------
    Name → values of shape (n_events,), in the order of `TOPOLOGY_FEATURES`.
    """
    row = np.arange(events.n_events)[:, np.newaxis]
    daughters = with_mass(candidates.momentum_gev, channel.lepton_mass_gev)
    phi = daughters.sum(axis=1)
    frames = _frames(events.beam, phi, tracks[row, candidates.tau_tracks])
    momentum = length(frames.tau_recoil)
    by_momentum = np.argsort(-momentum, axis=1, kind="stable")
    ordered = np.take_along_axis(candidates.tau_tracks, by_momentum, axis=1)
    leading, subleading = np.take_along_axis(momentum, by_momentum, axis=1).T
    photons_cm = boost_to_rest_frame(events.photons.four_momentum, events.beam[events.photons.event])
    owner = _nearest(photons_cm, frames, events.photons.event)
    tau_masses = np.sort([_mass_with(frames.tau_cm[:, side], photons_cm, owner == side, events) for side in (0, 1)], 0)
    cross = np.sort(_cross_pair_masses(events, candidates, daughters, tracks), axis=1)
    missing = events.beam - tracks.sum(axis=1) - events.photons.sum_per_event
    missing_cm = boost_to_rest_frame(missing, events.beam)
    axis = electron_axis_cm(events.beam, positron_direction)
    values = [
        candidates.chi2,
        _cosine(frames.phi_cm[:, :3], axis),
        _helicity_cosine(daughters[:, 0], phi, events.beam),
        opening_angle(frames.phi_cm[:, np.newaxis, :3], frames.tau_cm[..., :3]).min(axis=1),
        opening_angle(frames.tau_recoil[:, 0, :3], frames.tau_recoil[:, 1, :3]),
        leading,
        subleading,
        *events.kaon_likelihood[row, ordered].T,
        tau_masses[1],
        tau_masses[0],
        np.bincount(events.photons.event, photons_cm[:, 3] * (owner == _OF_PHI), minlength=events.n_events),
        _mass_nearest_to_pion(phi, events.photons, without_photon),
        *cross.T,
        length(np.cross(missing_cm[:, :3], axis)),
        opening_angle(missing_cm[:, np.newaxis, :3], frames.tau_cm[..., :3]).min(axis=1),
    ]
    return {name: value.astype(np.float32) for name, value in zip(TOPOLOGY_FEATURES, values, strict=True)}


_OF_PHI: Final = 2
"""Owner of the photons that are nearer to φ than to either τ track."""


def _frames(beam: FloatArray, phi: FloatArray, tau_tracks: FloatArray) -> _Frames:
    recoil = beam - phi
    # A candidate with more energy than the beams leaves no frame; the c.m. frame then stands in for it.
    exists = (mass_of(recoil) > 0.0) & (recoil[:, 3] > 0.0)
    recoil = np.where(exists[:, np.newaxis], recoil, beam)
    return _Frames(
        boost_to_rest_frame(phi, beam),
        boost_to_rest_frame(tau_tracks, beam[:, np.newaxis]),
        boost_to_rest_frame(tau_tracks, recoil[:, np.newaxis]),
    )


def _cosine(a: FloatArray, b: FloatArray) -> FloatArray:
    lengths = length(a) * length(b)
    return np.asarray(np.divide(dot(a, b), lengths, out=np.zeros_like(lengths), where=lengths > 0.0))


def _helicity_cosine(positive: FloatArray, phi: FloatArray, beam: FloatArray) -> FloatArray:
    """Return |cos| of the angle between the positive daughter and the flight of φ in the c.m. frame, at rest of φ."""
    phi_cm = boost_to_rest_frame(phi, beam)
    at_rest = boost_to_rest_frame(boost_to_rest_frame(positive, beam), phi_cm)
    return np.abs(_cosine(at_rest[:, :3], phi_cm[:, :3]))


def _nearest(photons_cm: FloatArray, frames: _Frames, event: IntArray) -> NDArray[np.intp]:
    """Return which is nearest to each photon in angle: the first or the second τ track, or φ; shape (n_photons,)."""
    directions = np.concatenate([frames.tau_cm[..., :3], frames.phi_cm[:, np.newaxis, :3]], axis=1)
    return np.asarray(np.argmin(opening_angle(photons_cm[:, np.newaxis, :3], directions[event]), axis=1))


def _mass_with(
    track: FloatArray, photons: FloatArray, belongs: NDArray[np.bool_], events: FourTrackEvents
) -> FloatArray:
    """Return the mass of a track of each event and the photons that belong to it, shape (n_events,)."""
    event = events.photons.event[belongs]
    total = [np.bincount(event, component, minlength=events.n_events) for component in photons[belongs].T]
    return mass_of(track + np.stack(total, axis=-1))


def _mass_nearest_to_pion(phi: FloatArray, photons: Photons, without_photon: float) -> FloatArray:
    """Return the mass of each candidate with that photon which makes it closest to a neutral pion."""
    event = photons.event
    mass = mass_of(phi[event] + photons.four_momentum)
    nearest = smallest_per_event(np.abs(mass - NEUTRAL_PION_MASS_GEV), event)
    result = np.full(len(phi), without_photon)
    result[event[nearest]] = mass[nearest]
    return result


def _cross_pair_masses(
    events: FourTrackEvents, candidates: PhiCandidates, daughters: FloatArray, tracks: FloatArray
) -> FloatArray:
    """Return the masses of the two neutral pairs of one φ daughter and one τ track, shape (n_events, 2)."""
    row = np.arange(events.n_events)[:, np.newaxis]
    # The daughters are positive and negative, and so are the other two tracks of a neutral event.
    charge = events.charge[row, candidates.tau_tracks]
    by_charge = np.take_along_axis(candidates.tau_tracks, np.argsort(charge, axis=1, kind="stable"), axis=1)
    return mass_of(daughters + tracks[row, by_charge])
