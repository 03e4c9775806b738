"""Mass spectra for the figures: components, their total uncertainty and data, from a search's histograms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import hist
import numpy as np
from numpy.typing import NDArray

from models.search import BACKGROUNDS, Process
from processors.histograms import Contents, SearchHistograms
from processors.scoring import NOMINAL

FloatArray = NDArray[np.float64]

UNIFORM: Final = "uniform"
"""Component of the fits that is uniform in mass, for processes the simulation lacks."""


@dataclass(frozen=True)
class Spectrum:
    """Expected and observed events in bins of m(ℓℓ), each array of shape (n_bins,)."""

    edges_gev: FloatArray
    backgrounds: Mapping[str, FloatArray]
    """Component (a background `Process`, or `UNIFORM` in fits) → events, smallest total first."""
    uncertainty: FloatArray
    """Of the total background: simulation statistics, every systematic source and scale factors in quadrature."""
    data: FloatArray | None
    """Observed events, None where they are blinded."""

    @property
    def total(self) -> FloatArray:
        """Events expected from all backgrounds."""
        return np.sum(list(self.backgrounds.values()), axis=0) if self.backgrounds else np.zeros(len(self.uncertainty))


def merged_edges_gev(edges_gev: FloatArray, maximum_bins: int) -> FloatArray:
    """Return every n-th bin edge and the last, with the smallest n that leaves at most `maximum_bins` bins.

    >>> merged_edges_gev(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), 3).tolist()
    [0.0, 2.0, 4.0, 5.0]
    """
    step = -(-(len(edges_gev) - 1) // maximum_bins)
    kept = edges_gev[:-1:step]
    return np.append(kept, edges_gev[-1])


def region_spectrum(
    histograms: SearchHistograms,
    region: str,
    edges_gev: FloatArray,
    scale_factors: Mapping[Process, tuple[float, float]],
    *,
    opened_fraction: float = 1.0,
) -> Spectrum:
    """Return the spectrum of one region.

    Parameters
    ----------
    histograms
        Of one search.
    region
        A control region or the signal region.
    edges_gev
        Bin edges to show, each an edge of the histogram, shape (n_bins + 1,).
    scale_factors
        Background → (scale factor, relative uncertainty); a background without one is taken as (1, 0).
    opened_fraction
        Fraction of the data of this region that was read when the histograms were filled, which expectations are
        scaled to; 0 if it is blinded.
    """
    share = opened_fraction or 1.0
    nominal: dict[str, FloatArray] = {}
    variance = np.zeros(len(edges_gev) - 1)
    for process in BACKGROUNDS:
        counted = _counted(histograms, region, process, NOMINAL, edges_gev)
        factor, relative_error = scale_factors.get(process, (1.0, 0.0))
        if np.any(counted.value):
            nominal[process] = factor * counted.value
        variance += factor**2 * counted.variance + (relative_error * factor * counted.value) ** 2
    for source in systematic_sources(histograms.spectrum(region)):
        shift = np.zeros(len(edges_gev) - 1)
        for process in BACKGROUNDS:
            up, down = (
                _counted(histograms, region, process, f"{source}_{side}", edges_gev).value for side in ("up", "down")
            )
            shift += scale_factors.get(process, (1.0, 0.0))[0] * (up - down) / 2
        variance += shift**2
    return Spectrum(
        edges_gev,
        {name: share * counts for name, counts in sorted(nominal.items(), key=lambda item: float(np.sum(item[1])))},
        share * np.sqrt(variance),
        None if opened_fraction == 0 else _counted(histograms, region, Process.DATA, NOMINAL, edges_gev).value,
    )


def systematic_sources(spectra: hist.Hist) -> list[str]:
    """Return the names of the sources that a histogram has an upward and a downward variation of."""
    names = set(spectra.axes["variation"])
    return sorted(
        name.removesuffix("_up")
        for name in names
        if name.endswith("_up") and f"{name.removesuffix('_up')}_down" in names
    )


def _counted(
    histograms: SearchHistograms, region: str, process: Process, variation: str, edges_gev: FloatArray
) -> Contents:
    return histograms.contents(region, process, variation).in_bins(histograms.edges_gev(region), edges_gev)
