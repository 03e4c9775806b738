"""Everything the report is made from, read from a run folder once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from models.classifier.evaluation import Evaluation
from models.errors import BadInputError
from models.normalisation import ScaleFactors
from models.scan_grid import display_edges_gev
from models.search import Channel, Process, Search
from models.signal_shape import SignalModel
from models.thresholds import ThresholdScan
from processors.cutflow import SampleSummary
from processors.histogram_files import HistogramManifest, load_histograms
from processors.histograms import SearchHistograms
from processors.regions import SIGNAL_REGION, control_regions
from processors.signal_files import load_signal_models
from processors.signal_samples import SignalModels
from scheduler.configuration import AnalysisConfig
from scheduler.limits_table import LargestExcess, LimitRow, read_limits
from scheduler.report.effective_luminosity import EffectiveLuminosity, effective_luminosities
from scheduler.report.spectra import Spectrum, merged_edges_gev, region_spectrum
from scheduler.run_folder import RunFolder
from scheduler.sample_catalogue import SampleCatalogue, read_catalogue
from scheduler.unblinding import read_unblinding
from simulation.pythia_events import GENERATOR


@dataclass(frozen=True)
class ReportContents:
    """A run's results in memory."""

    catalogue: SampleCatalogue
    luminosity_fb: float
    summaries: Mapping[str, SampleSummary]
    evaluations: Mapping[Channel, Evaluation]
    thresholds: Mapping[Channel, ThresholdScan]
    histograms: Mapping[Search, SearchHistograms]
    manifests: Mapping[Search, HistogramManifest]
    signal_models: Mapping[Search, SignalModel]
    """Nominal, prompt."""
    signals: Mapping[Search, SignalModels]
    """Of every lifetime."""
    scale_factors: ScaleFactors
    spectra: Mapping[tuple[Search, str], Spectrum]
    """(search, region) → spectrum after scale factors, in bins of the report."""
    fit_spectra: Mapping[Search, Spectrum]
    """Signal region after scale factors, in display bins."""
    effective_luminosities: tuple[EffectiveLuminosity, ...]
    """Of every background's simulation, stage by stage."""
    limits: tuple[LimitRow, ...]
    largest_excess: LargestExcess | None
    """None while blinded."""

    @property
    def blinded(self) -> bool:
        """Whether signal-region data were left out."""
        return any(manifest.opened_fraction == 0 for manifest in self.manifests.values())

    @property
    def opened_fraction(self) -> float:
        """Fraction of the signal-region data that was read, 0 while blinded."""
        return min(manifest.opened_fraction for manifest in self.manifests.values())

    @property
    def simulated_data(self) -> bool:
        """Whether the data are pseudo-data, which say that they come from the simulation."""
        return any(sample.is_data and sample.generator == GENERATOR for sample in self.catalogue.samples.values())


def read_contents(run: RunFolder, config: AnalysisConfig) -> ReportContents:
    """Read a run's results.

    Raises
    ------
    BadInputError
        If a file is missing or damaged.
    BlindedError
        If there are signal-region data without the record that opens them.
    """
    catalogue = read_catalogue(run.samples)
    unblinding = read_unblinding(run, config)
    loaded = {search: load_histograms(run.histogram(search), unblinding) for search in Search}
    histograms = {search: pair[0] for search, pair in loaded.items()}
    manifests = {search: pair[1] for search, pair in loaded.items()}
    try:
        scale_factors = ScaleFactors.model_validate_json(run.normalisation.read_bytes())
        evaluations = {c: Evaluation.model_validate_json(run.evaluation(c).read_bytes()) for c in Channel}
        thresholds = {c: ThresholdScan.model_validate_json(run.threshold_scan(c).read_bytes()) for c in Channel}
        summaries = TypeAdapter(dict[str, SampleSummary]).validate_python(json.loads(run.cutflow.read_bytes()))
        excess = run.global_significance
        largest = LargestExcess.model_validate_json(excess.read_bytes()) if excess.exists() else None
    except (OSError, ValidationError) as error:
        raise BadInputError(f"The run in {run.path} is not complete: {' '.join(str(error).split())}") from error
    factors = scale_factors.for_templates()

    def merged(search: Search) -> NDArray[np.float64]:
        return merged_edges_gev(display_edges_gev(search, config.scan), config.report.maximum_spectrum_bins)

    def spectrum(search: Search, region: str, edges_gev: NDArray[np.float64]) -> Spectrum:
        opened = manifests[search].opened_fraction if region == SIGNAL_REGION else 1.0
        return region_spectrum(histograms[search], region, edges_gev, factors, opened_fraction=opened)

    luminosity_fb = catalogue.luminosity_fb(config.inputs.luminosity_fb)
    signals = {search: load_signal_models(run.signal_models(search)) for search in Search}
    return ReportContents(
        catalogue=catalogue,
        luminosity_fb=luminosity_fb,
        summaries=summaries,
        evaluations=evaluations,
        thresholds=thresholds,
        histograms=histograms,
        manifests=manifests,
        signal_models={search: models.prompt for search, models in signals.items()},
        signals=signals,
        scale_factors=scale_factors,
        spectra={
            (search, region): spectrum(search, region, merged(search))
            for search in Search
            for region in (*control_regions(search.channel), SIGNAL_REGION)
        },
        fit_spectra={s: spectrum(s, SIGNAL_REGION, display_edges_gev(s, config.scan)) for s in Search},
        effective_luminosities=tuple(
            effective_luminosities(
                summaries, catalogue.samples, histograms, luminosity_fb, _library_sizes(catalogue, config)
            )
        ),
        limits=tuple(read_limits(run.limits_csv)),
        largest_excess=largest,
    )


def _library_sizes(catalogue: SampleCatalogue, config: AnalysisConfig) -> dict[Process, int]:
    """Return the sizes of the libraries that simulated samples were made from; none for samples made elsewhere."""
    sizes = {
        Process.TAUTAU: config.simulation.tau_library.n_decays,
        Process.BBBAR: config.simulation.upsilon.library.n_decays,
    }
    own = {sample.process for sample in catalogue.samples.values() if sample.generator == GENERATOR}
    return {process: size for process, size in sizes.items() if process in own}
