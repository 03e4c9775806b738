"""One chunk of an ntuple as checked numpy columns: every value used in a decision is a finite number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from models.errors import BadInputError
from processors.locations import describe_cause
from processors.root_files import UNREADABLE

AnyArray = NDArray[Any]


class Chunk:
    """A range of entries of one file, read column by column when asked.

    Parameters
    ----------
    events
        NanoEvents of `BelleSchema`, virtual, with the metadata that coffea's runner attaches.
    """

    def __init__(self, events: ak.Array) -> None:
        self._events = events
        self.path: str = events.metadata["filename"]
        """File the entries are read from."""
        self.first_entry: int = events.metadata["entrystart"]
        self.stop_entry: int = events.metadata["entrystop"]
        self.n_events = len(events)
        self._checked: dict[str, AnyArray] = {}
        """Columns read so far; two selections of one chunk share them."""

    def event_column(self, name: str, component: str | None = None) -> AnyArray:
        """Return an event branch, or one component of an event vector, shape (n_events,)."""
        branch = name if component is None else f"{name}_{component}"

        def read() -> AnyArray:
            column = self._events[name] if component is None else self._events[name][component]
            return np.asarray(ak.to_numpy(column))

        column = self._read(branch, read)
        self.require(branch, np.isfinite(column), column)
        return column

    def counts(self, collection: str) -> NDArray[np.int64]:
        """Return how many entries a collection has in each event, shape (n_events,), reading the counter only."""
        branch = f"n{collection}"
        if branch not in self._checked:
            self._checked[branch] = self._read(
                branch, lambda: np.asarray(ak.num(self._events[collection], axis=1), dtype=np.int64)
            )
        return self._checked[branch]

    def event_index(self, collection: str) -> NDArray[np.int64]:
        """Return the event of the chunk that each entry of a collection belongs to, shape (sum of counts,)."""
        return np.repeat(np.arange(self.n_events), self.counts(collection))

    def flat(self, collection: str, name: str) -> AnyArray:
        """Return a branch of a collection over all events, shape (sum of counts,)."""
        branch = f"{collection}_{name}"
        if branch not in self._checked:
            column = self._read(
                branch, lambda: np.asarray(ak.to_numpy(ak.flatten(self._events[collection][name], axis=1)))
            )
            finite = np.isfinite(column)
            if not finite.all():
                self.require(branch, finite, column, self.event_index(collection))
            self._checked[branch] = column
        return self._checked[branch]

    def require(
        self, branch: str, valid: NDArray[np.bool_], values: AnyArray, event: NDArray[np.int64] | None = None
    ) -> None:
        """Raise unless all values are valid.

        Parameters
        ----------
        branch
            What the values were read from.
        valid, values
            Any common shape.
        event
            Event of the chunk that each element of their first axis belongs to; by default one per event.

        Raises
        ------
        BadInputError
            Naming file, branch, entry and the first bad value.
        """
        if valid.all():
            return
        first = np.unravel_index(int(np.argmin(valid)), valid.shape)
        entry = self.first_entry + int(first[0] if event is None else event[first[0]])
        raise BadInputError(f"{self.path}: branch '{branch}' holds {values[first]} at entry {entry}")

    def _read(self, branch: str, read: Callable[[], AnyArray]) -> AnyArray:
        try:
            return read()
        except UNREADABLE as error:
            raise BadInputError(
                f"{self.path}: branch '{branch}' cannot be read in entries {self.first_entry} to {self.stop_entry} "
                f"({describe_cause(error)})"
            ) from error
