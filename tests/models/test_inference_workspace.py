"""The workspace says what the templates say, stays positive where it must, and marks blinding."""

from dataclasses import replace

import numpy as np
import pyhf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.inference.configuration import SystematicsSettings
from models.inference.luminosity import scale_luminosity
from models.inference.results import InferenceError
from models.inference.workspace import build_workspace, is_blinded, limited_variations
from models.search import Process
from models.templates import Template

SYSTEMATICS = SystematicsSettings()


def model_of(workspace):
    pyhf.set_backend("numpy")
    return pyhf.Workspace(workspace).model()


def rates(model, **values):
    """Expected events with the named parameters moved and no signal."""
    point = np.array(model.config.suggested_init())
    point[model.config.poi_index] = 0.0
    for name, value in values.items():
        point[model.config.par_slice(name)] = value
    return model.expected_data(point, include_auxdata=False)


def test_workspace_is_valid_and_holds_every_component(make_templates):
    templates = make_templates()
    workspace = build_workspace(templates, SYSTEMATICS)
    pyhf.schema.validate(workspace, "workspace.json")
    samples = {sample["name"]: sample for sample in workspace["channels"][0]["samples"]}
    assert set(samples) == {"signal", "tautau", "qqbar", "uniform"}
    assert workspace["observations"][0]["data"] == templates.data.tolist()
    factor, _ = templates.scale_factors[Process.TAUTAU]
    assert np.allclose(samples["tautau"]["data"], factor * templates.backgrounds[Process.TAUTAU].nominal)
    assert all("lumi" in {m["name"] for m in samples[name]["modifiers"]} for name in ("signal", "tautau", "qqbar"))
    parameters = set(model_of(workspace).config.parameters)
    assert {"xsec_fb", "tracking", "classifier_efficiency", "scale_factor_tautau", "uniform_component"} <= parameters


def test_blinded_workspace_observes_its_own_expectation(make_templates):
    blinded = build_workspace(make_templates(data="none"), SYSTEMATICS)
    assert is_blinded(blinded)
    assert not is_blinded(build_workspace(make_templates(), SYSTEMATICS))
    model = model_of(blinded)
    # 1e-12: rounding of sums only.
    assert np.allclose(rates(model), blinded["observations"][0]["data"], rtol=1e-12)


def test_one_standard_deviation_reproduces_the_varied_templates(make_templates):
    templates = make_templates(variation=0.02)
    assert limited_variations(templates, SYSTEMATICS) == []
    model = model_of(build_workspace(templates, SYSTEMATICS))
    for direction, alpha in ((0, -1.0), (1, 1.0)):
        varied = [1.1 * template.variations["momentum_scale"][direction] for template in templates.backgrounds.values()]
        expected = np.sum(varied, axis=0) + templates.uniform
        assert np.allclose(rates(model, momentum_scale=alpha), expected, rtol=1e-9)


def test_scale_factor_uncertainty_is_symmetric_and_large_ones_stay_positive(make_templates):
    model = model_of(build_workspace(make_templates(), SYSTEMATICS))
    up, centre, down = (rates(model, scale_factor_tautau=alpha) for alpha in (1.0, 0.0, -1.0))
    assert np.allclose(up - centre, centre - down, rtol=1e-9)
    wide = replace(make_templates(), scale_factors={Process.TAUTAU: (1.0, 1.5), Process.QQBAR: (1.0, 0.1)})
    assert np.all(rates(model_of(build_workspace(wide, SYSTEMATICS)), scale_factor_tautau=-5.0) > 0)


def test_correlated_scale_factors_move_backgrounds_together_and_against_each_other(make_templates):
    correlated = SystematicsSettings(correlated_scale_factors=True)
    with pytest.raises(InferenceError, match="no correlated uncertainty of the scale factor of tautau, qqbar"):
        build_workspace(make_templates(), correlated)
    modes = {"scale_factor_mode_0": {Process.TAUTAU: 0.2, Process.QQBAR: -0.3},
             "scale_factor_mode_1": {Process.TAUTAU: -0.8, Process.QQBAR: 1e-9}}  # fmt: skip
    templates = replace(make_templates(), scale_factor_modes=modes)
    model = model_of(build_workspace(templates, correlated))
    assert not {"scale_factor_tautau", "scale_factor_qqbar"} & set(model.config.par_order)
    tautau, qqbar = (1.1 * templates.backgrounds[p].nominal for p in (Process.TAUTAU, Process.QQBAR))
    # up and down of small shifts are 1 ± r, of a large one (1 + |r|) to the power of its sign
    for alpha, first, second in ((1.0, 0.2, -0.3), (-1.0, -0.2, 0.3)):
        expected = (1.0 + first) * tautau + (1.0 + second) * qqbar + templates.uniform
        assert np.allclose(rates(model, scale_factor_mode_0=alpha), expected, rtol=1e-9)
    for alpha, factor in ((1.0, 1.0 / 1.8), (-1.0, 1.8)):
        expected = factor * tautau + qqbar + templates.uniform
        assert np.allclose(rates(model, scale_factor_mode_1=alpha), expected, rtol=1e-9)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    down=arrays(float, 5, elements=st.floats(-0.5, 30.0)),
    up=arrays(float, 5, elements=st.floats(-0.5, 30.0)),
    sigma=st.sampled_from([-5.0, -2.0, 2.0, 5.0]),
)
def test_rates_stay_positive_for_any_variation(make_templates, down, up, sigma):
    templates = make_templates()
    tautau = templates.backgrounds[Process.TAUTAU]
    wild = Template(tautau.nominal, tautau.stat_error, {"momentum_scale": (down, up)})
    templates = replace(templates, backgrounds={**templates.backgrounds, Process.TAUTAU: wild})
    model = model_of(build_workspace(templates, SYSTEMATICS))
    assert np.all(rates(model, momentum_scale=sigma) > 0)


def test_limited_variations_are_named(make_templates):
    templates = make_templates()
    tautau = templates.backgrounds[Process.TAUTAU]
    vanishing = tautau.nominal.copy()
    vanishing[2] = 0.0
    wild = Template(tautau.nominal, tautau.stat_error, {"momentum_scale": (vanishing, np.zeros(5))})
    templates = replace(templates, backgrounds={**templates.backgrounds, Process.TAUTAU: wild})
    (found,) = limited_variations(templates, SYSTEMATICS)
    assert (found.sample, found.source, found.n_bins, found.yield_limited) == ("tautau", "momentum_scale", 1, True)


def test_no_bin_is_left_without_background(make_templates):
    templates = make_templates()
    empty = Template(np.zeros(5), np.zeros(5), {"momentum_scale": (np.zeros(5), np.zeros(5))})
    templates = replace(
        templates,
        backgrounds=dict.fromkeys(templates.backgrounds, empty),
        uniform=np.array([1.0, 0.0, -1.0, 0.0, 1.0]),
        data=None,
    )
    workspace = build_workspace(templates, SYSTEMATICS)
    assert min(workspace["observations"][0]["data"]) == SYSTEMATICS.minimum_background
    assert np.all(rates(model_of(workspace)) > 0)


def test_negative_cross_sections_reach_down_to_where_a_rate_vanishes(make_templates):
    workspace = build_workspace(make_templates(), SYSTEMATICS)
    model = model_of(workspace)
    lowest, highest = model.config.suggested_bounds()[model.config.poi_index]
    point = np.array(model.config.suggested_init())
    point[model.config.poi_index] = lowest
    at_lowest = model.expected_data(point, include_auxdata=False)
    assert np.all(at_lowest > 0)
    assert np.isclose((at_lowest / rates(model)).min(), SYSTEMATICS.guard_margin, rtol=1e-9)
    assert highest > 100 * abs(lowest)


def test_background_statistics_do_not_depend_on_the_size_of_one_fb(make_templates):
    templates = make_templates()
    bigger = replace(templates, signal=Template(1e3 * templates.signal.nominal, np.zeros(5), {}))
    widths = [
        model_of(build_workspace(t, SYSTEMATICS)).config.param_set("mc_statistics").sigmas for t in (templates, bigger)
    ]
    assert np.allclose(*widths, rtol=1e-12)
    backgrounds = list(templates.backgrounds.values())
    expected = np.sqrt(sum(b.stat_error**2 for b in backgrounds)) / sum(b.nominal for b in backgrounds)
    assert np.allclose(widths[0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale_factors": {}}, "no scale factor for tautau, qqbar"),
        ({"signal": Template(np.zeros(5), np.zeros(5))}, "no signal is expected"),
        ({"signal": Template(np.array([1.0, np.nan, 1.0, 1.0, 1.0]), np.zeros(5))}, "signal has a yield that is not"),
        ({"uniform": np.full(5, np.inf)}, "uniform component has a yield that is not finite"),
    ],
)
def test_unusable_templates_are_named(make_templates, change, message):
    with pytest.raises(InferenceError, match=f"mumu at 1.000 GeV.*{message}"):
        build_workspace(replace(make_templates(), **change), SYSTEMATICS)


def test_luminosity_scales_yields_and_keeps_relative_uncertainties(make_templates):
    templates = make_templates()
    scaled = scale_luminosity(templates, 12.5)
    assert scaled.data is None
    assert np.allclose(scaled.signal.nominal, 12.5 * templates.signal.nominal)
    for process, template in templates.backgrounds.items():
        other = scaled.backgrounds[process]
        assert np.allclose(other.stat_error / other.nominal, template.stat_error / template.nominal)
        for source, pair in template.variations.items():
            assert np.allclose(other.variations[source], 12.5 * np.array(pair))
    with pytest.raises(InferenceError, match="cannot be scaled"):
        scale_luminosity(templates, 0.0)
