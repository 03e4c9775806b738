"""Coffea processor from ntuples to candidate files: all searches in one pass over the events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.helix import Helix, distance_to
from models.search import Channel, Search
from processors.candidate_table import SelectedCandidates, lepton_flags, passes_missing_momentum, select_candidates
from processors.candidates import CandidatePath, write_candidates
from processors.chunk import Chunk
from processors.chunk_processor import ChunkProcessor
from processors.configuration import CandidateSettings, IdentificationSettings, TrackSettings
from processors.correction_sets import CorrectionSets, load_corrections
from processors.cutflow import (
    CandidatePurity,
    Cut,
    EventCounter,
    RemovedEvents,
    SampleSummary,
    close_counts,
    count_multiplicity,
)
from processors.event_identity import pack_run
from processors.fileset import sample_metadata
from processors.four_track_events import (
    FourTrackEvents,
    interaction_points,
    read_four_track_events,
    track_helices,
)
from processors.phi_candidates import PhiCandidates, find_phi_candidates
from processors.run_selection import RunSelection
from processors.selection import N_TRACKS, LeptonFlags, four_good_tracks, good_tracks, has_lepton_pair, identify_leptons
from processors.variations import Kinematics, shift_photons, shift_tracks


class CandidateProcessor(ChunkProcessor):
    """Select events, build φ candidates and write one candidate file per search and kinematics for each chunk.

    The output is ``{dataset: SampleSummary}``; summaries add up over chunks. Running a chunk again replaces its
    files with the same content.

    Parameters
    ----------
    settings
        The selection.
    folder
        Where candidate files go, as `processors.candidates` lays them out; the same for all workers.
    runs
        Sample name → which runs are analysed; all of those that are not named.
    corrections
        Data/MC corrections; by default those of the settings' files, which then are read here and not by the workers.
    kinematics
        Which kinematics simulation is selected with, the nominal one first.
    varied_weights
        Whether the candidates of the nominal kinematics carry varied weights.
    """

    def __init__(
        self,
        settings: CandidateSettings,
        folder: str | Path,
        runs: Mapping[str, RunSelection] | None = None,
        corrections: CorrectionSets | None = None,
        *,
        kinematics: Sequence[Kinematics] = tuple(Kinematics),
        varied_weights: bool = True,
    ) -> None:
        self._settings = settings
        self._folder = Path(folder)
        self._runs = dict(runs or {})
        self._corrections = corrections or load_corrections(settings.corrections)
        self._kinematics = tuple(kinematics)
        self._varied_weights = varied_weights

    def identity(self, dataset: str, metadata: Mapping[str, Any]) -> dict[str, JsonValue]:
        """Return the selection and what it treats differently from sample to sample; sums over files do not matter."""
        sample = sample_metadata(metadata)
        return {
            "settings": self._settings.model_dump(mode="json"),
            "runs": self._runs.get(dataset, RunSelection()).model_dump(mode="json"),
            "corrections": hashlib.sha256(self._corrections.text.encode()).hexdigest(),
            "kinematics": [str(kinematics) for kinematics in self._kinematics],
            "varied_weights": self._varied_weights,
            "is_data": sample.is_data,
            "m_phi_gev": sample.m_phi_gev,
            "repeats": sample.repeats,
        }

    def written_files(self, output: dict[str, SampleSummary]) -> dict[str, Path]:
        """Return the candidate files of a chunk."""
        return {name: self._folder / name for summary in output.values() for name in summary["files"]}

    def process(self, events: ak.Array) -> dict[str, SampleSummary]:
        """Process one chunk of one sample, read through `processors.belle_schema.BelleSchema`.

        Raises
        ------
        BadInputError
            If the chunk cannot be read or holds values that nothing can be concluded from; the message names
            file, branch and entry.
        """
        sample = sample_metadata(events.metadata)
        is_data = sample.is_data
        chunk = Chunk(events)
        flag = chunk.event_column("is_data")
        chunk.require("is_data", flag == is_data, flag)
        weight = np.ones(chunk.n_events) if is_data else chunk.event_column("weight")
        selected, removed = _selected_runs(chunk, self._runs.get(str(events.metadata["dataset"]), RunSelection()))
        in_runs = weight[selected]
        summary = SampleSummary(
            n_events=len(in_runs),
            removed=removed,
            sum_weights=float(in_runs.sum()),
            cutflow={},
            candidate_multiplicity={},
            purity={},
            files={},
        )
        run, event = (chunk.event_column(name) for name in ("run", "event"))
        counter = EventCounter.of_chunk(run, event, sample.repeats)
        tracks, found_in = _four_good_tracks(chunk, selected, self._settings.tracks)
        charge, leptons = _read_leptons(chunk, tracks, self._settings.identification)
        neutral = charge.sum(axis=1) == 0
        paired = {
            search: found & neutral & has_lepton_pair(charge, leptons.of(search.channel))
            for search, found in found_in.items()
        }
        row = chunk.event_index("Track")[tracks[:, 0]]
        for search, found in found_in.items():
            # Searches have counts of their own, also of what they share: merging adds in place.
            summary["cutflow"][search] = {
                cut: counter.count(weight[passed], run[passed], event[passed])
                for cut, passed in (
                    (Cut.ALL, selected),
                    (Cut.FOUR_GOOD_TRACKS, row[found]),
                    (Cut.NET_CHARGE_ZERO, row[found & neutral]),
                    (Cut.LEPTON_PAIR, row[paired[search]]),
                )
            }
        output = _ChunkOutput(self._folder, str(events.metadata["dataset"]), chunk, counter, summary)
        survives = np.logical_or.reduce(list(paired.values()))
        survivors = read_four_track_events(chunk, tracks[survives], is_data=is_data, m_phi_gev=sample.m_phi_gev)
        for channel in Channel:
            in_search = {search: paired[search][survives] for search in Search if search.channel is channel}
            self._process_channel(survivors, channel, in_search, output)
        return {str(events.metadata["dataset"]): summary}

    def postprocess(self, accumulator: dict[str, SampleSummary]) -> dict[str, SampleSummary]:
        """Return the merged summaries, generated events that chunks shared counted once."""
        for summary in accumulator.values():
            close_counts(summary)
        return accumulator

    def _process_channel(
        self,
        survivors: FourTrackEvents,
        channel: Channel,
        in_search: Mapping[Search, NDArray[np.bool_]],
        output: _ChunkOutput,
    ) -> None:
        """Write the candidates of a channel's searches and add what they count to the summary.

        What is found in an event does not depend on the search that the event is in: it is found once for all of them.
        """
        in_any = np.logical_or.reduce(list(in_search.values()))
        events = survivors.select(in_any)
        of_search = {search: mask[in_any] for search, mask in in_search.items()}
        variations = [Kinematics.NOMINAL] if events.truth is None else self._kinematics
        groups = [[kinematics for kinematics in variations if not kinematics.moves_tracks]]
        groups += [[kinematics] for kinematics in variations if kinematics.moves_tracks]
        for group in groups:
            for kinematics, selected in self._select(events, group, channel):
                for search, mask in of_search.items():
                    output.add(selected.of_events(mask), events, search, kinematics)

    def _select(
        self, survivors: FourTrackEvents, variations: Sequence[Kinematics], channel: Channel
    ) -> Iterator[tuple[Kinematics, SelectedCandidates]]:
        """Yield the candidates of variations that have tracks, and therefore fits of vertices, in common."""
        simulated = survivors.truth is not None
        tracked = shift_tracks(survivors, variations[0], self._corrections) if simulated else survivors
        shifted = {
            kinematics: shift_photons(tracked, kinematics, self._corrections) if simulated else tracked
            for kinematics in variations
        }
        in_any = np.logical_or.reduce([passes_missing_momentum(events, self._settings) for events in shifted.values()])
        candidates = self._find_candidates(tracked, in_any, channel)
        for kinematics, events in shifted.items():
            varied = self._varied_weights and kinematics is Kinematics.NOMINAL
            yield (
                kinematics,
                select_candidates(
                    events, candidates, channel, self._settings, self._corrections, varied_weights=varied
                ),
            )

    def _find_candidates(self, events: FourTrackEvents, where: NDArray[np.bool_], channel: Channel) -> PhiCandidates:
        """Return the φ candidates of the events where a mask is true."""
        settings, chosen = self._settings, events.select(where)
        is_lepton = lepton_flags(chosen, settings).of(channel)
        found = find_phi_candidates(
            chosen, is_lepton, channel, field_tesla=settings.field_tesla, settings=settings.vertex_fit
        )
        return replace(found, event=np.flatnonzero(where)[found.event])


@dataclass(frozen=True)
class _ChunkOutput:
    """Where the candidates of a chunk go, and what is known of them afterwards."""

    folder: Path
    sample: str
    chunk: Chunk
    counter: EventCounter
    summary: SampleSummary

    def add(self, found: SelectedCandidates, events: FourTrackEvents, search: Search, kinematics: Kinematics) -> None:
        """Write the candidates of a search, found among some events, and add what they count to the summary."""
        chunk, summary = self.chunk, self.summary
        path = CandidatePath(
            search, kinematics, self.sample, Path(chunk.path).stem, chunk.first_entry, chunk.stop_entry
        )
        write_candidates(self.folder / path.relative, found.columns)
        summary["files"][str(path.relative)] = len(found.event)
        if kinematics is Kinematics.NOMINAL:
            summary["cutflow"][search] |= {
                cut: self.counter.count(events.weight[passes], events.run[passes], events.event[passes])
                for cut, passes in found.passed.items()
            }
            summary["candidate_multiplicity"][search] = count_multiplicity(found.n_in_event)
            summary["purity"][search] = _purity(found)


def _selected_runs(chunk: Chunk, runs: RunSelection) -> tuple[NDArray[np.bool_], RemovedEvents]:
    """Return which events of a chunk are of selected runs, and the count of the others."""
    if runs.selects_all:
        return np.ones(chunk.n_events, dtype=bool), RemovedEvents(run_range=0, good_runs=0)
    in_range, good = runs.masks(pack_run(chunk.event_column("experiment"), chunk.event_column("run")))
    return good, RemovedEvents(run_range=int(np.sum(~in_range)), good_runs=int(np.sum(in_range & ~good)))


def _four_good_tracks(
    chunk: Chunk, selected: NDArray[np.bool_], settings: TrackSettings
) -> tuple[NDArray[np.intp], Mapping[Search, NDArray[np.bool_]]]:
    """Return the good tracks of the selected events that have four for any search, and which events each search has.

    Only the columns that decide it are read, and computed with only where an event has tracks enough.

    Returns
    -------
    Indices among the chunk's tracks, shape (n_events, 4), and masks of shape (n_events,).
    """
    enough = (selected & (chunk.counts("Track") >= N_TRACKS))[chunk.event_index("Track")]
    tracks = np.flatnonzero(enough)
    event = chunk.event_index("Track")[tracks]
    helix = Helix(*(column[tracks] for column in track_helices(chunk)))
    dr, dz = distance_to(helix, interaction_points(chunk)[event])
    # What is good by a tight requirement is good by a loose one: where both leave four tracks, they are the same.
    chosen = np.full((chunk.n_events, N_TRACKS), -1, dtype=np.intp)
    found = {}
    for max_dr in {settings.max_dr_of(search) for search in Search}:
        good = good_tracks(dr, dz, helix.tan_lambda, max_dr, settings)
        four = tracks[four_good_tracks(good, event, chunk.n_events)]
        has_four = np.zeros(chunk.n_events, dtype=bool)
        has_four[chunk.event_index("Track")[four[:, 0]]] = True
        chosen[has_four] = four
        found[max_dr] = has_four
    in_any = np.logical_or.reduce(list(found.values()))
    return chosen[in_any], {search: found[settings.max_dr_of(search)][in_any] for search in Search}


def _read_leptons(
    chunk: Chunk, tracks: NDArray[np.intp], settings: IdentificationSettings
) -> tuple[NDArray[np.int8], LeptonFlags]:
    """Return charges and lepton flags, shape (n_events, 4): what decides whether all else is worth reading."""
    charge = chunk.flat("Track", "charge")[tracks]
    chunk.require("Track_charge", np.abs(charge) == 1, charge, chunk.event_index("Track")[tracks[:, 0]])
    electron, muon, quality = (chunk.flat("Track", name)[tracks] for name in ("eID", "muID", "muIDQuality"))
    return charge, identify_leptons(electron, muon, quality, settings)


def _purity(selected: SelectedCandidates) -> CandidatePurity:
    is_true: NDArray[Any] | None = selected.columns.get("is_true_candidate")
    if is_true is None:
        return CandidatePurity(kept=0, true=0)
    return CandidatePurity(kept=len(is_true), true=int(is_true.sum()))
