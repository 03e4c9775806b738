"""Generated events as flat arrays: the hand-over from every generator to the detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

Scalar = TypeVar("Scalar", bound=np.generic)

FINAL_STATE = 1
"""Status of a particle that reaches the detector."""
DECAYED = 2
"""Status of a particle that decayed or converted."""
_KINEMATICS: Final = ("px", "py", "pz", "E", "vx", "vy", "vz", "vt")


class Particles(NamedTuple):
    """Particles of any events as rows: what generators exchange before they are sorted into events."""

    pdg: NDArray[np.int32]
    status: NDArray[np.int32]
    mother: NDArray[np.int64]
    """Row of the mother, −1 if none; which rows are counted is said where this is used."""
    momentum: NDArray[np.float64]
    """(p_x, p_y, p_z, E) in GeV, shape (n, 4)."""
    vertex: NDArray[np.float64]
    """Production vertex (x, y, z, c·t) in mm, shape (n, 4)."""


@dataclass(frozen=True)
class GeneratedEvents:
    """Events of one process, particles flattened event after event.

    Arrays of shape (n_events,): `counts`, `weight`. Arrays of shape (n_particles,): all others. A particle's
    production vertex is (vx, vy, vz) in mm with vt = c·t in mm, so that vertices transform like momenta.
    """

    counts: NDArray[np.int64]
    """Particles in each event."""
    weight: NDArray[np.float64]
    """Generator weight of each event."""
    pdg: NDArray[np.int32]
    status: NDArray[np.int32]
    """1 for a particle that reaches the detector, 2 for one that decayed."""
    mother: NDArray[np.int32]
    """Index of the mother within its event, −1 if none."""
    px: NDArray[np.float64]
    py: NDArray[np.float64]
    pz: NDArray[np.float64]
    E: NDArray[np.float64]
    vx: NDArray[np.float64]
    vy: NDArray[np.float64]
    vz: NDArray[np.float64]
    vt: NDArray[np.float64]

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.counts)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Index of each event's first particle, and the total, shape (n_events + 1,)."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.counts)])

    @property
    def event_index(self) -> NDArray[np.int64]:
        """Event that each particle belongs to, shape (n_particles,)."""
        return np.repeat(np.arange(self.n_events), self.counts)

    @property
    def momentum(self) -> NDArray[np.float64]:
        """Four-momenta (p_x, p_y, p_z, E) in GeV, shape (n_particles, 4)."""
        return np.stack([self.px, self.py, self.pz, self.E], axis=-1)

    @property
    def vertex(self) -> NDArray[np.float64]:
        """Production vertices (x, y, z, c·t) in mm, shape (n_particles, 4)."""
        return np.stack([self.vx, self.vy, self.vz, self.vt], axis=-1)

    @staticmethod
    def from_particles(counts: NDArray[np.int64], weight: NDArray[np.float64], particles: Particles) -> GeneratedEvents:
        """Return events whose `particles` lie event after event, each mother counted within its event."""
        return GeneratedEvents(
            counts=counts,
            weight=weight,
            pdg=particles.pdg.astype(np.int32),
            status=particles.status.astype(np.int32),
            mother=particles.mother.astype(np.int32),
            **_columns(particles.momentum, particles.vertex),
        )

    @staticmethod
    def from_table(
        pdg: NDArray[np.int32], momentum: NDArray[np.float64], present: NDArray[np.bool_] | None = None
    ) -> GeneratedEvents:
        """Return unweighted events of final-state particles at the origin.

        Parameters
        ----------
        pdg
            Shape (n_events, n).
        momentum
            Four-momenta in GeV, shape (n_events, n, 4).
        present
            Which of the `n` particles an event really has, shape (n_events, n); all of them by default.
        """
        if present is None:
            present = np.ones(pdg.shape, dtype=np.bool_)
        kept = momentum[present]
        return GeneratedEvents.from_particles(
            np.count_nonzero(present, axis=1),
            np.ones(len(pdg)),
            Particles(
                pdg=pdg[present],
                status=np.full(len(kept), FINAL_STATE, dtype=np.int32),
                mother=np.full(len(kept), -1, dtype=np.int64),
                momentum=kept,
                vertex=np.zeros_like(kept),
            ),
        )

    def with_kinematics(self, momentum: NDArray[np.float64], vertex: NDArray[np.float64]) -> GeneratedEvents:
        """Return the same particles with other four-momenta and vertices, both of shape (n_particles, 4)."""
        columns: dict[str, Any] = dict(_columns(momentum, vertex))
        return replace(self, **columns)

    def reweighted(self, factor: NDArray[np.float64]) -> GeneratedEvents:
        """Return the events with their weights multiplied by `factor`, shape (n_events,)."""
        return replace(self, weight=self.weight * factor)

    def append(self, event: NDArray[np.int64], particles: Particles, *, mothers_decay: bool = True) -> GeneratedEvents:
        """Return the events with more particles at the end of each.

        Parameters
        ----------
        event
            Event that each new particle goes to, shape (n_new,).
        particles
            The new particles. A mother below `len(self.pdg)` is the row of a particle that is already here;
            from there on it counts the new ones.
        mothers_decay
            Whether the mothers of the new particles cease to exist; an electron that radiates does not.
        """
        counts, old_row, new_row = _merged_rows(self.counts, event)
        joined = particles.mother
        # What is here keeps its place in its event, and with it the numbers of its mothers.
        row_of_mother = np.concatenate([old_row, new_row])[joined]
        mother = np.where(joined >= 0, row_of_mother - (np.cumsum(counts) - counts)[event], -1)

        def merged(old: NDArray[Scalar], new: NDArray[Any]) -> NDArray[Scalar]:
            column = np.empty(len(old_row) + len(new_row), dtype=old.dtype)
            column[old_row] = old
            column[new_row] = new
            return column

        status = merged(self.status, particles.status)
        if mothers_decay:
            status[row_of_mother[joined >= 0]] = DECAYED
        return GeneratedEvents(
            counts=counts,
            weight=self.weight,
            pdg=merged(self.pdg, particles.pdg),
            status=status,
            mother=merged(self.mother, mother),
            **{
                name: merged(getattr(self, name), column)
                for name, column in zip(_KINEMATICS, (*particles.momentum.T, *particles.vertex.T), strict=True)
            },
        )

    def select(self, event_mask: NDArray[np.bool_]) -> GeneratedEvents:
        """Return the events where `event_mask`, shape (n_events,), is true."""
        particle_mask = np.repeat(event_mask, self.counts)
        return replace(
            self,
            **{
                column.name: getattr(self, column.name)[
                    event_mask if column.name in ("counts", "weight") else particle_mask
                ]
                for column in fields(self)
            },
        )

    def take(self, order: NDArray[np.int64]) -> GeneratedEvents:
        """Return the events numbered `order`, in that order."""
        counts = self.counts[order]
        rows = ragged_rows(self.offsets[order], counts)
        return replace(
            self,
            **{
                column.name: getattr(self, column.name)[order if column.name in ("counts", "weight") else rows]
                for column in fields(self)
            },
        )

    @staticmethod
    def concatenate(parts: Sequence[GeneratedEvents]) -> GeneratedEvents:
        """Return the events of all `parts` one after another."""
        return GeneratedEvents(
            **{
                column.name: np.concatenate([getattr(part, column.name) for part in parts])
                for column in fields(GeneratedEvents)
            }
        )


def batch_sizes(n: int, batch: int) -> Iterator[int]:
    """Yield the sizes of the batches that `n` events come in.

    >>> list(batch_sizes(50, 20))
    [20, 20, 10]
    """
    return (min(batch, n - start) for start in range(0, n, batch))


def ragged_rows(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of several runs of consecutive rows, one run after another.

    >>> ragged_rows(np.array([10, 0]), np.array([2, 3])).tolist()
    [10, 11, 0, 1, 2]
    """
    first = np.cumsum(counts) - counts
    return np.repeat(starts - first, counts) + np.arange(int(counts.sum()))


@compiled
def _merged_rows(
    counts: NDArray[np.int64], event: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the new counts, and where the old particles go, and those joining each `event` in their order."""
    total = counts.copy()
    for number in event:
        total[number] += 1
    old_row = np.empty(counts.sum(), dtype=np.int64)
    free = np.empty_like(counts)
    source, row = 0, 0
    for number in range(len(counts)):
        for _ in range(counts[number]):
            old_row[source] = row
            source += 1
            row += 1
        free[number] = row
        row += total[number] - counts[number]
    new_row = np.empty(len(event), dtype=np.int64)
    for i in range(len(event)):
        new_row[i] = free[event[i]]
        free[event[i]] += 1
    return total, old_row, new_row


def _columns(momentum: NDArray[np.float64], vertex: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the kinematic columns of four-momenta and vertices, both of shape (n, 4)."""
    values = (*momentum.T, *vertex.T)
    return {name: np.ascontiguousarray(value) for name, value in zip(_KINEMATICS, values, strict=True)}
