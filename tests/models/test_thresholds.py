import numpy as np
import pytest

from models.thresholds import (
    MassThresholds,
    ScoredBackground,
    ScoredSignal,
    ThresholdError,
    ThresholdSettings,
    scan_thresholds,
)

SETTINGS = ThresholdSettings()


def uniform_background(rng, n=40_000, luminosity_weight=0.5):
    """Score density 2(1 − s), flat in mass."""
    return ScoredBackground(1 - np.sqrt(rng.random(n)), np.full(n, luminosity_weight), rng.uniform(0.2, 7.0, n))


def signal(rng, m_phi, n=20_000, efficiency=0.1):
    """Score density 2 s: efficiency above t is 1 − t²."""
    return ScoredSignal(m_phi, 0.05, np.sqrt(rng.random(n)), np.full(n, efficiency / n), rng.normal(m_phi, 0.01, n))


def test_the_optimum_is_that_of_the_formula():
    rng = np.random.default_rng(1)
    background = uniform_background(rng)
    scan = scan_thresholds([signal(rng, m) for m in (1.0, 2.0, 3.0, 4.0, 5.0)], background, 0.65)
    per_window = background.weight.sum() * 0.1 / 6.8
    t = np.array(scan.thresholds)
    count = per_window * (1 - t) ** 2
    deviation = np.sqrt(count + (SETTINGS.background_relative_error * count) ** 2)
    expected = 0.1 * (1 - t**2) / (SETTINGS.n_sigma / 2 + deviation)
    kept = t**2 <= 0.8
    # 147 background candidates a window: 8 % on √B each, five masses averaged
    np.testing.assert_allclose(
        np.array(scan.figure_of_merit)[kept & (t < 0.85)], expected[kept & (t < 0.85)], rtol=0.12
    )
    assert abs(scan.best - t[kept][np.argmax(expected[kept])]) < 0.08
    assert 0.65 in scan.thresholds
    assert scan.gain >= 1.0


def test_without_background_nothing_is_cut():
    rng = np.random.default_rng(2)
    empty = ScoredBackground(np.zeros(0), np.zeros(0), np.zeros(0))
    assert scan_thresholds([signal(rng, 1.0)], empty, 0.95).best == SETTINGS.lowest


def test_a_mass_that_would_be_lost_holds_the_threshold_down():
    rng = np.random.default_rng(3)
    background = uniform_background(rng)
    soft = signal(rng, 2.0)
    soft = soft._replace(score=0.9 * soft.score)
    scan = scan_thresholds([signal(rng, 1.0), soft], background, 0.95)
    assert scan.best < 0.9
    assert scan.gain == 0.0


def test_no_signal_is_an_error():
    rng = np.random.default_rng(4)
    with pytest.raises(ThresholdError, match="no signal candidates"):
        scan_thresholds([signal(rng, 1.0)._replace(weight=np.zeros(20_000))], uniform_background(rng), 0.65)


def with_folds(scored, rng, n_folds=4):
    return scored._replace(fold=rng.integers(0, n_folds, len(scored.score)))


def test_the_optimum_is_stable_under_folds_and_judged_where_it_was_not_chosen():
    rng = np.random.default_rng(5)
    background = with_folds(uniform_background(rng), rng)
    signals = [with_folds(signal(rng, m), rng) for m in (1.0, 2.0, 3.0, 4.0, 5.0)]
    scan = scan_thresholds(signals, background, 0.65)
    assert len(scan.best_without_fold) == 4
    # the maximum is flat: within a quarter in score the figure of merit changes by per cent
    assert np.ptp(scan.best_without_fold) < 0.25
    # Chosen and judged on the same events, a gain is what it is or more.
    assert scan.held_out_gain == pytest.approx(scan.gain, abs=0.08)
    assert scan.held_out_gain <= scan.gain + 1e-9
    assert scan.held_out_gain_by_mass == pytest.approx(scan.gain, abs=0.08)


def test_thresholds_follow_the_background_in_mass():
    """Ten times the background at high mass: the threshold rises from one end to the other, without jumping."""
    rng = np.random.default_rng(6)
    low, high = uniform_background(rng, 40_000, 0.05), uniform_background(rng, 40_000, 5.0)
    background = ScoredBackground(
        np.concatenate([low.score, high.score]),
        np.concatenate([low.weight, high.weight]),
        np.concatenate([rng.uniform(0.2, 3.0, 40_000), rng.uniform(3.0, 7.0, 40_000)]),
    )
    scan = scan_thresholds([signal(rng, m) for m in (0.8, 1.2, 1.8, 2.5, 3.5, 4.5, 5.5, 6.5)], background, 0.65)
    threshold = np.array(scan.by_mass.threshold)
    assert threshold[-1] > threshold[0] + 0.1
    assert np.all(np.abs(np.diff(threshold)) < 0.25)
    assert scan.by_mass.at(np.array([0.1, 9.0])).tolist() == pytest.approx([threshold[0], threshold[-1]])


def test_mass_dependent_thresholds_need_no_mass_to_be_positive():
    thresholds = MassThresholds(mass_gev=(1.0, 2.0), threshold=(0.6, 0.9))
    assert thresholds.at(np.array([0.0, -1.0])).tolist() == pytest.approx([0.6, 0.6])
