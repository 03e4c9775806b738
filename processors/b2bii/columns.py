"""A range of events of a B2BII file as flat columns of the compact ntuple."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import uproot
from numpy.typing import NDArray

from processors.b2bii.beams import collisions
from processors.b2bii.configuration import ConversionSettings
from processors.b2bii.errors import BadNumberError
from processors.b2bii.layout import FileLayout
from processors.b2bii.links import index_in_event
from processors.b2bii.reading import Particles, read_event_column, read_event_numbers, read_particles
from processors.b2bii.tracks import track_columns
from processors.b2bii.truth import generator_columns, matched_columns
from processors.b2bii.variables import EVENT_VARIABLES, PARTICLE_VARIABLES, PRODUCTION, WEIGHT, Need, Tree

AnyArray = NDArray[Any]

_FOUR_MOMENTUM: Final = ("px", "py", "pz", "E")
_PI0_DAUGHTERS: Final = ("daughter(0, mdstIndex)", "daughter(1, mdstIndex)")


def ntuple_columns(
    file: uproot.ReadOnlyDirectory,
    layout: FileLayout,
    entries: slice,
    settings: ConversionSettings,
    notes: Counter[str],
    *,
    is_data: bool,
) -> dict[str, AnyArray]:
    """Return the columns of a range of events.

    Parameters
    ----------
    file, layout
        The open file and where it keeps what.
    entries
        Start and stop of the range.
    settings
        Tolerances and what stands in for what the file lacks.
    notes
        What was done to how many events, tracks or π⁰ is added here.
    is_data
        Data have no truth and weight 1.

    Returns
    -------
    Branch → flat array, as `processors.ntuple_writer.NtupleWriter.extend` takes them.

    Raises
    ------
    BadInputError
        One of `processors.b2bii.errors`, naming tree, variable and entry.
    """

    def particles(tree: Tree) -> Particles:
        wanted = [v.name for v in PARTICLE_VARIABLES[tree] if not (is_data and v.need is Need.TRUTH)]
        return read_particles(file, layout.path, layout.trees[tree], wanted, entries)

    numbers = read_event_numbers(file, layout.path, layout.trees[Tree.TRACK], entries)
    n_events = entries.stop - entries.start
    in_file = {name: read_event_column(file, layout, name, entries) for name in EVENT_VARIABLES}
    collision = collisions(
        numbers["experiment"], {name: column for name, column in in_file.items() if column is not None}, settings, notes
    )
    tracks, photons, pions = (particles(tree) for tree in (Tree.TRACK, Tree.PHOTON, Tree.PI0))
    columns: dict[str, AnyArray] = {
        **numbers,
        "production": _production(file, layout, entries, notes),
        **dict(zip(("beam_px", "beam_py", "beam_pz", "beam_E"), collision.beam.T, strict=True)),
        **dict(zip(("ip_x", "ip_y", "ip_z"), collision.ip_mm.T, strict=True)),
        "weight": _weight(file, layout, entries, is_data=is_data),
        "is_data": np.full(n_events, is_data),
        "nTrack": tracks.counts,
        **_named("Track", track_columns(tracks, collision.ip_mm, settings, notes)),
        "nPhoton": photons.counts,
        **_named("Photon", _photon_columns(photons, notes)),
        "nPi0": pions.counts,
        **_named("Pi0", _pi0_columns(pions, photons, notes)),
    }
    if is_data:
        return columns
    truth = [variable.name for variable in PARTICLE_VARIABLES[Tree.MC]]
    generated = [read_particles(file, layout.path, tree, truth, entries) for tree in layout.generated]
    return columns | matched_columns(tracks, generated, notes) | generator_columns(generated, n_events, notes)


def _named(collection: str, branches: dict[str, AnyArray]) -> dict[str, AnyArray]:
    return {f"{collection}_{name}": column for name, column in branches.items()}


def _production(
    file: uproot.ReadOnlyDirectory, layout: FileLayout, entries: slice, notes: Counter[str]
) -> NDArray[np.int64]:
    column = read_event_column(file, layout, PRODUCTION, entries)
    if column is None:
        notes[f"production number 0, for want of {PRODUCTION}"] += entries.stop - entries.start
        return np.zeros(entries.stop - entries.start, dtype=np.int64)
    return column.astype(np.int64)


def _weight(
    file: uproot.ReadOnlyDirectory, layout: FileLayout, entries: slice, *, is_data: bool
) -> NDArray[np.float64]:
    """Return the weights of the sampling that basf2 can do; data must not have been sampled."""
    column = read_event_column(file, layout, WEIGHT, entries)
    if column is None:
        return np.ones(entries.stop - entries.start)
    if is_data and np.any(column != 1.0):
        event = int(np.argmax(column != 1.0))
        raise BadNumberError(
            f"{layout.path}: {WEIGHT} holds {column[event]:g} at entry {entries.start + event}: "
            "events were left out by sampling, which data cannot have"
        )
    return column


def _photon_columns(photons: Particles, notes: Counter[str]) -> dict[str, AnyArray]:
    photons.require_finite(*_FOUR_MOMENTUM)
    shape = photons.real("clusterE9E25")
    if missing := int(np.isnan(shape).sum()):
        notes["photons without clusterE9E25, given 0"] += missing
        shape = np.where(np.isnan(shape), 0.0, shape)
    return {**{name: photons.real(name) for name in _FOUR_MOMENTUM}, "E9E25": shape}


def _pi0_columns(pions: Particles, photons: Particles, notes: Counter[str]) -> dict[str, AnyArray]:
    """Return π⁰ with the indices of their photons, −1 where these are unknown."""
    pions.require_finite(*_FOUR_MOMENTUM)
    columns: dict[str, AnyArray] = {name: pions.real(name) for name in _FOUR_MOMENTUM}
    linked = "mdstIndex" in photons and all(daughter in pions for daughter in _PI0_DAUGHTERS)
    if not linked:
        notes["π⁰ without daughters, for want of mdstIndex of photons and daughters"] += int(pions.counts.sum())
    for name, daughter in zip(("photon0", "photon1"), _PI0_DAUGHTERS, strict=True):
        index = np.full(int(pions.counts.sum()), -1, dtype=np.int64)
        if linked:
            index = index_in_event(pions.real(daughter), pions.event, photons.real("mdstIndex"), photons.counts)
            if lost := int(np.sum(index < 0)):
                notes["π⁰ daughters that are not among the photons"] += lost
        columns[name] = index
    return columns
