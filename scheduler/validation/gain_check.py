"""The check of the classifier's worth: gain in expected limits on ξ over the published classifier, mass by mass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from models.classifier.configuration import ClassifierInputs, ClassifierMethod
from models.classifier.persistence import load_classifier
from models.classifier.training import train_classifier
from models.classifier_gain import ClassifierGain, mean_gain
from models.scan_grid import mass_points
from models.search import Channel
from processors.candidates import CandidateStore
from processors.regions import RegionSettings, ThresholdChoice
from processors.sample import SampleMetadata
from processors.threshold_scan import scored_candidates
from processors.training_sample import classifier_inputs, read_training_data
from scheduler.configuration import AnalysisConfig
from scheduler.run_folder import RunFolder
from scheduler.validation.page import Check, Verdict

GOAL = 1.15
"""Mean gain that a classifier beside the published one is meant to reach."""
IN_FORCE = {
    ThresholdChoice.PUBLISHED: "own",
    ThresholdChoice.OPTIMISED: "own_best",
    ThresholdChoice.MASS_DEPENDENT: "own_by_mass",
}
"""Column of `ClassifierGain` of each choice of thresholds."""
LABELS = {
    "published_best": "published classifier, one threshold",
    "published_by_mass": "published classifier, thresholds by mass",
    "own": "this classifier, published threshold",
    "own_best": "this classifier, one threshold",
    "own_by_mass": "this classifier, thresholds by mass",
}


def gain_check(
    run: RunFolder, config: AnalysisConfig, samples: Mapping[str, SampleMetadata], luminosity_fb: float
) -> Iterator[Check]:
    """Yield the gain of a run's classifiers and thresholds over the published ones on the same simulation.

    The published classifier is trained here if the run has another.

    Parameters
    ----------
    run, config
        The run.
    samples
        Sample name → metadata.
    luminosity_fb
        That backgrounds are normalised to.
    """
    gains = [
        gain for channel in Channel if (gain := _gain_of(channel, run, config, samples, luminosity_fb)) is not None
    ]
    if not gains:
        return
    column = IN_FORCE[config.regions.threshold_choice]
    means = {name: _mean(gains, name, config) for name in LABELS}
    own_means = {gain.channel: _mean([gain], column, config) for gain in gains}
    is_published = _is_published(config) and config.regions.threshold_choice is ThresholdChoice.PUBLISHED
    yield Check(
        "Gain over the published classifier",
        Verdict.PASSED if is_published or means[column] >= GOAL else Verdict.ATTENTION,
        f"Expected limits on ξ with {LABELS[column]} are stronger by {means[column]:.3f} over all mass points ("
        + ", ".join(f"{channel} {value:.3f}" for channel, value in own_means.items())
        + f"); goal {GOAL}. "
        + "; ".join(f"{LABELS[name]} {value:.3f}" for name, value in means.items() if name != column)
        + ". Scores and thresholds are of events that took no part in choosing them.",
        means,
        _figure(gains, column),
    )


def _gain_of(
    channel: Channel,
    run: RunFolder,
    config: AnalysisConfig,
    samples: Mapping[str, SampleMetadata],
    luminosity_fb: float,
) -> ClassifierGain | None:
    store = CandidateStore(run.candidates)
    own = load_classifier(run.classifier_of(channel))
    published = own
    if not _is_published(config):
        settings = config.classifier.model_copy(
            update={"inputs": ClassifierInputs.PUBLISHED, "method": ClassifierMethod.PUBLISHED}
        )
        data = read_training_data(store, samples, channel, settings)
        published = train_classifier(data, classifier_inputs(channel, settings), channel, settings).classifier
    scored = [
        scored_candidates(
            store,
            samples,
            classifier,
            luminosity_fb=luminosity_fb,
            half_window_sigma=config.scan.window_half_width_sigma,
        )
        for classifier in (published, own)
    ]
    threshold = RegionSettings().sr_above_signal_score(channel)
    return ClassifierGain.compare(channel, scored[0], scored[1], threshold, config.thresholds)


def _is_published(config: AnalysisConfig) -> bool:
    classifier = config.classifier
    return classifier.inputs is ClassifierInputs.PUBLISHED and classifier.method is ClassifierMethod.PUBLISHED


def _mean(gains: Sequence[ClassifierGain], column: str, config: AnalysisConfig) -> float:
    points = mass_points(config.scan)
    return mean_gain(
        [
            (
                gain.mass_gev,
                getattr(gain, column),
                np.array([point.m_phi_gev for point in points if point.search.channel is gain.channel]),
            )
            for gain in gains
        ]
    )


def _figure(gains: Sequence[ClassifierGain], in_force: str) -> Figure:
    figure, rows = plt.subplots(1, len(gains), figsize=(5.2 * len(gains), 4.4), squeeze=False, sharey=True)
    shown = ("published_best", "own", "own_best", "own_by_mass")
    for axes, gain in zip(rows[0], gains, strict=True):
        for name, colour in zip(shown, ("#777777", "#ffa90e", "#3f90da", "#bd1f01"), strict=True):
            label = LABELS[name] + (" (in force)" if name == in_force else "")
            axes.plot(gain.mass_gev, getattr(gain, name), "o-", markersize=4, color=colour, label=label)
        axes.axhline(GOAL, color="black", linestyle=":", label=f"goal, {GOAL}")
        axes.set_xlabel(f"m(φ) [GeV], {gain.channel}")
    rows[0, 0].set_ylabel("expected ξ limit, published over this one")
    # Clear of the curves: above them.
    rows[0, 0].set_ylim(bottom=0.0)
    rows[0, -1].legend(loc="lower right", fontsize="small")
    return figure
