import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from models.binned_deviance import binned_deviance
from models.normalisation import (
    ControlRegion,
    NormalisationError,
    NormalisationSettings,
    ScaleFactors,
    ScaleFactorStatus,
    SpecialRegion,
    fit_scale_factors,
    merge_sparse_bins,
)
from models.search import Process

COMPONENTS = (Process.TAUTAU, Process.BHABHA, Process.QQBAR, Process.BBBAR, Process.TWOPHOTON)
SHAPES = {
    process: np.exp(-0.5 * ((np.arange(24) - centre) / 4.0) ** 2)
    for process, centre in zip(COMPONENTS, (3, 8, 13, 18, 22), strict=True)
}
TRUTH = {Process.TAUTAU: 0.9, Process.BHABHA: 1.3, Process.QQBAR: 1.1, Process.BBBAR: 0.7, Process.TWOPHOTON: 1.2}


def toy_region(name, rng, *, yields=4000.0, simulated_per_expected=2.0):
    """Simulation fluctuates with its own statistics, data with theirs around the scaled truth."""
    truth = {p: yields * shape / shape.sum() for p, shape in SHAPES.items()}
    counts = {p: rng.poisson(simulated_per_expected * t) for p, t in truth.items()}
    data = rng.poisson(sum(TRUTH[p] * t for p, t in truth.items())).astype(float)
    return ControlRegion(
        name,
        data,
        {p: c / simulated_per_expected for p, c in counts.items()},
        {p: c / simulated_per_expected**2 for p, c in counts.items()},
    )


def test_injected_scale_factors_are_recovered_with_unit_pulls():
    pulls, p_values = [], []
    for toy in range(120):
        rng = np.random.default_rng([11, toy])
        result = fit_scale_factors([toy_region("ee gcr", rng), toy_region("mumu gcr", rng)], [])
        pulls.append([(f.value - TRUTH[p]) / f.fit_error for p, f in result.factors.items()])
        p_values.append(result.p_value)
    pulls = np.array(pulls)
    # 120 toys: mean ± 0.09, width ± 0.065; the linear bias allowed is three standard deviations
    assert np.all(np.abs(pulls.mean(axis=0)) < 0.3)
    assert np.all(np.abs(pulls.std(axis=0) - 1.0) < 0.2)
    assert 0.35 < np.mean(p_values) < 0.65


@given(st.integers(0, 60), st.floats(0.5, 60), st.floats(1e-3, 30))
def test_profiled_deviance_is_the_numerical_minimum(n, expected, variance):
    delta2 = variance / expected**2

    def deviance(log_beta):
        beta = np.exp(log_beta)
        log_term = n * np.log(n / (beta * expected)) if n else 0.0
        return 2 * (beta * expected - n + log_term) + (beta - 1) ** 2 / delta2

    numerical = minimize_scalar(deviance, bounds=(-20, 6), method="bounded", options={"xatol": 1e-10}).fun
    analytic = binned_deviance(np.array([float(n)]), np.array([expected]), np.array([variance]))[0]
    assert analytic == pytest.approx(numerical, rel=1e-6, abs=1e-6)


def test_components_the_data_do_not_see_keep_the_prior():
    rng = np.random.default_rng(3)
    region = toy_region("ee gcr", rng)
    region.expected[Process.BBBAR] = np.zeros(24)
    region.variance[Process.BBBAR] = np.zeros(24)
    factor = fit_scale_factors([region], []).factors[Process.BBBAR]
    assert factor.value == pytest.approx(1.0, abs=1e-3)
    assert factor.fit_error == pytest.approx(1.0, rel=0.05)
    assert factor.status is ScaleFactorStatus.PRIOR


def test_calculated_components_keep_their_narrow_prior():
    """In the fit's Gaussian limit 1/σ² is 1/prior² and the information of the data: what a wide prior leaves."""
    region = toy_region("ee gcr", np.random.default_rng(8))
    region.expected[Process.TAUTAULL] = region.expected.pop(Process.TWOPHOTON) / 40.0
    region.variance[Process.TAUTAULL] = region.variance.pop(Process.TWOPHOTON) / 1600.0
    narrow = fit_scale_factors([region], []).factors[Process.TAUTAULL]
    wide_prior = NormalisationSettings(calculated_prior_uncertainty={})
    wide = fit_scale_factors([region], [], wide_prior).factors[Process.TAUTAULL]
    information = 1.0 / wide.fit_error**2 - 1.0
    assert narrow.fit_error == pytest.approx((information + 100.0) ** -0.5, rel=0.05)
    assert wide.fit_error > 2.0 * narrow.fit_error
    assert narrow.status is ScaleFactorStatus.PRIOR


def test_a_component_of_few_heavy_events_does_not_drag_the_others():
    rng = np.random.default_rng(4)
    region = toy_region("ee gcr", rng)
    heavy = np.zeros(24)
    heavy[5] = 900.0
    region.expected[Process.DIMUON] = heavy
    region.variance[Process.DIMUON] = heavy * 300.0
    factors = fit_scale_factors([region], []).factors
    assert 0 <= factors[Process.DIMUON].value < 1
    for process in COMPONENTS:
        assert abs(factors[process].value - TRUTH[process]) < 4 * factors[process].fit_error


def test_special_regions_add_the_difference_in_quadrature():
    rng = np.random.default_rng(5)
    region = toy_region("mumu gcr", rng)
    plain = fit_scale_factors([region], [])
    others = {p: f.value for p, f in plain.factors.items()}
    special = [
        SpecialRegion(
            "ee scr", Process.TAUTAU, 300.0 + 50 * others[Process.QQBAR], {Process.TAUTAU: 250.0, Process.QQBAR: 50.0}
        ),
        SpecialRegion("mumu scr", Process.TAUTAU, 100.0, {Process.TAUTAU: 150.0}),
    ]
    result = fit_scale_factors([region], special)
    factor = result.factors[Process.TAUTAU]
    assert factor.special_region_value == pytest.approx(1.0)
    assert factor.error == pytest.approx(np.hypot(factor.fit_error, factor.value - 1.0))
    published = fit_scale_factors([region], special, NormalisationSettings(add_fit_error=False))
    assert published.factors[Process.TAUTAU].error == pytest.approx(abs(factor.value - 1.0))
    for two_photon in (result.factors[Process.TWOPHOTON], published.factors[Process.TWOPHOTON]):
        assert two_photon.special_region_value is None
        assert two_photon.error == two_photon.fit_error


def test_result_survives_json():
    result = fit_scale_factors([toy_region("ee gcr", np.random.default_rng(6))], [])
    assert ScaleFactors.model_validate_json(result.model_dump_json()) == result
    assert set(result.for_templates()) == set(COMPONENTS)


def test_no_data_is_an_error_that_names_the_regions():
    region = toy_region("ee gcr", np.random.default_rng(7))._replace(data=np.zeros(24))
    with pytest.raises(NormalisationError, match=r"ee gcr"):
        fit_scale_factors([region], [])


@given(st.lists(st.floats(0, 8), min_size=1, max_size=40))
def test_merging_keeps_totals_and_fills_every_bin(content):
    expected = np.array(content)
    region = ControlRegion("toy", expected.round(), {Process.TAUTAU: expected}, {Process.TAUTAU: expected})
    merged = merge_sparse_bins(region, NormalisationSettings())
    assert merged.data.sum() == region.data.sum()
    assert merged.expected[Process.TAUTAU].sum() == pytest.approx(expected.sum())
    if expected.sum() >= 5.0 + 1e-9:
        assert np.all(merged.expected[Process.TAUTAU] >= 5.0 - 1e-9)
    else:
        assert len(merged.data) == 1
