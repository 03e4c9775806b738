"""From the centre-of-mass frame to the laboratory: beam four-momenta, boost and interaction point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV
from models.kinematics import boost_from_rest_frame, boost_to_rest_frame, rotate_z_to
from simulation.configuration import BeamConfig
from simulation.generated import GeneratedEvents

FloatArray = NDArray[np.float64]


class LaboratoryEvents(NamedTuple):
    """Events in the laboratory with the interaction point that each is reconstructed with."""

    events: GeneratedEvents
    interaction_point_mm: FloatArray
    """Mean interaction point, shape (n_events, 3): what the experiment knows of where an event happened."""


def electron_beam(beams: BeamConfig) -> FloatArray:
    """Return the four-momentum of a beam electron in the laboratory, GeV."""
    energy, angle = beams.electron_energy_gev, beams.crossing_angle_rad
    momentum = np.sqrt(energy**2 - ELECTRON_MASS_GEV**2)
    return np.array([momentum * np.sin(angle), 0.0, momentum * np.cos(angle), energy])


def positron_beam(beams: BeamConfig) -> FloatArray:
    """Return the four-momentum of a beam positron in the laboratory, GeV."""
    energy = beams.positron_energy_gev
    return np.array([0.0, 0.0, -np.sqrt(energy**2 - ELECTRON_MASS_GEV**2), energy])


def beam_four_momentum(beams: BeamConfig) -> FloatArray:
    """Return the sum of both beams' four-momenta in the laboratory, GeV.

    >>> total = beam_four_momentum(BeamConfig())
    >>> float(total[3])
    11.5
    """
    return electron_beam(beams) + positron_beam(beams)


def sqrt_s_gev(beams: BeamConfig) -> float:
    """Return the centre-of-mass energy in GeV.

    >>> round(sqrt_s_gev(BeamConfig()), 4)
    10.5824
    """
    total = beam_four_momentum(beams)
    return float(np.sqrt(total[3] ** 2 - np.sum(total[:3] ** 2)))


def to_laboratory(events: GeneratedEvents, beams: BeamConfig, rng: np.random.Generator) -> LaboratoryEvents:
    """Turn events of the centre-of-mass frame into laboratory events around a smeared interaction point.

    In the c.m. frame the z axis is the direction of the electron beam as seen from there; displaced vertices
    transform like momenta, then each event is moved to its own collision point.

    Parameters
    ----------
    events
        Events in the c.m. frame, primary vertices at the origin.
    beams
        Energies, crossing angle, interaction point and its spread.
    rng
        Random stream of the collision points.
    """
    transformation = _laboratory_transformation(beams)
    momentum, vertex = events.momentum @ transformation, events.vertex @ transformation
    mean = np.asarray(beams.ip_mm)
    point = rng.normal(mean, beams.ip_spread_mm, (events.n_events, 3))
    vertex[:, :3] += np.repeat(point, events.counts, axis=0)
    return LaboratoryEvents(events.with_kinematics(momentum, vertex), np.broadcast_to(mean, point.shape).copy())


def _laboratory_transformation(beams: BeamConfig) -> FloatArray:
    """Return the matrix that a row (x, y, z, t) of the c.m. frame is multiplied with, shape (4, 4)."""
    total = beam_four_momentum(beams)
    axis = boost_to_rest_frame(electron_beam(beams), total)[:3]
    unit = np.eye(4)
    turned = np.concatenate([rotate_z_to(unit[:, :3], axis), unit[:, 3:]], axis=1)
    return boost_from_rest_frame(turned, total)
