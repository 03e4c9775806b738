"""The catalogue of data sets that a user writes: which files they are, what they are, and which runs are analysed."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveFloat, PositiveInt, TypeAdapter

from models.errors import BadInputError, ConfigurationError
from models.search import Process
from models.settings import Settings
from processors.fileset import Dataset
from processors.locations import Location, is_remote
from processors.run_selection import RunRange, RunSelection, parse_good_runs
from scheduler.settings_file import parse_mapping, read_text, validate


class DatasetEntry(Settings):
    """One data set; what is not said here is what its files say."""

    files: tuple[str, ...] = Field(min_length=1)
    """Paths and patterns (``*``, ``?``, ``[…]``, ``**``), relative to the catalogue, and URLs (http, https, root)."""
    process: Process | None = None
    """Physics process."""
    cross_section_fb: PositiveFloat | None = None
    """Cross-section of what was generated, fb; simulation only."""
    cross_section_source: str | None = None
    """Where it comes from."""
    n_generated: PositiveInt | None = None
    """Events generated for all selected runs together, before any skim; simulation only."""
    luminosity_fb: PositiveFloat | None = None
    """Recorded luminosity of the selected runs, fb⁻¹; data only."""
    runs: tuple[RunRange, ...] | None = None
    """Ranges of runs that are analysed; None for all."""
    good_runs: Path | None = None
    """JSON or YAML file, relative to the catalogue: experiment → list of runs or of [first, last] pairs."""


class DatasetCatalogue(Settings):
    """All data sets of an analysis."""

    datasets: dict[str, DatasetEntry] = Field(min_length=1)
    """By name, which is the name of the sample in all results."""


def read_dataset_catalogue(path: Path) -> DatasetCatalogue:
    """Read a catalogue.

    Raises
    ------
    ConfigurationError
        If it cannot be read or a key is unknown, missing or has an impossible value; the message names the key path.
    """
    content = parse_mapping(_text(path, "inputs.catalogue"), str(path))
    return validate(content, str(path), TypeAdapter(DatasetCatalogue), known=lambda: _known_keys(content))


def resolve_datasets(path: Path) -> list[Dataset]:
    """Return the data sets of a catalogue with their files found and their lists of good runs read.

    Raises
    ------
    ConfigurationError
        As `read_dataset_catalogue`, and if a list of good runs is none.
    BadInputError
        If a pattern matches nothing, or a file is listed twice.
    """
    datasets = []
    owner: dict[str, str] = {}
    for name, entry in read_dataset_catalogue(path).datasets.items():
        files = tuple(_files(path, name, entry))
        stems: dict[str, Location] = {}
        for file in files:
            if str(file) in owner:
                raise BadInputError(f"{path}: {file} is listed in '{owner[str(file)]}' and again in '{name}'.")
            owner[str(file)] = name
            stem = Path(str(file)).stem
            if stem in stems:
                # Candidates are written to files of these names.
                raise BadInputError(f"{path}: in '{name}', {stems[stem]} and {file} have the same name.")
            stems[stem] = file
        selection = RunSelection(ranges=entry.runs, good=_good_runs(path, name, entry))
        datasets.append(Dataset(name, files, _replaced(path, name, entry), selection, named_by_files=False))
    return datasets


def catalogue_digest(path: Path) -> str:
    """Return the identity of a catalogue with its lists of good runs."""
    lists = [entry.good_runs for entry in read_dataset_catalogue(path).datasets.values() if entry.good_runs is not None]
    parts = [path.read_bytes(), *(_text(path.parent / each, "good_runs").encode() for each in lists)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _text(path: Path, key: str) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise ConfigurationError(f"'{key}': {path} cannot be read ({error.strerror}).") from error


def _known_keys(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield every key path that the data sets of a catalogue can have."""
    yield "datasets"
    for name in content.get("datasets") or ():
        yield from (f"datasets.{name}.{field}" for field in DatasetEntry.model_fields)


def _files(catalogue: Path, name: str, entry: DatasetEntry) -> Iterator[Location]:
    for index, pattern in enumerate(entry.files):
        if is_remote(pattern):
            yield pattern
            continue
        whole = str(catalogue.parent.resolve() / pattern)
        found = sorted(path for path in map(Path, glob.glob(whole, recursive=True)) if path.is_file())  # noqa: PTH207
        if not found:
            raise BadInputError(f"{catalogue}: 'datasets.{name}.files.{index}': no file matches '{pattern}'.")
        yield from found


def _good_runs(catalogue: Path, name: str, entry: DatasetEntry) -> tuple[RunRange, ...] | None:
    if entry.good_runs is None:
        return None
    path = catalogue.parent / entry.good_runs
    try:
        return parse_good_runs(parse_mapping(_text(path, f"datasets.{name}.good_runs"), str(path)))
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}.") from error


def _replaced(catalogue: Path, name: str, entry: DatasetEntry) -> dict[str, Any]:
    """Return the fields of the sample metadata that the catalogue replaces."""
    given = {
        "process": entry.process,
        "cross_section_fb": entry.cross_section_fb,
        "cross_section_source": entry.cross_section_source,
        "n_generated": entry.n_generated,
        "equivalent_luminosity_fb": entry.luminosity_fb,
    }
    if entry.luminosity_fb is not None and (entry.cross_section_fb is not None or entry.n_generated is not None):
        raise ConfigurationError(
            f"{catalogue}: 'datasets.{name}': luminosity_fb belongs to data, cross_section_fb and n_generated to "
            "simulation."
        )
    return {field: value for field, value in given.items() if value is not None}
