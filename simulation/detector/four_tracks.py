"""Events that may be two τ decays and a lepton pair: exactly four good tracks without net charge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix, distance_to
from processors.configuration import TrackSettings
from processors.selection import N_TRACKS, four_good_tracks, good_tracks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class FourTracks(NamedTuple):
    """The good tracks of events that have two of each charge."""

    track: IntArray
    """Indices of the tracks, shape (n_selected, 2, 2): two negative ones, then two positive ones."""
    event: IntArray
    """Event of each, ascending, shape (n_selected,)."""


def neutral_four_tracks(
    helix: Helix, event: IntArray, ip_mm: FloatArray, settings: TrackSettings | None = None
) -> FourTracks:
    """Return the events with exactly four good tracks of charge zero by either requirement on their distance.

    Four good tracks by the loose requirement are taken before four by the tight one; an event cannot have
    two different sets.

    Parameters
    ----------
    helix
        Measured tracks about the origin.
    event
        Event of each track, not decreasing.
    ip_mm
        Measured interaction point of each event, shape (n_events, 3).
    settings
        What makes a track good; the selection's default if not given.
    """
    settings = settings or TrackSettings()
    n_events = len(ip_mm)
    enough = np.flatnonzero((np.bincount(event, minlength=n_events) >= N_TRACKS)[event])
    of_track = event[enough]
    kept = Helix(*(column[enough] for column in helix))
    dr, dz = distance_to(kept, ip_mm[of_track])
    loose, tight = (
        four_good_tracks(good_tracks(dr, dz, kept.tan_lambda, max_dr, settings), of_track, n_events)
        for max_dr in (settings.max_dr_displaced_mm, settings.max_dr_mm)
    )
    taken = np.zeros(n_events, dtype=np.bool_)
    taken[of_track[loose[:, 0]]] = True
    four = np.concatenate([loose, tight[~taken[of_track[tight[:, 0]]]]])
    four = four[np.sum(kept.omega[four] > 0.0, axis=1) == N_TRACKS // 2]
    four = four[np.argsort(four[:, 0])]
    by_charge = np.take_along_axis(four, np.argsort(kept.omega[four] > 0.0, axis=1, kind="stable"), axis=1)
    return FourTracks(enough[by_charge].reshape(-1, 2, 2), of_track[four[:, 0]])
