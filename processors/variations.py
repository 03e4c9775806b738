"""Shifted kinematics: the same events with momenta or photon energies moved by their uncertainties."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from processors.correction_sets import CorrectionError, CorrectionName, CorrectionSets, Variation
from processors.corrections import TrackCoordinates
from processors.four_track_events import FourTrackEvents
from processors.ntuple import COVARIANCE_INDICES, HELIX_PARAMETERS

FloatArray = NDArray[np.float64]

_OMEGA: Final = HELIX_PARAMETERS.index("omega")
_OMEGA_VARIANCE: Final = COVARIANCE_INDICES.index((_OMEGA, _OMEGA))
_LARGEST_PULL: Final = 5.0
"""Standard deviations beyond which a momentum is off for another reason than resolution: radiation, a wrong match."""


class Kinematics(StrEnum):
    """Which kinematics candidates were made with; also the name of their folder."""

    NOMINAL = "nominal"
    MOMENTUM_SCALE_UP = "momentum_scale_up"
    MOMENTUM_SCALE_DOWN = "momentum_scale_down"
    MOMENTUM_RESOLUTION_UP = "momentum_resolution_up"
    MOMENTUM_RESOLUTION_DOWN = "momentum_resolution_down"
    PHOTON_ENERGY_UP = "photon_energy_up"
    PHOTON_ENERGY_DOWN = "photon_energy_down"

    def variation_of(self, name: CorrectionName) -> Variation:
        """Return which value of a correction these kinematics take.

        >>> str(Kinematics.MOMENTUM_SCALE_UP.variation_of(CorrectionName.MOMENTUM_SCALE))
        'up'
        """
        direction = self.removeprefix(f"{name}_")
        return Variation(direction) if direction in (Variation.UP, Variation.DOWN) else Variation.NOMINAL

    @property
    def moves_tracks(self) -> bool:
        """Whether tracks are not those of the nominal kinematics; if they are, so are the vertices."""
        return self not in (Kinematics.NOMINAL, Kinematics.PHOTON_ENERGY_UP, Kinematics.PHOTON_ENERGY_DOWN)


def shift_tracks(events: FourTrackEvents, kinematics: Kinematics, corrections: CorrectionSets) -> FourTrackEvents:
    """Return simulated events with corrected and shifted track momenta.

    The momentum of a track is multiplied by s (1 + (r − 1)(1 − p_true/p)) with scale s and resolution r: the
    difference from the true momentum grows by r. A track without a match in truth has no such difference.

    Parameters
    ----------
    events
        Events with the measured momenta, and truth.
    kinematics
        The variation; nominal takes the nominal corrections.
    corrections
        With `momentum_scale` and `momentum_resolution`.

    Returns
    -------
    Events whose helices bend as the momenta say, from the same perigee and with the same covariance.

    Raises
    ------
    CorrectionError
        If a correction does not cover a track, or leaves it without momentum.
    """
    tracks = TrackCoordinates.of(events.momentum_gev, events.charge)

    def value(name: CorrectionName) -> FloatArray:
        return corrections.evaluate(name, kinematics.variation_of(name), **tracks._asdict())

    resolution = value(CorrectionName.MOMENTUM_RESOLUTION) - 1.0
    factor = value(CorrectionName.MOMENTUM_SCALE) * (1.0 + resolution * _relative_residual(events, tracks.p_gev))
    if not np.all(factor > 0.0):
        raise CorrectionError(f"kinematics '{kinematics}' multiply a momentum by {factor.min():g}")
    if np.all(factor == 1.0):
        return events
    helix = events.helix.copy()
    helix[..., _OMEGA] /= factor
    return replace(events, momentum_gev=factor[..., np.newaxis] * events.momentum_gev, helix=helix)


def shift_photons(events: FourTrackEvents, kinematics: Kinematics, corrections: CorrectionSets) -> FourTrackEvents:
    """Return simulated events with corrected and shifted photon energies, and the π⁰ candidates made of them.

    Parameters
    ----------
    events
        Events with the measured energies.
    kinematics
        The variation; nominal takes the nominal corrections.
    corrections
        With `photon_energy`.

    Raises
    ------
    CorrectionError
        If the correction does not cover a photon, or leaves it without energy.
    """
    px, py, pz, energy = events.photons.four_momentum.T
    name = CorrectionName.PHOTON_ENERGY
    theta = np.rad2deg(np.arctan2(np.hypot(px, py), pz))
    factor = corrections.evaluate(name, kinematics.variation_of(name), energy_gev=energy, theta_deg=theta)
    if not np.all(factor > 0.0):
        raise CorrectionError(f"kinematics '{kinematics}' multiply a photon's energy by {factor.min():g}")
    if np.all(factor == 1.0):
        return events
    photons = replace(events.photons, four_momentum=factor[:, np.newaxis] * events.photons.four_momentum)
    return replace(events, photons=photons, neutral_pions=events.neutral_pions.made_of(photons))


def _relative_residual(events: FourTrackEvents, momentum_gev: FloatArray) -> FloatArray:
    """Return 1 − p_true/p of each track, shape (n_events, 4), within `_LARGEST_PULL`; 0 where truth is unknown."""
    assert events.truth is not None
    true = events.truth.momentum_gev
    residual = np.where(true > 0.0, 1.0 - true / momentum_gev, 0.0)
    error = np.sqrt(events.packed_covariance[..., _OMEGA_VARIANCE]) / np.abs(events.helix[..., _OMEGA])
    return np.clip(residual, -_LARGEST_PULL * error, _LARGEST_PULL * error)
