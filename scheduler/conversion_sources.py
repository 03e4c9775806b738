"""Which B2BII files are converted: those on the command line, or those of a data set of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from models.errors import UsageError
from processors.fileset import Dataset
from processors.locations import Location, check_client, is_remote
from scheduler.dataset_catalogue import resolve_datasets

_OF_SELECTED_RUNS: Final = frozenset({"n_generated", "luminosity_fb"})
"""What a catalogue says of the runs that it selects; a conversion takes all."""
_DESCRIPTION_NAMES: Final = {"equivalent_luminosity_fb": "luminosity_fb"}
"""Fields of the metadata that `SampleDescription` calls otherwise."""


@dataclass(frozen=True)
class Sources:
    """Files to convert, and what is known about them."""

    files: tuple[Location, ...]
    name: str | None = None
    """Name of the sample, if a catalogue says it."""
    described: Mapping[str, JsonValue] = field(default_factory=dict)
    """Fields of `SampleDescription` that a catalogue says."""
    notes: tuple[str, ...] = ()
    """What people should know."""


def given_sources(given: Sequence[str]) -> Sources:
    """Return files and URLs as they are, and folders replaced by the ROOT files in them.

    Raises
    ------
    UsageError
        If a folder has none, or a file is given twice.
    BadInputError
        If the client for a URL is not installed.
    """
    found: list[Location] = []
    for name in given:
        if is_remote(name):
            found.append(name)
            continue
        path = Path(name)
        inside = sorted(path.glob("*.root")) if path.is_dir() else [path]
        if not inside:
            raise UsageError(f"{path}: a folder without ROOT files.")
        found += inside
    twice = [path for path in found if found.count(path) > 1]
    if twice:
        raise UsageError(f"{twice[0]} is given twice.")
    _check_clients(found)
    return Sources(tuple(found))


def catalogued_sources(catalogue: Path, dataset: str | None) -> Sources:
    """Return the files of a data set of a catalogue.

    Parameters
    ----------
    catalogue
        See `scheduler.dataset_catalogue`; its files are B2BII files here.
    dataset
        Name of the data set; None if there is only one.

    Raises
    ------
    UsageError
        If the catalogue has no such data set, several and none was named, or is wrong.
    BadInputError
        If a file is missing, or the client for a URL is not installed.
    """
    chosen = _chosen(catalogue, resolve_datasets(catalogue), dataset)
    _check_clients(chosen.files)
    described = {_DESCRIPTION_NAMES.get(name, name): value for name, value in chosen.replaced.items()}
    notes = []
    if chosen.runs.ranges is not None or chosen.runs.good is not None:
        notes.append(f"all runs of '{chosen.name}' are converted: `process` selects runs by the catalogue of ntuples")
        for name in sorted(_OF_SELECTED_RUNS & described.keys()):
            del described[name]
            notes.append(f"{name} is that of the selected runs, not of all that is in the files: left out")
    return Sources(chosen.files, chosen.name, described, tuple(notes))


def _chosen(catalogue: Path, datasets: Sequence[Dataset], name: str | None) -> Dataset:
    names = ", ".join(dataset.name for dataset in datasets)
    if name is None:
        if len(datasets) > 1:
            raise UsageError(f"--dataset: {catalogue} has several data sets ({names}): say which is converted.")
        return datasets[0]
    for dataset in datasets:
        if dataset.name == name:
            return dataset
    raise UsageError(f"--dataset: {catalogue} has no data set '{name}', only {names}.")


def _check_clients(files: Sequence[Location]) -> None:
    for file in files:
        if is_remote(file):
            check_client(str(file))
