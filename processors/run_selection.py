"""Which runs of a data set are analysed: ranges of runs and lists of good ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, ValidationInfo, field_validator

from models.settings import Settings
from processors.event_identity import RUN_BITS, pack_run
from processors.event_spans import RunSpan

LAST_RUN: Final = (1 << RUN_BITS) - 1


class RunRange(Settings):
    """Runs of one experiment, both ends included."""

    experiment: NonNegativeInt
    first: NonNegativeInt = 0
    """First run."""
    last: NonNegativeInt = LAST_RUN
    """Last run; by default all from the first on."""

    @field_validator("last")
    @classmethod
    def _not_before_first(cls, last: int, info: ValidationInfo) -> int:
        if last < info.data.get("first", 0):
            raise ValueError("the last run comes before the first")
        return last


class Removed(NamedTuple):
    """Events left out by their run."""

    run_range: int
    """Outside the ranges of runs."""
    good_runs: int
    """Inside, but not in the list of good runs."""


class RunSelection(Settings):
    """The runs that are analysed; None selects all."""

    ranges: tuple[RunRange, ...] | None = None
    good: tuple[RunRange, ...] | None = None
    """The list of good runs."""

    @property
    def selects_all(self) -> bool:
        """Whether nothing is left out."""
        return self.ranges is None and self.good is None

    def masks(self, run: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which events are in the ranges, and which of these in the good runs.

        Parameters
        ----------
        run
            Packed experiment and run of each event, as `processors.event_identity.pack_run` gives them.

        Examples
        --------
        >>> up_to_9, from_5 = RunRange(experiment=31, last=9), RunRange(experiment=31, first=5)
        >>> selection = RunSelection(ranges=(up_to_9,), good=(from_5,))
        >>> in_range, good = selection.masks(pack_run([31, 31, 31, 33], [4, 5, 10, 5]))
        >>> in_range.tolist(), good.tolist()
        ([True, True, False, False], [False, True, False, False])
        """
        in_range = _inside(run, self.ranges)
        return in_range, in_range & _inside(run, self.good)

    def removed(self, spans: Iterable[RunSpan]) -> Removed:
        """Return how many events of a file are left out."""
        spans = tuple(spans)
        events = np.array([span.n_events for span in spans], dtype=np.int64)
        in_range, good = self.masks(np.array([span.run for span in spans], dtype=np.int64))
        return Removed(int(events[~in_range].sum()), int(events[in_range & ~good].sum()))


def parse_good_runs(content: Mapping[Any, Any]) -> tuple[RunRange, ...]:
    """Return the ranges of a list of good runs.

    Parameters
    ----------
    content
        Experiment → list of runs, or of [first, last] pairs.

    Raises
    ------
    ValueError
        If it is something else; the message names the experiment.

    Examples
    --------
    >>> [(runs.experiment, runs.first, runs.last) for runs in parse_good_runs({"31": [[1, 400], 512]})]
    [(31, 1, 400), (31, 512, 512)]
    """
    ranges = []
    for experiment, runs in content.items():
        if not str(experiment).isdecimal() or not isinstance(runs, Sequence) or isinstance(runs, str):
            raise ValueError(
                f"'{experiment}': expected an experiment number with a list of runs or [first, last] pairs"
            )
        for item in runs:
            pair = item if isinstance(item, Sequence) and not isinstance(item, str) else (item, item)
            if len(pair) != 2 or not all(isinstance(number, int) and number >= 0 for number in pair):
                raise ValueError(f"'{experiment}': {item!r} is neither a run nor a [first, last] pair")
            if pair[1] < pair[0]:
                raise ValueError(f"'{experiment}': {item!r} ends before it begins")
            ranges.append(RunRange(experiment=int(experiment), first=pair[0], last=pair[1]))
    return tuple(ranges)


def _inside(run: NDArray[np.int64], ranges: tuple[RunRange, ...] | None) -> NDArray[np.bool_]:
    if ranges is None:
        return np.ones(len(run), dtype=bool)
    starts = np.array([pack_run(each.experiment, each.first) for each in ranges], dtype=np.int64)
    stops = np.array([pack_run(each.experiment, each.last) for each in ranges], dtype=np.int64)
    order = np.argsort(starts)
    # The farthest end of all ranges that begin before a run decides, in whatever way they overlap.
    reach = np.maximum.accumulate(stops[order]) if len(order) else stops
    before = np.searchsorted(starts[order], run, side="right") - 1
    inside = before >= 0
    inside[inside] = run[inside] <= reach[before[inside]]
    return inside
