"""Leaving out events that no search can select, by the track requirements of the selection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix, distance_to
from models.search import Search
from processors.configuration import TrackSettings
from processors.ntuple import COLLECTIONS, EVENT_BRANCHES, HELIX_PARAMETERS
from processors.selection import N_TRACKS, four_good_tracks, good_tracks

AnyArray = NDArray[Any]


def describe_skim(settings: TrackSettings) -> str:
    """Return what is written into the sample metadata of skimmed files."""
    return json.dumps({"good_tracks": N_TRACKS, "tracks": settings.model_dump(mode="json")}, sort_keys=True)


def has_four_good_tracks(columns: Mapping[str, AnyArray], settings: TrackSettings) -> NDArray[np.bool_]:
    """Return which events have exactly four good tracks by the definition of any search.

    Parameters
    ----------
    columns
        Branches of the ntuple, flat.
    settings
        What makes a track good.

    Returns
    -------
    Mask of shape (n_events,).
    """
    counts = columns["nTrack"]
    kept = np.zeros(len(counts), dtype=bool)
    event = np.repeat(np.arange(len(counts)), counts)
    enough = np.flatnonzero((counts >= N_TRACKS)[event])
    helix = Helix(*(columns[f"Track_{name}"][enough] for name in HELIX_PARAMETERS))
    ip_mm = np.stack([columns[f"ip_{axis}"] for axis in "xyz"], axis=-1)
    dr, dz = distance_to(helix, ip_mm[event[enough]])
    for max_dr_mm in {settings.max_dr_of(search) for search in Search}:
        good = good_tracks(dr, dz, helix.tan_lambda, max_dr_mm, settings)
        kept[event[enough[four_good_tracks(good, event[enough], len(counts))[:, 0]]]] = True
    return kept


def select_events(columns: Mapping[str, AnyArray], keep: NDArray[np.bool_]) -> dict[str, AnyArray]:
    """Return the flat columns of the events where `keep`, shape (n_events,), is true."""
    entries = {
        collection.name: np.repeat(keep, columns[collection.counter])
        for collection in COLLECTIONS
        if collection.counter in columns
    }
    per_event = {branch.name for branch in EVENT_BRANCHES} | {f"n{name}" for name in entries}
    return {
        name: column[keep if name in per_event else entries[name.split("_", 1)[0]]] for name, column in columns.items()
    }
