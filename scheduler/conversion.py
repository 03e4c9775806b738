"""Converting many B2BII files: inspected first, converted next, both mapped over workers, bad ones accounted for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import uproot

from models.errors import BadInputError
from processors.b2bii.configuration import ConversionSettings
from processors.b2bii.conversion import (
    ConversionTask,
    ConvertedFile,
    InspectedFile,
    convert_file,
    file_identity,
    inspect_file,
)
from processors.b2bii.errors import DuplicateEventError
from processors.b2bii.variables import Tree
from processors.configuration import NtupleWriterSettings, TrackSettings
from processors.event_identity import describe_identity
from processors.event_spans import overlapping, shared_event
from processors.fileset import MapFiles, all_good, map_here
from processors.locations import Location, file_stamp
from processors.root_files import UNREADABLE, written_bytes
from scheduler.file_mapping import failure_name
from scheduler.sample_description import SampleDescription

if TYPE_CHECKING:
    from scheduler.progress import Terminal

R = TypeVar("R")

OnBadFile = Literal["fail", "skip"]


@dataclass(frozen=True)
class BadFile:
    """A file that cannot be converted, and what that costs."""

    path: Location
    error: str
    """Name of the failure, one of `processors.b2bii.errors`."""
    reason: str
    n_events: int | None
    """Events in the file, None if it does not tell."""
    n_generated: int | None = None
    """Its share of the generated events, None if all of these are in the files."""
    luminosity_fb: float | None = None
    """Its share of the recorded luminosity in fb⁻¹, None if that is not known."""

    @property
    def cost(self) -> str:
        """What leaving it out costs, in words."""
        events = "an unknown number of" if self.n_events is None else f"{self.n_events}"
        parts = [f"{events} events"]
        if self.n_generated is not None:
            parts.append(f"about {self.n_generated} generated ones")
        if self.luminosity_fb is not None:
            parts.append(f"about {self.luminosity_fb:.4g} fb⁻¹")
        return ", ".join(parts)


@dataclass(frozen=True)
class ConversionSummary:
    """What became of all files."""

    converted: tuple[ConvertedFile, ...]
    skipped: tuple[BadFile, ...]
    """Bad files; always empty unless skipping was asked for."""
    seconds: float
    """Wall time."""

    @property
    def events_in(self) -> int:
        """Events read."""
        return sum(file.n_events_in for file in self.converted)

    @property
    def events_out(self) -> int:
        """Events written."""
        return sum(file.n_events_out for file in self.converted)

    @property
    def bytes_in(self) -> int:
        """Size of the files read."""
        return sum(file.n_bytes_in for file in self.converted)

    @property
    def notes(self) -> Counter[str]:
        """What was done to how many events, tracks or π⁰."""
        return sum((file.notes for file in self.converted), Counter[str]())


@dataclass(frozen=True)
class ConversionPlan:
    """What to convert, and how."""

    sources: tuple[Location, ...]
    targets: tuple[Path, ...]
    """One for each source."""
    sample: SampleDescription
    settings: ConversionSettings
    ntuples: NtupleWriterSettings
    skim: TrackSettings | None
    on_bad_file: OnBadFile


def convert_files(plan: ConversionPlan, map_files: MapFiles, terminal: Terminal) -> ConversionSummary:
    """Convert all files of a plan.

    Nothing is written before the structure and the event numbers of all files are known to be sound.

    Parameters
    ----------
    plan
        What to convert, and how.
    map_files
        How work on single files is mapped over workers.
    terminal
        Where status is shown.

    Raises
    ------
    BadInputError
        If a file is bad and bad files are not to be skipped; all that were found are named.
    UsageError
        If it cannot be told what the files are.
    """
    start = time.perf_counter()
    outcomes = map_files(partial(inspect_file, settings=plan.settings), plan.sources)
    inspected, bad = _sorted(plan.sources, outcomes)
    bad += _remove_repeated(inspected, plan.settings, map_files)
    shares = _shares(plan.sources)
    _fail(bad, plan)
    metadata = plan.sample.metadata([file.layout.has_truth for file in inspected]) if inspected else None
    generated = dict(zip(plan.sources, _split(plan.sample.n_generated, shares), strict=True))
    luminosity = {
        path: None if plan.sample.luminosity_fb is None else plan.sample.luminosity_fb * share
        for path, share in zip(plan.sources, shares, strict=True)
    }
    target = dict(zip(plan.sources, plan.targets, strict=True))
    tasks = [
        ConversionTask(
            file,
            target[file.path],
            metadata.model_copy(update={"equivalent_luminosity_fb": luminosity[file.path]}),
            generated[file.path],
            plan.settings,
            plan.ntuples,
            plan.skim,
        )
        for file in inspected
        if metadata is not None
    ]
    if len(tasks) == 1:
        with terminal.progress("convert", tasks[0].source.layout.n_events, "events") as advance:
            done = map_here(partial(convert_file, advance=advance), tasks)
    else:
        done = list(map_files(convert_file, tasks))
    converted, worse = _sorted([task.source.path for task in tasks], done)
    bad += worse
    bad = [replace(file, n_generated=generated[file.path], luminosity_fb=luminosity[file.path]) for file in bad]
    _fail(bad, plan)
    return ConversionSummary(tuple(converted), tuple(bad), time.perf_counter() - start)


def _count_events(path: Location) -> int | None:
    """Return how many events a bad file has, as far as it tells."""
    try:
        # truncated files, too, which may have kept their table of contents
        with uproot.open(path) as file:
            return max(int(file[tree].num_entries) for tree in Tree if tree in file)
    except UNREADABLE:
        return None


def _sorted(paths: Sequence[Location], outcomes: Sequence[R | BadInputError]) -> tuple[list[R], list[BadFile]]:
    """Return what was made of the good files, and the bad ones."""
    good = [outcome for outcome in outcomes if not isinstance(outcome, BadInputError)]
    bad = [
        BadFile(path, failure_name(outcome), str(outcome), _count_events(path))
        for path, outcome in zip(paths, outcomes, strict=True)
        if isinstance(outcome, BadInputError)
    ]
    return good, bad


def _remove_repeated(files: list[InspectedFile], settings: ConversionSettings, map_files: MapFiles) -> list[BadFile]:
    """Take files out of the list that repeat an event of one before them, and return why."""
    bad = []
    removed: set[int] = set()
    for group in overlapping([file.events.spans for file in files]):
        identities = all_good(map_files(partial(file_identity, settings=settings), [files[index] for index in group]))
        remaining = list(zip(group, identities, strict=True))
        while (shared := shared_event([identity for _, identity in remaining])) is not None:
            index, first = remaining[shared.file][0], remaining[shared.first_file][0]
            reason = (
                f"{files[index].path}: entry {shared.entry} repeats {describe_identity(shared.identity)} "
                f"of {files[first].path}"
            )
            bad.append(BadFile(files[index].path, DuplicateEventError.__name__, reason, files[index].layout.n_events))
            removed.add(index)
            del remaining[shared.file]
    files[:] = [file for index, file in enumerate(files) if index not in removed]
    return bad


def _shares(paths: Sequence[Location]) -> list[float]:
    """Return each file's share by the size it was written with, which a truncated file still says."""
    sizes = [_size(path) for path in paths]
    known = [size for size in sizes if size]
    mean = sum(known) / len(known) if known else 1.0
    filled = [size or mean for size in sizes]
    return [size / sum(filled) for size in filled]


def _size(path: Location) -> int | None:
    if isinstance(path, Path):
        return written_bytes(path)
    try:
        return file_stamp(path).n_bytes
    except BadInputError:
        return None


def _split(total: int | None, shares: Sequence[float]) -> list[int | None]:
    """Return whole numbers in the given proportion that add up to the total."""
    if total is None:
        return [None] * len(shares)
    stops = [round(total * float(share)) for share in np.cumsum(shares)]
    return [stop - start for start, stop in zip([0, *stops[:-1]], stops, strict=True)]


def _fail(bad: Sequence[BadFile], plan: ConversionPlan) -> None:
    if bad and plan.on_bad_file == "fail":
        reasons = "; ".join(file.reason for file in bad)
        raise BadInputError(reasons if len(bad) == 1 else f"{len(bad)} of {len(plan.sources)} files are bad: {reasons}")
    if bad and len(bad) == len(plan.sources):
        raise BadInputError(f"No file can be converted: {bad[0].reason}")
