"""What pseudo-data really are, in a file apart from them: the true process of every event and the injected signal.

Nothing in the chain of the analysis reads it. `scheduler.unsealing` does, for those who give a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from processors.atomic_file import atomic_path
from simulation.configuration import InjectedSignal

SEALED_FOLDER: Final = ".sealed_truth"
"""Folder of the sealed files below that of the ntuples; its dot keeps it from being taken for a sample."""


@dataclass(frozen=True)
class SealedTruth:
    """The truth about one file of pseudo-data; arrays of shape (n_events,), in the order of the file."""

    processes: tuple[str, ...]
    """Names of the processes."""
    process: NDArray[np.int8]
    """Place of each event's process among them."""
    generated_event: NDArray[np.int64]
    """Number of the generated event, within its process: it tells events that are copies of one another."""
    copies: NDArray[np.int32]
    """Times that its generated event is in the file, in whatever copy."""
    signal: InjectedSignal | None
    """The injected signal."""

    @property
    def duplicated_fraction(self) -> float:
        """Fraction of the events that are in the file more than once."""
        return float(np.mean(self.copies > 1)) if len(self.copies) else 0.0


def sealed_file_name(ntuple: str) -> str:
    """Return the path of the sealed file of an ntuple file, both below the folder of ntuples.

    >>> sealed_file_name("data/data_000.root")
    '.sealed_truth/data_000.npz'
    """
    return f"{SEALED_FOLDER}/{Path(ntuple).stem}.npz"


def seal(path: Path, truth: SealedTruth) -> None:
    """Write the truth about one file of pseudo-data, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            processes=np.array(truth.processes),
            process=truth.process,
            generated_event=truth.generated_event,
            copies=truth.copies,
            signal=np.array("" if truth.signal is None else truth.signal.model_dump_json()),
        )


def unseal(path: Path) -> SealedTruth:
    """Read a sealed file; called by `scheduler.unsealing` alone, which asks for a reason and records it."""
    with np.load(path) as archive:
        signal = str(archive["signal"])
        return SealedTruth(
            processes=tuple(str(name) for name in archive["processes"]),
            process=archive["process"],
            generated_event=archive["generated_event"],
            copies=archive["copies"],
            signal=InjectedSignal.model_validate_json(signal) if signal else None,
        )
