"""Events of one particle, or of one two-body decay, for looking at the detector with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.kinematics import boost_from_rest_frame, two_body_momentum, unit_vector, with_mass
from simulation.detector.species import mass_gev
from simulation.generated import DECAYED, FINAL_STATE, GeneratedEvents, Particles

FloatArray = NDArray[np.float64]


def single_particles(
    pdg: int, momentum_gev: FloatArray, polar_angle_rad: FloatArray, rng: np.random.Generator
) -> GeneratedEvents:
    """Return one particle an event, from the origin and at any azimuth.

    Parameters
    ----------
    pdg
        Which particle.
    momentum_gev, polar_angle_rad
        Shape (n,).
    rng
        Random stream.
    """
    codes = np.full((len(momentum_gev), 1), pdg, dtype=np.int32)
    direction = unit_vector(np.cos(polar_angle_rad), rng.uniform(-np.pi, np.pi, len(momentum_gev)))
    mass = mass_gev(codes[:, 0]) if pdg != 22 else np.zeros(len(momentum_gev))
    return GeneratedEvents.from_table(codes, with_mass(momentum_gev[:, None] * direction, mass)[:, None, :])


def two_body_decays(
    mother: FloatArray, mother_pdg: int, daughter_pdg: tuple[int, int], ctau_mm: float, rng: np.random.Generator
) -> GeneratedEvents:
    """Return one isotropic two-body decay an event; mothers start at the origin and fly.

    Parameters
    ----------
    mother
        Four-momenta in GeV, shape (n, 4).
    mother_pdg
        PDG code of the mother.
    daughter_pdg
        PDG codes of the charged daughters.
    ctau_mm
        Proper decay length of the mother.
    rng
        Random stream.
    """
    n = len(mother)
    mass = np.sqrt(mother[:, 3] ** 2 - np.sum(mother[:, :3] ** 2, axis=1))
    first_mass, second_mass = mass_gev(np.array(daughter_pdg, dtype=np.int32))
    size = two_body_momentum(mass, first_mass, second_mass)
    direction = unit_vector(rng.uniform(-1.0, 1.0, n), rng.uniform(-np.pi, np.pi, n))
    first = boost_from_rest_frame(with_mass(size[:, None] * direction, np.full(n, first_mass)), mother)
    vertex = mother * (ctau_mm * rng.exponential(size=n) / mass)[:, None]
    codes = np.tile(np.array([mother_pdg, *daughter_pdg], dtype=np.int32), n)
    momentum = np.stack([mother, first, mother - first], axis=1).reshape(-1, 4)
    vertices = np.stack([np.zeros_like(vertex), vertex, vertex], axis=1).reshape(-1, 4)
    status = np.tile(np.array([DECAYED, FINAL_STATE, FINAL_STATE], dtype=np.int32), n)
    mothers = np.tile(np.array([-1, 0, 0]), n)
    return GeneratedEvents.from_particles(
        np.full(n, 3), np.ones(n), Particles(codes, status, mothers, momentum, vertices)
    )
