"""Generated events as flat arrays: the hand-over from every generator to the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray


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

    @staticmethod
    def concatenate(parts: Sequence[GeneratedEvents]) -> GeneratedEvents:
        """Return the events of all `parts` one after another."""
        return GeneratedEvents(
            **{
                column.name: np.concatenate([getattr(part, column.name) for part in parts])
                for column in fields(GeneratedEvents)
            }
        )
