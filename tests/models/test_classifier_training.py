"""The classifier's contract, on toy classes whose optimal separation is known."""

import pickle

import numpy as np
import pytest
import xgboost
from scipy.stats import ks_2samp, norm

from models.classifier.configuration import ClassifierError, ClassifierSettings
from models.classifier.evaluation import evaluate
from models.classifier.folds import fold_of
from models.classifier.metrics import kolmogorov_smirnov, roc_curve
from models.classifier.model import Classifier
from models.classifier.persistence import load_classifier, save_classifier
from models.classifier.training import TrainingData, fold_roles, train_classifier
from models.classifier.weights import training_weights
from models.search import Channel, Process, classifier_classes

SETTINGS = ClassifierSettings(n_rounds=40)
FEATURES = ("thrust", "missing_mass", "opening_angle", "n_pi0", "noise")
N_FOLDS = SETTINGS.n_folds
SEPARATION = 2.0


def make_data(counts=(1500, 1500, 1500, 1500, 1500), seed=1):
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(5), counts)
    features = rng.normal(size=(len(label), len(FEATURES))).astype(np.float32)
    # class k > 0 is shifted along axis k−1, the signal is not: signal against each is one Gaussian shift
    features[:, :4] += SEPARATION * np.eye(5)[label][:, 1:]
    order = rng.permutation(len(label))
    label, features = label[order], features[order]
    group = np.where(label == 0, rng.integers(0, 3, len(label)), 0)
    fold = fold_of(*np.ones((2, len(label)), int), np.arange(len(label)), "toy", n_folds=N_FOLDS, seed=SETTINGS.seed)
    return TrainingData(features, label, group, rng.uniform(0.5, 1.5, len(label)), fold)


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def result(data):
    return train_classifier(data, FEATURES, Channel.EE, SETTINGS)


def test_folds_depend_on_identity_alone_and_are_uniform():
    rng = np.random.default_rng(2)
    experiment, run, event = (
        rng.integers(7, 66, 40_000),
        rng.integers(1, 900, 40_000),
        np.arange(40_000, dtype=np.int32),
    )
    folds = fold_of(experiment, run, event, "tautau", n_folds=4, seed=1)
    order = rng.permutation(40_000)
    np.testing.assert_array_equal(
        folds[order], fold_of(experiment[order], run[order], event[order], "tautau", n_folds=4, seed=1)
    )
    # multinomial: each fold 10000 ± 87; five standard deviations
    assert np.all(np.abs(np.bincount(folds) - 10_000) < 5 * 87)
    other = fold_of(experiment, run, event, "qqbar", n_folds=4, seed=1)
    assert abs(np.mean(folds == other) - 0.25) < 0.02
    as_int64 = fold_of(experiment, run, event.astype(np.int64), "tautau", n_folds=4, seed=1)
    np.testing.assert_array_equal(folds, as_int64)


def test_every_fold_is_tested_by_a_model_that_neither_fitted_nor_stopped_on_it():
    fold = np.arange(N_FOLDS)
    for number in range(N_FOLDS):
        roles = fold_roles(fold, number, N_FOLDS)
        np.testing.assert_array_equal(roles.fitted.astype(int) + roles.validation + roles.test, 1)
        assert roles.test[number]


def test_scores_ignore_the_scored_events_labels(data, result):
    """Spoiling the labels of one fold must not change the model that scores it: it never saw them."""
    spoiled = data._replace(label=np.where(data.fold == 2, (data.label + 1) % 5, data.label))
    again = train_classifier(spoiled, FEATURES, Channel.EE, SETTINGS)
    rows = data.fold == 2
    np.testing.assert_array_equal(
        result.classifier.scores(data.features[rows], data.fold[rows]),
        again.classifier.scores(data.features[rows], data.fold[rows]),
    )
    assert again.classifier.fingerprint != result.classifier.fingerprint


def test_training_is_deterministic_and_scores_add_to_one(data, result):
    again = train_classifier(data, FEATURES, Channel.EE, SETTINGS)
    assert again.classifier.fingerprint == result.classifier.fingerprint
    scores = result.classifier.scores(data.features, data.fold)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-6)
    halves = [
        result.classifier.scores(data.features[half], data.fold[half])
        for half in np.array_split(np.arange(len(scores)), 7)
    ]
    np.testing.assert_array_equal(np.concatenate(halves), scores)


def test_separation_approaches_the_neyman_pearson_optimum(data, result):
    evaluation = evaluate(result.classifier, data, half_share_events=SETTINGS.half_share_events)
    optimum = norm.cdf(SEPARATION / np.sqrt(2))
    for process in (Process.TAUTAU, Process.BHABHA, Process.QQBAR, Process.BBBAR):
        area = evaluation.area(Process.SIGNAL, process)
        # 1500 events a class: AUC's standard error is below 0.006; trees lose a little to the optimum
        assert optimum - 0.03 < area < optimum + 0.015
    assert evaluation.importances["noise"] < 0.05
    assert sum(evaluation.importances.values()) == pytest.approx(1.0)
    np.testing.assert_allclose(np.sum(evaluation.confusion, axis=1), 1.0)
    assert len(evaluation.overtraining) == N_FOLDS * 5


def test_overtraining_is_seen():
    data = make_data((300,) * 5, seed=5)
    noise = np.random.default_rng(9).normal(size=data.features.shape).astype(np.float32)
    wild = ClassifierSettings(
        n_rounds=60, early_stopping_rounds=60, max_depth=8, min_child_weight=0.1, learning_rate=0.5
    )
    noisy = data._replace(features=noise)
    trained = train_classifier(noisy, FEATURES, Channel.EE, wild)
    evaluation = evaluate(trained.classifier, noisy, half_share_events=wild.half_share_events)
    p_values = [test.p_value for test in evaluation.overtraining]
    assert min(p_values) < 1e-4
    # The two folds that a model was not fitted to look alike to it.
    assert min(test.control_p_value for test in evaluation.overtraining) > 1e-4


def test_rounds_that_do_harm_are_seen():
    """Nothing but noise, and nobody stops the training: what more rounds learn is wrong elsewhere."""
    data = make_data((100,) * 5, seed=5)
    data = data._replace(features=np.random.default_rng(9).normal(size=data.features.shape).astype(np.float32))
    parameters = {"objective": "multi:softprob", "num_class": 5, "max_depth": 6, "eta": 0.3, "nthread": 1}
    boosters = []
    for number in range(N_FOLDS):
        rows = fold_roles(data.fold, number, N_FOLDS).fitted
        matrix = xgboost.DMatrix(data.features[rows], label=data.label[rows], feature_names=list(FEATURES))
        boosters.append(xgboost.train(parameters, matrix, num_boost_round=20))
    wild = Classifier(Channel.EE, FEATURES, classifier_classes(Channel.EE), tuple(boosters), SETTINGS.seed)
    evaluation = evaluate(wild, data, half_share_events=SETTINGS.half_share_events)
    assert all(model.gain < -3 * model.gain_error for model in evaluation.generalisation)
    assert all(model.loss_fitted < model.loss_unseen for model in evaluation.generalisation)


def test_learning_what_is_there_is_no_overtraining(data, result):
    evaluation = evaluate(result.classifier, data, half_share_events=SETTINGS.half_share_events)
    assert len(evaluation.generalisation) == N_FOLDS
    assert all(model.gain > 3 * model.gain_error > 0 for model in evaluation.generalisation)


def test_copies_of_an_event_are_one_event_to_every_test(data, result):
    """Each event three times: p-values and errors are those of the events, not of three times as many."""
    data = data._replace(generated=np.arange(len(data.label)))
    copies = type(data)(*(np.repeat(column, 3, axis=0) if column is not None else None for column in data))
    once, thrice = (
        evaluate(result.classifier, events, half_share_events=SETTINGS.half_share_events) for events in (data, copies)
    )
    for one, three in zip(once.overtraining, thrice.overtraining, strict=True):
        assert three.p_value == pytest.approx(one.p_value, rel=0.02)
        assert three.control_p_value == pytest.approx(one.control_p_value, rel=0.02)
    for one, three in zip(once.generalisation, thrice.generalisation, strict=True):
        assert three.gain_error == pytest.approx(one.gain_error, rel=0.02)


def test_weights_balance_classes_and_flatten_signal_masses():
    rng = np.random.default_rng(4)
    label = np.repeat([0, 1, 2], [600, 3000, 400])
    group = np.where(label == 0, rng.choice(3, len(label), p=[0.7, 0.2, 0.1]), 0)
    physical = rng.uniform(0.1, 3.0, len(label))
    weight = training_weights(label, group, physical, half_share_events=0.0)
    totals = np.bincount(label, weight)
    np.testing.assert_allclose(totals, totals[0])
    np.testing.assert_allclose(np.bincount(group[label == 0], weight[label == 0]), totals[0] / 3)
    ratio = weight[label == 1] / physical[label == 1]
    np.testing.assert_allclose(ratio, ratio[0])


def test_more_signal_events_change_no_class_total():
    few, many = (np.repeat([0, 1, 2], [n, 100, 50]) for n in (60, 6000))
    totals = [
        np.bincount(label, training_weights(label, np.zeros_like(label), np.ones(len(label)), half_share_events=0.0))
        for label in (few, many)
    ]
    np.testing.assert_allclose(totals[0], 75.0)
    np.testing.assert_allclose(totals[1], 75.0)


def test_a_handful_of_events_is_not_blown_up():
    label = np.repeat([0, 1, 2], [500, 10_000, 3])
    weight = training_weights(label, np.zeros_like(label), np.ones(len(label)), half_share_events=50.0)
    share = np.sum(weight[label == 2]) / np.sum(weight[label == 1])
    assert share == pytest.approx((3 / 53) / (10_000 / 10_050))
    with pytest.raises(ClassifierError, match="not negative"):
        training_weights(label, label, np.full(len(label), -1.0), half_share_events=20.0)


@pytest.mark.parametrize("counts", [(400, 400, 0, 400, 400), (400, 400, 2, 400, 1)])
def test_absent_and_tiny_classes_are_survived_and_reported(counts):
    data = make_data(counts)
    trained = train_classifier(data, FEATURES, Channel.EE, SETTINGS)
    evaluation = evaluate(trained.classifier, data, half_share_events=SETTINGS.half_share_events)
    assert trained.events_per_class[Process.BHABHA] == counts[2]
    if counts[2] == 0:
        assert evaluation.absent_classes == (Process.BHABHA,)
        assert evaluation.area(Process.SIGNAL, Process.BHABHA) is None
        assert np.max(trained.classifier.scores(data.features, data.fold)[:, 2]) < 0.05


def test_nothing_to_learn_is_an_error():
    with pytest.raises(ClassifierError, match="no signal"):
        train_classifier(make_data((0, 10, 10, 10, 10)), FEATURES, Channel.EE, SETTINGS)
    with pytest.raises(ClassifierError, match="no background"):
        train_classifier(make_data((10, 0, 0, 0, 0)), FEATURES, Channel.MUMU, SETTINGS)
    with pytest.raises(ClassifierError, match="too few candidates"):
        train_classifier(make_data((2, 5, 0, 0, 0)), FEATURES, Channel.MUMU, SETTINGS)


def test_saved_models_return_the_same_scores_and_check_their_features(data, result, tmp_path):
    save_classifier(
        result.classifier, tmp_path, best_rounds=result.best_rounds, events_per_class=result.events_per_class
    )
    loaded = load_classifier(tmp_path, expected_features=FEATURES)
    np.testing.assert_array_equal(
        loaded.scores(data.features, data.fold), result.classifier.scores(data.features, data.fold)
    )
    with pytest.raises(ClassifierError, match=r"missing \['noise'\], not known to it \['energy'\]"):
        load_classifier(tmp_path, expected_features=(*FEATURES[:-1], "energy"))
    with pytest.raises(ClassifierError, match="order differs"):
        load_classifier(tmp_path, expected_features=FEATURES[::-1])
    (tmp_path / "model_1.json").write_bytes((tmp_path / "model_0.json").read_bytes())
    with pytest.raises(ClassifierError, match="not the ones it was written for"):
        load_classifier(tmp_path)
    (tmp_path / "model_1.json").write_text("{")
    with pytest.raises(ClassifierError, match=r"model_1\.json: not a readable xgboost model"):
        load_classifier(tmp_path)
    with pytest.raises(ClassifierError, match="is the classifier trained"):
        load_classifier(tmp_path / "nothing")


def test_pickled_models_return_the_same_scores_and_are_loaded_once(data, result):
    pickled = pickle.dumps(result.classifier)
    copy = pickle.loads(pickled)
    assert copy.fingerprint == result.classifier.fingerprint
    np.testing.assert_array_equal(
        copy.scores(data.features, data.fold), result.classifier.scores(data.features, data.fold)
    )
    assert pickle.loads(pickled) is copy


def test_unusable_features_are_named(result):
    features = np.zeros((3, len(FEATURES)), dtype=np.float32)
    features[1, 3] = np.nan
    with pytest.raises(ClassifierError, match="feature n_pi0 is not finite"):
        result.classifier.scores(features, np.zeros(3, int))
    with pytest.raises(ClassifierError, match="takes 5 features"):
        result.classifier.scores(features[:, :2], np.zeros(3, int))


def test_roc_area_is_the_pair_counting_probability():
    rng = np.random.default_rng(8)
    a, b = rng.integers(0, 12, 150) + 2.0, rng.integers(0, 12, 130).astype(float)
    weight_a, weight_b = rng.uniform(0, 2, 150), rng.uniform(0, 2, 130)
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    expected = np.sum(wins * weight_a[:, None] * weight_b) / (weight_a.sum() * weight_b.sum())
    assert roc_curve(a, b, weight_a, weight_b).area == pytest.approx(expected, rel=1e-12)


def test_kolmogorov_smirnov_agrees_with_scipy():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=4000), rng.normal(0.05, 1, size=3000)
    ours = kolmogorov_smirnov(a, b, np.full(4000, 2.5), np.full(3000, 0.1))
    reference = ks_2samp(a, b, method="asymp")
    assert ours.distance == pytest.approx(reference.statistic, rel=1e-12)
    # scipy's asymptotic form has another small-sample correction; they differ by a few percent here
    assert ours.p_value == pytest.approx(reference.pvalue, rel=0.1)
