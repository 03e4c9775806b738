"""Decays at rest, made once and drawn from in array code: what libraries of any particle's decays have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import BadInputError
from processors.atomic_file import atomic_path
from simulation.generated import ragged_rows


@dataclass(frozen=True)
class DecayLibrary:
    """Decays in the rest frame of the particle that decays, at the origin at time zero.

    Arrays of shape (n_decays,): `counts`, `weight`, `parent`. Arrays whose first axis is particles: all others here.
    """

    PER_DECAY: ClassVar[frozenset[str]] = frozenset({"counts", "weight", "parent"})
    """Columns whose first axis is decays."""

    counts: NDArray[np.int64]
    """Particles of each decay, the one that decays left out."""
    weight: NDArray[np.float64]
    """Relative probability with which each decay has to be drawn."""
    parent: NDArray[np.int32]
    """PDG code of what decays, positive: decays of antiparticles are their CP conjugates."""
    pdg: NDArray[np.int32]
    conjugate_pdg: NDArray[np.int32]
    """PDG code of the antiparticle, the same for a particle that is its own."""
    status: NDArray[np.int32]
    mother: NDArray[np.int32]
    """Index of the mother within the decay, −1 for what decays at first."""
    momentum: NDArray[np.float64]
    """Four-momenta in GeV, shape (n_particles, 4)."""
    vertex: NDArray[np.float64]
    """Production vertices (x, y, z, c·t) in mm, shape (n_particles, 4)."""

    @property
    def n_decays(self) -> int:
        """Number of decays."""
        return len(self.counts)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Row of each decay's first particle, shape (n_decays,)."""
        return np.cumsum(self.counts) - self.counts

    @property
    def decay_index(self) -> NDArray[np.int64]:
        """Decay that each particle belongs to, shape (n_particles,)."""
        return np.repeat(np.arange(self.n_decays), self.counts)

    def count(self, particles: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many of each decay's particles are marked, shape (n_decays,)."""
        return np.bincount(self.decay_index[particles], minlength=self.n_decays)

    def take(self, decays: NDArray[np.int64] | slice) -> Self:
        """Return the decays numbered `decays`, in that order, with the weights they have here."""
        rows = ragged_rows(self.starts[decays], self.counts[decays])
        return replace(
            self,
            **{
                column.name: getattr(self, column.name)[decays if column.name in self.PER_DECAY else rows]
                for column in fields(self)
            },
        )

    def save(self, path: Path) -> None:
        """Write the library to a NumPy archive, whole or not at all."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{column.name: getattr(self, column.name) for column in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a library from a NumPy archive.

        Raises
        ------
        BadInputError
            If the file is missing, damaged or not a library.
        """
        try:
            with np.load(path) as archive:
                return cls(**{column.name: archive[column.name] for column in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise BadInputError(f"{path}: not a library of decays ({type(error).__name__}: {error})") from error

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Return the decays of several libraries, each with the weight it has there."""
        return cls(
            **{column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)}
        )
