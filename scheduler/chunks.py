"""How files are cut into chunks."""

from pydantic import Field

from models.settings import Settings


class ChunkSettings(Settings):
    """How a set of files is cut into chunks and their results are merged."""

    entries: int = Field(default=100_000, gt=0)
    """Most entries that one task reads. Files are cut at multiples of it: if these are multiples of clusters, here
    of 20 000 events, no task decompresses what another one needs."""
    merge_group: int = Field(default=8, gt=1)
    """Results merged by one task of the reduction: this many must fit into a worker's memory together."""
