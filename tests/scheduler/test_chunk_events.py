"""Events of chunks are those that coffea gives, whichever chunk of a file came first."""

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import NanoEventsFactory
from coffea.processor.executor import FileMeta

from processors.belle_schema import BelleSchema
from processors.configuration import NtupleWriterSettings
from processors.ntuple import TREE_NAME
from processors.ntuple_writer import write_ntuple
from scheduler.chunk_events import ROOT, EventReader
from scheduler.chunk_work import look_at_file
from scheduler.chunks import ChunkPlan
from tests.processors.conftest import ToyNtuples


@pytest.mark.parametrize("file_format", ["ttree", "rntuple"])
def test_every_chunk_is_what_coffea_reads_of_it(tmp_path: Path, file_format: str) -> None:
    rng = np.random.default_rng(8)
    ntuples = ToyNtuples(tmp_path)
    for number in range(2):
        write_ntuple(
            tmp_path / f"tautau_{number}.root",
            ntuples.columns([ntuples.random_event(rng) for _ in range(7)], first_event=100 * number),
            ntuples.metadata("tautau", 7),
            NtupleWriterSettings(format=file_format),
        )
    paths = sorted(map(str, tmp_path.glob("*.root")))
    plan = ChunkPlan([look_at_file((FileMeta("toys", path, TREE_NAME), ROOT)) for path in paths], entries=3)
    reader = EventReader(BelleSchema, ROOT)
    # back and forth, so that the same layout serves chunks before and after the one that it was made for
    for number in (4, 1, 0, 2, 5, 3):
        chunk = plan[number]
        ours = reader.read(chunk, {"process": "signal"})
        theirs = NanoEventsFactory.from_root(
            {chunk.file.path: TREE_NAME},
            schemaclass=BelleSchema,
            metadata=dict(ours.metadata),
            entry_start=chunk.start,
            entry_stop=chunk.stop,
        ).events()
        assert ours.metadata["entrystart"] == chunk.start
        assert ours.metadata["filename"] == chunk.file.path
        assert ours.metadata["process"] == "signal"
        assert ours.fields == theirs.fields
        for collection in ours.fields:
            # coffea cannot list children where offsets are not a column of the file, as in an RNTuple
            members = [name for name in ours[collection].fields if name != "childrenG"]
            for name in members or [()]:
                assert ak.array_equal(ours[collection][name], theirs[collection][name]), (collection, name)
        assert ak.array_equal(ours.Track.pt, theirs.Track.pt)
    reader.close()
