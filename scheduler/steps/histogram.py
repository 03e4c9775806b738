"""The histogram step: thresholds and signal models first, then one pass over all candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from coffea.nanoevents import BaseSchema

from models.classifier.configuration import ClassifierSettings
from models.classifier.model import Classifier
from models.classifier.persistence import load_classifier
from models.search import Channel, Search
from models.signal_shape import SignalShapeSettings
from models.thresholds import ThresholdScan, ThresholdSettings
from processors.candidates import CandidateStore
from processors.histogram_inputs import candidate_fileset, search_binning
from processors.histogram_processor import HistogramProcessor
from processors.histograms import HistogramManifest, save_histograms
from processors.regions import RegionSettings, ThresholdChoice
from processors.sample import SampleMetadata
from processors.signal_files import save_signal_models
from processors.signal_samples import SignalModels, build_signal_models
from processors.threshold_scan import find_threshold
from processors.training_sample import classifier_inputs
from scheduler.coffea_run import run_processor
from scheduler.run_folder import RunFolder
from scheduler.sample_catalogue import read_catalogue
from scheduler.tasks import map_tasks
from scheduler.unblinding import read_unblinding

if TYPE_CHECKING:
    from scheduler.steps.step import StepContext


@dataclass(frozen=True)
class SelectedSamples:
    """What the workers read: candidates, their samples and the classifiers."""

    run: RunFolder
    samples: Mapping[str, SampleMetadata]
    luminosity_fb: float
    training: ClassifierSettings

    def store(self) -> CandidateStore:
        """Return the candidates."""
        return CandidateStore(self.run.candidates)

    def classifier(self, channel: Channel) -> Classifier:
        """Return a channel's classifier, checked against the features that candidates have."""
        return load_classifier(
            self.run.classifier_of(channel), expected_features=classifier_inputs(channel, self.training)
        )


def execute(context: StepContext) -> None:
    """Find the thresholds, model the signal, fill all histograms and write everything."""
    config = context.config
    catalogue = read_catalogue(context.run.samples)
    luminosity_fb = catalogue.luminosity_fb(config.inputs.luminosity_fb)
    selected = SelectedSamples(context.run, catalogue.samples, luminosity_fb, config.classifier)
    regions = _thresholds(context, selected)
    signal = _signal_models(context, selected, regions)
    classifiers = {channel: selected.classifier(channel) for channel in Channel}
    unblinding = read_unblinding(context.run, config)
    processed = run_processor(
        context.client(),
        candidate_fileset(selected.store(), selected.samples),
        HistogramProcessor(
            classifiers,
            {search: search_binning(models, config.scan) for search, models in signal.items()},
            regions,
            luminosity_fb=selected.luminosity_fb,
            unblinding=unblinding,
        ),
        schema=BaseSchema,
        label="histogram",
        unit="candidates",
        terminal=context.terminal,
        chunks=config.chunks,
        tasks=config.tasks,
        store=context.results,
        file_format="parquet",
    )
    for search in Search:
        output: dict[str, Any] = processed.output[search]
        manifest = HistogramManifest(
            search=search,
            luminosity_fb=selected.luminosity_fb,
            classifier_fingerprint=classifiers[search.channel].fingerprint,
            sr_above_signal_score=regions.sr_above_signal_score(search.channel),
            sr_by_mass=regions.sr_by_mass.get(search.channel),
            unblinding=unblinding,
            n_blinded=output["n_blinded"],
            n_candidates=output["n_candidates"],
        )
        save_histograms(output["histograms"], manifest, context.output.histogram(search))


def _thresholds(context: StepContext, selected: SelectedSamples) -> RegionSettings:
    """Write the scan of the signal threshold of each channel and return the regions in force."""
    config = context.config
    scans = map_tasks(
        context.client(),
        partial(
            _find_threshold,
            selected=selected,
            regions=config.regions,
            settings=config.thresholds,
            half_window_sigma=config.scan.window_half_width_sigma,
        ),
        list(Channel),
        describe=str,
        label="histogram: thresholds",
        unit="channels",
        settings=config.tasks,
        terminal=context.terminal,
    )
    context.output.histograms.mkdir(exist_ok=True)
    for channel, scan in zip(Channel, scans, strict=True):
        context.output.threshold_scan(channel).write_text(scan.model_dump_json(indent=1) + "\n", encoding="utf-8")
    found = dict(zip(Channel, scans, strict=True))
    match config.regions.threshold_choice:
        case ThresholdChoice.PUBLISHED:
            return config.regions
        case ThresholdChoice.OPTIMISED:
            return config.regions.with_signal_thresholds({channel: scan.best for channel, scan in found.items()})
        case ThresholdChoice.MASS_DEPENDENT:
            by_mass = {channel: scan.by_mass for channel, scan in found.items()}
            return config.regions.model_copy(update={"sr_by_mass": by_mass})


def _signal_models(
    context: StepContext, selected: SelectedSamples, regions: RegionSettings
) -> dict[Search, SignalModels]:
    models = map_tasks(
        context.client(),
        partial(_model_signal, selected=selected, regions=regions, settings=context.config.signal_shape),
        list(Search),
        describe=str,
        label="histogram: signal models",
        unit="searches",
        settings=context.config.tasks,
        terminal=context.terminal,
    )
    for model in models:
        save_signal_models(model, context.output.signal_models(model.search))
    return dict(zip(Search, models, strict=True))


def _find_threshold(
    channel: Channel,
    selected: SelectedSamples,
    regions: RegionSettings,
    settings: ThresholdSettings,
    half_window_sigma: float,
) -> ThresholdScan:
    return find_threshold(
        selected.store(),
        selected.samples,
        selected.classifier(channel),
        regions,
        settings,
        luminosity_fb=selected.luminosity_fb,
        half_window_sigma=half_window_sigma,
    )


def _model_signal(
    search: Search, selected: SelectedSamples, regions: RegionSettings, settings: SignalShapeSettings
) -> SignalModels:
    classifier = selected.classifier(search.channel)
    return build_signal_models(selected.store(), selected.samples, search, classifier, regions, settings)
