"""What is known about the files of all data sets before their events are looked at, kept so that it is found out once.

A file that has not changed since is not opened again; one that has is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from models.errors import IncompleteRunError
from models.settings import Settings
from processors.checked_file import CheckedFile
from processors.fileset import MapFiles, all_good
from processors.locations import FileStamp, Location, file_stamp, is_remote
from scheduler.code_identity import code_digest

_CHECKS: Final = "processors.checked_file"
"""Module that looks at files; what it found is not trusted once it has changed."""


class PreprocessedFile(Settings):
    """One file and how it is cut."""

    file: CheckedFile
    """Its identity, and what is in it."""
    chunks: tuple[tuple[int, int], ...]
    """First entry and the one after the last of each chunk."""


class PreprocessedDatasets(Settings):
    """All files of all data sets."""

    checks: str
    """Identity of the code that looked at the files."""
    datasets: dict[str, tuple[PreprocessedFile, ...]]
    """By name."""


def preprocess(files: Mapping[str, Sequence[CheckedFile]], chunk_entries: int) -> PreprocessedDatasets:
    """Return checked files, cut into chunks of so many entries: a file without entries is one empty chunk."""
    return PreprocessedDatasets(
        checks=code_digest(_CHECKS),
        datasets={
            name: tuple(
                PreprocessedFile(
                    file=file,
                    chunks=tuple(
                        (start, min(start + chunk_entries, file.n_events))
                        for start in range(0, max(file.n_events, 1), chunk_entries)
                    ),
                )
                for file in of_dataset
            )
            for name, of_dataset in files.items()
        },
    )


def write_preprocessed(path: Path, preprocessed: PreprocessedDatasets) -> None:
    """Write what is known about all files as JSON."""
    path.write_text(preprocessed.model_dump_json() + "\n", encoding="utf-8")


def known_files(*paths: Path) -> dict[str, CheckedFile]:
    """Return the files of earlier runs by location, from what was kept at any of the paths, later ones first."""
    known: dict[str, CheckedFile] = {}
    for path in paths:
        try:
            kept = PreprocessedDatasets.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if kept.checks == code_digest(_CHECKS):
            known |= {entry.file.location: entry.file for files in kept.datasets.values() for entry in files}
    return known


def check_unchanged(files: Mapping[str, Sequence[CheckedFile]], map_files: MapFiles) -> None:
    """Check that no file has changed since it was looked at.

    Raises
    ------
    IncompleteRunError
        Naming those that have.
    """
    checked = [file for of_dataset in files.values() for file in of_dataset]
    stamps = all_good(map_files(_stamp, [file.location for file in checked]))
    changed = [file.location for file, now in zip(checked, stamps, strict=True) if now.stamp != file.stamp]
    if changed:
        raise IncompleteRunError(f"Files changed while they were processed: {', '.join(changed)}; run it again.")


def _stamp(location: str) -> FileStamp:
    where: Location = location if is_remote(location) else Path(location)
    return file_stamp(where)
