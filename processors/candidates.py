"""Candidate files: where they are, how they are written, and how samples are read back.

``<folder>/<search>/<kinematics>/<sample>/<ntuple stem>_<first entry>_<stop entry>.parquet`` holds the candidates of
one chunk, also when it has none: a run that is repeated replaces every file of the run before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.errors import BadInputError, BlindedError
from models.search import Search
from processors.atomic_file import atomic_path
from processors.blinding import TRUTH_COLUMN, Unblinding, UnblindingStage
from processors.scoring import OutsideSignalRegion
from processors.variations import Kinematics

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, NDArray[Any]]


class CandidatePath(NamedTuple):
    """Which candidates a file holds."""

    search: Search
    kinematics: Kinematics
    sample: str
    stem: str
    """Name of the ntuple without its suffix."""
    first_entry: int
    stop_entry: int
    """One past the last entry of the ntuple."""

    @property
    def relative(self) -> Path:
        """Path below the candidate folder.

        >>> CandidatePath(Search.EE, Kinematics.NOMINAL, "tautau", "tautau_000", 0, 100).relative.as_posix()
        'ee/nominal/tautau/tautau_000_0_100.parquet'
        """
        name = f"{self.stem}_{self.first_entry}_{self.stop_entry}.parquet"
        return Path(self.search, self.kinematics, self.sample, name)

    @classmethod
    def parse(cls, relative: Path) -> CandidatePath:
        """Return what a path below the candidate folder stands for.

        Raises
        ------
        ValueError
            If it is not the path of a candidate file.
        """
        search, kinematics, sample, _ = relative.parts
        stem, first, stop = relative.stem.rsplit("_", 2)
        return cls(Search(search), Kinematics(kinematics), sample, stem, int(first), int(stop))


def write_candidates(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write one candidate file, whole or not at all."""
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    with atomic_path(path) as temporary:
        # Hardly a number comes twice: dictionaries would make the file a quarter larger and take three times as long.
        pq.write_table(table, temporary, use_dictionary=False)


class CandidateStore:
    """The candidates that a run wrote.

    Parameters
    ----------
    folder
        The candidate folder.
    unblinding
        The record of the run's unblinding. Without one that opens everything, candidates of data are not read: nothing
        but a classifier's score tells which of them are in the signal region.

    Raises
    ------
    BadInputError
        If there is no such folder.
    """

    def __init__(self, folder: str | Path, unblinding: Unblinding | None = None) -> None:
        self._folder = Path(folder)
        self._reads_data = unblinding is not None and unblinding.blinding.stage is UnblindingStage.FULL
        if not self._folder.is_dir():
            raise BadInputError(f"{folder}: no candidate folder")

    def samples(self, search: Search, kinematics: Kinematics = Kinematics.NOMINAL) -> tuple[str, ...]:
        """Return the names of the samples that were searched, sorted."""
        return tuple(sorted(path.name for path in (self._folder / search / kinematics).glob("*") if path.is_dir()))

    def files(self, search: Search, sample: str, kinematics: Kinematics = Kinematics.NOMINAL) -> dict[Path, int]:
        """Return the files of a sample and their rows, in the order of ntuples and entries.

        Raises
        ------
        BadInputError
            If there is none, a name is not that of a candidate file, or two files hold the same entries of an
            ntuple, as when runs with different chunk sizes wrote to one folder.
        """
        folder = self._folder / search / kinematics / sample
        paths = [path for path in folder.glob("*.parquet") if not path.name.startswith(".")]
        if not paths:
            raise BadInputError(f"{folder}: no candidate files")
        try:
            parsed = sorted((CandidatePath.parse(path.relative_to(self._folder)), path) for path in paths)
        except ValueError as error:
            raise BadInputError(f"{folder}: holds a file that is not one of candidates ({error})") from error
        for (chunk, path), (following, other) in pairwise(parsed):
            if chunk.stem == following.stem and following.first_entry < chunk.stop_entry:
                raise BadInputError(f"{path.name} and {other.name} in {folder} hold the same entries of an ntuple")
        return {path: _read_schema(path).num_rows for _, path in parsed}

    def read(
        self,
        search: Search,
        sample: str,
        kinematics: Kinematics = Kinematics.NOMINAL,
        columns: Sequence[str] | None = None,
    ) -> Columns:
        """Return the candidates of a sample.

        Parameters
        ----------
        search, sample, kinematics
            Which candidates.
        columns
            Names to read; all by default.

        Returns
        -------
        Name → values, shape (n_candidates,), in the order of ntuples and entries.

        Raises
        ------
        BadInputError
            If files are missing, unreadable or lack a column.
        BlindedError
            If they are data, and no record of an unblinding opens them.
        """
        return joined(list(self.parts(search, sample, kinematics, columns)))

    def parts(
        self,
        search: Search,
        sample: str,
        kinematics: Kinematics = Kinematics.NOMINAL,
        columns: Sequence[str] | None = None,
    ) -> Iterator[Columns]:
        """Yield the same file by file, for samples that memory need not hold at once."""
        files = self.files(search, sample, kinematics)
        if not self._reads_data and any(TRUTH_COLUMN not in _read_schema(path).schema.names for path in files):
            raise BlindedError(
                f"The {search} candidates of '{sample}' in {self._folder} are data, and some of them are in the signal "
                "region: reading them needs the record of a full unblinding; `read_control` leaves those out."
            )
        for path in files:
            yield _read_columns(path, columns)

    def read_control(
        self, search: Search, sample: str, outside: OutsideSignalRegion, columns: Sequence[str] | None = None
    ) -> Columns:
        """Return the candidates of a sample, data or not, that are in no signal region.

        Parameters
        ----------
        search, sample
            Which candidates, nominal kinematics.
        outside
            The classifier's word on it.
        columns
            Names to read, identity and the classifier's inputs among them; all by default.

        Raises
        ------
        BlindedError
            If something else is to decide what is outside.
        """
        if not isinstance(outside, OutsideSignalRegion):
            raise BlindedError(
                f"What is outside the signal region is decided by its classifier (OutsideSignalRegion), not by a "
                f"{type(outside).__name__}: the {search} candidates of '{sample}' are not read."
            )
        parts = []
        for path in self.files(search, sample):
            part = _read_columns(path, columns)
            kept = outside(part)
            parts.append({name: column[kept] for name, column in part.items()})
        return joined(parts)

    def dataframe(
        self,
        search: Search,
        sample: str,
        kinematics: Kinematics = Kinematics.NOMINAL,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the same as `read` as a data frame."""
        import pandas as pd

        return pd.DataFrame(self.read(search, sample, kinematics, columns))


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the candidates of several files together; there is at least one, and all have the same columns."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _read_schema(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadInputError(f"{path}: not a readable candidate file ({error})") from error


def _read_columns(path: Path, columns: Sequence[str] | None) -> Columns:
    names = _read_schema(path).schema.names
    for name in columns or ():
        if name not in names:
            raise BadInputError(f"{path}: the candidates lack the column '{name}'")
    table = pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
    return {name: table[name].to_numpy() for name in table.column_names}
