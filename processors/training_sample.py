"""The candidates a classifier is trained on, read from the candidate store."""

from collections.abc import Mapping

import numpy as np

from models.classifier.configuration import ClassifierError, ClassifierSettings
from models.classifier.training import TrainingData
from models.search import Channel, Process, Search, classifier_classes
from processors.candidates import CandidateStore
from processors.features import FEATURES
from processors.luminosity import luminosity_weight
from processors.sample import SampleMetadata
from processors.scoring import IDENTITY, candidate_folds, feature_matrix, finite_weights

TRAINING_SEARCH = {Channel.EE: Search.EE, Channel.MUMU: Search.MUMU}
"""The search whose candidates train each channel's classifier."""


def read_training_data(
    store: CandidateStore,
    samples: Mapping[str, SampleMetadata],
    channel: Channel,
    settings: ClassifierSettings,
    *,
    in_window: bool = False,
) -> TrainingData:
    """Return the labelled candidates of a channel from simulation.

    Processes that are not one of the channel's classes (two-photon, τ⁺τ⁻ℓ⁺ℓ⁻, the other channel's lepton pairs) take no
    part: they are scored as whatever they resemble, τ⁺τ⁻ℓ⁺ℓ⁻ mostly as signal. Signal of every generated mass and
    lifetime is used.

    Candidates of every mass m(ℓℓ) train: those beyond the search's window show the same processes, and in `ee` nearly
    all of B B̄. Histograms and fits hold only those inside, so a classifier is judged by them alone.

    Parameters
    ----------
    store
        Candidates.
    samples
        Sample name → metadata of all samples; data are ignored.
    channel
        Which classifier is trained.
    settings
        Folds.
    in_window
        Whether to leave out candidates outside the search's mass window.

    Raises
    ------
    ClassifierError
        If none of the samples belongs to a class.
    """
    classes = classifier_classes(channel)
    search = TRAINING_SEARCH[channel]
    names = FEATURES[channel]
    used = {name: sample for name, sample in sorted(samples.items()) if _is_trained_on(sample, channel)}
    parts = []
    for group, (name, sample) in enumerate(used.items()):
        columns = store.read(search, name, columns=[*IDENTITY, *names, "weight", "m_ll_gev"])
        if in_window:
            inside = search.window.contains(columns["m_ll_gev"])
            columns = {column: values[inside] for column, values in columns.items()}
        weight = finite_weights(columns, "weight", name)
        n = len(weight)
        parts.append(
            TrainingData(
                features=feature_matrix(columns, names),
                label=np.full(n, classes.index(sample.process)),
                group=np.full(n, group if sample.process is Process.SIGNAL else 0),
                weight=weight * (luminosity_weight(sample, 1.0) if n else 1.0),
                fold=candidate_folds(columns, name, n_folds=settings.n_folds, seed=settings.seed),
            )
        )
    if not parts:
        raise ClassifierError(f"none of the samples belongs to a class of the {channel} classifier")
    return TrainingData(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _is_trained_on(sample: SampleMetadata, channel: Channel) -> bool:
    return sample.process in classifier_classes(channel) and sample.channel in (None, channel)
