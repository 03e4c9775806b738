import numpy as np
import pytest

from models.thresholds import ScoredBackground, ScoredSignal, ThresholdError, ThresholdSettings, scan_thresholds

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
    expected = 0.1 * (1 - t**2) / (SETTINGS.n_sigma / 2 + np.sqrt(per_window * (1 - t) ** 2))
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
