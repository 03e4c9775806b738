"""What a coffea processor has to say about itself so that its results can be kept and found again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coffea.processor import ProcessorABC
from pydantic import JsonValue


class ChunkProcessor(ProcessorABC):  # type: ignore[misc]  # coffea is untyped
    """A processor whose result of a chunk follows from the events, its code and `identity`, and from nothing else."""

    @abstractmethod
    def identity(self, dataset: str, metadata: Mapping[str, Any]) -> dict[str, JsonValue]:
        """Return what the result of a chunk of a dataset follows from besides events and code.

        What is left out here and changes is missed; what is put in without need has chunks computed again.

        Parameters
        ----------
        dataset
            Name of the dataset.
        metadata
            What its description says about it.
        """

    def written_files(self, output: Any) -> Mapping[str, Path]:  # noqa: ARG002 - most write none
        """Return the files that belong to the output of one chunk.

        Parameters
        ----------
        output
            What `process` returned.

        Returns
        -------
        A name that is the same in every run → path.
        """
        return {}
