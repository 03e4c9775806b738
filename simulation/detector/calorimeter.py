"""Measuring clusters that no track points to: energy, position and shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulation.detector.configuration import CalorimeterConfig
from simulation.detector.detected import Photons
from simulation.detector.energy_deposits import ChargedImpacts, Clusters, charged_impacts, deposit_energy
from simulation.detector.jagged import cross_pairs
from simulation.generated import GeneratedEvents

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def relative_energy_resolution(energy_gev: FloatArray, calorimeter: CalorimeterConfig) -> FloatArray:
    """Return σ_E/E of clusters.

    >>> relative_energy_resolution(np.array([1.0]), CalorimeterConfig()).round(4).tolist()
    [0.0157]
    """
    return np.asarray(
        np.sqrt(
            calorimeter.energy_constant**2
            + (calorimeter.energy_noise_gev / energy_gev) ** 2
            + calorimeter.energy_stochastic**2 / np.sqrt(energy_gev)
        )
    )


def position_resolution_mm(energy_gev: FloatArray, calorimeter: CalorimeterConfig) -> FloatArray:
    """Return the resolution of a cluster's position on the front face, in either direction.

    >>> position_resolution_mm(np.array([1.0]), CalorimeterConfig()).round(2).tolist()
    [5.47]
    """
    return np.asarray(
        calorimeter.position_constant_mm
        + calorimeter.position_sqrt_mm / np.sqrt(energy_gev)
        + calorimeter.position_fourth_root_mm / energy_gev**0.25
    )


def find_photons(
    events: GeneratedEvents,
    track_particle: IntArray,
    ip_mm: FloatArray,
    rng: np.random.Generator,
    *,
    calorimeter: CalorimeterConfig,
    field_tesla: float,
) -> Photons:
    """Reconstruct clusters that no track points to.

    Parameters
    ----------
    events
        Events in the laboratory with conversions and bremsstrahlung.
    track_particle
        Flat index of the particle of each reconstructed track, shape (n_tracks,).
    ip_mm
        Interaction points that photons are taken to come from, shape (n_events, 3).
    rng
        Source of random numbers.
    calorimeter, field_tesla
        Geometry and response; field along +z.
    """
    impacts = charged_impacts(events, track_particle, calorimeter, field_tesla)
    clusters = deposit_energy(events, impacts, rng, calorimeter)
    clusters = clusters.select(~_belongs_to_track(clusters, impacts, events.n_events, calorimeter))
    return _measure(clusters, ip_mm, rng, calorimeter)


def _belongs_to_track(
    clusters: Clusters, impacts: ChargedImpacts, n_events: int, calorimeter: CalorimeterConfig
) -> NDArray[np.bool_]:
    """Return whether each cluster, ordered by event, is at the impact of a reconstructed track."""
    tracked_event = impacts.event[impacts.tracked]
    tracked_position = impacts.position_mm[impacts.tracked]
    cluster, track = cross_pairs(
        np.bincount(clusters.event, minlength=n_events), np.bincount(tracked_event, minlength=n_events)
    )
    squared_distance = np.sum((clusters.position_mm[cluster] - tracked_position[track]) ** 2, axis=1)
    matched = np.zeros(len(clusters.event), dtype=bool)
    matched[cluster[squared_distance < calorimeter.track_match_mm**2]] = True
    return matched


def _measure(
    clusters: Clusters, ip_mm: FloatArray, rng: np.random.Generator, calorimeter: CalorimeterConfig
) -> Photons:
    n_clusters = len(clusters.event)
    energy = clusters.energy_gev * (
        1.0 + relative_energy_resolution(clusters.energy_gev, calorimeter) * rng.standard_normal(n_clusters)
    )
    # An isotropic shift: its part along the line of sight changes no direction.
    shift = position_resolution_mm(clusters.energy_gev, calorimeter)[:, None] * rng.standard_normal((n_clusters, 3))
    line_of_sight = clusters.position_mm + shift - ip_mm[clusters.event]
    e9_e25 = np.where(
        clusters.electromagnetic,
        rng.beta(*calorimeter.electromagnetic_e9e25, size=n_clusters),
        rng.beta(*calorimeter.hadronic_e9e25, size=n_clusters),
    )
    kept = energy > calorimeter.threshold_gev
    direction = line_of_sight[kept] / np.linalg.norm(line_of_sight[kept], axis=1)[:, None]
    return Photons(
        counts=np.bincount(clusters.event[kept], minlength=len(ip_mm)),
        momentum_gev=energy[kept, None] * direction,
        energy_gev=energy[kept],
        e9_e25=e9_e25[kept],
    )
