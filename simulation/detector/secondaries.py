"""Adding particles to events that are already there."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulation.detector.species import STABLE
from simulation.generated import GeneratedEvents

FloatArray = NDArray[np.float64]


class Secondaries(NamedTuple):
    """Particles made by the detector, arrays over particles in any order."""

    parent: NDArray[np.int64]
    """Flat index of the particle each comes from."""
    pdg: NDArray[np.int32]
    momentum_gev: FloatArray
    """Shape (n, 3)."""
    energy_gev: FloatArray
    vertex_mm: FloatArray
    """Production vertex and c·t, shape (n, 4)."""


def add_secondaries(events: GeneratedEvents, secondaries: Secondaries) -> GeneratedEvents:
    """Return the events with stable particles appended to each, behind those it has, in the order given.

    Indices of mothers stay valid because nothing is inserted in front of a particle.
    """
    event = events.event_index[secondaries.parent]
    added = {
        "pdg": secondaries.pdg,
        "status": np.full(len(event), STABLE),
        "mother": secondaries.parent - events.offsets[event],
        **dict(zip(("px", "py", "pz"), secondaries.momentum_gev.T, strict=True)),
        "E": secondaries.energy_gev,
        **dict(zip(("vx", "vy", "vz", "vt"), secondaries.vertex_mm.T, strict=True)),
    }
    order = np.argsort(np.concatenate([events.event_index, event]), kind="stable")
    columns = {}
    for column in fields(events):
        if column.name in added:
            old = getattr(events, column.name)
            columns[column.name] = np.concatenate([old, added[column.name].astype(old.dtype)])[order]
    counts = events.counts + np.bincount(event, minlength=events.n_events)
    return replace(events, counts=counts, **columns)
