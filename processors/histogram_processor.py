"""Coffea processor from candidate files to histograms: scores, regions, blinding, normalisation, variations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from models.classifier.model import Classifier
from models.errors import BadInputError
from models.search import Channel, Search
from processors.blinding import TRUTH_COLUMN, Unblinding
from processors.chunk_processor import ChunkProcessor
from processors.fileset import sample_metadata
from processors.histograms import SearchHistograms, empty_histograms, filled
from processors.luminosity import luminosity_weight
from processors.placed_candidates import PlacedCandidates, copies_of
from processors.regions import RegionSettings, assign_regions
from processors.sample import SampleMetadata
from processors.scoring import NOMINAL, Columns, finite_weights, score_candidates, weight_variations

DATASET_SEARCH = "search"
DATASET_KINEMATICS = "kinematics"
"""Keys of a dataset's metadata beside those of `SampleMetadata`."""


@dataclass(frozen=True)
class SearchBinning:
    """Mass axes of one search's histograms."""

    display_edges_gev: NDArray[np.float64]
    atomic_edges_gev: NDArray[np.float64]
    signal_windows_gev: NDArray[np.float64]
    """Signal windows of all mass points of the channel, shape (n_points, 2): what side bands leave out."""


class HistogramProcessor(ChunkProcessor):
    """Fill the histograms of every search from candidate files.

    A dataset is one sample under one kinematics folder of one search; its metadata are those of the sample and
    the keys `search` and `kinematics`. The output is `{search: {"histograms", "n_blinded", "n_candidates"}}`, each
    mergeable by addition; while chunks are merged also `"open"`, the candidates whose generated events may have copies
    in the neighbouring chunk.

    Parameters
    ----------
    classifiers
        One per channel.
    binnings
        One per search.
    regions
        Thresholds, the ones to use.
    luminosity_fb
        What simulation is normalised to.
    unblinding
        The record that lets signal-region data in.
    """

    def __init__(
        self,
        classifiers: dict[Channel, Classifier],
        binnings: dict[Search, SearchBinning],
        regions: RegionSettings,
        *,
        luminosity_fb: float,
        unblinding: Unblinding | None = None,
    ) -> None:
        self._classifiers = classifiers
        self._binnings = binnings
        self._regions = regions
        self._luminosity_fb = luminosity_fb
        self._unblinding = unblinding

    def identity(self, dataset: str, metadata: Mapping[str, Any]) -> dict[str, JsonValue]:  # noqa: ARG002
        """Return what decides where the candidates of a dataset go and with which weight."""
        sample = sample_metadata(metadata)
        search = Search(metadata[DATASET_SEARCH])
        channel, binning = search.channel, self._binnings[search]
        by_mass = self._regions.sr_by_mass.get(channel)
        return {
            "search": str(search),
            "kinematics": str(metadata[DATASET_KINEMATICS]),
            "sample": sample.name,
            "process": str(sample.process),
            "normalisation": luminosity_weight(sample, self._luminosity_fb).hex(),
            "classifier": self._classifiers[channel].fingerprint,
            "display_edges_gev": binning.display_edges_gev.tolist(),
            "atomic_edges_gev": binning.atomic_edges_gev.tolist(),
            "thresholds": [
                self._regions.gcr_below_signal_score,
                self._regions.scr_above_score,
                self._regions.sr_above_signal_score(channel),
            ],
            "sr_by_mass": by_mass.model_dump(mode="json") if by_mass else None,
            "repeats": sample.repeats,
            "opened": self._unblinding.blinding.model_dump(mode="json")
            if sample.is_data and self._unblinding is not None
            else None,
            "signal_windows_gev": binning.signal_windows_gev.tolist(),
        }

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Fill one chunk of one dataset."""
        sample = sample_metadata(events.metadata)
        columns = {name: np.asarray(ak.to_numpy(events[name])) for name in events.fields}
        search = Search(events.metadata[DATASET_SEARCH])
        kinematics = str(events.metadata[DATASET_KINEMATICS])
        placed, n_blinded = self._place(columns, sample, search, kinematics, str(events.metadata["filename"]))
        closed, ends = placed.split_off_ends()
        return {
            str(search): {
                "histograms": filled(self._empty(search), closed),
                "open": {} if ends is None else {f"{kinematics}/{sample.name}": ends},
                "n_blinded": n_blinded,
                "n_candidates": {f"{kinematics}/{sample.name}": len(events)},
            }
        }

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Return the merged output, copies of generated events that chunks shared counted together."""
        for search, output in accumulator.items():
            for candidates in output.pop("open").values():
                output["histograms"] += filled(self._empty(Search(search)), candidates)
        return accumulator

    def fill(
        self, columns: Columns, sample: SampleMetadata, search: Search, kinematics: str, *, where: str
    ) -> tuple[SearchHistograms, int]:
        """Return histograms of all candidates of a sample, and the number of blinded ones.

        Parameters
        ----------
        columns
            Candidate columns, each of shape (n,).
        sample
            What they are.
        search, kinematics
            Which selection and shift they passed.
        where
            File, for error messages.

        Raises
        ------
        BadInputError
            If the candidates are not what the sample says: simulation that is taken for data, or data for simulation.
        """
        placed, n_blinded = self._place(columns, sample, search, kinematics, where)
        return filled(self._empty(search), placed), n_blinded

    def _empty(self, search: Search) -> SearchHistograms:
        binning = self._binnings[search]
        return empty_histograms(search, binning.display_edges_gev, binning.atomic_edges_gev)

    def _place(
        self, columns: Columns, sample: SampleMetadata, search: Search, kinematics: str, where: str
    ) -> tuple[PlacedCandidates, int]:
        """Return candidates with their regions and weights, and the number of blinded ones."""
        if sample.is_data == (TRUTH_COLUMN in columns):
            is_data, found = ("data", "have") if sample.is_data else ("simulation", "lack")
            raise BadInputError(f"{where}: '{sample.name}' is {is_data}, but its candidates {found} '{TRUTH_COLUMN}'")
        channel = search.channel
        binning = self._binnings[search]
        scores = score_candidates(columns, self._classifiers[channel], sample.name, repeats=sample.repeats)
        opened = None
        if sample.is_data and self._unblinding is not None:
            opened = self._unblinding.opens(columns, binning.signal_windows_gev)
        mass = np.asarray(columns["m_ll_gev"], dtype=np.float64)
        regions = assign_regions(
            scores,
            channel,
            self._regions,
            is_data=sample.is_data,
            unblinding=self._unblinding,
            opened=opened,
            mass_gev=mass,
        )
        factor = luminosity_weight(sample, self._luminosity_fb)
        if sample.is_data:
            weights = {NOMINAL: np.ones(len(mass))}
        else:
            names = weight_variations(list(columns)) if kinematics == NOMINAL else {kinematics: "weight"}
            weights = {variation: factor * finite_weights(columns, name, where) for variation, name in names.items()}
        return PlacedCandidates(
            sample.process,
            sample.name,
            regions.masks,
            np.argmax(scores[:, 1:], axis=1),
            mass,
            weights,
            copies_of(columns, sample.repeats),
        ), regions.n_blinded
