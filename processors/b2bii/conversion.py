"""Converting one B2BII file to one compact ntuple, a range of events at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import uproot

from models.search import Process
from processors.b2bii.columns import ntuple_columns
from processors.b2bii.configuration import ConversionSettings
from processors.b2bii.errors import BadNumberError, DuplicateEventError, UnreadableFileError
from processors.b2bii.layout import FileLayout, read_layout
from processors.b2bii.reading import entry_ranges, read_identity
from processors.b2bii.skim import describe_skim, has_four_good_tracks, select_events
from processors.b2bii.variables import Tree
from processors.configuration import NtupleWriterSettings, TrackSettings
from processors.event_identity import describe_identity
from processors.event_spans import Identity, IdentityScan, scan_identity
from processors.locations import Location, check_client, describe_cause, file_stamp, is_remote
from processors.ntuple_writer import NtupleContentError, ntuple_writer
from processors.root_files import UNREADABLE, bytes_left
from processors.sample import SampleMetadata

GENERATOR: Final = "leptophile convert, from B2BII"


@dataclass(frozen=True)
class InspectedFile:
    """A file whose structure and event numbers are sound; its other numbers have not been looked at."""

    path: Location
    n_bytes: int
    layout: FileLayout
    events: IdentityScan


@dataclass(frozen=True)
class ConversionTask:
    """One file to convert."""

    source: InspectedFile
    target: Path
    metadata: SampleMetadata
    """What the ntuple says about itself, except for sums over its events, which are counted."""
    n_generated: int | None
    """Events generated for the file, None if all of them are in it."""
    settings: ConversionSettings
    ntuples: NtupleWriterSettings
    skim: TrackSettings | None = None
    """What makes a track good, to leave out events without four; None keeps all."""


@dataclass
class ConvertedFile:
    """What became of a file."""

    source: Location
    target: Path
    n_bytes_in: int
    n_bytes_out: int = 0
    n_events_in: int = 0
    n_events_out: int = 0
    seconds: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)
    """What was done to how many events, tracks or π⁰ that a reader may want to know."""
    sum_weights: float = 0.0
    sum_weights2: float = 0.0

    @property
    def n_dropped(self) -> int:
        """Events that the skim left out."""
        return self.n_events_in - self.n_events_out


def inspect_file(path: Location, settings: ConversionSettings) -> InspectedFile:
    """Return what a file holds after checking its trees, branches, types, lengths, alignment and event numbers.

    Raises
    ------
    BadInputError
        One of `processors.b2bii.errors`.
    """
    with _opened(path) as file:
        try:
            layout = read_layout(path, file)
        except UNREADABLE as error:
            raise UnreadableFileError(f"{path}: its contents cannot be read ({describe_cause(error)})") from error
        events = scan_identity(lambda: _identities(file, layout, settings))
        if events.duplicate is not None:
            entry = events.duplicate
            event = describe_identity(read_identity(file, layout, slice(entry, entry + 1))[0])
            raise DuplicateEventError(f"{path}: entry {entry} repeats {event}")
    return InspectedFile(path, file_stamp(path).n_bytes, layout, events)


def file_identity(source: InspectedFile, settings: ConversionSettings) -> Identity:
    """Return the packed identity of every event of a file, shape (n_events,)."""
    with _opened(source.path) as file:
        return np.concatenate(list(_identities(file, source.layout, settings)))


def convert_file(task: ConversionTask, advance: Callable[[float], None] = lambda _: None) -> ConvertedFile:
    """Convert one file; the ntuple appears whole or not at all.

    Parameters
    ----------
    task
        What to convert, and how.
    advance
        Told how many events were converted after each range of them.

    Raises
    ------
    BadInputError
        One of `processors.b2bii.errors`, naming tree, variable and entry.
    """
    start = time.perf_counter()
    layout, is_data = task.source.layout, task.metadata.is_data
    done = ConvertedFile(task.source.path, task.target, task.source.n_bytes)
    if task.metadata.process is Process.UNKNOWN:
        done.notes["nobody has said which process this is (convert --process): it can be stored, not analysed"] += 1
    if is_data and layout.has_truth:
        done.notes["generator information left out, because these are said to be data"] += layout.n_events
    with (
        _opened(done.source) as file,
        ntuple_writer(task.target, is_data=is_data, settings=task.ntuples) as writer,
    ):
        for first, stop in entry_ranges(file[Tree.TRACK], task.settings.chunk_events):
            columns = ntuple_columns(file, layout, slice(first, stop), task.settings, done.notes, is_data=is_data)
            done.n_events_in += stop - first
            done.sum_weights += float(columns["weight"].sum())
            done.sum_weights2 += float(np.sum(columns["weight"] ** 2))
            if task.skim is not None:
                columns = select_events(columns, has_four_good_tracks(columns, task.skim))
            try:
                writer.extend(columns)
            except NtupleContentError as error:
                # What is finite in a file may still not fit the ntuple's types.
                raise BadNumberError(f"{done.source}: in entries {first} to {stop}: {error}") from error
            advance(stop - first)
        done.n_events_out = writer.n_events
        writer.finish(_with_sums(task, done))
    done.n_bytes_out = task.target.stat().st_size
    done.seconds = time.perf_counter() - start
    return done


def _identities(file: uproot.ReadOnlyDirectory, layout: FileLayout, settings: ConversionSettings) -> Iterator[Identity]:
    for first, stop in entry_ranges(file[Tree.TRACK], settings.chunk_events):
        yield read_identity(file, layout, slice(first, stop))


def _with_sums(task: ConversionTask, done: ConvertedFile) -> SampleMetadata:
    """Return the metadata with the sums over generated events, and what was done.

    An event that basf2 kept with weight k stands for k of those generated: Σw is their number. Without sampling all
    weights are 1, also those of events that an earlier skim left out.
    """
    sums = {
        "n_generated": done.n_events_in,
        "sum_weights": done.sum_weights,
        "sum_weights2": done.sum_weights2,
    }
    if task.n_generated is not None:
        sums = {
            "n_generated": task.n_generated,
            "sum_weights": float(task.n_generated),
            "sum_weights2": task.n_generated + done.sum_weights2 - done.sum_weights,
        }
    cross_section_fb = task.metadata.cross_section_fb
    if cross_section_fb is not None and sums["sum_weights2"] > 0.0:
        sums["equivalent_luminosity_fb"] = sums["sum_weights"] ** 2 / sums["sum_weights2"] / cross_section_fb
    return task.metadata.model_copy(
        update={
            **sums,
            "notes": tuple(sorted(done.notes)),
            "skim": "" if task.skim is None else describe_skim(task.skim),
        }
    )


@contextmanager
def _opened(path: Location) -> Iterator[uproot.ReadOnlyDirectory]:
    """Open a B2BII file; only what opening itself does is turned into an error about the file."""
    if is_remote(path):
        check_client(str(path))
    else:
        _check_whole(Path(path))
    try:
        file = uproot.open(path)
    except UNREADABLE as error:
        raise UnreadableFileError(f"{path}: not a readable ROOT file ({describe_cause(error)})") from error
    with file:
        yield file


def _check_whole(path: Path) -> None:
    if (left := bytes_left(path)) is not None:
        raise UnreadableFileError(f"{path}: truncated, {left.found} of {left.written} bytes are left")
    if not path.is_file():
        raise UnreadableFileError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise UnreadableFileError(f"{path}: not a readable ROOT file, it has no bytes at all")
