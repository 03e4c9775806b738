from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import crystalball

from models.mass_resolution import resolution_gev
from models.signal_closure import closure, closure_test, closure_tests
from models.signal_shape import (
    SignalSample,
    SignalShapeError,
    SignalShapeSettings,
    build_signal_model,
    weighted_quantiles,
)

WINDOW = (0.2113, 7.0)
N_GENERATED = 20_000.0


def true_sigma(m):
    return 0.002 + 0.004 * m


def true_efficiency(m):
    return 0.10 - 0.01 * m


def sample(m_phi, seed=0, n_generated=N_GENERATED):
    """A radiative (crystal-ball) peak whose tail and σ change with mass, and 8 % wrong pairs."""
    rng = np.random.default_rng([seed, round(1000 * m_phi)])
    n = rng.binomial(int(n_generated), true_efficiency(m_phi))
    is_true = rng.random(n) > 0.08
    peak = m_phi + true_sigma(m_phi) * crystalball.rvs(1.6 + 0.1 * m_phi, 4, size=n, random_state=rng)
    wrong = WINDOW[0] + 3.0 * rng.beta(1.5, 3.0, n)
    return SignalSample(m_phi, n_generated, np.where(is_true, peak, wrong), np.ones(n), is_true, np.ones(n, bool))


GRID = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)


@pytest.fixture(scope="module")
def model():
    return build_signal_model([sample(m) for m in GRID])


def test_resolution_of_a_gaussian_is_its_standard_deviation():
    rng = np.random.default_rng(1)
    masses = rng.normal(1.0, 0.02, 40_000)
    # the shortest-interval estimate has a relative error of about 0.9/√n (bootstrap): 0.5 % here
    assert resolution_gev(masses, np.ones(len(masses))) == pytest.approx(0.02, rel=0.02)
    weight = rng.uniform(0.5, 1.5, len(masses))
    assert resolution_gev(masses, weight) == pytest.approx(0.02, rel=0.02)


def test_the_error_of_the_resolution_is_its_scatter():
    found = [build_signal_model([sample(1.0, seed, n_generated=4000)]) for seed in range(60)]
    scatter = np.std([model.sigma_gev[0] for model in found])
    # 60 samples know a scatter to 9 %, each bootstrap to 20 %
    assert np.mean([model.sigma_error_gev[0] for model in found]) == pytest.approx(scatter, rel=0.3)
    copies = sample(1.0)._replace(generated=np.arange(len(sample(1.0).mass_gev)) // 4)
    assert build_signal_model([copies]).sigma_error_gev[0] > 0


def test_resolution_ignores_a_far_tail():
    rng = np.random.default_rng(2)
    masses = np.concatenate([rng.normal(1.0, 0.01, 20_000), rng.uniform(0.2, 0.9, 1000)])
    # 68.3 % of all is 71.7 % of the core: ±1.073 σ
    assert resolution_gev(masses, np.ones(len(masses))) == pytest.approx(0.01073, rel=0.025)


def test_efficiency_is_interpolated_with_its_uncertainty(model):
    for m in (0.3, 0.75, 1.25, 3.6):
        efficiency = model.efficiency_at(m)
        assert abs(efficiency.value - true_efficiency(m)) < 4 * efficiency.error
        binomial = np.sqrt(true_efficiency(m) * (1 - true_efficiency(m)) / N_GENERATED)
        assert 0.5 * binomial < efficiency.error < 1.2 * binomial


def test_shape_between_grid_masses_matches_a_direct_sample(model):
    direct = sample(1.25, seed=7, n_generated=200_000)
    edges = np.array([WINDOW[0], *np.linspace(1.25 - 0.014, 1.25 + 0.014, 7), WINDOW[1]])
    expected = np.histogram(direct.mass_gev, edges)[0] / len(direct.mass_gev)
    fractions = model.template_fractions(1.25, edges)
    # about 1800 candidates at either neighbour: a bin's fraction p is known to √(p/3600); three standard deviations
    np.testing.assert_array_less(np.abs(fractions - expected), 3.5 * np.sqrt(expected / 2500))


@given(st.floats(0.225, 6.5), st.lists(st.floats(0.22, 6.99), min_size=1, max_size=9, unique=True))
def test_fractions_are_a_partition_of_at_most_one(m_phi, inner):
    edges = np.array([WINDOW[0], *sorted(inner), WINDOW[1]])
    model = SHARED_MODEL
    fractions = model.template_fractions(m_phi, edges)
    assert np.all(fractions >= 0)
    assert fractions.sum() <= 1 + 1e-12
    assert fractions.sum() == pytest.approx(model.template_fractions(m_phi, edges[[0, -1]])[0], abs=1e-12)


SHARED_MODEL = build_signal_model([sample(m) for m in GRID])


def test_leaving_one_mass_out_predicts_it():
    points = closure([sample(m) for m in GRID])
    assert [point.m_phi_gev for point in points] == list(GRID[1:-1])
    for point in points:
        assert abs(point.efficiency_pull) < 4
        assert point.efficiency_predicted.value == pytest.approx(true_efficiency(point.m_phi_gev), rel=0.15)
        # linear interpolation of a linear σ; each estimate is good to about 2 %
        assert point.sigma_predicted_gev.value == pytest.approx(point.sigma_gev.value, rel=0.08)
        assert abs(point.sigma_pull) < 4
        # two neighbours of as many candidates are worth one to two times as many
        assert 0.8 < point.effective_predicted / point.effective_candidates < 2.5
        # both sides fluctuate: 99.9 % of two-sample distances lie below 1.95 √(1/n + 1/n′)
        assert point.shape_distance < 1.95 * np.sqrt(2.5 / point.effective_candidates)
        assert point.shape_p_value > 1e-3


def test_closure_p_values_are_uniform_where_the_interpolation_holds_and_small_where_it_does_not():
    p_values = {"efficiency": [], "resolution": []}
    for seed in range(40):
        model = build_signal_model([sample(m, seed=seed, n_generated=4000) for m in GRID])
        for name, test in closure_tests(model).items():
            assert test.n_degrees_of_freedom in {1, 2}
            p_values[name].append(test.p_value)
    for found in p_values.values():
        # the mean of 40 uniform numbers has an error of 0.046
        assert np.mean(found) == pytest.approx(0.5, abs=0.14)
        assert min(found) > 1e-3
    bent = replace(model, efficiency=model.efficiency * (1 + 0.4 * (model.mass_gev == 1.0)))
    assert closure_tests(bent)["efficiency"].p_value < 1e-3


def test_closure_asks_for_cubics_between_masses_and_not_for_one_through_all():
    """A wave that local cubics miss by a quarter of a standard deviation passes, one value far off does not."""
    mass, error = np.arange(30.0), np.full(30, 0.1)
    wave = 3.0 * np.sin(0.5 * mass)
    # Weights of the cubic through nodes at ±1 and ±2, and the error that they and the value itself give.
    missed = 2 / 3 * (wave[1:-3] + wave[3:-1]) - (wave[:-4] + wave[4:]) / 6 - wave[2:-2]
    assert 0.2 < np.max(np.abs(missed)) / (0.1 * np.sqrt(1 + 2 * 4 / 9 + 2 / 36)) < 0.25
    assert closure_test(mass, wave, error).p_value > 0.5
    wave[12] += 1.0
    assert closure_test(mass, wave, error).p_value < 1e-3
    assert closure_test(mass[:2], wave[:2], error[:2]).p_value == 1.0


def test_resolution_near_threshold_follows_the_velocity_of_the_daughters():
    threshold = 0.2113

    def slow(m):
        scale = np.sqrt(1 - (threshold / m) ** 2)
        return sample(m)._replace(mass_gev=m + scale * (sample(m).mass_gev - m))

    masses = (0.225, 0.25, 0.5, 0.8)
    model = build_signal_model([slow(m) for m in masses if m != 0.25], threshold_gev=threshold)
    ignorant = build_signal_model([slow(m) for m in masses if m != 0.25])
    true = build_signal_model([slow(m) for m in masses]).sigma_gev[1]
    assert model.resolution_gev(0.25) == pytest.approx(true, rel=0.08)
    assert ignorant.resolution_gev(0.25) < 0.8 * true


def test_efficiency_and_resolution_between_very_different_masses_stay_possible(model):
    spiky = np.where(np.arange(len(GRID)) % 2, 1.0, 1e-3)
    uneven = replace(model, sigma_gev=0.01 * spiky, efficiency=spiky)
    for m in np.linspace(GRID[0], GRID[-1], 101):
        assert uneven.resolution_gev(m) >= 0.01 * 1e-3 * (1 - 1e-12)
        assert uneven.efficiency_at(m).value >= 0.0


def test_a_shifted_scale_moves_the_shape_and_nothing_else(model):
    shifted = [
        s._replace(mass_gev=np.where(s.is_true, s.mass_gev + 0.5 * true_sigma(s.m_phi_gev), s.mass_gev))
        for s in (sample(m) for m in GRID)
    ]
    varied = build_signal_model(shifted, reference=model)
    np.testing.assert_array_equal(varied.sigma_gev, model.sigma_gev)
    np.testing.assert_array_equal(varied.efficiency, model.efficiency)
    for m in (0.7, 2.2):
        below = model.cumulative(m, np.array([m - 0.5 * true_sigma(m)]))
        # half a true σ; the tail makes the measured σ differ by a few per cent
        assert varied.cumulative(m, np.array([m]))[0] == pytest.approx(below[0], abs=0.02)


def test_masses_with_few_candidates_keep_their_efficiency_but_give_no_shape():
    thin = sample(1.0, n_generated=50)
    model = build_signal_model([sample(0.5), thin, sample(1.5)])
    assert model.shape_mass_gev.tolist() == [0.5, 1.5]
    assert model.mass_gev.tolist() == [0.5, 1.0, 1.5]
    assert model.efficiency_at(1.0).value == pytest.approx(len(thin.mass_gev) / 50)


def test_a_thin_signal_region_borrows_the_shape_of_all_candidates():
    full = sample(1.0)
    thin = full._replace(in_signal_region=np.arange(len(full.mass_gev)) < 12)
    model = build_signal_model([thin, sample(2.0)])
    assert model.from_signal_region.tolist() == [False, True]
    assert model.efficiency_at(1.0).value == pytest.approx(12 / N_GENERATED)
    assert model.resolution_gev(1.0) == build_signal_model([full]).resolution_gev(1.0)
    varied = build_signal_model([thin, sample(2.0)], reference=model)
    np.testing.assert_array_equal(varied.core_quantiles, model.core_quantiles)


def test_a_single_mass_serves_everywhere():
    model = build_signal_model([sample(1.0)])
    assert model.resolution_gev(2.0) == model.resolution_gev(1.0)
    edges = np.array([WINDOW[0], 1.9, 2.1, WINDOW[1]])
    assert model.template_fractions(2.0, edges)[1] > 0.8


def test_unusable_samples_are_named():
    with pytest.raises(SignalShapeError, match=r"mass 1\.000 GeV"):
        build_signal_model([sample(1.0), sample(1.0, seed=1)])
    with pytest.raises(SignalShapeError, match="none of 1 signal masses has 20"):
        build_signal_model([sample(1.0, n_generated=20)])
    with pytest.raises(SignalShapeError, match="no generated events"):
        build_signal_model([sample(1.0)._replace(sum_weights=0.0)])


def test_quantiles_agree_with_numpy_for_equal_weights():
    rng = np.random.default_rng(3)
    values = rng.normal(size=501)
    probabilities = np.linspace(0.01, 0.99, 21)
    ours = weighted_quantiles(values, np.full(501, 0.3), probabilities)
    np.testing.assert_allclose(ours, np.quantile(values, probabilities, method="hazen"), rtol=1e-12)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="n_quantiles"):
        SignalShapeSettings(n_quantiles=2)
