"""Four-momentum of the beams and interaction point of B2BII events, from what the file says about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ELECTRON_MASS_GEV
from processors.b2bii.configuration import BeamEnergies, ConversionSettings
from processors.b2bii.variables import BEAM_ENERGIES, BEAM_FOUR_MOMENTUM, CM_ENERGY, INTERACTION_POINT

FloatArray = NDArray[np.float64]
_MM_PER_CM = 10.0


class Collision(NamedTuple):
    """How events were made."""

    beam: FloatArray
    """Sum of both beams' four-momenta in the laboratory (px, py, pz, E), shape (n_events, 4), GeV."""
    ip_mm: FloatArray
    """Interaction point, shape (n_events, 3)."""


def crossing_beams(electron_gev: ArrayLike, positron_gev: ArrayLike, angle_rad: float) -> FloatArray:
    """Return the sum of the four-momenta of beams that cross.

    Parameters
    ----------
    electron_gev, positron_gev
        Energies, of one common shape (...).
    angle_rad
        Angle of the electrons to +z, towards +x; positrons fly to −z.

    Returns
    -------
    (px, py, pz, E), shape (..., 4), GeV.

    Examples
    --------
    >>> crossing_beams(8.0, 3.5, 0.022).round(4).tolist()
    [0.176, 0.0, 4.4981, 11.5]
    """
    electron, positron = np.asarray(electron_gev, dtype=np.float64), np.asarray(positron_gev, dtype=np.float64)
    momentum = np.sqrt(electron**2 - ELECTRON_MASS_GEV**2)
    pz = momentum * np.cos(angle_rad) - np.sqrt(positron**2 - ELECTRON_MASS_GEV**2)
    return np.stack([momentum * np.sin(angle_rad), np.zeros_like(pz), pz, electron + positron], axis=-1)


def invariant_mass(four_momentum: FloatArray) -> FloatArray:
    """Return the mass, shape (...), of (px, py, pz, E) of shape (..., 4)."""
    return np.asarray(np.sqrt(four_momentum[..., 3] ** 2 - np.sum(four_momentum[..., :3] ** 2, axis=-1)))


def collisions(
    experiment: NDArray[np.int64],
    in_file: Mapping[str, FloatArray],
    settings: ConversionSettings,
    notes: Counter[str],
) -> Collision:
    """Return beams and interaction point of every event.

    The beams are, in this order of preference: `beamPx … beamE`; `Eher` and `Eler` with the configured crossing angle;
    the configured energies of the experiment, both scaled to `Ecms`; the configured energies.

    Parameters
    ----------
    experiment
        Experiment of each event.
    in_file
        Event variable → values, for those that the file has.
    settings
        What stands in for those it lacks.
    notes
        What was done for how many events is added here.
    """
    n_events = len(experiment)
    if all(name in in_file for name in BEAM_FOUR_MOMENTUM):
        beam = np.stack([in_file[name] for name in BEAM_FOUR_MOMENTUM], axis=-1)
    elif all(name in in_file for name in BEAM_ENERGIES):
        beam = crossing_beams(in_file["Eher"], in_file["Eler"], settings.crossing_angle_rad)
        notes[f"beams from Eher and Eler with a crossing angle of {settings.crossing_angle_rad:g} rad"] += n_events
    else:
        nominal = [settings.beam_energies_of_experiment.get(int(e), settings.beam_energies) for e in experiment]
        beam = _configured_beams(nominal, in_file.get(CM_ENERGY), settings)
        source = f"scaled to {CM_ENERGY}" if CM_ENERGY in in_file else "for want of any in the file"
        notes[f"beam energies from the configuration, {source}"] += n_events
    if CM_ENERGY in in_file:
        differs = np.abs(invariant_mass(beam) / in_file[CM_ENERGY] - 1.0) > settings.cm_energy_tolerance
        if differs.any():
            notes[f"events whose beams do not make {CM_ENERGY}"] += int(differs.sum())
    if all(name in in_file for name in INTERACTION_POINT):
        ip_mm = _MM_PER_CM * np.stack([in_file[name] for name in INTERACTION_POINT], axis=-1)
    else:
        ip_mm = np.array([settings.ip_mm_of_experiment.get(int(e), settings.ip_mm) for e in experiment])
        notes["interaction point from the configuration, for want of IPX, IPY, IPZ"] += n_events
    return Collision(beam, ip_mm.reshape(-1, 3))


def _configured_beams(
    nominal: list[BeamEnergies], cm_energy_gev: FloatArray | None, settings: ConversionSettings
) -> FloatArray:
    electron = np.array([beams.electron_gev for beams in nominal])
    positron = np.array([beams.positron_gev for beams in nominal])
    beam = crossing_beams(electron, positron, settings.crossing_angle_rad)
    if cm_energy_gev is None:
        return beam
    scale = cm_energy_gev / invariant_mass(beam)
    return crossing_beams(scale * electron, scale * positron, settings.crossing_angle_rad)
