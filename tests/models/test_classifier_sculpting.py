"""Mass sculpting: none where the score does not know the mass, all of it where the score is the mass."""

import numpy as np
import pytest

from models.classifier.sculpting import mass_sculpting


def background(n=4000):
    rng = np.random.default_rng(2)
    return rng.random(n), rng.exponential(1.0, n), rng.uniform(0.5, 1.5, n)


def test_a_score_that_knows_no_mass_sculpts_nothing():
    score, mass, weight = background()
    for part in mass_sculpting(score, mass, weight):
        assert part.p_value > 1e-3
        # twenty bins of a slice of n events diverge by about 19 / (8 n ln 2) by chance, here of at most 400 events
        assert part.divergence < 4 * 19 / (8 * part.effective_events * np.log(2))


def test_a_score_that_is_the_mass_is_found():
    _, mass, weight = background()
    score = np.clip(mass / 3.0, 0.0, 1.0)
    highest = mass_sculpting(score, mass, weight)[-1]
    assert highest.distance > 0.9
    assert highest.p_value < 1e-6
    assert highest.divergence > 0.4


def test_an_empty_slice_says_so():
    score, mass, weight = background()
    slices = mass_sculpting(0.2 * score, mass, weight)
    assert slices[-1].distance is None
    assert slices[-1].effective_events == 0.0
    assert slices[0].distance is not None


def test_copies_of_events_are_no_further_evidence():
    rng = np.random.default_rng(4)
    score, mass, weight = rng.uniform(size=400), rng.uniform(size=400), np.ones(400)
    once = mass_sculpting(score, mass, weight)
    copied = mass_sculpting(*(np.repeat(column, 5) for column in (score, mass, weight)), np.repeat(np.arange(400), 5))
    for one, five in zip(once, copied, strict=True):
        assert five.effective_events == pytest.approx(one.effective_events)
        assert five.p_value == pytest.approx(one.p_value)
