"""Known particles reconstructed from two tracks: J/ψ → μμ, K_S → ππ and converted photons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV, JPSI_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV
from models.helix import Helix
from models.kinematics import unit_vector, with_mass
from processors.vertexing import VertexFit, fit_vertices
from simulation.detector.configuration import DetectorConfig
from simulation.detector.detected import DetectedEvents
from simulation.detector.material import CONVERSION_PER_RADIATION_LENGTH
from simulation.detector.response import simulate_detector
from simulation.detector.species import ELECTRON, MUON, PHOTON, PION
from simulation.generated import GeneratedEvents
from simulation.validation.particle_guns import single_particles, two_body_decays

FloatArray = NDArray[np.float64]

KAON_SHORT_MASS_GEV: Final = 0.497611
KAON_SHORT_CTAU_MM: Final = 26.844
"""PDG 2024."""
JPSI_PDG: Final = 443
KAON_SHORT_PDG: Final = 310


@dataclass(frozen=True)
class Reconstructed:
    """Two-track decays whose vertex fit converged, arrays of shape (n, ...)."""

    n_generated: int
    mass_gev: FloatArray
    mass_error_gev: FloatArray
    vertex_mm: FloatArray
    """Fitted vertex, shape (n, 3)."""
    true_vertex_mm: FloatArray
    momentum_gev: FloatArray
    """Fitted momentum of the mother, shape (n, 3)."""

    @property
    def radius_mm(self) -> FloatArray:
        """Transverse distance of the fitted vertices to the axis."""
        return np.hypot(self.vertex_mm[:, 0], self.vertex_mm[:, 1])

    @property
    def true_radius_mm(self) -> FloatArray:
        """The same of the true vertices."""
        return np.hypot(self.true_vertex_mm[:, 0], self.true_vertex_mm[:, 1])

    @property
    def n(self) -> int:
        """How many were reconstructed."""
        return len(self.mass_gev)


def jpsi_to_muons(n: int, rng: np.random.Generator, config: DetectorConfig) -> Reconstructed:
    """Reconstruct J/ψ → μ⁺μ⁻ with the momenta that they have in B decays, 0–2 GeV, in the barrel."""
    mother = _mothers(n, JPSI_MASS_GEV, (0.1, 2.0), rng)
    events = two_body_decays(mother, JPSI_PDG, (MUON, -MUON), 0.0, rng)
    return _reconstruct(events, MUON, MUON_MASS_GEV, rng, config)


def kaon_short_to_pions(n: int, rng: np.random.Generator, config: DetectorConfig) -> Reconstructed:
    """Reconstruct K_S → π⁺π⁻ of 0.5–3 GeV in the barrel."""
    mother = _mothers(n, KAON_SHORT_MASS_GEV, (0.5, 3.0), rng)
    events = two_body_decays(mother, KAON_SHORT_PDG, (PION, -PION), KAON_SHORT_CTAU_MM, rng)
    return _reconstruct(events, PION, PION_MASS_GEV, rng, config)


def conversions(
    n: int, energy_gev: float, rng: np.random.Generator, config: DetectorConfig
) -> tuple[Reconstructed, FloatArray]:
    """Reconstruct the conversions of photons at right angles to the beams.

    Returns
    -------
    The conversions, and the expected number of true ones in each layer, shape (n_layers,).
    """
    events = single_particles(PHOTON, np.full(n, energy_gev), np.full(n, 0.5 * np.pi), rng)
    depth = CONVERSION_PER_RADIATION_LENGTH * np.array([layer.x_over_x0 for layer in config.material.layers])
    reached = np.exp(-np.concatenate([[0.0], np.cumsum(depth)]))
    return _reconstruct(events, ELECTRON, ELECTRON_MASS_GEV, rng, config), n * -np.diff(reached)


def _mothers(n: int, mass_gev: float, momentum_range_gev: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    direction = unit_vector(rng.uniform(-0.5, 0.7, n), rng.uniform(-np.pi, np.pi, n))
    return with_mass(rng.uniform(*momentum_range_gev, n)[:, None] * direction, np.full(n, mass_gev))


def _reconstruct(
    events: GeneratedEvents, daughter_pdg: int, mass_gev: float, rng: np.random.Generator, config: DetectorConfig
) -> Reconstructed:
    detected = simulate_detector(events, np.zeros((events.n_events, 3)), rng, config)
    first, second = _pairs(detected, daughter_pdg)
    tracks = detected.tracks
    parameters = tracks.helix.parameters()
    fit: VertexFit = fit_vertices(
        Helix.from_parameters(parameters[first]),
        tracks.covariance[first],
        Helix.from_parameters(parameters[second]),
        tracks.covariance[second],
        mass_gev,
        config.tracking.field_tesla,
    )
    good = fit.converged
    event = np.repeat(np.arange(events.n_events), tracks.counts)[first[good]]
    row = detected.generated.offsets[event] + tracks.gen[first[good]]
    return Reconstructed(
        n_generated=events.n_events,
        mass_gev=fit.mass_gev[good],
        mass_error_gev=fit.mass_error_gev[good],
        vertex_mm=fit.position_mm[good],
        true_vertex_mm=detected.generated.vertex[row, :3],
        momentum_gev=fit.momentum_gev[good].sum(axis=1),
    )


def _pairs(detected: DetectedEvents, daughter_pdg: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the track rows of the particle and the antiparticle in events with exactly one track of each."""
    tracks = detected.tracks
    event = np.repeat(np.arange(len(tracks.counts)), tracks.counts)
    rows = [np.flatnonzero(tracks.pdg == code) for code in (daughter_pdg, -daughter_pdg)]
    numbers = [np.bincount(event[own], minlength=len(tracks.counts)) for own in rows]
    both = (numbers[0] == 1) & (numbers[1] == 1)
    first, second = (own[both[event[own]]] for own in rows)
    return first, second
