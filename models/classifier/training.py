"""Training of one channel's k-fold classifier with xgboost."""

from typing import NamedTuple

import numpy as np
import xgboost
from numpy.typing import NDArray

from models.classifier.configuration import ClassifierError, ClassifierSettings
from models.classifier.model import Classifier
from models.classifier.weights import training_weights
from models.search import Channel, MassWindow, Process, classifier_classes


class TrainingData(NamedTuple):
    """Labelled candidates of the five classes, one row each."""

    features: NDArray[np.float32]
    """Feature matrix, shape (n, n_features)."""
    label: NDArray[np.int64]
    """Index into the channel's classes, shape (n,)."""
    group: NDArray[np.int64]
    """Part within the class, balanced like a class: the signal's generated mass, or a bin of mass, shape (n,)."""
    weight: NDArray[np.float64]
    """Physical weight, shape (n,)."""
    fold: NDArray[np.int64]
    """Fold of the event, shape (n,)."""
    mass_gev: NDArray[np.float64] | None = None
    """m(ℓℓ), for what scores do to its distribution, shape (n,)."""
    generated: NDArray[np.int64] | None = None
    """Number of the generated event that each candidate is a copy of, for numbers of independent events, shape (n,)."""

    def inside(self, window: MassWindow) -> "TrainingData":
        """Return the candidates with a mass m(ℓℓ) in a window; masses have to be there."""
        assert self.mass_gev is not None
        rows = window.contains(self.mass_gev)
        return TrainingData(
            features=self.features[rows],
            label=self.label[rows],
            group=self.group[rows],
            weight=self.weight[rows],
            fold=self.fold[rows],
            mass_gev=self.mass_gev[rows],
            generated=None if self.generated is None else self.generated[rows],
        )


class FoldRoles(NamedTuple):
    """What one of the models does with each fold."""

    fitted: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    test: NDArray[np.bool_]


class TrainingResult(NamedTuple):
    """A classifier and how its training went."""

    classifier: Classifier
    best_rounds: tuple[int, ...]
    """Boosting rounds kept per model."""
    events_per_class: dict[Process, int]
    """Candidates per class; a class of none is one the classifier cannot recognise."""


def fold_roles(fold: NDArray[np.int64], number: int, n_folds: int) -> FoldRoles:
    """Return which rows model `number` is fitted to, stopped on and tested on.

    >>> fold_roles(np.arange(4), 3, 4).validation.tolist()
    [True, False, False, False]
    """
    validation = fold == (number + 1) % n_folds
    test = fold == number
    return FoldRoles(~(validation | test), validation, test)


def train_classifier(
    data: TrainingData, features: tuple[str, ...], channel: Channel, settings: ClassifierSettings
) -> TrainingResult:
    """Train the k models of one channel.

    A background class without events is trained as absent: its score column exists and stays near zero, and
    the evaluation says so. Without signal, or without any background, there is nothing to learn.

    Parameters
    ----------
    data
        Candidates of the classes, from simulation only.
    features
        Names of the feature columns.
    channel
        Whose classes the labels index.
    settings
        Folds and hyper-parameters.

    Raises
    ------
    ClassifierError
        If signal or all backgrounds are missing, or a fold is too thin to fit and validate on.
    """
    classes = classifier_classes(channel)
    counts = np.bincount(data.label, minlength=len(classes))
    if counts[0] == 0 or counts[1:].sum() == 0:
        lacking = "signal" if counts[0] == 0 else "background"
        raise ClassifierError(f"the {channel} classifier has no {lacking} candidates to train on")
    fits = [_fit(data, features, number, channel, len(classes), settings) for number in range(settings.n_folds)]
    classifier = Classifier(channel, features, classes, tuple(booster for booster, _ in fits), settings.seed)
    return TrainingResult(
        classifier,
        tuple(rounds for _, rounds in fits),
        {process: int(count) for process, count in zip(classes, counts, strict=True)},
    )


def _fit(
    data: TrainingData,
    features: tuple[str, ...],
    number: int,
    channel: Channel,
    n_classes: int,
    settings: ClassifierSettings,
) -> tuple[xgboost.Booster, int]:
    roles = fold_roles(data.fold, number, settings.n_folds)
    for role in (roles.fitted, roles.validation):
        if not np.any(data.label[role] == 0) or not np.any(data.label[role] != 0):
            raise ClassifierError(
                f"the {channel} classifier has too few candidates for {settings.n_folds} folds: model {number} lacks "
                "signal or background"
            )
    fitted = _matrix(data, roles.fitted, features, settings, reference=None)
    validation = _matrix(data, roles.validation, features, settings, reference=fitted)
    parameters = {
        "objective": "multi:softprob",
        "eval_metric": "mlogloss",
        "num_class": n_classes,
        "tree_method": "hist",
        "eta": settings.learning_rate,
        "max_depth": settings.max_depth,
        "min_child_weight": settings.min_child_weight,
        "lambda": settings.l2_regularisation,
        "max_bin": settings.max_bins,
        "seed": settings.seed,
        "nthread": 1,
        "verbosity": 0,
    }
    booster = xgboost.train(
        parameters,
        fitted,
        num_boost_round=settings.n_rounds,
        evals=[(validation, "validation")],
        early_stopping_rounds=settings.early_stopping_rounds,
        verbose_eval=False,
    )
    rounds = int(booster.best_iteration) + 1
    return booster[:rounds], rounds


def _matrix(
    data: TrainingData,
    rows: NDArray[np.bool_],
    features: tuple[str, ...],
    settings: ClassifierSettings,
    *,
    reference: xgboost.QuantileDMatrix | None,
) -> xgboost.QuantileDMatrix:
    label, group, weight = data.label[rows], data.group[rows], data.weight[rows]
    return xgboost.QuantileDMatrix(
        data.features[rows],
        label=label,
        weight=training_weights(label, group, weight, half_share_events=settings.half_share_events),
        feature_names=list(features),
        max_bin=settings.max_bins,
        nthread=1,
        ref=reference,
    )
