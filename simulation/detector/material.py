"""Thin cylindrical layers around the beam: where photons cross them and turn into e⁺e⁻ pairs."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ELECTRON_MASS_GEV
from models.kinematics import rotate_z_to
from simulation.configuration import SkimConfig
from simulation.detector.configuration import MaterialConfig
from simulation.detector.propagation import flight_to_cylinder
from simulation.detector.species import ELECTRON, PHOTON
from simulation.generated import FINAL_STATE, GeneratedEvents, Particles
from simulation.importance import (
    NATURAL,
    Forced,
    ImportanceSampling,
    PairSource,
    at_least_one_probability,
    boosted_probability,
    force_at_least_one,
)
from simulation.skim import charged_in_acceptance

FloatArray = NDArray[np.float64]

CONVERSION_PER_RADIATION_LENGTH: Final = 7.0 / 9.0
"""High-energy limit of the pair-production cross-section in units of 1/X₀ (PDG 2024, eq. 34.31)."""
_UNIFORM_SHARE: Final = 6.0 / 7.0
"""Weight of the flat part of 1 − 4/3·x(1−x) = 2/3 + 1/3·(2x−1)²."""
_WIDE_ANGLE_SHARE: Final = 0.25
_ANGLE_SLOPE: Final = 0.625
"""Tsai's angular distribution as parametrised in Geant4 (Physics Reference Manual, bremsstrahlung angles): with
u = E·θ/m_e, f(u) ∝ u·e^{−au} + 27·u·e^{−3au}, a = 0.625, so a quarter of the leptons have the smaller slope."""


class MaterialMap(NamedTuple):
    """Material seen from the origin, for the documentation and figures."""

    radius_mm: FloatArray
    """Radius of each layer, from the inside out."""
    cumulative_x_over_x0: FloatArray
    """Radiation lengths up to and including each layer at each polar angle, shape (n_angles, n_layers)."""


def material_map(polar_angle_rad: ArrayLike, material: MaterialConfig) -> MaterialMap:
    """Return the radiation lengths that a particle from the origin has crossed behind each layer.

    Parameters
    ----------
    polar_angle_rad
        Shape (n_angles,).
    material
        Layers.

    Examples
    --------
    >>> at_right_angle = material_map([np.pi / 2], MaterialConfig())
    >>> at_right_angle.cumulative_x_over_x0.round(4).tolist()
    [[0.009, 0.014, 0.019, 0.024, 0.029]]
    """
    angle = np.atleast_1d(np.asarray(polar_angle_rad, dtype=np.float64))
    direction = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], axis=-1)
    _, thickness = crossings(np.zeros_like(direction), direction, material)
    return MaterialMap(np.array([layer.radius_mm for layer in material.layers]), np.cumsum(thickness, axis=1))


def crossings(origin_mm: FloatArray, direction: FloatArray, material: MaterialConfig) -> tuple[FloatArray, FloatArray]:
    """Return where straight flights leave through the layers around their origin, and how much of each they cross.

    Parameters
    ----------
    origin_mm, direction
        Start and unit direction, shape (n, 3).
    material
        Layers.

    Returns
    -------
    Flight distance in mm, infinite where the start is outside the layer, and thickness in radiation lengths, zero
    there and outside the polar angles the layer covers; shape (n, n_layers). The thickness grows as the inverse cosine
    of the angle to the normal: 1/sin θ for a particle from the axis.
    """
    radius = np.array([layer.radius_mm for layer in material.layers])
    nominal = np.array([layer.x_over_x0 for layer in material.layers])
    distance = flight_to_cylinder(origin_mm, direction, radius)
    leaves = np.isfinite(distance)
    point = origin_mm[:, None, :] + np.where(leaves, distance, 0.0)[:, :, None] * direction[:, None, :]
    z_low, z_high = covered_z(radius, material)
    covered = leaves & (point[:, :, 2] > z_low) & (point[:, :, 2] < z_high)
    cosine_to_normal = np.sum(point[:, :, :2] * direction[:, None, :2], axis=2) / radius
    return distance, np.where(covered, nominal / np.where(covered, cosine_to_normal, 1.0), 0.0)


def covered_z(radius_mm: FloatArray, material: MaterialConfig) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and highest z in mm at which a layer of given radius has material."""
    forward, backward = np.deg2rad(material.polar_range_deg)
    return radius_mm / np.tan(backward), radius_mm / np.tan(forward)


def convert_photons(
    events: GeneratedEvents,
    rng: np.random.Generator,
    material: MaterialConfig,
    importance: ImportanceSampling = NATURAL,
    skim: SkimConfig | None = None,
    source: NDArray[np.int8] | None = None,
) -> GeneratedEvents:
    """Turn photons into e⁺e⁻ pairs in the material around the beam.

    A stable photon converts in a layer of thickness t with probability 1 − exp(−7t/9); its status becomes that of a
    decayed particle and the pair is added to its event, at the crossing point. In events with too few charged particles
    in the acceptance, at least one conversion of a photon hard enough to supply what is missing is made more often
    than in nature, and the event carries the weight for it.

    Parameters
    ----------
    events
        Events in the laboratory.
    rng
        Source of random numbers.
    material
        Layers.
    importance
        How much more often.
    skim
        Acceptance and number of charged particles that an event needs; the default if not given.
    source
        `PairSource` of each event that has been split, shape (n_events,): whether it has a conversion is decided. An
        event has the weight zero if it must have one and cannot.

    Returns
    -------
    The events with the pairs appended to each event.
    """
    photon = np.flatnonzero(
        (events.pdg == PHOTON) & (events.status == FINAL_STATE) & (events.E > 2.0 * ELECTRON_MASS_GEV)
    )
    origin = events.vertex[photon, :3]
    energy = events.E[photon]
    direction = events.momentum[photon, :3] / energy[:, None]
    distance, thickness = crossings(origin, direction, material)
    depth = np.cumsum(CONVERSION_PER_RADIATION_LENGTH * thickness, axis=1)
    probability = -np.expm1(-depth[:, -1])
    chosen, weight = _choose_conversions(events, photon, probability, rng, importance, skim or SkimConfig(), source)
    converted = np.flatnonzero(chosen)
    # An exponential depth that is known to lie inside the material.
    reached = -np.log1p(-rng.random(len(converted)) * probability[converted])
    flight = distance[converted, np.argmax(depth[converted] > reached[:, None], axis=1)]
    vertex = np.column_stack(
        [origin[converted] + flight[:, None] * direction[converted], events.vt[photon[converted]] + flight]
    )
    pairs = _pairs(photon[converted], energy[converted], direction[converted], vertex, rng)
    return events.reweighted(weight).append(events.event_index[pairs.mother], pairs)


def _choose_conversions(
    events: GeneratedEvents,
    photon: NDArray[np.int64],
    probability: FloatArray,
    rng: np.random.Generator,
    importance: ImportanceSampling,
    skim: SkimConfig,
    source: NDArray[np.int8] | None,
) -> Forced:
    """Return which of the photons, given by their rows, convert, and the weights of the events."""
    event = events.event_index[photon]
    chosen = rng.random(len(photon)) < probability
    if source is not None:
        candidate = np.flatnonzero(np.hypot(events.px[photon], events.py[photon]) > skim.pt_min_gev)
        natural = at_least_one_probability(probability[candidate], event[candidate], events.n_events)
        decided = np.where(source == PairSource.DALITZ, natural, source == PairSource.CONVERSION)
        chosen[candidate], weight = force_at_least_one(
            probability[candidate], event[candidate], events.n_events, decided, rng
        )
        return Forced(chosen, weight)
    if importance.pair_boost == 1.0:
        return Forced(chosen, np.ones(events.n_events))
    missing = skim.n_charged_min - charged_in_acceptance(events, skim)
    # Without any charged particle even two conversions are no event with τ decays or hadrons of interest.
    forcible = (missing > 0) & (missing < skim.n_charged_min)
    # One pair gives at most two tracks, which share the photon's transverse momentum.
    least_pt = skim.pt_min_gev * np.minimum(missing, 2)
    transverse = np.hypot(events.px[photon], events.py[photon])
    candidate = np.flatnonzero(forcible[event] & (transverse > least_pt[event]))
    natural = at_least_one_probability(probability[candidate], event[candidate], events.n_events)
    forced = boosted_probability(natural, events.weight, importance.pair_boost, importance.conversion_probability_max)
    chosen[candidate], weight = force_at_least_one(
        probability[candidate], event[candidate], events.n_events, forced, rng
    )
    return Forced(chosen, weight)


def _pairs(
    photon: NDArray[np.intp], energy: FloatArray, direction: FloatArray, vertex: FloatArray, rng: np.random.Generator
) -> Particles:
    """Return electrons, then positrons: opposite in azimuth, together with the photon's energy."""
    n_pairs = len(photon)
    share = electron_share(n_pairs, rng)
    kinetic = energy - 2.0 * ELECTRON_MASS_GEV
    azimuth = rng.uniform(-np.pi, np.pi, n_pairs)
    lepton_energy = ELECTRON_MASS_GEV + np.concatenate([share * kinetic, (1.0 - share) * kinetic])
    scaled_angle = np.tile(scaled_emission_angle(n_pairs, rng), 2)
    polar = np.minimum(scaled_angle * ELECTRON_MASS_GEV / lepton_energy, 0.5 * np.pi)
    azimuth = np.concatenate([azimuth, azimuth + np.pi])
    sine = np.sin(polar)
    relative = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), np.cos(polar)], axis=-1)
    size = np.sqrt(np.maximum(lepton_energy**2 - ELECTRON_MASS_GEV**2, 0.0))
    momentum = size[:, None] * rotate_z_to(relative, np.tile(direction, (2, 1)))
    return Particles(
        pdg=np.repeat(np.array([ELECTRON, -ELECTRON], dtype=np.int32), n_pairs),
        status=np.full(2 * n_pairs, FINAL_STATE, dtype=np.int32),
        mother=np.tile(photon, 2),
        momentum=np.column_stack([momentum, lepton_energy]),
        vertex=np.tile(vertex, (2, 1)),
    )


def electron_share(n_pairs: int, rng: np.random.Generator) -> FloatArray:
    """Return the electron's share x of the pair's energy, distributed as 1 − 4/3·x(1−x).

    Complete screening, the high-energy limit of Bethe–Heitler pair production (Y.-S. Tsai, Rev. Mod. Phys. 46 (1974)
    815; PDG 2024, eq. 34.30). The share applies to kinetic energy, which keeps both leptons above threshold.
    """
    symmetric = rng.uniform(-1.0, 1.0, n_pairs)
    flat = rng.random(n_pairs) < _UNIFORM_SHARE
    return np.asarray(0.5 * (1.0 + np.where(flat, symmetric, np.cbrt(symmetric))))


def scaled_emission_angle(n_pairs: int, rng: np.random.Generator) -> FloatArray:
    """Return lepton angles to the photon in units of m_e/E, after Tsai in the form of Geant4."""
    slope = np.where(rng.random(n_pairs) < _WIDE_ANGLE_SHARE, _ANGLE_SLOPE, 3.0 * _ANGLE_SLOPE)
    return rng.gamma(2.0, size=n_pairs) / slope
