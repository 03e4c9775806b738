"""Checks of the fits: a second method at every mass point, and injected signal."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from models.alternative_fit import AlternativeFitError, AlternativeFitSettings, PeakShape, fit_alternative
from models.constants import JPSI_MASS_GEV, PSI2S_MASS_GEV
from models.inference.configuration import InferenceSettings
from models.inference.fits import fit_observed
from models.inference.likelihood import compile_likelihood
from models.inference.summary import summarise
from models.inference.workspace import OBSERVED_MEASUREMENT
from models.scan_grid import MassPoint, ScanSettings, fit_edges_gev, sum_into_bins
from models.search import BACKGROUNDS, Process, Search
from processors.histograms import HistogramManifest, SearchHistograms
from processors.regions import SIGNAL_REGION
from processors.template_builder import UniformComponent, uniform_component
from scheduler.run_folder import RunFolder
from scheduler.validation.page import Check, Verdict

LARGEST_MEAN_DIFFERENCE = 1.0
"""Of the two methods' significances, mean |ΔZ|: they share data but neither bins nor background."""
LARGEST_SLOPE_DEVIATION = 0.05
LARGEST_OFFSET_IN_ERRORS = 0.2
"""Of fitted against injected cross-sections on Asimov data."""
STRENGTHS_SIGMA = (0.0, 1.0, 2.0, 4.0)
"""Injected cross-sections in units of the fit's error without signal."""


class SearchSpectrum(NamedTuple):
    """The signal region of one search in the bins of all its fits."""

    edges_gev: NDArray[np.float64]
    counts: NDArray[np.float64]
    """Data, or a pseudo-experiment drawn from the expectation while they are blinded."""
    is_data: bool


def spectrum_of(
    histograms: SearchHistograms,
    manifest: HistogramManifest,
    factors: Mapping[Process, tuple[float, float]],
    *,
    uniform_rate_per_fb_gev: float | None,
    seed: int,
) -> SearchSpectrum:
    """Return what is fitted: data where they are open, else a pseudo-experiment."""
    edges = histograms.edges_gev(SIGNAL_REGION)
    if manifest.opened_fraction > 0:
        return SearchSpectrum(edges, histograms.contents(SIGNAL_REGION, Process.DATA).value, is_data=True)
    uniform: UniformComponent = uniform_component(edges, manifest.luminosity_fb, uniform_rate_per_fb_gev)
    expected = uniform.yields + sum(
        factors.get(process, (1.0, 0.0))[0] * np.maximum(histograms.contents(SIGNAL_REGION, process).value, 0.0)
        for process in BACKGROUNDS
    )
    return SearchSpectrum(edges, np.random.default_rng(seed).poisson(expected).astype(float), is_data=False)


def alternative_fit_check(
    run: RunFolder,
    points: Sequence[MassPoint],
    spectra: Mapping[Search, SearchSpectrum],
    resolution_gev: Callable[[MassPoint], float],
    scan: ScanSettings,
    inference: InferenceSettings,
    shape: PeakShape = PeakShape.GAUSSIAN,
) -> Check:
    """Return the comparison of template fit and alternative fit over all mass points, on the same events."""
    settings = AlternativeFitSettings(shape=shape)
    half = scan.charmonium_veto_half_width_gev
    rows, orders = [], []
    for point in points:
        spectrum = spectra[point.search]
        centre = 0.5 * (spectrum.edges_gev[1:] + spectrum.edges_gev[:-1])
        masked = np.zeros(len(centre), dtype=bool)
        for resonance in (JPSI_MASS_GEV, PSI2S_MASS_GEV) if point.search is Search.MUMU else ():
            masked |= np.abs(centre - resonance) < half
        sigma = resolution_gev(point)
        counts = sum_into_bins(spectrum.counts, spectrum.edges_gev, fit_edges_gev(point, sigma, scan))
        template = _template_significance(run, point, counts, inference)
        try:
            other = fit_alternative(
                spectrum.counts, spectrum.edges_gev, point.m_phi_gev, sigma, settings, masked=masked
            )
        except AlternativeFitError:
            continue
        if template is not None:
            rows.append((point.m_phi_gev, template, other.significance))
            orders.append(other.order)
    table = np.array(rows).reshape(-1, 3)
    difference = np.abs(table[:, 1] - table[:, 2])
    mean = float(difference.mean()) if len(table) else float("inf")
    correlation = float(np.corrcoef(table[:, 1], table[:, 2])[0, 1]) if len(table) > 2 else 0.0
    figure, (over_mass, scatter) = plt.subplots(1, 2, figsize=(12.0, 4.6), width_ratios=(2, 1))
    over_mass.plot(table[:, 0], table[:, 1], ".-", linewidth=0.7, label="templates")
    over_mass.plot(table[:, 0], table[:, 2], ".-", linewidth=0.7, label=f"polynomial and {shape.replace('_', ' ')}")
    over_mass.set(xscale="log", xlabel="mass [GeV]", ylabel="signed significance")
    over_mass.legend(fontsize=10)
    scatter.plot(table[:, 1], table[:, 2], ".")
    scatter.axline((0.0, 0.0), slope=1.0, color="#555555", linewidth=0.8)
    scatter.set(xlabel="templates", ylabel="alternative")
    what = "data" if all(spectrum.is_data for spectrum in spectra.values()) else "a pseudo-experiment (blinded)"
    return Check(
        f"Alternative fit {shape}",
        Verdict.PASSED if mean < LARGEST_MEAN_DIFFERENCE else Verdict.ATTENTION,
        f"{len(table)} of {len(points)} mass points on {what}: mean |ΔZ| = {mean:.2f}, largest "
        f"{difference.max() if len(table) else 0:.2f}, correlation {correlation:.2f}; mean order of the polynomial "
        f"{np.mean(orders) if orders else 0:.1f}.",
        {"mean_abs_dz": mean, "correlation": correlation, "n_points": float(len(table))},
        figure,
    )


def linearity_checks(run: RunFolder, points: Sequence[MassPoint], inference: InferenceSettings) -> Iterator[Check]:
    """Yield slope and offset of fitted against injected cross-sections: Asimov data at each strength and mass."""
    figure, axes = plt.subplots(figsize=(5.8, 4.8))
    slopes, offsets = [], []
    for point in points:
        path = run.workspace(point.search.channel, point.m_phi_gev)
        workspace = json.loads(path.read_text(encoding="utf-8"))
        signal, background = _yields(workspace)
        null = _fit(workspace, background, inference)
        if null is None or not null[1]:
            continue
        error = null[1]
        fitted = []
        for strength in STRENGTHS_SIGMA:
            found = _fit(workspace, background + strength * error * signal, inference)
            fitted.append(np.nan if found is None else found[0] / error)
        line = np.polyfit(STRENGTHS_SIGMA, fitted, 1)
        slopes.append(float(line[0]))
        offsets.append(float(line[1]))
        axes.plot(STRENGTHS_SIGMA, fitted, "o-", markersize=4, label=f"{point.search}, {point.m_phi_gev:g} GeV")
    axes.axline((0.0, 0.0), slope=1.0, color="#555555", linewidth=0.8)
    axes.set(xlabel="injected / error", ylabel="fitted / error")
    axes.legend(fontsize=8)
    slope, offset = np.array(slopes), np.array(offsets)
    good = (
        len(slope) > 0
        and np.all(np.isfinite(slope))
        and np.abs(slope - 1.0).max() < LARGEST_SLOPE_DEVIATION
        and np.abs(offset).max() < LARGEST_OFFSET_IN_ERRORS
    )
    said = "no mass point has a fit with an error"
    numbers: dict[str, float] = {}
    if len(slope):
        worst = slope[np.argmax(np.abs(slope - 1.0))], offset[np.argmax(np.abs(offset))]
        numbers = {"mean_slope": float(slope.mean()), "mean_offset": float(offset.mean())}
        said = f"slope {slope.mean():.4f} (worst {worst[0]:.4f})"
        said += f", offset {offset.mean():+.4f} errors (worst {worst[1]:+.4f})"
    yield Check(
        "Injection and linearity",
        Verdict.PASSED if good else Verdict.ATTENTION,
        f"{len(slope)} masses × {len(STRENGTHS_SIGMA)} strengths up to {STRENGTHS_SIGMA[-1]:g} errors, Asimov data: "
        f"{said}.",
        numbers,
        figure,
    )


def _template_significance(
    run: RunFolder, point: MassPoint, counts: NDArray[np.float64], inference: InferenceSettings
) -> float | None:
    """Return the significance that the run's workspace of a mass point gives to some counts in its bins."""
    path = run.workspace(point.search.channel, point.m_phi_gev)
    if not path.exists():
        return None
    workspace = json.loads(path.read_text(encoding="utf-8"))
    likelihood = compile_likelihood(_with_observations(workspace, counts), inference.minimiser)
    return summarise(likelihood, fit_observed(likelihood), inference).significance


def _fit(
    workspace: dict[str, Any], counts: NDArray[np.float64], inference: InferenceSettings
) -> tuple[float, float | None] | None:
    """Return the best-fit cross-section and its error on some counts."""
    likelihood = compile_likelihood(_with_observations(workspace, counts), inference.minimiser)
    best = summarise(likelihood, fit_observed(likelihood), inference)
    return None if best.xsec_hat_fb is None else (best.xsec_hat_fb, best.xsec_err_fb)


def _with_observations(workspace: dict[str, Any], counts: NDArray[np.float64]) -> dict[str, Any]:
    changed = copy.deepcopy(workspace)
    changed["observations"][0]["data"] = counts.tolist()
    changed["measurements"][0]["name"] = OBSERVED_MEASUREMENT
    return changed


def _yields(workspace: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the signal per fb and the total background in the bins of a workspace."""
    samples = workspace["channels"][0]["samples"]
    signal = sum(np.array(sample["data"]) for sample in samples if sample["name"] == Process.SIGNAL)
    background = sum(np.array(sample["data"]) for sample in samples if sample["name"] != Process.SIGNAL)
    return np.asarray(signal, dtype=np.float64), np.asarray(background, dtype=np.float64)
