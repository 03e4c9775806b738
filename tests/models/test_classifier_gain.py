"""The gain over the published classifier: one where nothing changes, what the formula says where something does."""

import numpy as np
import pytest

from models.classifier_gain import ClassifierGain, mean_gain
from models.search import Channel
from models.thresholds import ScoredBackground, ScoredSignal, ThresholdSettings

THRESHOLD = 0.65
SETTINGS = ThresholdSettings(background_relative_error=0.0)


def scored(rng, *, kept=1.0, n=40_000):
    """Signal and background uniform in score; background keeps its score with a probability, or else has none."""
    signals = [
        ScoredSignal(mass, 0.1, rng.random(4000), np.full(4000, 1e-5), np.full(4000, mass), rng.integers(0, 4, 4000))
        for mass in (4.0, 1.0, 2.0)
    ]
    score = np.where(rng.random(n) < kept, rng.random(n), 0.0)
    return signals, ScoredBackground(score, np.full(n, 20.0), rng.uniform(0.2, 7.0, n), rng.integers(0, 4, n))


def test_the_published_classifier_gains_nothing_over_itself():
    candidates = scored(np.random.default_rng(1))
    gain = ClassifierGain.compare(Channel.MUMU, candidates, candidates, THRESHOLD, SETTINGS)
    assert gain.mass_gev == (1.0, 2.0, 4.0)
    assert gain.own == (1.0, 1.0, 1.0)
    assert gain.own_best == gain.published_best
    assert gain.own_by_mass == gain.published_by_mass


def test_a_quarter_of_the_background_is_worth_the_root_of_two():
    """ξ goes as the root of the cross-section, that as the root of the background where there is much of it."""
    rng = np.random.default_rng(2)
    gain = ClassifierGain.compare(Channel.MUMU, scored(rng), scored(rng, kept=0.25), THRESHOLD, SETTINGS)
    # 500 simulated candidates in a window of the smaller sample: 3 % on √B each way, half of it on ξ
    np.testing.assert_allclose(gain.own, np.sqrt(2.0), rtol=0.05)
    assert mean_gain([(gain.mass_gev, gain.own, [1.0, 1.5, 3.0])]) == pytest.approx(np.sqrt(2.0), rel=0.04)


def test_masses_that_the_published_threshold_loses_are_left_out():
    signals, background = scored(np.random.default_rng(3))
    lost = [signal._replace(score=0.5 * signal.score) if signal.m_phi_gev == 1.0 else signal for signal in signals]
    gain = ClassifierGain.compare(Channel.EE, (lost, background), (signals, background), THRESHOLD, SETTINGS)
    assert gain.mass_gev == (2.0, 4.0)
    nothing = [signal._replace(score=0.5 * signal.score) for signal in signals]
    assert ClassifierGain.compare(Channel.EE, (nothing, background), (signals, background), THRESHOLD, SETTINGS) is None


def test_without_folds_there_is_no_gain():
    signals, background = scored(np.random.default_rng(4))
    blind = [signal._replace(fold=None) for signal in signals]
    assert ClassifierGain.compare(Channel.EE, (blind, background), (blind, background), THRESHOLD, SETTINGS) is None
