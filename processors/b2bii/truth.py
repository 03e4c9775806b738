"""Generator particles of B2BII files, which may come in several trees, and what tracks were matched to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from processors.b2bii.links import index_in_event, whole
from processors.b2bii.reading import Particles
from processors.b2bii.tracks import MM_PER_CM

AnyArray = NDArray[Any]
IntArray = NDArray[np.int64]

_MOMENTUM: Final = ("px", "py", "pz", "E")
_VERTEX: Final = {"vx": "mcProdVertexX", "vy": "mcProdVertexY", "vz": "mcProdVertexZ"}
_STABLE, _DECAYED = 1, 2


def generator_columns(lists: Sequence[Particles], n_events: int, notes: Counter[str]) -> dict[str, AnyArray]:
    """Return the branches of `Gen` with their counter, from all lists of generator particles.

    Parameters
    ----------
    lists
        One a tree, none if the file has no truth.
    n_events
        Events in the range.
    notes
        What was done for how many events is added here.
    """
    if not lists:
        notes["no generator particles, for want of a tree mc"] += n_events
        joined = {name: np.zeros(0) for name in ("mcPDG", "genParticleID", "genMotherID", *_MOMENTUM, *_VERTEX)}
        counts = np.zeros(n_events, dtype=np.int64)
    else:
        for particles in lists:
            particles.require_finite(*_MOMENTUM)
        counts = np.sum([particles.counts for particles in lists], axis=0)
        joined = {name: _joined(lists, name, np.nan) for name in ("mcPDG", "genParticleID", "genMotherID", *_MOMENTUM)}
        joined |= {name: MM_PER_CM * _joined(lists, variable, 0.0) for name, variable in _VERTEX.items()}
        if any("genMotherID" not in part or "genParticleID" not in part for part in lists):
            notes["generator particles without mother, for want of genMotherID and genParticleID"] += n_events
        if any(variable not in part for part in lists for variable in _VERTEX.values()):
            notes["generator particles made at the origin, for want of mcProdVertexX, Y, Z"] += n_events
    event = np.repeat(np.arange(n_events), counts)
    mother = index_in_event(joined["genMotherID"], event, joined["genParticleID"], counts)
    has_daughter = np.zeros(len(event), dtype=bool)
    has_daughter[(np.cumsum(counts) - counts)[event[mother >= 0]] + mother[mother >= 0]] = True
    return {
        "nGen": counts,
        "Gen_pdg": whole(joined["mcPDG"], 0),
        "Gen_status": np.where(has_daughter, _DECAYED, _STABLE),
        "Gen_mother": mother,
        **{f"Gen_{name}": joined[name] for name in (*_MOMENTUM, *_VERTEX)},
    }


def matched_columns(tracks: Particles, generated: Sequence[Particles], notes: Counter[str]) -> dict[str, AnyArray]:
    """Return the truth branches of `Track`: PDG codes of match and mother, and its index in `Gen`."""
    n_tracks, n_events = int(tracks.counts.sum()), len(tracks.counts)
    codes = {}
    for name, variable in (("pdg", "mcPDG"), ("mother_pdg", "genMotherPDG")):
        if variable in tracks:
            codes[name] = whole(tracks.real(variable), 0)
        else:
            notes[f"tracks without truth, for want of {variable}"] += n_tracks
            codes[name] = np.zeros(n_tracks, dtype=np.int64)
    index = np.full(n_tracks, -1, dtype=np.int64)
    if "genParticleID" in tracks and generated and all("genParticleID" in part for part in generated):
        counts = np.sum([part.counts for part in generated], axis=0)
        offered = _joined(generated, "genParticleID", np.nan)
        index = index_in_event(tracks.real("genParticleID"), tracks.event, offered, counts)
    elif generated:
        notes["tracks without index of their generator particle, for want of genParticleID"] += n_events
    return {f"Track_{name}": column for name, column in (codes | {"gen": index}).items()}


def _joined(lists: Sequence[Particles], variable: str, default: float) -> NDArray[np.float64]:
    """Return a variable over all lists, event by event."""
    columns = [part.real(variable) if variable in part else np.full(int(part.counts.sum()), default) for part in lists]
    if len(lists) == 1:
        return columns[0]
    jagged = [ak.unflatten(column, part.counts) for column, part in zip(columns, lists, strict=True)]
    return np.asarray(ak.flatten(ak.concatenate(jagged, axis=1)), dtype=np.float64)
