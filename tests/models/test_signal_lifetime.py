"""One flying sample against samples generated at the lifetimes asked for."""

import numpy as np
import pytest

from models.lifetime import LifetimeComponent, LifetimeError, LifetimeMixture
from models.signal_lifetime import FlyingSignal, served_at
from models.signal_shape import SignalSample, SignalShapeSettings, build_signal_model

MIXTURE = LifetimeMixture(
    components=(
        LifetimeComponent(ctau_mm=0.0, share=3.0),
        *(LifetimeComponent(ctau_mm=length) for length in (0.3, 3.0, 30.0)),
    )
)
M_PHI = 0.08


def _found(length: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Efficiency of a toy detector: 10 %, and nothing beyond a proper length of a few mm."""
    return rng.random(len(length)) < 0.1 * np.exp(-((length / 2.0) ** 2))


def _sample(mixture: LifetimeMixture, n: int, seed: int) -> FlyingSignal:
    """The resolution grows with the flight length, so that the shape depends on the lifetime."""
    rng = np.random.default_rng(seed)
    length = mixture.sample(n, rng)
    length = length[_found(length, rng)]
    mass = M_PHI + 0.002 * (1.0 + length) * rng.normal(size=len(length))
    everything = np.ones(len(length), dtype=bool)
    candidates = SignalSample(M_PHI, float(n), mass, np.ones(len(length)), everything, everything)
    return FlyingSignal(candidates, length, mixture)


FLYING = _sample(MIXTURE, 60_000, 1)


@pytest.mark.parametrize("ctau", [0.0, 0.15, 1.0, 10.0, 25.0, 200.0])
def test_reweighted_is_what_would_be_generated(ctau: float) -> None:
    reweighted = build_signal_model([FLYING.at(ctau)])
    direct = build_signal_model([_sample(LifetimeMixture.single(ctau), 400_000, 2).candidates])
    ours, theirs = reweighted.efficiency_at(M_PHI), direct.efficiency_at(M_PHI)
    assert abs(ours.value - theirs.value) < 3.5 * np.hypot(ours.error, theirs.error)
    # A resolution from n candidates is known to about 0.9/√n.
    spread = 0.9 * np.sqrt(1 / reweighted.effective_candidates[0] + 1 / direct.effective_candidates[0])
    assert reweighted.resolution_gev(M_PHI) == pytest.approx(direct.resolution_gev(M_PHI), rel=4 * spread)
    points = np.linspace(M_PHI - 0.01, M_PHI + 0.01, 41)
    distance = np.abs(reweighted.cumulative(M_PHI, points) - direct.cumulative(M_PHI, points)).max()
    assert distance < 1.95 * np.sqrt(1 / reweighted.effective_candidates[0] + 1 / direct.effective_candidates[0])


def test_error_of_the_efficiency_covers_its_spread() -> None:
    found = [build_signal_model([_sample(MIXTURE, 4_000, seed).at(25.0)]).efficiency_at(M_PHI) for seed in range(60)]
    values, errors = np.array(found).T
    # 60 samples know their spread to 9 %.
    assert np.std(values) == pytest.approx(errors.mean(), rel=0.35)


def test_a_lifetime_of_too_few_events_is_refused_and_says_why() -> None:
    settings = SignalShapeSettings()
    assert served_at([FLYING], 25.0, settings)[0].effective_selected > 10
    with pytest.raises(LifetimeError, match=r"cτ = 0\.0001 mm is beyond .* 0\.080 GeV .* 10 are needed"):
        served_at([FLYING], 1e-4, settings)


def test_samples_of_single_lifetimes_pool_into_the_same_answer() -> None:
    parts = [_sample(LifetimeMixture.single(ctau), 30_000, 5 + i) for i, ctau in enumerate((0.0, 10.0, 50.0))]
    pooled = FlyingSignal.pooled(parts)
    assert pooled.candidates.sum_weights == 90_000
    ours = build_signal_model([pooled.at(25.0)]).efficiency_at(M_PHI)
    theirs = build_signal_model([_sample(LifetimeMixture.single(25.0), 400_000, 3).candidates]).efficiency_at(M_PHI)
    assert abs(ours.value - theirs.value) < 3.5 * np.hypot(ours.error, theirs.error)
    assert FlyingSignal.pooled(parts[:1]) is parts[0]


def test_unknown_flight_is_an_error() -> None:
    unknown = FLYING._replace(proper_length_mm=np.full(len(FLYING.proper_length_mm), -1.0))
    with pytest.raises(LifetimeError, match=r"0\.080 GeV has events without a φ"):
        unknown.at(10.0)
