"""Mass spectra for the figures: components, their total uncertainty and data, from a search's histograms."""

from collections.abc import Mapping
from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from models.search import BACKGROUNDS, Process
from processors.histograms import SearchHistograms, component
from processors.regions import SIGNAL_REGION
from processors.scoring import NOMINAL

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Expected and observed events in bins of m(ℓℓ), each array of shape (n_bins,)."""

    edges_gev: FloatArray
    backgrounds: Mapping[Process, FloatArray]
    """Component → events after its scale factor, smallest total first."""
    uncertainty: FloatArray
    """Of the total background: simulation statistics, every systematic source and scale factors in quadrature."""
    data: FloatArray | None
    """Observed events, None where they are blinded."""

    @property
    def total(self) -> FloatArray:
        """Events expected from all backgrounds."""
        return np.sum(list(self.backgrounds.values()), axis=0) if self.backgrounds else np.zeros(len(self.uncertainty))


def region_spectrum(
    histograms: SearchHistograms,
    region: str,
    edges_gev: FloatArray,
    scale_factors: Mapping[Process, tuple[float, float]],
    *,
    blinded: bool,
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
    blinded
        Whether data of this region were left out when the histograms were filled.
    """
    spectra = histograms.signal_region if region == SIGNAL_REGION else histograms.control[{"region": region}]
    nominal: dict[Process, FloatArray] = {}
    variance = np.zeros(len(edges_gev) - 1)
    for process in BACKGROUNDS:
        counted = _counted(spectra, process, NOMINAL, edges_gev)
        if counted is None:
            continue
        factor, relative_error = scale_factors.get(process, (1.0, 0.0))
        values, variances = counted
        nominal[process] = factor * values
        variance += factor**2 * variances + (relative_error * factor * values) ** 2
    for source in systematic_sources(spectra):
        variance += _systematic_shift(spectra, source, edges_gev, scale_factors) ** 2
    data = None if blinded else _counted(spectra, Process.DATA, NOMINAL, edges_gev)
    return Spectrum(
        edges_gev,
        dict(sorted(nominal.items(), key=lambda item: float(np.sum(item[1])))),
        np.sqrt(variance),
        None if blinded else (np.zeros(len(edges_gev) - 1) if data is None else data[0]),
    )


def systematic_sources(spectra: hist.Hist) -> list[str]:
    """Return the names of the sources that a histogram has an upward and a downward variation of."""
    names = set(spectra.axes["variation"])
    return sorted(
        name.removesuffix("_up")
        for name in names
        if name.endswith("_up") and f"{name.removesuffix('_up')}_down" in names
    )


def rebinned(values: FloatArray, fine_edges_gev: FloatArray, edges_gev: FloatArray) -> FloatArray:
    """Return the contents of coarser bins whose edges are all edges of the finer ones.

    >>> rebinned(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 2, 3, 4.0]), np.array([0, 1, 4.0])).tolist()
    [1.0, 9.0]
    """
    positions = np.searchsorted(fine_edges_gev, edges_gev - 1e-9)
    if not np.allclose(fine_edges_gev[positions], edges_gev, rtol=0, atol=1e-7):
        raise ValueError("bin edges to show are not edges of the histogram")
    return np.diff(np.concatenate([[0.0], np.cumsum(values)])[positions])


def _counted(
    spectra: hist.Hist, process: Process, variation: str, edges_gev: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    selected = component(spectra, process, variation)
    if selected is None:
        return None
    projected = selected.project("mass")
    fine = np.asarray(projected.axes["mass"].edges)
    return rebinned(projected.values(), fine, edges_gev), rebinned(projected.variances(), fine, edges_gev)


def _systematic_shift(
    spectra: hist.Hist, source: str, edges_gev: FloatArray, scale_factors: Mapping[Process, tuple[float, float]]
) -> FloatArray:
    """Return half the difference of the total background between the two variations of a source."""
    shift = np.zeros(len(edges_gev) - 1)
    for process in BACKGROUNDS:
        up = _counted(spectra, process, f"{source}_up", edges_gev)
        down = _counted(spectra, process, f"{source}_down", edges_gev)
        if up is None or down is None:
            continue
        shift += scale_factors.get(process, (1.0, 0.0))[0] * (up[0] - down[0]) / 2
    return shift
