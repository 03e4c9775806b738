"""Energy that electrons radiate in the layers around the beam, and what it does to their path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ELECTRON_MASS_GEV
from models.helix import helix_from_vertex, momentum_at, position_at
from simulation.detector.configuration import MaterialConfig
from simulation.detector.material import covered_z
from simulation.detector.propagation import arc_to_cylinder

FloatArray = NDArray[np.float64]


class RadiatedElectrons(NamedTuple):
    """Electrons as they leave the material, and the photons they radiated in it."""

    position_mm: FloatArray
    """A point on the electron's path after its last loss, shape (n, 3)."""
    momentum_gev: FloatArray
    """Momentum at that point, shape (n, 3)."""
    photon_electron: NDArray[np.int64]
    """Index of the electron that radiated each photon, shape (n_photons,)."""
    photon_momentum_gev: FloatArray
    """Shape (n_photons, 3)."""
    photon_position_mm: FloatArray
    """Shape (n_photons, 3)."""


def energy_fraction_kept(thickness: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the fraction z of its energy that an electron keeps behind a layer.

    Bethe–Heitler straggling: −ln z follows a gamma distribution of shape t/ln 2, with t the thickness in radiation
    lengths, so that ⟨z⟩ = exp(−t) (H. Bethe, W. Heitler, Proc. R. Soc. A 146 (1934) 83).
    """
    return np.asarray(np.exp(-rng.standard_gamma(thickness / np.log(2.0))))


def radiate(
    position_mm: FloatArray,
    momentum_gev: FloatArray,
    charge: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    material: MaterialConfig,
    field_tesla: float,
) -> RadiatedElectrons:
    """Take electrons outwards through the material layers, losing energy in each.

    Between layers the electrons follow their helix; a loss leaves the direction unchanged. What a layer takes becomes
    one photon along the electron when it is harder than the configured threshold.

    Parameters
    ----------
    position_mm, momentum_gev
        Production point and momentum, shape (n, 3).
    charge
        Shape (n,).
    rng
        Source of random numbers.
    material, field_tesla
        Layers, and the field along +z.
    """
    position, momentum = position_mm.copy(), momentum_gev.copy()
    electrons: list[NDArray[np.int64]] = []
    photon_momenta: list[FloatArray] = []
    photon_positions: list[FloatArray] = []
    for layer in material.layers:
        loss = _crossing(position, momentum, charge, layer.radius_mm, material=material, field_tesla=field_tesla)
        kept = energy_fraction_kept(layer.x_over_x0 * loss.obliquity, rng)
        energy = np.sqrt(np.sum(loss.momentum_gev**2, axis=1) + ELECTRON_MASS_GEV**2)
        direction = loss.momentum_gev / np.linalg.norm(loss.momentum_gev, axis=1)[:, None]
        # The kinetic energy is what can be lost.
        radiated = (1.0 - kept) * (energy - ELECTRON_MASS_GEV)
        left = kept * (energy - ELECTRON_MASS_GEV)
        remaining = np.sqrt(left * (left + 2.0 * ELECTRON_MASS_GEV))
        hard = radiated > material.radiated_photon_threshold_gev
        electrons.append(loss.electron[hard])
        photon_momenta.append(radiated[hard, None] * direction[hard])
        photon_positions.append(loss.position_mm[hard])
        position[loss.electron] = loss.position_mm
        momentum[loss.electron] = remaining[:, None] * direction
    return RadiatedElectrons(
        position,
        momentum,
        np.concatenate(electrons),
        np.concatenate(photon_momenta),
        np.concatenate(photon_positions),
    )


class _Crossing(NamedTuple):
    """Electrons that go out through a layer, in their state there."""

    electron: NDArray[np.int64]
    position_mm: FloatArray
    momentum_gev: FloatArray
    obliquity: FloatArray
    """Path in the layer over its thickness."""


def _crossing(
    position: FloatArray,
    momentum: FloatArray,
    charge: NDArray[np.int64],
    radius_mm: float,
    *,
    material: MaterialConfig,
    field_tesla: float,
) -> _Crossing:
    helix = helix_from_vertex(position, momentum, charge, field_tesla)
    arc = arc_to_cylinder(helix, radius_mm)
    reaches = np.isfinite(arc) & (np.hypot(position[:, 0], position[:, 1]) < radius_mm)
    arc = np.where(reaches, arc, 0.0)
    point = position_at(helix, arc)
    z_low, z_high = covered_z(np.array(radius_mm), material)
    crossed = np.flatnonzero(reaches & (point[:, 2] > z_low) & (point[:, 2] < z_high))
    there = momentum_at(helix, arc, field_tesla)[crossed]
    outward = np.abs(np.sum(there[:, :2] * point[crossed, :2], axis=1)) / radius_mm
    # A path along the layer would see it end: no thicker than at the edge of the polar range.
    obliquity = np.linalg.norm(there, axis=1) / outward
    thickest = 1.0 / np.sin(np.deg2rad(np.array(material.polar_range_deg))).min()
    return _Crossing(crossed, point[crossed], there, np.minimum(obliquity, thickest))
