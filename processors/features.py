"""The classifier's inputs, one value per event: what tells τ⁺τ⁻φ from the backgrounds, apart from the φ mass."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.kinematics import boost_to_rest_frame, mass_of, with_mass
from models.search import Channel
from processors.combinatorics import opening_angle, smallest_per_event
from processors.configuration import FeatureSettings
from processors.event_shapes import fox_wolfram_ratios, thrust
from processors.four_track_events import FourTrackEvents, NeutralPions, Photons
from processors.phi_candidates import PhiCandidates
from processors.selection import LeptonFlags, MissingMomentum, track_four_momenta

FloatArray = NDArray[np.float64]

_HIGHEST_FOX_WOLFRAM_ORDER: Final = 4

_COMMON_FEATURES: Final = (
    "thrust_cm",
    "opening_angle_rad",
    "missing_mass_gev",
    "vertex_dr_mm",
    "tau_tracks_mass_gev",
    "phi_energy_gev",
    *(f"fox_wolfram_r{order}_cm" for order in range(1, _HIGHEST_FOX_WOLFRAM_ORDER + 1)),
    "visible_energy_cm_gev",
    "missing_cos_theta_cm",
    "leading_pt_gev",
    "subleading_pt_gev",
    "n_leptons",
    "leading_kaon_likelihood",
    "subleading_kaon_likelihood",
    "n_pi0",
    "neutral_energy_gev",
    "phi_photon_mass_gev",
)

FEATURES: Final = dict.fromkeys(Channel, _COMMON_FEATURES)
"""Ordered names of the classifier's inputs; leading and subleading φ daughter by transverse momentum."""


def candidate_features(
    events: FourTrackEvents,
    leptons: LeptonFlags,
    missing: MissingMomentum,
    candidates: PhiCandidates,
    channel: Channel,
    settings: FeatureSettings,
) -> dict[str, NDArray[np.float32]]:
    """Return the classifier's inputs of events with a φ candidate each.

    Parameters
    ----------
    events
        Events, photons below the threshold already removed.
    leptons
        Identified tracks, masks of shape (n_events, 4).
    missing
        Missing momentum of the same events.
    candidates
        One candidate per event, in the order of events.
    channel
        Lepton flavour, which sets the mass of the φ daughters.
    settings
        Choices inside the inputs.

    Returns
    -------
    Name → values of shape (n_events,), in the order of `FEATURES[channel]`.
    """
    tracks = track_four_momenta(events.momentum_gev, leptons)
    momentum_cm, offsets, visible_energy = _visible_in_cm(events, tracks)
    daughters = with_mass(candidates.momentum_gev, channel.lepton_mass_gev)
    phi = daughters.sum(axis=1)
    row = np.arange(events.n_events)[:, np.newaxis]
    pt = np.hypot(candidates.momentum_gev[..., 0], candidates.momentum_gev[..., 1])
    by_pt = np.argsort(-pt, axis=1, kind="stable")
    leading, subleading = np.take_along_axis(pt, by_pt, axis=1).T
    kaon_likelihood = events.kaon_likelihood[row, np.take_along_axis(candidates.daughters, by_pt, axis=1)]
    values = [
        thrust(momentum_cm, offsets),
        candidates.opening_angle_rad,
        missing.mass_gev,
        np.hypot(*(candidates.vertex_mm - events.ip_mm)[:, :2].T),
        mass_of(tracks[row, candidates.tau_tracks].sum(axis=1)),
        phi[:, 3],
        *fox_wolfram_ratios(momentum_cm, offsets, _HIGHEST_FOX_WOLFRAM_ORDER).T,
        visible_energy,
        missing.cos_theta_cm,
        leading,
        subleading,
        leptons.any.sum(axis=1),
        *kaon_likelihood.T,
        _count_neutral_pions(events.neutral_pions, settings),
        events.photons.sum_per_event[:, 3],
        _mass_with_nearest_photon(phi, events.photons, settings.no_photon_mass_gev),
    ]
    return {name: value.astype(np.float32) for name, value in zip(FEATURES[channel], values, strict=True)}


def _visible_in_cm(events: FourTrackEvents, tracks: FloatArray) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Return momenta of tracks and photons in the c.m. frame, flat by event, with offsets and summed energies."""
    photons = events.photons
    n_tracks = tracks.shape[1]
    offsets = np.concatenate([[0], np.cumsum(n_tracks + photons.counts)])
    visible = np.empty((offsets[-1], 4))
    visible[offsets[:-1, np.newaxis] + np.arange(n_tracks)] = tracks
    # The photons of an event follow its tracks: each is pushed back by the tracks up to and including its event.
    visible[np.arange(len(photons.event)) + n_tracks * (photons.event + 1)] = photons.four_momentum
    event = np.repeat(np.arange(events.n_events), np.diff(offsets))
    in_cm = boost_to_rest_frame(visible, events.beam[event])
    energy = np.bincount(event, in_cm[:, 3], minlength=events.n_events).astype(np.float64)
    return in_cm[:, :3], offsets, energy


def _count_neutral_pions(pions: NeutralPions, settings: FeatureSettings) -> NDArray[np.intp]:
    low, high = settings.pi0_mass_window_gev
    counted = (
        (pions.two_photon_mass_gev > low)
        & (pions.two_photon_mass_gev < high)
        & (pions.min_photon_energy_gev > settings.min_pi0_photon_energy_gev)
    )
    return np.bincount(pions.event[counted], minlength=len(pions.counts))


def _mass_with_nearest_photon(phi: FloatArray, photons: Photons, without_photon: float) -> FloatArray:
    """Return the mass of each candidate and the photon at the smallest angle to it in the laboratory."""
    event = photons.event
    angle = opening_angle(phi[event, :3], photons.four_momentum[:, :3])
    nearest = smallest_per_event(angle, event)
    mass = np.full(len(phi), without_photon)
    mass[event[nearest]] = mass_of(phi[event[nearest]] + photons.four_momentum[nearest])
    return mass
