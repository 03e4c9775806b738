"""One mass point from templates to numbers: blinding, statuses, root search, look-elsewhere."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from models.inference.configuration import InferenceSettings, SystematicsSettings
from models.inference.crossings import find_crossings
from models.inference.engine import infer_mass_point
from models.inference.look_elsewhere import count_upcrossings, global_significance
from models.inference.luminosity import scale_luminosity
from models.inference.results import InferenceError, Status
from models.inference.workspace import build_workspace

SETTINGS = InferenceSettings()


def infer(templates, seed=1):
    return infer_mass_point(build_workspace(templates, SystematicsSettings()), SETTINGS, seed)


def leaves(value):
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def test_blinded_point_has_expected_limits_only(make_templates):
    result = infer(make_templates(data="none"))
    assert result.status == Status.BLINDED
    assert result.is_complete
    given = {name for name, value in result.columns().items() if value is not None}
    assert given == {f"xsec_exp_{name}_fb" for name in ("m2", "m1", "0", "p1", "p2")}
    assert list(result.cls.expected_fb) == sorted(result.cls.expected_fb)


def test_excess_and_deficit_have_their_signs(make_templates):
    excess, deficit = infer(make_templates(injected_fb=8.0)), infer(make_templates(data="empty"))
    assert excess.fit.significance > 3
    assert deficit.fit.significance < 0
    assert excess.metropolis.limit_fb > excess.cls.expected_fb[4] > deficit.metropolis.limit_fb
    assert deficit.status == "fit:rate_boundary"
    assert deficit.is_complete


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1e-3, 0.05, 30.0])
def test_every_number_is_finite_or_absent_with_a_reason(make_templates, seed, scale):
    rng = np.random.default_rng(seed)
    templates = make_templates(
        seed=seed,
        scale=scale,
        n_bins=int(rng.integers(3, 6)),
        relative_statistics=float(rng.uniform(0.02, 0.5)),
        variation=float(rng.uniform(0.0, 0.2)),
        injected_fb=float(rng.choice([0.0, 3.0])),
    )
    result = infer(templates, seed)
    assert all(math.isfinite(leaf) for leaf in leaves(asdict(result)) if isinstance(leaf, float))
    for part, number in (
        (result.fit.status, result.fit.xsec_hat_fb),
        (result.cls.status_observed, result.cls.observed_fb),
        (result.metropolis.status, result.metropolis.limit_fb),
        (result.prior_averaging.status, result.prior_averaging.limit_fb),
    ):
        assert part.is_usable == (number is not None)
    assert result.is_complete


def test_more_luminosity_improves_the_expected_limit_between_the_counting_laws(make_templates):
    templates = make_templates(data="none", variation=0.0, relative_statistics=0.01)
    one, four = (infer(scale_luminosity(templates, factor)).cls.expected_fb[2] for factor in (1.0, 4.0))
    # Background dominated limits fall as 1/√L, background-free ones as 1/L.
    assert 2.0 < one / four < 4.0


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=6), st.floats(0.3, 3.0))
def test_crossings_are_found_whatever_the_scale(roots, power):
    targets = np.array(roots)
    found = find_crossings(
        lambda x, which: x**power - targets[which] ** power,
        np.zeros(targets.size),
        -(targets**power),
        np.full(targets.size, 1.0),
        relative_tolerance=1e-6,
        maximum_iterations=200,
    )
    assert found.found.all()
    assert found.position == pytest.approx(targets, rel=1e-5)


def test_curve_that_levels_off_has_no_crossing():
    found = find_crossings(
        lambda x, _: -1.0 / (1.0 + x),
        np.zeros(1),
        np.array([-1.0]),
        np.array([1.0]),
        relative_tolerance=1e-4,
        maximum_iterations=30,
    )
    assert not found.found[0]


def test_failed_evaluation_is_not_a_crossing():
    found = find_crossings(
        lambda x, which: np.where(which == 0, np.nan, x - 3.0),
        np.zeros(2),
        np.array([-3.0, -3.0]),
        np.ones(2),
        relative_tolerance=1e-6,
        maximum_iterations=30,
    )
    assert found.found.tolist() == [False, True]


def test_global_p_value_bounds_the_frequency_of_large_excesses():
    """Smooth Gaussian curves without signal: an excess as large as the bound's 10 % appears in no more than 10 %."""
    rng = np.random.default_rng(5)
    kernel = np.exp(-0.5 * (np.arange(-12, 13) / 3.0) ** 2)
    kernel /= np.sqrt(np.sum(kernel**2))
    p_global = np.array(
        [global_significance([np.convolve(rng.normal(size=324), kernel, mode="valid")]).p_global for _ in range(2000)]
    )
    frequency = np.mean(p_global < 0.1)
    # 0.0067 is the binomial error; the bound is meant to be close, not just true.
    assert 0.06 < frequency < 0.1 + 3 * 0.0067


def test_global_p_value_of_independent_points_is_bounded_by_their_number():
    z = np.linspace(-1.0, -0.5, 50)
    z[10] = 3.2
    result = global_significance([z])
    assert result.p_global <= 50 * norm.sf(3.2)
    assert result.strongest == 10
    assert global_significance([z, z + 4.0]).strongest == 60
    assert global_significance([np.full(5, -1.0)]).z_global is None
    assert count_upcrossings(z, 0.0) == 1
    with pytest.raises(InferenceError, match="every mass point"):
        global_significance([np.array([0.1, np.nan])])
