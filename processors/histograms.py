"""The histograms of one search: what they count, how they are filled, and how they are kept on disk."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import hist
import numpy as np
import uhi.io.zip
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from models.errors import BadInputError
from models.search import Process, Search, classifier_classes
from models.settings import Settings
from models.thresholds import MassThresholds
from processors.atomic_file import atomic_path
from processors.blinding import Unblinding, require_record
from processors.regions import SIGNAL_REGION, Regions, control_regions
from processors.scoring import NOMINAL

MANIFEST_NAME = "manifest.json"


class HistogramManifest(Settings):
    """What one search's histograms were filled from and with."""

    search: Search
    luminosity_fb: float = Field(gt=0)
    """Luminosity the simulation is normalised to."""
    classifier_fingerprint: str
    sr_above_signal_score: float = Field(ge=0.5, lt=1)
    """Signal-region threshold in force, where it does not vary with mass."""
    sr_by_mass: MassThresholds | None = None
    """Threshold that varies with mass, None if it does not."""
    unblinding: Unblinding | None
    """The record under which signal-region data were read, None while blinded."""
    n_blinded: int = Field(ge=0)
    """Data candidates left out for lying in the blinded signal region."""
    n_candidates: dict[str, int]
    """Candidates read per kinematics and sample."""

    @property
    def opened_fraction(self) -> float:
        """Fraction of the luminosity whose signal-region data are here to be fitted; 0 while blinded."""
        return 0.0 if self.unblinding is None else self.unblinding.opened_fraction

    @property
    def signal_region_luminosity_fb(self) -> float:
        """Luminosity of fits: that of the data that were opened, all of it while fits use Asimov data."""
        return self.luminosity_fb * (self.opened_fraction or 1.0)


class Contents(NamedTuple):
    """Weighted counts in mass bins."""

    value: NDArray[np.float64]
    """Sums of weights, shape (n_bins,)."""
    variance: NDArray[np.float64]
    """Sums of squared weights, shape (n_bins,)."""


@dataclass(frozen=True)
class SearchHistograms:
    """Everything that is counted in one search, simulation normalised to the luminosity."""

    control: hist.Hist
    """region × process × variation × leading (background class of the highest score) × mass (display bins)."""
    signal_region: hist.Hist
    """process × variation × mass (atomic bins of all fits); holds data only when unblinded."""
    signal: hist.Hist
    """region × dataset (sample name) × mass (display bins) of each signal sample, for σ·B = 1 fb."""

    def __add__(self, other: "SearchHistograms") -> "SearchHistograms":
        return SearchHistograms(
            self.control + other.control, self.signal_region + other.signal_region, self.signal + other.signal
        )

    def ordered(self) -> "SearchHistograms":
        """Return the same histograms with growing axes sorted, so that the order of merging leaves no trace."""
        return SearchHistograms(
            _sorted_categories(self.control), _sorted_categories(self.signal_region), _sorted_categories(self.signal)
        )


def empty_histograms(
    search: Search, display_edges_gev: NDArray[np.float64], atomic_edges_gev: NDArray[np.float64]
) -> SearchHistograms:
    """Return a search's histograms without entries.

    Parameters
    ----------
    search
        Decides regions and classes.
    display_edges_gev
        Mass axis of the control histograms.
    atomic_edges_gev
        Mass axis of the signal region, see `models.scan_grid.union_of_edges_gev`.
    """
    regions = control_regions(search.channel)
    classes = [str(process) for process in classifier_classes(search.channel)[1:]]
    display = hist.axis.Variable(display_edges_gev, name="mass", label="m(ℓℓ) [GeV]")
    return SearchHistograms(
        control=hist.Hist(
            hist.axis.StrCategory(regions, name="region"),
            hist.axis.StrCategory([], growth=True, name="process"),
            hist.axis.StrCategory([], growth=True, name="variation"),
            hist.axis.StrCategory(classes, name="leading", label="background class of the highest score"),
            display,
            storage=hist.storage.Weight(),
        ),
        signal_region=hist.Hist(
            hist.axis.StrCategory([], growth=True, name="process"),
            hist.axis.StrCategory([], growth=True, name="variation"),
            hist.axis.Variable(atomic_edges_gev, name="mass", label="m(ℓℓ) [GeV]"),
            storage=hist.storage.Weight(),
        ),
        signal=hist.Hist(
            hist.axis.StrCategory([*regions, SIGNAL_REGION], name="region"),
            hist.axis.StrCategory([], growth=True, name="dataset"),
            display,
            storage=hist.storage.Weight(),
        ),
    )


def fill_component(
    histograms: SearchHistograms,
    process: Process,
    regions: Regions,
    leading: NDArray[np.int64],
    mass_gev: NDArray[np.float64],
    weights: Mapping[str, NDArray[np.float64]],
) -> None:
    """Count the candidates of a background sample or of data in every region, under every variation.

    Parameters
    ----------
    histograms
        Filled in place.
    process
        Component the candidates belong to.
    regions
        Masks of shape (n,) that blinding has been applied to.
    leading
        Background class of the highest score, 0 … 3, shape (n,).
    mass_gev
        m(ℓℓ), shape (n,).
    weights
        Variation → weights normalised to the luminosity, shape (n,).
    """
    classes = list(histograms.control.axes["leading"])
    for region in histograms.control.axes["region"]:
        for number, name in enumerate(classes):
            rows = regions.masks[region] & (leading == number)
            masses = mass_gev[rows]
            for variation, weight in weights.items():
                histograms.control.fill(
                    region=region, process=process, variation=variation, leading=name, mass=masses, weight=weight[rows]
                )
    rows = regions.masks[SIGNAL_REGION]
    for variation, weight in weights.items():
        histograms.signal_region.fill(process=process, variation=variation, mass=mass_gev[rows], weight=weight[rows])


def fill_signal(
    histograms: SearchHistograms,
    sample: str,
    regions: Regions,
    mass_gev: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> None:
    """Count the candidates of one signal sample in every region; arguments as in `fill_component`."""
    for region in histograms.signal.axes["region"]:
        rows = regions.masks[region]
        histograms.signal.fill(region=region, dataset=sample, mass=mass_gev[rows], weight=weight[rows])


def component(
    histogram: hist.Hist, process: Process, variation: str = NOMINAL, place: Mapping[str, object] | None = None
) -> Contents:
    """Return the mass distribution of one process and variation, zeros if nothing was filled.

    Parameters
    ----------
    histogram
        With the axes process, variation and mass, and maybe others.
    process, variation
        Which part.
    place
        Axis name → category, or `sum`, for every other axis.
    """
    if process not in histogram.axes["process"] or variation not in histogram.axes["variation"]:
        n_bins = len(histogram.axes["mass"])
        return Contents(np.zeros(n_bins), np.zeros(n_bins))
    view = histogram[{"process": str(process), "variation": variation, **(place or {})}].view()
    return Contents(np.array(view.value), np.array(view.variance))


def save_histograms(histograms: SearchHistograms, manifest: HistogramManifest, path: Path) -> None:
    """Write a search's histograms as one zip of numpy arrays in the unified-histogram (UHI) layout.

    Parameters
    ----------
    histograms, manifest
        What to write; growing axes are sorted first.
    path
        File to make or replace.
    """
    ordered = histograms.ordered()
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_NAME, manifest.model_dump_json(indent=2))
        for name in ("control", "signal_region", "signal"):
            uhi.io.zip.write(archive, name, getattr(ordered, name))


def load_histograms(path: Path, unblinding: Unblinding | None = None) -> tuple[SearchHistograms, HistogramManifest]:
    """Read what `save_histograms` wrote.

    Parameters
    ----------
    path
        The file.
    unblinding
        The record of the run's unblinding, if there is one (`scheduler.unblinding.read_unblinding`).

    Raises
    ------
    BadInputError
        If the file is missing, damaged or something else.
    BlindedError
        If it holds signal-region data that were read under another record than this.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = HistogramManifest.model_validate_json(archive.read(MANIFEST_NAME))
            parts: dict[str, Any] = {
                name: hist.Hist(uhi.io.zip.read(archive, name)) for name in ("control", "signal_region", "signal")
            }
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such file; are the histograms filled?") from error
    except (zipfile.BadZipFile, KeyError, ValidationError, json.JSONDecodeError) as error:
        raise BadInputError(f"{path}: not a readable histogram file ({type(error).__name__})") from error
    if manifest.unblinding is not None:
        require_record(unblinding, manifest.unblinding, str(path))
    return SearchHistograms(**parts), manifest


def _sorted_categories(histogram: hist.Hist) -> hist.Hist:
    view = histogram.view(flow=True)
    axes = []
    for position, axis in enumerate(histogram.axes):
        if not axis.traits.growth:
            axes.append(axis)
            continue
        names = list(axis)
        order = sorted(range(len(names)), key=names.__getitem__)
        view = np.take(view, order, axis=position)
        axes.append(hist.axis.StrCategory([names[i] for i in order], growth=True, name=axis.name, label=axis.label))
    ordered = hist.Hist(*axes, storage=hist.storage.Weight())
    ordered.view(flow=True)[...] = view
    return ordered
