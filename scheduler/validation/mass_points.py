"""Everything the validation fits at one mass point, on a worker: the run's workspace, a second method, toys."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.alternative_fit import (
    AlternativeFit,
    AlternativeFitError,
    AlternativeFitSettings,
    PeakShape,
    fit_alternative,
)
from models.constants import JPSI_MASS_GEV, PSI2S_MASS_GEV
from models.errors import BadInputError
from models.inference.configuration import InferenceSettings
from models.inference.fits import fit_observed
from models.inference.likelihood import compile_likelihood
from models.inference.results import BestFit, InferenceError
from models.inference.summary import summarise
from models.inference.toy_data import InjectionStudy, goodness_of_fit, inject
from models.inference.workspace import OBSERVED_MEASUREMENT
from models.scan_grid import MassPoint, ScanSettings, fit_edges_gev, sum_into_bins
from models.search import BACKGROUNDS, Process, Search
from processors.histogram_files import HistogramManifest
from processors.histograms import SearchHistograms
from processors.regions import SIGNAL_REGION
from processors.template_builder import UniformComponent, uniform_component
from scheduler.run_folder import RunFolder
from scheduler.validation.settings import ValidationSettings

FloatArray = NDArray[np.float64]
_SEED_KEY: Final = 0x76616C69
"""Keeps the random numbers of the validation apart from those of the scan."""


class SearchSpectrum(NamedTuple):
    """The signal region of one search in the bins of all its fits."""

    edges_gev: FloatArray
    counts: FloatArray
    """Data, or a pseudo-experiment drawn from the expectation while they are blinded."""
    is_data: bool


@dataclass(frozen=True)
class ExaminationInputs:
    """What the examinations of all mass points share."""

    run: RunFolder
    spectra: Mapping[Search, SearchSpectrum]
    resolution_gev: Mapping[MassPoint, float]
    """Width of the peak at each mass point."""
    injected: frozenset[MassPoint]
    """Mass points at which signal is injected."""
    scan: ScanSettings
    inference: InferenceSettings
    settings: ValidationSettings
    seed: int


@dataclass(frozen=True)
class Examination:
    """What was found at one mass point."""

    point: MassPoint
    fit: BestFit
    """Of the run's model to the spectrum, with all pulls and impacts."""
    goodness_p_value: float | None
    """From toys; None if the fit failed."""
    alternative: Mapping[PeakShape, AlternativeFit | AlternativeFitError]
    """The second method on the same events, or why it cannot be used here."""
    injection: InjectionStudy | InferenceError | None
    """None where no signal was injected."""


def spectrum_of(
    histograms: SearchHistograms,
    manifest: HistogramManifest,
    factors: Mapping[Process, tuple[float, float]],
    *,
    uniform_rate_per_fb_gev: float | None,
    seed: np.random.SeedSequence,
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


def examine(task: tuple[MassPoint, ExaminationInputs]) -> Examination:
    """Fit one mass point in every way that the checks need.

    Parameters
    ----------
    task
        The mass point, and what all of them share; the result depends on nothing but these two.

    Raises
    ------
    BadInputError
        If the run has no workspace of the mass point.
    """
    point, inputs = task
    spectrum, settings, sigma = inputs.spectra[point.search], inputs.settings, inputs.resolution_gev[point]
    counts = sum_into_bins(spectrum.counts, spectrum.edges_gev, fit_edges_gev(point, sigma, inputs.scan))
    workspace = _with_observations(_read_workspace(point, inputs.run), counts)
    # The workspace is the run's own: it has been checked when it was made.
    likelihood = compile_likelihood(workspace, inputs.inference.minimiser, validate=False)
    fits = fit_observed(likelihood)
    goodness, injection = (np.random.default_rng(stream) for stream in _streams(point, inputs.seed))
    injected: InjectionStudy | InferenceError | None = None
    if point in inputs.injected:
        try:
            injected = inject(likelihood, settings.injected_strengths, settings.injection_toys, injection)
        except InferenceError as error:
            injected = error
    return Examination(
        point=point,
        fit=summarise(likelihood, fits, inputs.inference.model_copy(update={"impacts": True})),
        goodness_p_value=goodness_of_fit(
            likelihood, fits.best, settings.goodness_toys, settings.maximum_goodness_toys, goodness
        ),
        alternative={shape: _alternative(point, spectrum, sigma, shape, inputs.scan) for shape in PeakShape},
        injection=injected,
    )


def _alternative(
    point: MassPoint, spectrum: SearchSpectrum, sigma_gev: float, shape: PeakShape, scan: ScanSettings
) -> AlternativeFit | AlternativeFitError:
    centre = 0.5 * (spectrum.edges_gev[1:] + spectrum.edges_gev[:-1])
    masked = np.zeros(len(centre), dtype=bool)
    for resonance in (JPSI_MASS_GEV, PSI2S_MASS_GEV) if point.search is Search.MUMU else ():
        masked |= np.abs(centre - resonance) < scan.charmonium_veto_half_width_gev
    settings = AlternativeFitSettings(shape=shape)
    try:
        return fit_alternative(spectrum.counts, spectrum.edges_gev, point.m_phi_gev, sigma_gev, settings, masked=masked)
    except AlternativeFitError as error:
        return error


def _streams(point: MassPoint, seed: int) -> list[np.random.SeedSequence]:
    key = (_SEED_KEY, list(Search).index(point.search), round(1e6 * point.m_phi_gev))
    return np.random.SeedSequence(seed, spawn_key=key).spawn(2)


def _read_workspace(point: MassPoint, run: RunFolder) -> dict[str, Any]:
    path = run.workspace(point.search.channel, point.m_phi_gev)
    try:
        workspace: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: no readable workspace ({error})") from error
    return workspace


def _with_observations(workspace: dict[str, Any], counts: FloatArray) -> dict[str, Any]:
    changed = copy.deepcopy(workspace)
    changed["observations"][0]["data"] = counts.tolist()
    changed["measurements"][0]["name"] = OBSERVED_MEASUREMENT
    return changed
