"""Which charged particles become tracks, and with what helix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix, helix_from_vertex, momentum_at
from simulation.detector.bremsstrahlung import RadiatedElectrons, radiate
from simulation.detector.configuration import MaterialConfig, TrackingConfig
from simulation.detector.species import (
    CHARGED_SPECIES,
    ELECTRON,
    charge,
    is_one_of,
    mass_gev,
)
from simulation.detector.track_covariance import smear, track_covariance
from simulation.generated import FINAL_STATE, GeneratedEvents

FloatArray = NDArray[np.float64]


def in_acceptance(events: GeneratedEvents, tracking: TrackingConfig) -> NDArray[np.bool_]:
    """Return which particles are charged, stable, hard enough and in the polar angles of the tracker.

    Parameters
    ----------
    events
        Events in the laboratory.
    tracking
        Acceptance.

    Returns
    -------
    Shape (n_particles,).
    """
    low, high = np.deg2rad(tracking.polar_range_deg)
    found = is_one_of(events.pdg, CHARGED_SPECIES) & (events.status == FINAL_STATE)
    charged = np.flatnonzero(found)
    pt = np.hypot(events.px[charged], events.py[charged])
    polar_angle = np.arctan2(pt, events.pz[charged])
    found[charged] = (pt > tracking.pt_threshold_gev) & (polar_angle > low) & (polar_angle < high)
    return np.asarray(found)


def track_efficiency(
    pt_gev: FloatArray, production_radius_mm: FloatArray, tracking: TrackingConfig
) -> NDArray[np.float64]:
    """Return the probability to find a particle inside the acceptance.

    It rises exponentially from threshold to the plateau and falls exponentially with the production radius beyond the
    innermost silicon layer.

    Parameters
    ----------
    pt_gev, production_radius_mm
        Transverse momentum and distance of the production vertex to the z axis, shape (n,).
    tracking
        Plateau and scales.
    """
    above = np.maximum(pt_gev - tracking.pt_threshold_gev, 0.0)
    outside = np.maximum(production_radius_mm - tracking.silicon_radii_mm[0], 0.0)
    return np.asarray(
        tracking.plateau_efficiency
        * -np.expm1(-above / tracking.pt_turn_on_gev)
        * np.exp(-outside / tracking.displaced_efficiency_length_mm)
    )


class FoundTracks(NamedTuple):
    """Tracks before identification."""

    particle: NDArray[np.int64]
    """Flat index of the particle of each track, ascending, shape (n,)."""
    true_helix: Helix
    """Perigee parameters without measurement errors, behind the material."""
    helix: Helix
    """Measured perigee parameters."""
    covariance: FloatArray
    """Shape (n, 5, 5)."""
    momentum_gev: FloatArray
    """Measured momentum at the perigee, shape (n, 3)."""

    def select(self, mask: NDArray[np.bool_]) -> FoundTracks:
        """Return the tracks where `mask`, shape (n,), is true."""
        return FoundTracks(
            self.particle[mask],
            Helix(*(column[mask] for column in self.true_helix)),
            Helix(*(column[mask] for column in self.helix)),
            self.covariance[mask],
            self.momentum_gev[mask],
        )


class Tracking(NamedTuple):
    """Result of `find_tracks`."""

    tracks: FoundTracks
    radiated: RadiatedElectrons
    """What electrons in the acceptance radiated, whether found or not."""
    electron: NDArray[np.int64]
    """Flat index of the particle of each electron in `radiated`."""


def find_tracks(
    events: GeneratedEvents, rng: np.random.Generator, *, tracking: TrackingConfig, material: MaterialConfig
) -> Tracking:
    """Reconstruct charged particles.

    Electrons first radiate in the material; their helix is that of the path behind it, followed back to the perigee.
    The others keep the helix of their production. The measured helix is smeared with the covariance that is returned.

    Parameters
    ----------
    events
        Events in the laboratory, photons converted.
    rng
        Source of random numbers.
    tracking, material
        Acceptance, efficiency and resolutions; layers.
    """
    particle = np.flatnonzero(in_acceptance(events, tracking))
    pdg = events.pdg[particle]
    charges = charge(pdg)
    position = events.vertex[particle, :3]
    momentum = events.momentum[particle, :3]
    production_radius = np.hypot(position[:, 0], position[:, 1])

    electron = np.flatnonzero(np.abs(pdg) == ELECTRON)
    radiated = radiate(
        position[electron],
        momentum[electron],
        charges[electron],
        rng,
        material=material,
        field_tesla=tracking.field_tesla,
    )
    position[electron] = radiated.position_mm
    momentum[electron] = radiated.momentum_gev

    efficiency = track_efficiency(np.hypot(momentum[:, 0], momentum[:, 1]), production_radius, tracking)
    found = np.flatnonzero(rng.random(len(particle)) < efficiency)
    true_helix = helix_from_vertex(position[found], momentum[found], charges[found], tracking.field_tesla)
    covariance = track_covariance(true_helix, mass_gev(pdg[found]), production_radius[found], tracking)
    measured = smear(true_helix, covariance, rng)
    tracks = FoundTracks(
        particle[found], true_helix, measured, covariance, momentum_at(measured, 0.0, tracking.field_tesla)
    )
    return Tracking(tracks, radiated, particle[electron])
