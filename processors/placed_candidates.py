"""Candidates of one sample with the regions they are in and all their weights: what histograms are filled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.search import Process
from processors.cutflow import generated_event
from processors.scoring import Columns


@dataclass(frozen=True)
class PlacedCandidates:
    """Candidates of one sample under one kinematics, n of them."""

    process: Process
    sample: str
    masks: Mapping[str, NDArray[np.bool_]]
    """Region → which candidates are in it, after blinding."""
    leading: NDArray[np.int64]
    """Background class of the highest score, 0 … 3, shape (n,)."""
    mass_gev: NDArray[np.float64]
    """m(ℓℓ), shape (n,)."""
    weights: Mapping[str, NDArray[np.float64]]
    """Variation → weights normalised to the luminosity, shape (n,)."""
    generated: NDArray[np.int64] | None
    """Number that copies of one generated event share, shape (n,); None if there are no copies."""

    def __add__(self, other: PlacedCandidates) -> PlacedCandidates:
        generated = None
        if self.generated is not None and other.generated is not None:
            generated = np.concatenate([self.generated, other.generated])
        return PlacedCandidates(
            self.process,
            self.sample,
            {name: np.concatenate([mask, other.masks[name]]) for name, mask in self.masks.items()},
            np.concatenate([self.leading, other.leading]),
            np.concatenate([self.mass_gev, other.mass_gev]),
            {name: np.concatenate([weight, other.weights[name]]) for name, weight in self.weights.items()},
            generated,
        )

    def __len__(self) -> int:
        return len(self.mass_gev)

    def select(self, rows: NDArray[np.bool_]) -> PlacedCandidates:
        """Return some of the candidates; rows has shape (n,)."""
        return PlacedCandidates(
            self.process,
            self.sample,
            {name: mask[rows] for name, mask in self.masks.items()},
            self.leading[rows],
            self.mass_gev[rows],
            {name: weight[rows] for name, weight in self.weights.items()},
            None if self.generated is None else self.generated[rows],
        )

    def split_off_ends(self) -> tuple[PlacedCandidates, PlacedCandidates | None]:
        """Return the candidates of a chunk that is cut out of a file, without and with those at its ends.

        Copies of one generated event are next to each other: those of the first and of the last one may go on in the
        neighbouring chunks, and are not squared before they are together with these. None if there are no copies.
        """
        if self.generated is None or len(self) == 0:
            return self, None
        at_end = np.isin(self.generated, self.generated[[0, -1]])
        return self.select(~at_end), self.select(at_end)


def copies_of(columns: Columns, repeats: int) -> NDArray[np.int64] | None:
    """Return the generated event of each candidate of a sample, shape (n,), None if it has no copies.

    Parameters
    ----------
    columns
        With the identity of events.
    repeats
        Most copies of one generated event (`SampleMetadata.repeats`).
    """
    return None if repeats == 1 else generated_event(columns["run"], columns["event"], repeats)


def generated_numbers(columns: Columns, repeats: int) -> NDArray[np.int64]:
    """Return the generated event of each candidate as a number below that of candidates, shape (n,).

    Parameters
    ----------
    columns, repeats
        As in `copies_of`; without copies every candidate has a number of its own.
    """
    copies = copies_of(columns, repeats)
    if copies is None:
        return np.arange(len(columns["event"]), dtype=np.int64)
    return np.unique(copies, return_inverse=True)[1].reshape(-1).astype(np.int64)
