"""What the histogram processor runs over and into: the fileset of candidate files, and the mass axes."""

from collections.abc import Iterable, Mapping

import numpy as np

from models.scan_grid import ScanSettings, display_edges_gev, mass_points, union_of_edges_gev
from models.search import Process, Search
from processors.candidates import CandidateStore
from processors.fileset import DatasetSpec
from processors.histogram_processor import DATASET_KINEMATICS, DATASET_SEARCH, SearchBinning
from processors.sample import SampleMetadata
from processors.signal_samples import SignalModels
from processors.variations import Kinematics

CANDIDATE_TREE = "candidates"
"""Placeholder for the tree name, which coffea wants also for Parquet files."""


def candidate_fileset(
    store: CandidateStore, samples: Mapping[str, SampleMetadata], searches: Iterable[Search] = Search
) -> dict[str, DatasetSpec]:
    """Return the candidate files as a coffea fileset for `format="parquet"`.

    One dataset per search, kinematics and sample. Data and signal are histogrammed with nominal kinematics only, and
    signal in its own channel only.

    Parameters
    ----------
    store
        Candidates.
    samples
        Sample name → metadata, summed over the sample's files.
    searches
        Which to histogram.

    Raises
    ------
    BadInputError
        If a sample has no candidate files.
    """
    fileset: dict[str, DatasetSpec] = {}
    for search in searches:
        for name, sample in sorted(samples.items()):
            if sample.process is Process.SIGNAL and sample.channel is not search.channel:
                continue
            folders = tuple(Kinematics) if sample.process.is_background else (Kinematics.NOMINAL,)
            for kinematics in folders:
                fileset[f"{search}/{kinematics}/{name}"] = DatasetSpec(
                    files={str(path): CANDIDATE_TREE for path in store.files(search, name, kinematics)},
                    metadata={
                        **sample.model_dump(mode="json"),
                        DATASET_SEARCH: str(search),
                        DATASET_KINEMATICS: str(kinematics),
                    },
                )
    return fileset


def search_binning(signal: SignalModels, scan: ScanSettings) -> SearchBinning:
    """Return the mass axes of a search's histograms, from its signal resolution."""
    return SearchBinning(
        display_edges_gev=display_edges_gev(signal.search, scan),
        atomic_edges_gev=union_of_edges_gev(signal.search, signal.prompt.resolution_gev, scan),
        signal_windows_gev=np.array(
            [
                (point.m_phi_gev - half_width, point.m_phi_gev + half_width)
                for point in mass_points(scan)
                if point.search.channel is signal.search.channel
                for half_width in [scan.window_half_width_sigma * signal.prompt.resolution_gev(point.m_phi_gev)]
            ]
        ),
    )
