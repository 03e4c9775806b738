"""Efficiency, resolution and identification of single particles, measured beside what the configuration says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.helix import momentum_at
from simulation.detector.calorimeter import relative_energy_resolution
from simulation.detector.configuration import DetectorConfig, TrackingConfig
from simulation.detector.identification import decay_in_flight_probability, pass_probability
from simulation.detector.response import simulate_detector
from simulation.detector.species import ELECTRON, MUON, PHOTON, PION, mass_gev, species_index
from simulation.detector.tracking import find_tracks, track_efficiency
from simulation.validation.particle_guns import single_particles

FloatArray = NDArray[np.float64]

CENTRAL = 0.682689492137086
"""Probability content of ±1 standard deviation of a Gaussian."""


@dataclass(frozen=True)
class Comparison:
    """A response measured at several momenta beside its expectation, arrays of shape (n,)."""

    name: str
    unit: str
    momentum_gev: FloatArray
    measured: FloatArray
    error: FloatArray
    """Statistical uncertainty of what was measured."""
    expected: FloatArray

    @property
    def pulls(self) -> FloatArray:
        """(measured − expected)/error, shape (n,)."""
        return (self.measured - self.expected) / self.error


def track_resolutions(
    momentum_gev: FloatArray, polar_angle_rad: float, n: int, rng: np.random.Generator, config: DetectorConfig
) -> list[Comparison]:
    """Measure the resolutions and the efficiency of muon tracks.

    Parameters
    ----------
    momentum_gev
        Momenta to measure at, shape (m,).
    polar_angle_rad
        Laboratory polar angle of all tracks.
    n
        Tracks at each momentum.
    rng
        Random stream.
    config
        The detector.

    Returns
    -------
    Relative p_t resolution, resolutions of d0 and z0, efficiency; the expectations are the published formulae.
    """
    tracking = config.tracking
    events = single_particles(MUON, np.repeat(momentum_gev, n), np.full(n * len(momentum_gev), polar_angle_rad), rng)
    found = find_tracks(events, rng, tracking=tracking, material=config.material).tracks
    true = momentum_at(found.true_helix, 0.0, tracking.field_tesla)
    relative_pt = np.hypot(*found.momentum_gev.T[:2]) / np.hypot(*true.T[:2]) - 1.0
    residuals = {
        "σ(pt)/pt": (relative_pt, ""),
        "σ(d0)": (found.helix.d0 - found.true_helix.d0, "mm"),
        "σ(z0)": (found.helix.z0 - found.true_helix.z0, "mm"),
    }
    node = np.searchsorted(np.cumsum(np.full(len(momentum_gev), n)), found.particle, side="right")
    expected = published_resolutions(momentum_gev, polar_angle_rad, tracking)
    comparisons = []
    for name, (residual, unit) in residuals.items():
        width = np.array([central_width(residual[node == index]) for index in range(len(momentum_gev))])
        # The error of half a central interval of a Gaussian sample is 1.18 times that of its standard deviation.
        error = 1.18 * width / np.sqrt(2.0 * np.bincount(node))
        comparisons.append(Comparison(name, unit, momentum_gev, width, error, expected[name]))
    rate = np.bincount(node, minlength=len(momentum_gev)) / n
    efficiency = track_efficiency(momentum_gev * np.sin(polar_angle_rad), np.zeros_like(momentum_gev), tracking)
    comparisons.append(
        Comparison("track efficiency", "", momentum_gev, rate, binomial_error(efficiency, n), efficiency)
    )
    return comparisons


def published_resolutions(
    momentum_gev: FloatArray, polar_angle_rad: float, tracking: TrackingConfig
) -> dict[str, FloatArray]:
    """Return the resolutions of muons from the published formulae, each a sum in quadrature of two terms."""
    sine = np.sin(polar_angle_rad)
    beta = momentum_gev / np.hypot(momentum_gev, mass_gev(np.array([MUON], dtype=np.int32))[0])
    pt = momentum_gev * sine
    slow = 1.0 / (momentum_gev * beta)
    return {
        "σ(pt)/pt": np.hypot(tracking.curvature_slope_per_gev * pt, tracking.curvature_scattering / beta),
        "σ(d0)": np.hypot(tracking.d0_resolution_mm, tracking.d0_scattering_mm_gev * slow / sine**1.5),
        "σ(z0)": np.hypot(tracking.z0_resolution_mm, tracking.z0_scattering_mm_gev * slow / sine**2.5),
    }


def identification_rates(
    pdg: int, momentum_gev: FloatArray, polar_angle_rad: float, n: int, rng: np.random.Generator, config: DetectorConfig
) -> list[Comparison]:
    """Measure how often a species passes the electron, muon and kaon working points.

    Parameters
    ----------
    pdg
        Charged species.
    momentum_gev, polar_angle_rad, n, rng, config
        As in `track_resolutions`.
    """
    angles = np.full(n * len(momentum_gev), polar_angle_rad)
    events = single_particles(pdg, np.repeat(momentum_gev, n), angles, rng)
    tracks = simulate_detector(events, np.zeros((events.n_events, 3)), rng, config).tracks
    event = np.repeat(np.arange(events.n_events), tracks.counts)
    node = event // n
    settings = config.identification
    species = np.full(len(momentum_gev), species_index(np.array([pdg], dtype=np.int32))[0])
    angle = np.full(len(momentum_gev), polar_angle_rad)
    tables = (
        ("electron", settings.electron, tracks.electron_id),
        ("muon", settings.muon, tracks.muon_id),
        ("kaon", settings.kaon, tracks.kaon_pion_id),
    )
    comparisons = []
    for name, table, ratio in tables:
        expected = pass_probability(species, momentum_gev, angle, table)
        if name == "muon":
            as_muon = pass_probability(
                np.full(len(momentum_gev), species_index(np.array([MUON], dtype=np.int32))[0]),
                momentum_gev,
                angle,
                table,
            )
            share = {PION: settings.pion_decay_like_muon, 321: settings.kaon_decay_like_muon}.get(abs(pdg), 0.0)
            decays = share * decay_in_flight_probability(species, momentum_gev, angle, settings.flight_radius_mm)
            expected = (decays * as_muon + (1.0 - decays) * expected) * (momentum_gev > settings.muon_momentum_gev)
        n_tracks = np.bincount(node, minlength=len(momentum_gev))
        passed = np.bincount(node[ratio > table.cut], minlength=len(momentum_gev)) / n_tracks
        comparisons.append(
            Comparison(f"{name} identification", "", momentum_gev, passed, binomial_error(expected, n_tracks), expected)
        )
    return comparisons


def photon_resolution(
    energy_gev: FloatArray, polar_angle_rad: float, n: int, rng: np.random.Generator, config: DetectorConfig
) -> Comparison:
    """Measure the relative energy resolution of photons that do not convert; arguments as in `track_resolutions`."""
    quiet = config.model_copy(update={"calorimeter": config.calorimeter.model_copy(update={"background_photons": 0.0})})
    events = single_particles(PHOTON, np.repeat(energy_gev, n), np.full(n * len(energy_gev), polar_angle_rad), rng)
    detected = simulate_detector(events, np.zeros((events.n_events, 3)), rng, quiet)
    event = np.repeat(np.arange(events.n_events), detected.photons.counts)
    # A photon that converted leaves two electrons and clusters that are not its own.
    electrons = detected.generated.event_index[np.abs(detected.generated.pdg) == ELECTRON]
    whole = ~np.isin(event, electrons)
    node = event[whole] // n
    ratio = detected.photons.energy_gev[whole] / energy_gev[node] - 1.0
    width = np.array([central_width(ratio[node == index]) for index in range(len(energy_gev))])
    error = 1.18 * width / np.sqrt(2.0 * np.bincount(node))
    expected = relative_energy_resolution(energy_gev, config.calorimeter)
    return Comparison("σ(E)/E of photons", "", energy_gev, width, error, expected)


def central_width(values: FloatArray) -> float:
    """Return half the width of the central 68.3 % of the values."""
    low, high = np.quantile(values, [0.5 - 0.5 * CENTRAL, 0.5 + 0.5 * CENTRAL])
    return float(high - low) / 2.0


def binomial_error(probability: FloatArray, n: int | NDArray[np.int64]) -> FloatArray:
    """Return the standard deviation of an observed fraction, one event at least."""
    return np.asarray(np.maximum(np.sqrt(probability * (1.0 - probability) / n), 1.0 / n))
