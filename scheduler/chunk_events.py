"""The events of a chunk as coffea's runner would give them to a processor: virtual, with metadata.

A worker reads many chunks of one file. It keeps the file open and remembers what coffea's schema made of its branches:
to find that out takes longer than the rest of a small chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import awkward as ak
import uproot
from coffea.nanoevents import BaseSchema, NanoEventsFactory
from coffea.nanoevents.mapping import TrivialUprootOpener, UprootSourceMapping
from coffea.nanoevents.util import tuple_to_key

from scheduler.chunks import Chunk, PlannedFile

ROOT: Final = "root"
PARQUET: Final = "parquet"
OPEN_TIMEOUT_S: Final = 60


@dataclass(frozen=True)
class _OpenFile:
    """A ROOT file that is read, and the layout of its events."""

    planned: PlannedFile
    directory: uproot.ReadOnlyDirectory
    tree: Any
    layout: BaseSchema
    """The schema, applied to the branches of the tree."""

    def events(self, chunk: Chunk, metadata: Mapping[str, Any]) -> ak.Array:
        """Return a range of entries, as `NanoEventsFactory.from_root` does, which finds the layout out each time."""
        tree, file = self.tree, self.tree.file
        source = UprootSourceMapping(
            TrivialUprootOpener({str(file.uuid): file.file_path}),
            chunk.start,
            chunk.stop,
            cache={},
            file_handle=self.directory,
            use_ak_forth=True,
            virtual=True,
        )
        source.preload_column_source(str(file.uuid), tree.object_path, tree)
        layout = copy(self.layout)
        parameters = {**self.layout.form["parameters"], "metadata": dict(metadata)}
        layout._form = {**self.layout.form, "parameters": parameters}
        key = tuple_to_key((str(file.uuid), tree.object_path, f"{chunk.start}-{chunk.stop}"))
        return NanoEventsFactory(layout, source, key, mode="virtual").events()


class EventReader:
    """Reads chunks with a schema, one file open at a time.

    Parameters
    ----------
    schema
        NanoEvents schema of the files.
    file_format
        ``root`` or ``parquet``.
    """

    def __init__(self, schema: type[BaseSchema], file_format: str) -> None:
        self._schema = schema
        self._file_format = file_format
        self._open: _OpenFile | None = None

    def read(self, chunk: Chunk, metadata: Mapping[str, Any]) -> ak.Array:
        """Return the events of a chunk.

        Parameters
        ----------
        chunk
            Which.
        metadata
            What the description of its data set says; where the events are from is added.
        """
        complete = {**_origin(chunk), **metadata}
        if self._file_format == PARQUET:
            return NanoEventsFactory.from_parquet(
                chunk.file.path,
                schemaclass=self._schema,
                metadata=complete,
                mode="virtual",
                entry_start=chunk.start,
                entry_stop=chunk.stop,
            ).events()
        if self._open is None or self._open.planned != chunk.file:
            self.close()
            self._open = self._opened(chunk.file)
        return self._open.events(chunk, complete)

    def close(self) -> None:
        """Forget the file: after a failure, what is known about it may be wrong."""
        opened, self._open = self._open, None
        if opened is not None:
            opened.directory.close()

    def _opened(self, planned: PlannedFile) -> _OpenFile:
        directory = uproot.open({planned.path: None}, timeout=OPEN_TIMEOUT_S)
        layouts: list[BaseSchema] = []

        def remembered(form: dict[str, Any]) -> BaseSchema:
            layouts.append(self._schema(form))
            return layouts[0]

        try:
            tree = directory[planned.tree]
            NanoEventsFactory.from_root(directory, treepath=planned.tree, schemaclass=remembered, mode="virtual")
        except BaseException:
            directory.close()
            raise
        return _OpenFile(planned, directory, tree, layouts[0])


def _origin(chunk: Chunk) -> dict[str, Any]:
    return {
        "dataset": chunk.file.dataset,
        "filename": chunk.file.path,
        "treename": chunk.file.tree,
        "entrystart": chunk.start,
        "entrystop": chunk.stop,
        "fileuuid": str(UUID(bytes=chunk.file.uuid)),
    }
