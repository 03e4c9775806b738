"""Which ntuples there are: data sets of files as a coffea fileset, every file checked, every event in it once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypedDict, TypeVar

from models.errors import BadInputError
from models.search import Process
from processors.checked_file import CheckedFile, check_file, read_identity
from processors.event_identity import describe_identity
from processors.event_spans import overlapping, shared_event
from processors.locations import Location, file_stamp, is_remote
from processors.ntuple import TREE_NAME
from processors.run_selection import Removed, RunSelection
from processors.sample import SampleMetadata, read_sample_metadata
from processors.sample_merging import OF_ONE_FILE, SUMMED, merge_metadata

JsonValue = str | int | float | bool | None
T = TypeVar("T")
R = TypeVar("R")
_NAMED: Final = 5
"""Most bad files that a message names."""


class DatasetSpec(TypedDict):
    """One sample as coffea's `Runner` takes it."""

    files: dict[str, str]
    """File path → name of its tree."""
    metadata: dict[str, JsonValue]
    """The sample's `SampleMetadata`, summed over its files, as JSON values."""


@dataclass(frozen=True)
class Dataset:
    """Files that are one sample."""

    name: str
    files: tuple[Location, ...]
    replaced: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `SampleMetadata` that replace what the files say."""
    runs: RunSelection = field(default_factory=RunSelection)
    """Which runs are analysed."""
    named_by_files: bool = True
    """Whether the files have to say this name themselves."""


class SkippedFile(NamedTuple):
    """A bad file that was left out on request, and what that costs."""

    path: Location
    reason: str
    """The sentence that an unskipped file would have failed with."""
    n_generated: int | None
    """Generated events lost, None if the file does not tell any more."""
    equivalent_luminosity_fb: float | None
    """Luminosity lost in fb⁻¹, None if unknown."""


class FilesetScan(NamedTuple):
    """What was found."""

    fileset: dict[str, DatasetSpec]
    """Sample name → files and metadata, in the order of the data sets."""
    skipped: tuple[SkippedFile, ...]
    """Files left out; always empty unless skipping was asked for."""
    files: dict[str, tuple[CheckedFile, ...]]
    """Sample name → the files of the fileset."""
    removed: dict[str, Removed]
    """Sample name → events that the selection of runs leaves out."""
    datasets: tuple[Dataset, ...]
    """What was asked for."""


class MapFiles(Protocol):
    """How work on files is mapped: here, or over workers, which try again what may succeed the next time."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> Sequence[R | BadInputError]:
        """Return what the function makes of every item, in their order, or why a file cannot be used."""


def map_here(function: Callable[[T], R], items: Sequence[T], /) -> list[R | BadInputError]:
    """Map work on files in this process, one after the other."""

    def outcome(item: T) -> R | BadInputError:
        try:
            return function(item)
        except BadInputError as error:
            return error

    return [outcome(item) for item in items]


def all_good(outcomes: Sequence[R | BadInputError]) -> list[R]:
    """Return what was made of files, if all could be used.

    Raises
    ------
    BadInputError
        Naming the files that cannot; the first few, if they are many.
    """
    good = [outcome for outcome in outcomes if not isinstance(outcome, BadInputError)]
    bad = [str(outcome) for outcome in outcomes if isinstance(outcome, BadInputError)]
    if not bad:
        return good
    more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    count = f"{len(bad)} of {len(outcomes)} files are bad: " if len(bad) > 1 else ""
    raise BadInputError(f"{count}{'; '.join(bad[:_NAMED])}{more}")


def build_fileset(
    folder: str | Path,
    *,
    skip_bad_files: bool = False,
    map_files: MapFiles = map_here,
    known: Mapping[str, CheckedFile] | None = None,
) -> FilesetScan:
    """Return the samples under `<folder>/<sample>/*.root`, checked.

    Parameters
    ----------
    folder
        Holds one folder per sample.
    skip_bad_files, map_files, known
        As for `scan_datasets`.

    Returns
    -------
    The fileset and the skipped files.

    Raises
    ------
    BadInputError
        If there are no samples, a file is bad, an event occurs twice in a sample, or the files of a sample
        disagree about what they are.
    """
    folders = sorted(entry for entry in Path(folder).glob("*") if entry.is_dir() and not entry.name.startswith("."))
    if not folders:
        raise BadInputError(f"{folder}: no samples; expected folders `<sample>/` with ROOT files")
    datasets = [Dataset(sample.name, _ntuples(sample)) for sample in folders]
    return scan_datasets(datasets, skip_bad_files=skip_bad_files, map_files=map_files, known=known)


def scan_datasets(
    datasets: Sequence[Dataset],
    *,
    skip_bad_files: bool = False,
    map_files: MapFiles = map_here,
    known: Mapping[str, CheckedFile] | None = None,
) -> FilesetScan:
    """Return data sets as a fileset, every file checked and no event in it twice.

    An event may occur once in all data of all data sets, and once in the simulation of one process.

    Parameters
    ----------
    datasets
        Names must be unique.
    skip_bad_files
        Leave bad files out and list them, instead of failing at the first one.
    map_files
        How the check of a file is mapped over files.
    known
        Files that were checked before, by location: those that have not changed since are not opened.

    Raises
    ------
    BadInputError
        If a file is bad, an event occurs twice, or the files of a data set disagree about what they are.
    """
    paths = [path for dataset in datasets for path in dataset.files]
    checked = map_files(partial(_check, known=dict(known or {})), paths)
    if not skip_bad_files:
        checked = all_good(checked)
    bad = [(path, found) for path, found in zip(paths, checked, strict=True) if isinstance(found, BadInputError)]
    skipped = _left_out(bad, map_files)
    outcomes = iter(checked)
    good: dict[str, list[CheckedFile]] = {}

    def drop(file: CheckedFile, reason: str) -> None:
        if not skip_bad_files:
            raise BadInputError(reason)
        skipped.append(_skipped(_as_given(file.location), reason, file.metadata))

    for dataset in datasets:
        files: list[CheckedFile] = []
        for _ in dataset.files:
            outcome = next(outcomes)
            if isinstance(outcome, BadInputError):
                continue
            if (reason := _misfit(outcome, files, dataset)) is not None:
                drop(outcome, reason)
            else:
                files.append(outcome)
        good[dataset.name] = files
    for name, file, reason in _repetitions(datasets, good, map_files):
        drop(file, reason)
        good[name].remove(file)
    return _assembled(datasets, good, skipped)


def without_files(scan: FilesetScan, bad: Mapping[str, str]) -> FilesetScan:
    """Return a fileset without files that turned out to be bad when they were read, and what that costs.

    A file is left out as a whole: its generated events normalise all events that are in it.

    Parameters
    ----------
    scan
        What `build_fileset` or `scan_datasets` returned.
    bad
        Path of a file → what is wrong with it.
    """
    lost = [file for files in scan.files.values() for file in files if file.location in bad]
    skipped = [_skipped(_as_given(file.location), bad[file.location], file.metadata) for file in lost]
    good = {name: [file for file in files if file.location not in bad] for name, files in scan.files.items()}
    return _assembled(scan.datasets, good, [*scan.skipped, *skipped])


def _assembled(
    datasets: Sequence[Dataset], good: Mapping[str, Sequence[CheckedFile]], skipped: Sequence[SkippedFile]
) -> FilesetScan:
    """Return good files as a fileset; data sets without any are not in it."""
    fileset: dict[str, DatasetSpec] = {}
    removed: dict[str, Removed] = {}
    for dataset in datasets:
        files = good.get(dataset.name)
        if not files:
            continue
        metadata, removed[dataset.name] = merge_metadata(files, dataset.name, dataset.replaced, dataset.runs)
        fileset[dataset.name] = DatasetSpec(
            files={file.location: TREE_NAME for file in files}, metadata=metadata.model_dump(mode="json")
        )
    return FilesetScan(fileset, tuple(skipped), {name: tuple(good[name]) for name in fileset}, removed, tuple(datasets))


def sample_metadata(metadata: Mapping[str, Any]) -> SampleMetadata:
    """Return the typed sample metadata among the key–value pairs that coffea hands to a processor."""
    return SampleMetadata.model_validate({name: metadata[name] for name in SampleMetadata.model_fields})


def _ntuples(sample: Path) -> tuple[Location, ...]:
    paths = tuple(sorted(path for path in sample.glob("*.root") if not path.name.startswith(".")))
    if not paths:
        raise BadInputError(f"{sample}: a sample without ROOT files")
    return paths


def _check(path: Location, known: Mapping[str, CheckedFile]) -> CheckedFile:
    before = known.get(str(path))
    if before is not None and before.stamp == file_stamp(path).stamp:
        return before
    return check_file(path)


def _left_out(bad: Sequence[tuple[Location, BadInputError]], map_files: MapFiles) -> list[SkippedFile]:
    """Return files that cannot be used with what that costs, as far as they tell."""
    metadata = map_files(read_sample_metadata, [path for path, _ in bad])
    return [
        _skipped(path, str(error), None if isinstance(found, BadInputError) else found)
        for (path, error), found in zip(bad, metadata, strict=True)
    ]


def _skipped(path: Location, reason: str, metadata: SampleMetadata | None) -> SkippedFile:
    if metadata is None:
        return SkippedFile(path, reason, None, None)
    return SkippedFile(path, reason, metadata.n_generated, metadata.equivalent_luminosity_fb)


def _as_given(location: str) -> Location:
    return location if is_remote(location) else Path(location)


def _misfit(file: CheckedFile, before: Sequence[CheckedFile], dataset: Dataset) -> str | None:
    """Return why a file does not belong with those before it in its data set, None if it does."""
    process = dataset.replaced.get("process", file.metadata.process)
    if process is Process.UNKNOWN:
        return f"{file.location}: nobody has said which process this is; convert it with --process"
    if dataset.named_by_files and file.metadata.name != dataset.name:
        return f"{file.location}: belongs to sample '{file.metadata.name}', lies in '{dataset.name}'"
    ignored = {*SUMMED, *OF_ONE_FILE, *dataset.replaced}
    if not dataset.named_by_files:
        ignored.add("name")
    for name in sorted(SampleMetadata.model_fields.keys() - ignored):
        value = getattr(file.metadata, name)
        expected = getattr(before[0].metadata, name) if before else value
        if value != expected:
            return f"{file.location}: {name} is {value}, but {expected} in {before[0].location}"
    return None


def _repetitions(
    datasets: Sequence[Dataset], good: Mapping[str, Sequence[CheckedFile]], map_files: MapFiles
) -> list[tuple[str, CheckedFile, str]]:
    """Return the files that repeat an event of one before them, with their data set and where it is repeated."""
    groups: dict[object, list[tuple[str, CheckedFile]]] = {}
    for dataset in datasets:
        for file in good[dataset.name]:
            groups.setdefault(_kind(dataset, file), []).append((dataset.name, file))
    found = []
    for members in groups.values():
        for indices in overlapping([file.spans for _, file in members]):
            identities = all_good(
                map_files(read_identity, [_as_given(members[index][1].location) for index in indices])
            )
            remaining = list(zip(indices, identities, strict=True))
            while (shared := shared_event([identity for _, identity in remaining])) is not None:
                name, file = members[remaining[shared.file][0]]
                _, original = members[remaining[shared.first_file][0]]
                event = describe_identity(shared.identity)
                found.append(
                    (name, file, f"{file.location}: entry {shared.entry} repeats {event} of {original.location}")
                )
                del remaining[shared.file]
    return found


def _kind(dataset: Dataset, file: CheckedFile) -> object:
    """Return what is the same for files that may not share an event."""
    if file.metadata.is_data:
        return Process.DATA
    if dataset.named_by_files:
        return dataset.name
    metadata = file.metadata.model_copy(update=dict(dataset.replaced))
    return metadata.process, metadata.channel, metadata.m_phi_gev, repr((metadata.ctau_mm, metadata.lifetimes))
