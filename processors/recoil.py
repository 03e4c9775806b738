"""A track that need not have been found: the muon against which another muon and a photon recoil in e⁺e⁻ → μ⁺μ⁻γ.

Beams, the identified muon and the direction of the photon leave two unknowns, the other muon's direction and the
photon's energy; the other muon's mass gives the energy,

    E_γ = ((P − p_μ)² − m_μ²) / (2 (P − p_μ)·n),    n = (direction of the photon, 1),

and with it the whole momentum of the other muon. Whether a track is there measures the tracking; the measured energy
over this one peaks at one and measures the photon energy. Further radiation makes tails on either side.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import MUON_MASS_GEV
from models.kinematics import with_mass

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEAST_PHOTON_ENERGY_GEV: Final = 0.5
"""Of the photon, measured and expected."""
LARGEST_ANGLE_RAD: Final = 0.2
"""Between the expected direction and that of a track that counts as found: many times the resolution."""


class Recoils(NamedTuple):
    """One row for each identified muon whose partner is expected in some direction, arrays of shape (n,)."""

    tag: NDArray[np.intp]
    """Row of the identified muon's track."""
    photon: NDArray[np.intp]
    """Row of the photon."""
    energy_ratio: FloatArray
    """Measured photon energy over the expected one."""
    momentum_gev: FloatArray
    """Expected momentum of the other muon, shape (n, 3)."""
    charge: NDArray[np.int8]
    """Its charge."""
    is_found: BoolArray
    """Whether there is a track of that charge in that direction."""


def find_recoils(
    tag: NDArray[np.intp],
    event: NDArray[np.intp],
    momentum_gev: FloatArray,
    charge: NDArray[np.int8],
    photon_event: NDArray[np.intp],
    photon: FloatArray,
    beam: FloatArray,
) -> Recoils:
    """Return what identified muons recoil against.

    Parameters
    ----------
    tag
        Rows of identified muons among the tracks, shape (n_tags,).
    event
        Event of each track, shape (n_tracks,).
    momentum_gev, charge
        Of all tracks, shapes (n_tracks, 3) and (n_tracks,).
    photon_event, photon
        Event and four-momentum of each photon, shapes (n_photons,) and (n_photons, 4); the most energetic one of an
        event is used.
    beam
        Four-momentum of both beams in each event, shape (n_events, 4).
    """
    hardest = _hardest(photon_event, photon[:, 3], len(beam))
    tag = tag[hardest[event[tag]] >= 0]
    gamma = hardest[event[tag]]
    measured = photon[gamma, 3]
    direction = photon[gamma, :3] / np.linalg.norm(photon[gamma, :3], axis=-1, keepdims=True)
    rest = beam[event[tag]] - with_mass(momentum_gev[tag], MUON_MASS_GEV)
    mass_squared = rest[:, 3] ** 2 - np.sum(rest[:, :3] ** 2, axis=-1)
    denominator = 2.0 * (rest[:, 3] - np.sum(rest[:, :3] * direction, axis=-1))
    expected = np.divide(
        mass_squared - MUON_MASS_GEV**2, denominator, out=np.zeros_like(measured), where=denominator > 0
    )
    usable = (expected > LEAST_PHOTON_ENERGY_GEV) & (measured > LEAST_PHOTON_ENERGY_GEV)
    tag, gamma, measured, expected = tag[usable], gamma[usable], measured[usable], expected[usable]
    other = rest[usable, :3] - expected[:, np.newaxis] * direction[usable]
    return Recoils(
        tag=tag,
        photon=gamma,
        energy_ratio=measured / expected,
        momentum_gev=other,
        charge=np.asarray(-charge[tag], dtype=np.int8),
        is_found=_is_found(other, -charge[tag], event[tag], momentum_gev, charge, event),
    )


def _hardest(event: NDArray[np.intp], energy: FloatArray, n_events: int) -> NDArray[np.intp]:
    """Return the row of the most energetic photon of each event, −1 where there is none, shape (n_events,)."""
    rows = np.full(n_events, -1, dtype=np.intp)
    ascending = np.argsort(energy, kind="stable")
    # of several assignments to one event the last one, of the largest energy, stays
    rows[event[ascending]] = ascending
    return rows


def _is_found(
    expected: FloatArray,
    expected_charge: NDArray[np.int8],
    expected_event: NDArray[np.intp],
    momentum: FloatArray,
    charge: NDArray[np.int8],
    event: NDArray[np.intp],
) -> BoolArray:
    """Return whether a track of the charge lies near each expected direction, shape (n,); tracks in order of events."""
    first = np.searchsorted(event, expected_event, side="left")
    n_tracks = np.searchsorted(event, expected_event, side="right") - first
    found = np.zeros(len(expected), dtype=bool)
    norm = np.linalg.norm(expected, axis=-1)
    for position in range(int(n_tracks.max(initial=0))):
        there = np.flatnonzero(position < n_tracks)
        row = first[there] + position
        cosine = np.sum(momentum[row] * expected[there], axis=-1)
        cosine /= np.linalg.norm(momentum[row], axis=-1) * np.maximum(norm[there], np.finfo(float).tiny)
        found[there] |= (charge[row] == expected_charge[there]) & (cosine > np.cos(LARGEST_ANGLE_RAD))
    return found
