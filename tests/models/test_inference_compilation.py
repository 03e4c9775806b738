"""The compiled density is pyhf's, and its derivatives are those of the rates."""

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.inference.compilation import UnsupportedModelError, compile_model
from models.inference.density import log_density
from models.inference.rate_kernels import rates, rates_and_slopes
from models.inference.results import InferenceError
from tests.models.histfactory_workspaces import WRITTEN, normsys, workspaces

CODES = st.tuples(st.sampled_from(["code1", "code4"]), st.sampled_from(["code0", "code2", "code4p"]))
DEFAULT_CODES = ("code4", "code4p")


def build(specification, codes=DEFAULT_CODES):
    pyhf.set_backend("numpy")
    parsed = pyhf.Workspace(specification)
    model = parsed.model(modifier_settings={"normsys": {"interpcode": codes[0]}, "histosys": {"interpcode": codes[1]}})
    return model, np.array(parsed.data(model), dtype=float)


def random_points(model, rng, n_points):
    """Points within bounds, some far out and some at the interpolations' joints."""
    points = np.array(model.config.suggested_init()) + rng.normal(size=(n_points, model.config.npars)) * rng.choice(
        [0.1, 1.5], size=(n_points, 1)
    )
    points[0] = model.config.suggested_init()
    low, high = np.array(model.config.suggested_bounds()).T
    points = np.clip(points, np.maximum(low, -4.0), np.minimum(high, 4.0))
    points[:, model.config.poi_index] = rng.uniform(0, 3, size=n_points)
    return points


def assert_density_is_pyhfs(specification, codes=DEFAULT_CODES):
    model, data = build(specification, codes)
    compiled, _ = compile_model(model)
    n_bins = model.config.nmaindata
    auxiliary = np.zeros(model.config.npars)
    rng = np.random.default_rng(7)
    auxiliary[compiled.auxiliary_parameter] = data[n_bins:]
    for point in random_points(model, rng, 6):
        theirs = model.logpdf(point, data)[0]
        ours = log_density(compiled, point, data[:n_bins], auxiliary)
        if np.isfinite(theirs):
            # 1e-10: rounding of sums of some tens of terms.
            assert ours == pytest.approx(theirs, rel=1e-10)
        else:
            assert not np.isfinite(ours)


@pytest.mark.parametrize("name", WRITTEN)
def test_density_of_written_workspaces_is_pyhfs(name):
    assert_density_is_pyhfs(WRITTEN[name])


@settings(max_examples=60)
@given(workspaces(), CODES)
def test_density_of_random_workspaces_is_pyhfs(specification, codes):
    assert_density_is_pyhfs(specification, codes)


@settings(max_examples=25)
@given(workspaces(), CODES)
def test_slopes_are_derivatives_of_the_rates(specification, codes):
    model, _ = build(specification, codes)
    compiled, _ = compile_model(model)
    n_bins, n_parameters = compiled.n_bins, compiled.initial.size

    def expected(point):
        background, signal = np.empty(n_bins), np.empty(n_bins)
        rates(compiled, point, background, signal)
        return background + point[compiled.poi] * signal

    for point in random_points(model, np.random.default_rng(3), 3)[1:]:
        total, by_global, by_local = np.empty(n_bins), np.empty((n_bins, compiled.n_globals)), np.empty(n_parameters)
        rates_and_slopes(compiled, point, total, by_global, by_local)
        assert total == pytest.approx(model.expected_data(point, include_auxdata=False), rel=1e-12, abs=1e-12)
        ours = np.zeros((n_bins, n_parameters))
        ours[:, compiled.global_parameter] = by_global
        for b in range(n_bins):
            locals_of_bin = compiled.local_parameter[compiled.local_start[b] : compiled.local_start[b + 1]]
            ours[b, locals_of_bin] = by_local[locals_of_bin]
        step = 1e-5
        for i in range(n_parameters):
            up, down = point.copy(), point.copy()
            up[i] += step
            down[i] -= step
            difference = (expected(up) - expected(down)) / (2 * step)
            # Rounding of the difference, and its bend; interpolations have kinks where a point was clipped to none.
            assert ours[:, i] == pytest.approx(difference, rel=1e-5, abs=1e-5 * np.abs(total).max())


def test_parameters_of_one_bin_are_local():
    model, _ = build(WRITTEN["signal in two channels"])
    compiled, names = compile_model(model)
    is_local = {name: compiled.slot[i] < 0 for i, name in enumerate(names.parameters)}
    assert all(is_local[f"{name}[{b}]"] for name in ("mc_a", "fakes") for b in range(3))
    assert not any(is_local[name] for name in ("mu", "k_ttbar", "jes", "efficiency"))
    # In two channels, a free shape is measured in one and used in the other.
    shared, shared_names = compile_model(build(WRITTEN["shapefactor from a control region"])[0])
    assert shared.slot[shared_names.parameters.index("data_driven[1]")] >= 0


def test_content_without_compiled_form_is_named():
    specification = WRITTEN["correlated background"] | {}
    channel = specification["channels"][0]
    sample = channel["samples"][1] | {"modifiers": [normsys("broken", -0.1, 1.2)]}
    specification["channels"] = [channel | {"samples": [channel["samples"][0], sample]}]
    with pytest.raises(UnsupportedModelError, match=r"normsys broken of sample background of channel singlechannel"):
        # pyhf itself only warns of it with code4, and computes NaN.
        compile_model(build(specification, ("code1", "code0"))[0])


def test_poi_has_to_be_a_normalisation_factor():
    model, _ = build(WRITTEN["correlated background"])
    model.config.set_poi("shape")
    with pytest.raises(InferenceError, match="shape is a histosys"):
        compile_model(model)
    model.config.set_poi(None)
    with pytest.raises(InferenceError, match="no parameter of interest"):
        compile_model(model)
