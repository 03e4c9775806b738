"""Event selection: good tracks, identified leptons, and what the neutrinos leave missing."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV
from models.kinematics import boost_to_rest_frame, dot, length, with_mass
from models.search import Channel
from processors.configuration import IdentificationSettings, MissingMomentumSettings, TrackSettings

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

N_TRACKS: Final = 4
"""Good tracks of a selected event: the topology e⁺e⁻→τ⁺τ⁻φ with one-prong τ decays, not a choice."""


def good_tracks(
    dr_mm: FloatArray, dz_mm: FloatArray, tan_lambda: FloatArray, max_dr_mm: float, settings: TrackSettings
) -> BoolArray:
    """Return which tracks come from near the interaction point and lie in the acceptance.

    Parameters
    ----------
    dr_mm, dz_mm
        Distances to the interaction point, shape (n_tracks,).
    tan_lambda
        p_z / p_t, same shape.
    max_dr_mm
        Largest transverse distance, mm.
    settings
        The other requirements.

    Returns
    -------
    Mask of shape (n_tracks,).

    Examples
    --------
    >>> dr, dz, tan_lambda = np.array([1.0, 20.0, 1.0]), np.array([-5.0, 0.0, 0.0]), np.array([0.0, 0.0, 9.0])
    >>> good_tracks(dr, dz, tan_lambda, 10.0, TrackSettings()).tolist()
    [True, False, False]
    """
    # tan λ = cot θ falls with θ, so the acceptance needs no arctangent per track.
    highest, lowest = 1.0 / np.tan(np.deg2rad([settings.min_theta_deg, settings.max_theta_deg]))
    inside = (tan_lambda < highest) & (tan_lambda > lowest)
    return np.asarray((dr_mm < max_dr_mm) & (np.abs(dz_mm) < settings.max_abs_dz_mm) & inside)


def four_good_tracks(good: BoolArray, event: NDArray[np.int64], n_events: int) -> NDArray[np.intp]:
    """Return the good tracks of the events that have exactly four.

    Parameters
    ----------
    good
        Mask of shape (n_tracks,).
    event
        Event of each track, not decreasing, same shape.
    n_events
        Number of events.

    Returns
    -------
    Indices into `good`, shape (n_selected, 4), in the order of events.

    Examples
    --------
    >>> good = np.array([True, True, False, True, True, True])
    >>> four_good_tracks(good, np.array([0, 0, 0, 0, 0, 1]), 2).tolist()
    [[0, 1, 3, 4]]
    """
    n_good = np.bincount(event[good], minlength=n_events)
    return np.flatnonzero(good & (n_good == N_TRACKS)[event]).reshape(-1, N_TRACKS)


class LeptonFlags(NamedTuple):
    """Which tracks are identified as what; masks of one shape. A track may be both."""

    electron: BoolArray
    muon: BoolArray

    def of(self, channel: Channel) -> BoolArray:
        """Return the flags of a channel's lepton flavour."""
        return self.electron if channel is Channel.EE else self.muon

    @property
    def any(self) -> BoolArray:
        """Tracks identified as either lepton."""
        return self.electron | self.muon

    def mass_gev(self) -> FloatArray:
        """Return the mass that a track is given: that of the lepton it is identified as, else that of a pion.

        Both at once counts as an electron, whose identification is the purer.
        """
        return np.where(self.electron, ELECTRON_MASS_GEV, np.where(self.muon, MUON_MASS_GEV, PION_MASS_GEV))


def identify_leptons(
    electron_likelihood: ArrayLike,
    muon_likelihood: ArrayLike,
    muon_quality: ArrayLike,
    settings: IdentificationSettings,
) -> LeptonFlags:
    """Return the lepton flags of tracks of any shape from their likelihood ratios."""
    return LeptonFlags(
        np.greater_equal(electron_likelihood, settings.min_electron_likelihood),
        np.greater_equal(muon_likelihood, settings.min_muon_likelihood) & np.greater(muon_quality, 0),
    )


def has_lepton_pair(charge: NDArray[np.int8], is_lepton: BoolArray) -> BoolArray:
    """Return which events have an identified lepton of either charge.

    >>> has_lepton_pair(np.array([[1, 1, -1, -1]], dtype=np.int8), np.array([[True, True, False, False]])).tolist()
    [False]
    """
    return np.asarray(np.any(is_lepton & (charge > 0), axis=-1) & np.any(is_lepton & (charge < 0), axis=-1))


class MissingMomentum(NamedTuple):
    """What is missing from the beams' four-momentum, one value per event."""

    mass_gev: FloatArray
    """√|m²| with the sign of m²: negative where more energy is seen than the beams have."""
    cos_theta_cm: FloatArray
    """Cosine of its polar angle in the c.m. frame from the e⁻ beam; 0 if nothing is missing."""

    def mass_passes(self, settings: MissingMomentumSettings) -> BoolArray:
        """Return which events lie in the missing-mass window."""
        return (self.mass_gev > settings.min_mass_gev) & (self.mass_gev < settings.max_mass_gev)

    def angle_passes(self, settings: MissingMomentumSettings) -> BoolArray:
        """Return which events have their missing momentum away from the beams."""
        high, low = np.cos(np.deg2rad([settings.min_theta_cm_deg, settings.max_theta_cm_deg]))
        return np.asarray((self.cos_theta_cm > low) & (self.cos_theta_cm < high))


def missing_momentum(
    beam: FloatArray, tracks: FloatArray, neutrals: FloatArray, positron_direction: tuple[float, float, float]
) -> MissingMomentum:
    """Return the missing momentum: beams minus tracks and neutrals.

    Parameters
    ----------
    beam
        Four-momentum (p_x, p_y, p_z, E) of the colliding beams in the laboratory, shape (n_events, 4), GeV.
    tracks
        Four-momenta of the tracks, shape (n_events, n_tracks, 4), GeV.
    neutrals
        Summed four-momentum of all neutrals, shape (n_events, 4), GeV.
    positron_direction
        Unit vector of the e⁺ beam in the laboratory; the polar angle counts from its opposite in the c.m. frame.

    Returns
    -------
    Mass and direction, shape (n_events,).
    """
    missing = beam - tracks.sum(axis=-2) - neutrals
    energy, momentum_squared = missing[..., 3], dot(missing, missing)
    mass_squared = energy**2 - momentum_squared
    in_cm = boost_to_rest_frame(missing, beam)[..., :3]
    along = dot(in_cm, electron_axis_cm(beam, positron_direction))
    total = length(in_cm)
    cosine = np.divide(along, total, out=np.zeros_like(along), where=total > 0.0)
    return MissingMomentum(np.sign(mass_squared) * np.sqrt(np.abs(mass_squared)), np.clip(cosine, -1.0, 1.0))


def electron_axis_cm(beam: FloatArray, positron_direction: tuple[float, float, float]) -> FloatArray:
    """Return the unit vectors from which polar angles count in the c.m. frame: against the e⁺ beam.

    Parameters
    ----------
    beam
        Four-momentum of the colliding beams in the laboratory, shape (..., 4), GeV.
    positron_direction
        Unit vector of the e⁺ beam in the laboratory.

    Returns
    -------
    Shape (..., 3).
    """
    # A massless positron: its mass changes the direction in the c.m. frame by 10⁻⁸.
    positron = boost_to_rest_frame(np.broadcast_to([*positron_direction, 1.0], beam.shape), beam)[..., :3]
    return np.asarray(-positron / length(positron)[..., np.newaxis])


def track_four_momenta(momentum_gev: FloatArray, leptons: LeptonFlags) -> FloatArray:
    """Return four-momenta, shape (..., 4) in GeV, of tracks of momentum (..., 3) under their identified masses."""
    return with_mass(momentum_gev, leptons.mass_gev())
