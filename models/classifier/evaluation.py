"""What a trained classifier is worth: ROC per class pair, confusion, overtraining, importances."""

from itertools import combinations
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.classifier.metrics import KolmogorovSmirnov, kolmogorov_smirnov, roc_curve
from models.classifier.model import Classifier
from models.classifier.sculpting import SculptedSlice, mass_sculpting
from models.classifier.training import TrainingData, fold_roles
from models.classifier.weights import SIGNAL_LABEL, training_weights
from models.copies import squared_sum
from models.search import Channel, Process
from models.settings import Settings

Fraction = Annotated[float, Field(ge=0, le=1 + 1e-9)]


class PairRoc(Settings):
    """Separation of two classes by s_a / (s_a + s_b) of candidates scored by models that have not seen them."""

    first: Process
    second: Process
    area: Fraction
    """Area under the ROC curve; 0.5 is none, 1 is perfect."""
    first_efficiency: tuple[Fraction, ...]
    second_efficiency: tuple[Fraction, ...]


class Overtraining(Settings):
    """Kolmogorov–Smirnov test of a class's own score between candidates a model was fitted to and its test fold.

    Trees remember the few events of a small class, so this p-value says how small the class is. That scores are right
    needs the folds to be independent (`control_p_value`), and that they are good, `Generalisation`.
    """

    process: Process
    model: int
    distance: Fraction
    p_value: Fraction
    """With numbers of generated events: copies of one are not independent."""
    control_p_value: Fraction | None = None
    """Of the same test between the two folds that the model was not fitted to; small if folds share events."""


class Generalisation(Settings):
    """Whether a model that goes on learning what it is fitted to gets worse for what it is not: harmful overtraining.

    Losses are mean −ln of the true class's score, with the weights of the training.
    """

    model: int
    rounds: int
    loss_fitted: float
    loss_unseen: float
    """In the test fold."""
    gain: float
    """Loss in the test fold with half of the rounds minus that with all of them; negative if the rest does harm."""
    gain_error: float
    """Its statistical uncertainty, from generated events."""


class Evaluation(Settings):
    """The products of one channel's training."""

    channel: Channel
    classes: tuple[Process, ...]
    absent_classes: tuple[Process, ...]
    """Classes without a candidate among the evaluated ones."""
    roc: tuple[PairRoc, ...]
    confusion: tuple[tuple[Fraction, ...], ...]
    """Row: true class, column: class of the highest score; rows add to one, rows of absent classes are zero."""
    overtraining: tuple[Overtraining, ...]
    generalisation: tuple[Generalisation, ...] = ()
    """One a model."""
    importances: dict[str, float]
    """Feature → share of the total gain, mean over models, descending."""
    sculpting: tuple[SculptedSlice, ...] = ()
    """The background's mass distribution in slices of the signal score."""

    def area(self, first: Process, second: Process) -> float | None:
        """Return the ROC area of a pair of classes, None if one was absent."""
        wanted = {first, second}
        return next((pair.area for pair in self.roc if {pair.first, pair.second} == wanted), None)


def evaluate(
    classifier: Classifier, data: TrainingData, *, half_share_events: float, n_roc_points: int = 201
) -> Evaluation:
    """Evaluate a classifier on training candidates, each scored by the model that has not seen it.

    Parameters
    ----------
    classifier
        The trained models.
    data
        What they were trained on, or the part of it that matters, with the same folds.
    half_share_events
        Of the class balancing, as in training.
    n_roc_points
        Points kept of each ROC curve.
    """
    scores = classifier.scores(data.features, data.fold)
    weight = training_weights(data.label, data.group, data.weight, half_share_events=half_share_events)
    background = data.label != SIGNAL_LABEL
    present = [number for number in range(len(classifier.classes)) if np.sum(weight[data.label == number]) > 0]
    return Evaluation(
        channel=classifier.channel,
        classes=classifier.classes,
        absent_classes=tuple(c for number, c in enumerate(classifier.classes) if number not in present),
        roc=tuple(
            _pair_roc(classifier, scores, weight, data.label, (first, second), n_roc_points)
            for first, second in combinations(present, 2)
        ),
        confusion=_confusion(scores, weight, data.label),
        overtraining=tuple(
            test
            for model in range(classifier.n_folds)
            for number in present
            if (test := _overtraining(classifier, data, weight, model, number)) is not None
        ),
        generalisation=tuple(
            found
            for model in range(classifier.n_folds)
            if (found := _generalisation(classifier, data, weight, model)) is not None
        ),
        importances=importances(classifier),
        sculpting=()
        if data.mass_gev is None
        else mass_sculpting(
            scores[background, 0],
            data.mass_gev[background],
            data.weight[background],
            None if data.generated is None else data.generated[background],
        ),
    )


def importances(classifier: Classifier) -> dict[str, float]:
    """Return each feature's share of the total gain of the splits, averaged over the models, largest first."""
    shares = np.zeros(len(classifier.features))
    for booster in classifier.boosters:
        gain = booster.get_score(importance_type="total_gain")
        values = np.array([gain.get(name, 0.0) for name in classifier.features], dtype=np.float64)
        shares += values / max(float(np.sum(values)), np.finfo(float).tiny) / classifier.n_folds
    order = np.argsort(-shares, kind="stable")
    return {classifier.features[position]: float(shares[position]) for position in order}


def _pair_roc(
    classifier: Classifier,
    scores: NDArray[np.float32],
    weight: NDArray[np.float64],
    label: NDArray[np.int64],
    pair: tuple[int, int],
    n_points: int,
) -> PairRoc:
    first, second = pair
    total = np.maximum(scores[:, first] + scores[:, second], np.finfo(np.float32).tiny)
    discriminant = scores[:, first] / total
    is_first, is_second = label == first, label == second
    curve = roc_curve(discriminant[is_first], discriminant[is_second], weight[is_first], weight[is_second])
    kept = np.unique(np.linspace(0, len(curve.signal_efficiency) - 1, n_points).round().astype(int))
    return PairRoc(
        first=classifier.classes[first],
        second=classifier.classes[second],
        area=float(np.clip(curve.area, 0.0, 1.0)),
        first_efficiency=tuple(curve.signal_efficiency[kept].tolist()),
        second_efficiency=tuple(curve.background_efficiency[kept].tolist()),
    )


def _confusion(
    scores: NDArray[np.float32], weight: NDArray[np.float64], label: NDArray[np.int64]
) -> tuple[tuple[float, ...], ...]:
    n = scores.shape[1]
    matrix = np.bincount(label * n + np.argmax(scores, axis=1), weight, n * n).reshape(n, n)
    rows = matrix.sum(axis=1, keepdims=True)
    return tuple(
        tuple(row) for row in np.divide(matrix, rows, out=np.zeros_like(matrix), where=rows > 0).clip(0.0, 1.0).tolist()
    )


def _overtraining(
    classifier: Classifier, data: TrainingData, weight: NDArray[np.float64], model: int, number: int
) -> Overtraining | None:
    roles = fold_roles(data.fold, model, classifier.n_folds)
    own = (data.label == number) & (weight > 0)
    fitted, validation, test = (role & own for role in roles)
    if not (np.any(fitted) and np.any(test)):
        return None
    generated = np.arange(len(weight)) if data.generated is None else data.generated
    score = np.zeros(len(weight))
    score[own] = classifier.scores_of_model(model, data.features[own])[:, number]

    def compare(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> KolmogorovSmirnov:
        return kolmogorov_smirnov(score[a], score[b], weight[a], weight[b], generated[a], generated[b])

    result = compare(fitted, test)
    return Overtraining(
        process=classifier.classes[number],
        model=model,
        distance=min(result.distance, 1.0),
        p_value=min(result.p_value, 1.0),
        control_p_value=min(compare(validation, test).p_value, 1.0) if np.any(validation) else None,
    )


def _generalisation(
    classifier: Classifier, data: TrainingData, weight: NDArray[np.float64], model: int
) -> Generalisation | None:
    roles = fold_roles(data.fold, model, classifier.n_folds)
    if not (np.any(weight[roles.fitted] > 0) and np.any(weight[roles.test] > 0)):
        return None
    rounds = classifier.boosters[model].num_boosted_rounds()
    fitted = _losses(classifier, data, model, roles.fitted, rounds)
    test = _losses(classifier, data, model, roles.test, rounds)
    gains = _losses(classifier, data, model, roles.test, max(1, rounds // 2)) - test
    test_weight = weight[roles.test]
    gain = float(np.average(gains, weights=test_weight))
    generated = None if data.generated is None else data.generated[roles.test]
    variance = squared_sum(test_weight * (gains - gain), generated)
    return Generalisation(
        model=model,
        rounds=rounds,
        loss_fitted=float(np.average(fitted, weights=weight[roles.fitted])),
        loss_unseen=float(np.average(test, weights=test_weight)),
        gain=gain,
        gain_error=float(np.sqrt(variance) / np.sum(test_weight)),
    )


def _losses(
    classifier: Classifier, data: TrainingData, model: int, rows: NDArray[np.bool_], rounds: int
) -> NDArray[np.float64]:
    """Return −ln of the true class's score by the first rounds of a model, one per row."""
    scores = classifier.boosters[model].inplace_predict(data.features[rows], iteration_range=(0, rounds))
    own = scores[np.arange(len(scores)), data.label[rows]].astype(np.float64)
    return np.asarray(-np.log(np.maximum(own, np.finfo(np.float32).tiny)))
