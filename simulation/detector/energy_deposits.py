"""What reaches the calorimeter: photons, what electrons and hadrons leave besides their track, and beam background."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.helix import helix_from_vertex, position_at
from simulation.detector.configuration import CalorimeterConfig
from simulation.detector.propagation import arc_to_cylinder, flight_to_cylinder
from simulation.detector.species import (
    CHARGED_SPECIES,
    ELECTRON,
    LONG_LIVED_NEUTRAL_HADRONS,
    MUON,
    PHOTON,
    charge,
    is_one_of,
    mass_gev,
)
from simulation.generated import FINAL_STATE, GeneratedEvents

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Clusters(NamedTuple):
    """Energy deposits before measurement, arrays over clusters."""

    event: IntArray
    position_mm: FloatArray
    """Impact on the front face, shape (n, 3)."""
    energy_gev: FloatArray
    electromagnetic: NDArray[np.bool_]

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Clusters:
        """Return the clusters that a mask or an array of indices chooses."""
        return Clusters(
            self.event[chosen], self.position_mm[chosen], self.energy_gev[chosen], self.electromagnetic[chosen]
        )


class ChargedImpacts(NamedTuple):
    """Charged particles on the front face, ordered by particle and so by event; arrays of shape (n,)."""

    particle: IntArray
    """Flat index of the particle."""
    event: IntArray
    position_mm: FloatArray
    """Shape (n, 3)."""
    tracked: NDArray[np.bool_]
    """Whether it has a reconstructed track."""


def deposit_energy(
    events: GeneratedEvents, impacts: ChargedImpacts, rng: np.random.Generator, calorimeter: CalorimeterConfig
) -> Clusters:
    """Return every cluster in the instrumented angles that is not a tracked particle's own, ordered by event.

    Parameters
    ----------
    events
        Events in the laboratory with conversions and bremsstrahlung.
    impacts
        Where charged particles meet the front face.
    rng
        Source of random numbers.
    calorimeter
        Geometry and response.
    """
    parts = (
        _photon_clusters(events, rng, calorimeter),
        _neutral_hadron_clusters(events, rng, calorimeter),
        _untracked_clusters(events, impacts, calorimeter),
        _split_off_clusters(events, impacts, rng, calorimeter),
        _background_clusters(events.n_events, rng, calorimeter),
    )
    clusters = Clusters(
        np.concatenate([part.event for part in parts]),
        np.concatenate([part.position_mm for part in parts]),
        np.concatenate([part.energy_gev for part in parts]),
        np.concatenate([part.electromagnetic for part in parts]),
    )
    seen = clusters.select(_is_instrumented(clusters.position_mm, calorimeter) & (clusters.energy_gev > 0.0))
    return seen.select(np.argsort(seen.event, kind="stable"))


def charged_impacts(
    events: GeneratedEvents, track_particle: IntArray, calorimeter: CalorimeterConfig, field_tesla: float
) -> ChargedImpacts:
    """Return where stable charged particles meet the instrumented front face on their helix.

    Parameters
    ----------
    events
        Events in the laboratory.
    track_particle
        Flat index of the particle of each reconstructed track, shape (n_tracks,).
    calorimeter, field_tesla
        Geometry; field along +z.
    """
    transverse = np.hypot(events.px, events.py)
    charged = np.flatnonzero(
        (events.status == FINAL_STATE) & (transverse > 0.0) & is_one_of(events.pdg, CHARGED_SPECIES)
    )
    helix = helix_from_vertex(
        events.vertex[charged, :3],
        events.momentum[charged, :3],
        charge(events.pdg[charged]),
        field_tesla,
    )
    arc = np.minimum(
        arc_to_cylinder(helix, calorimeter.radius_mm), _distance_to_end_cap(helix.z0, helix.tan_lambda, calorimeter)
    )
    tracked = np.zeros(len(events.pdg), dtype=bool)
    tracked[track_particle] = True
    reaches = np.isfinite(arc) & (arc > 0.0)
    position = position_at(helix, np.where(reaches, arc, 0.0))
    reaches &= _is_instrumented(position, calorimeter)
    hit = charged[reaches]
    return ChargedImpacts(hit, events.event_index[hit], position[reaches], tracked[hit])


def _is_instrumented(position_mm: FloatArray, calorimeter: CalorimeterConfig) -> NDArray[np.bool_]:
    """Return whether impacts lie in the acceptance and outside the gaps, as seen from the origin."""
    angle = np.rad2deg(np.arctan2(np.hypot(position_mm[:, 0], position_mm[:, 1]), position_mm[:, 2]))
    low, high = calorimeter.polar_range_deg
    instrumented = (angle > low) & (angle < high)
    for gap_low, gap_high in calorimeter.gaps_deg:
        instrumented &= (angle < gap_low) | (angle > gap_high)
    return instrumented


def _neutral_impacts(events: GeneratedEvents, particle: NDArray[np.intp], calorimeter: CalorimeterConfig) -> FloatArray:
    """Return where straight flights meet the front face, shape (n, 3); the origin, uninstrumented, for none."""
    origin = events.vertex[particle, :3]
    momentum = events.momentum[particle, :3]
    size = np.linalg.norm(momentum, axis=1)
    direction = momentum / np.where(size > 0.0, size, 1.0)[:, None]
    to_end_cap = _distance_to_end_cap(origin[:, 2], direction[:, 2], calorimeter)
    distance = np.minimum(flight_to_cylinder(origin, direction, calorimeter.radius_mm), to_end_cap)
    inside = (np.hypot(origin[:, 0], origin[:, 1]) < calorimeter.radius_mm) & np.isfinite(distance) & (to_end_cap > 0.0)
    return np.where(inside[:, None], origin + np.where(inside, distance, 0.0)[:, None] * direction, 0.0)


def _distance_to_end_cap(z_mm: FloatArray, z_slope: FloatArray, calorimeter: CalorimeterConfig) -> FloatArray:
    """Return the path to the end cap ahead, given dz per path length; infinite for none."""
    end = np.where(z_slope > 0.0, calorimeter.forward_z_mm, calorimeter.backward_z_mm)
    return np.where(z_slope == 0.0, np.inf, (end - z_mm) / np.where(z_slope == 0.0, 1.0, z_slope))


def _photon_clusters(events: GeneratedEvents, rng: np.random.Generator, calorimeter: CalorimeterConfig) -> Clusters:
    photon = np.flatnonzero((events.pdg == PHOTON) & (events.status == FINAL_STATE))
    photon = photon[rng.random(len(photon)) < calorimeter.photon_efficiency]
    return Clusters(
        events.event_index[photon],
        _neutral_impacts(events, photon, calorimeter),
        events.E[photon],
        np.ones(len(photon), dtype=bool),
    )


def _neutral_hadron_clusters(
    events: GeneratedEvents, rng: np.random.Generator, calorimeter: CalorimeterConfig
) -> Clusters:
    hadron = np.flatnonzero((events.status == FINAL_STATE) & is_one_of(events.pdg, LONG_LIVED_NEUTRAL_HADRONS))
    hadron = hadron[rng.random(len(hadron)) < calorimeter.hadron_interaction]
    squared_momentum = events.px[hadron] ** 2 + events.py[hadron] ** 2 + events.pz[hadron] ** 2
    kinetic = events.E[hadron] - np.sqrt(np.maximum(events.E[hadron] ** 2 - squared_momentum, 0.0))
    return Clusters(
        events.event_index[hadron],
        _neutral_impacts(events, hadron, calorimeter),
        kinetic * rng.beta(*calorimeter.hadron_response, size=len(hadron)),
        np.zeros(len(hadron), dtype=bool),
    )


def _untracked_clusters(events: GeneratedEvents, impacts: ChargedImpacts, calorimeter: CalorimeterConfig) -> Clusters:
    """Return what charged particles without a track leave: electrons all they have, others ionisation."""
    lost = ~impacts.tracked
    particle = impacts.particle[lost]
    electron = np.abs(events.pdg[particle]) == ELECTRON
    kinetic = events.E[particle] - mass_gev(events.pdg[particle])
    return Clusters(
        impacts.event[lost],
        impacts.position_mm[lost],
        np.where(electron, kinetic, np.minimum(kinetic, calorimeter.ionisation_gev)),
        electron,
    )


def _split_off_clusters(
    events: GeneratedEvents, impacts: ChargedImpacts, rng: np.random.Generator, calorimeter: CalorimeterConfig
) -> Clusters:
    hadron = np.flatnonzero(np.abs(events.pdg[impacts.particle]) > MUON)
    hadron = hadron[rng.random(len(hadron)) < calorimeter.split_off_probability]
    shift = calorimeter.split_off_distance_mm * rng.standard_normal((len(hadron), 3))
    return Clusters(
        impacts.event[hadron],
        impacts.position_mm[hadron] + shift,
        rng.exponential(calorimeter.split_off_energy_gev, len(hadron)),
        np.zeros(len(hadron), dtype=bool),
    )


def _background_clusters(n_events: int, rng: np.random.Generator, calorimeter: CalorimeterConfig) -> Clusters:
    counts = rng.poisson(calorimeter.background_photons, n_events)
    n_clusters = int(counts.sum())
    low, high = np.cos(np.deg2rad(calorimeter.polar_range_deg))
    cosine = rng.uniform(high, low, n_clusters)
    azimuth = rng.uniform(-np.pi, np.pi, n_clusters)
    sine = np.sqrt(1.0 - cosine**2)
    direction = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=-1)
    return Clusters(
        np.repeat(np.arange(n_events), counts),
        calorimeter.radius_mm * direction,
        calorimeter.threshold_gev + rng.exponential(calorimeter.background_energy_gev, n_clusters),
        np.zeros(n_clusters, dtype=bool),
    )
