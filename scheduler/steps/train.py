"""The training step: one classifier a channel, each channel a task."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from models.classifier.configuration import ClassifierSettings
from models.classifier.evaluation import evaluate
from models.classifier.persistence import save_classifier
from models.classifier.training import train_classifier
from models.search import Channel
from processors.candidates import CandidateStore
from processors.sample import SampleMetadata
from processors.training_sample import TRAINING_SEARCH, classifier_inputs, read_training_data
from scheduler.run_folder import RunFolder
from scheduler.sample_catalogue import read_catalogue
from scheduler.tasks import map_tasks

if TYPE_CHECKING:
    from scheduler.steps.step import StepContext


def execute(context: StepContext) -> None:
    """Train, evaluate and write the classifiers of all channels."""
    map_tasks(
        context.client(),
        partial(
            train_channel,
            candidates=context.run.candidates,
            samples=read_catalogue(context.run.samples).samples,
            settings=context.config.classifier,
            output=context.output,
        ),
        list(Channel),
        describe=str,
        label="train",
        unit="classifiers",
        settings=context.config.tasks,
        terminal=context.terminal,
    )


def train_channel(
    channel: Channel,
    candidates: Path,
    samples: Mapping[str, SampleMetadata],
    settings: ClassifierSettings,
    output: RunFolder,
) -> None:
    """Train and evaluate one channel's classifier and write both."""
    store = CandidateStore(candidates)
    data = read_training_data(store, samples, channel, settings)
    trained = train_classifier(data, classifier_inputs(channel, settings), channel, settings)
    fitted_masses = data.inside(TRAINING_SEARCH[channel].window)
    evaluation = evaluate(trained.classifier, fitted_masses, half_share_events=settings.half_share_events)
    save_classifier(
        trained.classifier,
        output.classifier_of(channel),
        best_rounds=trained.best_rounds,
        events_per_class=trained.events_per_class,
    )
    output.evaluation(channel).write_text(evaluation.model_dump_json(indent=1) + "\n", encoding="utf-8")
