"""The histograms of one search: what they count and how they are filled.

Variances are those of independent generated events: copies of one event in a bin are summed before they are squared.
Between bins, copies make covariances, which are kept beside the histograms for whatever sums over bins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import hist
import numpy as np
from numpy.typing import NDArray

from models.copies import BinPairs, SummedCopies
from models.scan_grid import bins_within, sum_into_bins
from models.search import Process, Search, classifier_classes
from processors.placed_candidates import PlacedCandidates
from processors.regions import SIGNAL_REGION, control_regions
from processors.scoring import NOMINAL


class Contents(NamedTuple):
    """Weighted counts in mass bins."""

    value: NDArray[np.float64]
    """Sums of weights, shape (n_bins,)."""
    variance: NDArray[np.float64]
    """Their variances, shape (n_bins,)."""
    pairs: BinPairs
    """Covariances of different bins, which copies of generated events make."""

    @property
    def total(self) -> float:
        """Sum over all bins."""
        return float(np.sum(self.value))

    @property
    def total_variance(self) -> float:
        """Variance of the sum over all bins."""
        return float(np.sum(self.variance) + 2.0 * np.sum(self.pairs.covariance))

    def in_bins(self, fine_edges_gev: NDArray[np.float64], edges_gev: NDArray[np.float64]) -> "Contents":
        """Return the contents of wider bins, each edge of which is one of the present ones."""
        group, n = bins_within(fine_edges_gev, edges_gev), len(edges_gev) - 1
        added, pairs = self.pairs.merged(group, n)
        value, variance = (sum_into_bins(part, fine_edges_gev, edges_gev) for part in (self.value, self.variance))
        return Contents(value, variance + added, pairs)


@dataclass(frozen=True)
class SearchHistograms:
    """Everything that is counted in one search, simulation normalised to the luminosity."""

    control: hist.Hist
    """region × process × variation × leading (background class of the highest score) × mass (display bins)."""
    signal_region: hist.Hist
    """process × variation × mass (atomic bins of all fits); holds data only when unblinded."""
    signal: hist.Hist
    """region × dataset (sample name) × mass (display bins) of each signal sample, for σ·B = 1 fb."""
    pairs: Mapping[str, BinPairs]
    """`<region>/<process>` → nominal covariances of mass bins; in control regions of class and mass together, the mass
    running faster. What is missing has none."""

    def __add__(self, other: "SearchHistograms") -> "SearchHistograms":
        none = BinPairs.none()
        return SearchHistograms(
            self.control + other.control,
            self.signal_region + other.signal_region,
            self.signal + other.signal,
            {
                key: self.pairs.get(key, none) + other.pairs.get(key, none)
                for key in sorted({*self.pairs, *other.pairs})
            },
        )

    def ordered(self) -> "SearchHistograms":
        """Return the same histograms with growing axes sorted, so that the order of merging leaves no trace."""
        return SearchHistograms(
            _sorted_categories(self.control),
            _sorted_categories(self.signal_region),
            _sorted_categories(self.signal),
            dict(sorted(self.pairs.items())),
        )

    def spectrum(self, region: str) -> hist.Hist:
        """Return the histogram that counts a region."""
        return self.signal_region if region == SIGNAL_REGION else self.control

    def edges_gev(self, region: str) -> NDArray[np.float64]:
        """Return the edges of the mass bins of a region, shape (n_bins + 1,)."""
        return np.asarray(self.spectrum(region).axes["mass"].edges, dtype=np.float64)

    def contents(
        self, region: str, process: Process, variation: str = NOMINAL, *, leading: str | None = None
    ) -> Contents:
        """Return the mass distribution of one process and variation in a region, zeros if nothing was filled.

        Parameters
        ----------
        region
            A control region or the signal region.
        process, variation
            Which part; only the nominal one has covariances.
        leading
            Background class of the highest score; of all together by default. Control regions only.
        """
        histogram = self.spectrum(region)
        n_bins = len(histogram.axes["mass"])
        if process not in histogram.axes["process"] or variation not in histogram.axes["variation"]:
            return Contents(np.zeros(n_bins), np.zeros(n_bins), BinPairs.none())
        pairs = (
            self.pairs.get(_pairs_key(region, process), BinPairs.none()) if variation == NOMINAL else BinPairs.none()
        )
        part = histogram[{"process": str(process), "variation": variation}]
        if region == SIGNAL_REGION:
            return Contents(np.array(part.view().value), np.array(part.view().variance), pairs)
        view = part[{"region": region, "leading": leading or sum}].view()
        classes = list(histogram.axes["leading"])
        group = np.tile(np.arange(n_bins), (len(classes), 1))
        if leading is not None:
            group[np.array(classes) != leading] = -1
        added, between = pairs.merged(group.ravel(), n_bins)
        return Contents(np.array(view.value), np.array(view.variance) + added, between)


def _pairs_key(region: str, process: Process) -> str:
    return f"{region}/{process}"


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
        pairs={},
    )


def filled(empty: SearchHistograms, candidates: PlacedCandidates) -> SearchHistograms:
    """Return histograms of candidates of a background, of data, or of a signal sample, in every region.

    Parameters
    ----------
    empty
        Of `empty_histograms`; filled in place, too.
    candidates
        All copies of each generated event among them.
    """
    if candidates.process is Process.SIGNAL:
        for region in empty.signal.axes["region"] if NOMINAL in candidates.weights else ():
            part = candidates.select(candidates.masks[region])
            place = {"region": region, "dataset": part.sample}
            _fill(empty.signal, place, part, [NOMINAL])
        return empty
    pairs: dict[str, BinPairs] = {}
    for region in empty.control.axes["region"]:
        in_region = candidates.select(candidates.masks[region])
        for number, name in enumerate(empty.control.axes["leading"]):
            part = in_region.select(in_region.leading == number)
            place = {"region": region, "process": str(part.process), "leading": name}
            _fill(empty.control, place, part, list(part.weights))
        pairs |= _pairs(region, empty.control, in_region, in_region.leading)
    part = candidates.select(candidates.masks[SIGNAL_REGION])
    _fill(empty.signal_region, {"process": str(part.process)}, part, list(part.weights))
    pairs |= _pairs(SIGNAL_REGION, empty.signal_region, part, np.zeros(len(part), np.int64))
    return replace(empty, pairs=pairs)


def _fill(histogram: hist.Hist, place: dict[str, str], candidates: PlacedCandidates, variations: Sequence[str]) -> None:
    """Count candidates at a place of a histogram, those of one generated event in one bin together."""
    mass, copies = candidates.mass_gev, None
    if candidates.generated is not None:
        copies = SummedCopies.of(_mass_bin(histogram, mass), candidates.generated)
        mass = mass[copies.first]
    for variation in variations:
        weight = candidates.weights[variation]
        where = place if "dataset" in place else {**place, "variation": variation}
        histogram.fill(**where, mass=mass, weight=weight if copies is None else copies.sum(weight))


def _pairs(
    region: str, histogram: hist.Hist, candidates: PlacedCandidates, leading: NDArray[np.int64]
) -> dict[str, BinPairs]:
    """Return the nominal covariances of the bins of a region, nothing where there are none."""
    if candidates.generated is None or NOMINAL not in candidates.weights:
        return {}
    n_bins = len(histogram.axes["mass"])
    mass_bin = _mass_bin(histogram, candidates.mass_gev)
    inside = (mass_bin >= 0) & (mass_bin < n_bins)
    copies = SummedCopies.of((leading * n_bins + mass_bin)[inside], candidates.generated[inside])
    found = BinPairs.of_copies(copies, copies.sum(candidates.weights[NOMINAL][inside]))
    return {_pairs_key(region, candidates.process): found} if len(found) else {}


def _mass_bin(histogram: hist.Hist, mass_gev: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the mass bin of each candidate, −1 below and the number of bins above the axis."""
    return np.asarray(histogram.axes["mass"].index(mass_gev), dtype=np.int64)


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
