"""Fits, significances and CLs limits against pyhf's own inference and against closed formulas."""

import numpy as np
import pyhf
import pytest
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from models.inference.cls_limits import cls_limits
from models.inference.configuration import InferenceSettings, MinimiserSettings, SystematicsSettings
from models.inference.fits import fit_observed
from models.inference.likelihood import compile_likelihood
from models.inference.results import InferenceError, Status
from models.inference.summary import summarise
from models.inference.workspace import build_workspace
from models.search import Process

SETTINGS = InferenceSettings()


def counting(signal, background, counts, *, poi_bounds=(0.0, 10.0), background_error=None):
    """Return a workspace of independent bins; bounds and parameters as a user of pyhf would write them."""
    modifiers = []
    if background_error is not None:
        modifiers.append({"name": "uncertainty", "type": "shapesys", "data": background_error})
    return {
        "channels": [
            {
                "name": "bins",
                "samples": [
                    {
                        "name": "signal",
                        "data": signal,
                        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                    },
                    {"name": "background", "data": background, "modifiers": modifiers},
                ],
            }
        ],
        "observations": [{"name": "bins", "data": counts}],
        "measurements": [
            {"name": "any", "config": {"poi": "mu", "parameters": [{"name": "mu", "bounds": [list(poi_bounds)]}]}}
        ],
        "version": "1.0.0",
    }


def infer(workspace, *, blinded=False):
    likelihood = compile_likelihood(workspace, SETTINGS.minimiser)
    fits = fit_observed(likelihood)
    return summarise(likelihood, fits, SETTINGS), cls_limits(likelihood, fits, SETTINGS, blinded=blinded)


def precise_pyhf(workspace):
    """pyhf's model and data, with an optimiser run until it stops improving."""
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12, maxiter=100000))
    parsed = pyhf.Workspace(workspace)
    model = parsed.model()
    return model, parsed.data(model)


def physical_bounds(model):
    bounds = model.config.suggested_bounds()
    bounds[model.config.poi_index] = (0.0, 1000.0)
    return bounds


@pytest.mark.parametrize(("seed", "injected_fb", "scale"), [(2, 6.0, 1.0), (5, 0.0, 20.0), (7, 0.5, 0.2)])
def test_best_fit_and_discovery_statistic_are_pyhfs(make_templates, seed, injected_fb, scale):
    workspace = build_workspace(make_templates(seed=seed, injected_fb=injected_fb, scale=scale), SystematicsSettings())
    fit, _ = infer(workspace)
    model, data = precise_pyhf(workspace)
    best, nll = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
    _, nll_null = pyhf.infer.mle.fixed_poi_fit(0.0, data, model, return_fitted_val=True)
    assert fit.status is Status.OK
    assert fit.xsec_hat_fb == pytest.approx(best[model.config.poi_index], abs=2e-3 * fit.xsec_err_fb)
    assert fit.significance**2 == pytest.approx(nll_null - nll, rel=1e-4, abs=1e-7)
    assert np.sign(fit.significance) == np.sign(fit.xsec_hat_fb)
    assert fit.p_local == pytest.approx(norm.sf(fit.significance))
    for name, value in fit.nuisances.items():
        assert value.value == pytest.approx(best[model.config.par_names.index(name)], abs=5e-3)
    # A vertical distance of 1e-9 for ours, 1e-7 for pyhf's.
    assert fit.nll == pytest.approx(0.5 * nll, abs=1e-6)
    total = np.sum(list(fit.yields.values()), axis=0)
    assert total == pytest.approx(model.expected_data(best, include_auxdata=False), rel=2e-3)


def test_error_is_that_of_the_hessian(make_templates):
    workspace = build_workspace(make_templates(seed=2, injected_fb=6.0), SystematicsSettings())
    fit, _ = infer(workspace)
    parsed = pyhf.Workspace(workspace)
    model = parsed.model()
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-4, strategy=2))
    with_errors = pyhf.infer.mle.fit(parsed.data(model), model, return_uncertainties=True)
    # 1 %: HESSE's own differences are taken over ±1 σ steps in all parameters.
    assert fit.xsec_err_fb == pytest.approx(with_errors[model.config.poi_index][1], rel=1e-2)


@pytest.mark.parametrize(("counts", "background"), [(12.0, 5.0), (2.0, 5.0), (300.0, 1.0)])
def test_counting_experiment_in_closed_form(counts, background):
    fit, _ = infer(counting([2.0], [background], [counts]))
    z = np.sqrt(2 * (counts * np.log(counts / background) - (counts - background)))
    # A vertical distance of 1e-9 is a horizontal one of 5e-5 standard deviations.
    assert fit.xsec_hat_fb == pytest.approx((counts - background) / 2.0, abs=1e-4 * fit.xsec_err_fb)
    assert fit.significance == pytest.approx(np.copysign(z, counts - background), rel=1e-6)
    assert fit.xsec_err_fb == pytest.approx(np.sqrt(counts) / 2.0, rel=1e-4)


def test_empty_bin_stops_at_the_rate_boundary_and_says_so():
    fit, cls = infer(counting([2.0], [5.0], [0.0]))
    assert fit.status is Status.RATE_BOUNDARY
    assert fit.xsec_hat_fb == pytest.approx(-(1 - SETTINGS.minimiser.barrier_fraction) * 2.5)
    # −2 ln L = 2 (s σ + b) grows by one over σ = 1/(2 s).
    assert fit.xsec_err_fb == pytest.approx(0.25, rel=1e-3)
    assert cls.status_observed is Status.OK
    # Nothing seen and nothing to fit: CLs is that of the statistic q̃ = 2 s μ.
    assert 0 < cls.observed_fb < cls.expected_fb[2]


def test_events_without_background_have_no_significance():
    fit, cls = infer(counting([1.0, 1.0], [0.0, 3.0], [2.0, 3.0]))
    assert fit.status is Status.BACKGROUND_EXCLUDED
    assert fit.xsec_hat_fb > 0
    assert fit.significance is None
    assert cls.status_expected is Status.BACKGROUND_EXCLUDED
    assert cls.expected_fb == (None,) * 5


def test_expected_limits_in_closed_form():
    background = 7.0
    _, cls = infer(counting([2.0], [background], [9.0]))

    def root_q(xsec):
        return np.sqrt(2 * (2 * xsec - background * np.log1p(2 * xsec / background)))

    for sigma, limit in zip((-2, -1, 0, 1, 2), cls.expected_fb, strict=True):
        needed = sigma + norm.isf(0.1 * norm.cdf(sigma))
        assert limit == pytest.approx(brentq(lambda x, c=needed: root_q(x) - c, 1e-6, 100), rel=1e-4)


def test_cls_limits_are_pyhfs(make_templates):
    """At each limit pyhf's own CLs is 0.1: it falls as fast as the limit rises, so 1e-4 there is 1e-3 of the limit."""
    templates = make_templates(seed=2, injected_fb=4.0, n_bins=3, processes=(Process.TAUTAU,))
    workspace = build_workspace(templates, SystematicsSettings())
    _, cls = infer(workspace)
    model, data = precise_pyhf(workspace)
    options = {"test_stat": "qtilde", "par_bounds": physical_bounds(model), "return_expected_set": True}
    observed, _ = pyhf.infer.hypotest(cls.observed_fb, data, model, **options)
    assert float(observed) == pytest.approx(0.1, abs=1e-4)
    for i in (0, 2, 4):
        _, band = pyhf.infer.hypotest(cls.expected_fb[i], data, model, **options)
        assert float(band[i]) == pytest.approx(0.1, abs=1e-4)


def test_limits_are_those_of_pyhfs_root_search():
    workspace = counting([2.0, 5.0], [30.0, 40.0], [35.0, 41.0], background_error=[4.0, 6.0], poi_bounds=(0, 20))
    _, cls = infer(workspace)
    model, data = precise_pyhf(workspace)
    observed, expected = pyhf.infer.intervals.upper_limits.toms748_scan(
        data, model, 0.1, 20.0, level=0.1, rtol=1e-6, from_upper_limit_fn=False
    )
    assert cls.observed_fb == pytest.approx(float(observed), rel=1e-3)
    assert cls.expected_fb == pytest.approx([float(x) for x in expected], rel=1e-3)


def test_limit_does_not_stop_at_a_bound_of_the_workspace():
    tight, wide = (infer(counting([1.0], [50.0], [60.0], poi_bounds=(0, high)))[1] for high in (2.0, 1000.0))
    assert tight.observed_fb > 15
    assert tight.observed_fb == pytest.approx(wide.observed_fb, rel=1e-4)


def test_huge_excess_and_deep_deficit_have_limits():
    excess_fit, excess = infer(counting([1.0], [1.0], [1e6], background_error=[0.2]))
    assert excess_fit.significance > 1000
    # 1.28 standard deviations above the best fit: in a CLs limit far from zero, CLb is one.
    assert excess.observed_fb == pytest.approx(1e6 + 1281.6, rel=1e-4)
    deficit_fit, deficit = infer(counting([1.0], [1e4], [8e3], background_error=[100.0]))
    assert deficit_fit.significance < -10
    assert 0 < deficit.observed_fb < deficit.expected_fb[0]


def test_fit_that_runs_out_of_iterations_says_so(make_templates):
    likelihood = compile_likelihood(
        build_workspace(make_templates(injected_fb=5.0), SystematicsSettings()), MinimiserSettings(maximum_iterations=1)
    )
    fits = fit_observed(likelihood)
    assert summarise(likelihood, fits, SETTINGS).status is Status.FIT_FAILED
    cls = cls_limits(likelihood, fits, SETTINGS, blinded=False)
    assert cls.status_expected is Status.FIT_FAILED
    assert cls.observed_fb is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w["channels"][0].pop("samples"), "Not a valid pyhf workspace"),
        (lambda w: w["measurements"][0]["config"].update(poi=""), "no parameter of interest"),
        (lambda w: w["observations"][0].update(data=[-1.0]), "not all finite and non-negative"),
        (lambda w: w["channels"][0]["samples"][0].update(data=[0.0]), "signal that mu scales is empty"),
        (
            lambda w: w["channels"][0]["samples"][0]["modifiers"].__setitem__(
                0, {"name": "mu", "type": "normsys", "data": {"lo": 0.9, "hi": 1.1}}
            ),
            "only a normalisation factor",
        ),
    ],
)
def test_unusable_workspaces_are_named(change, message):
    workspace = counting([1.0], [5.0], [4.0])
    change(workspace)
    with pytest.raises(InferenceError, match=message):
        compile_likelihood(workspace, MinimiserSettings())


def test_nuisances_are_pulled_constrained_and_move_the_signal():
    """A 10 % background uncertainty of 100 events and 90 observed: all of it in closed form."""
    specification = counting([1.0], [100.0], [90.0])
    specification["channels"][0]["samples"][1]["modifiers"] = [
        {"name": "level", "type": "shapesys", "data": [10.0]},
    ]
    fit, _ = infer(specification)
    level = fit.nuisances["level[0]"]
    # The signal takes all of the deviation: the background stays at its auxiliary measurement, n = 100 ± 10.
    assert level.pull == pytest.approx(0.0, abs=1e-4)
    assert level.error == pytest.approx(0.1, rel=1e-4)
    assert level.constraint == pytest.approx(1.0, rel=1e-4)
    # One error up is ten events more background, which the signal gives up.
    assert level.impact_up_fb == pytest.approx(-10.0, rel=1e-3)
    assert level.impact_down_fb == pytest.approx(10.0, rel=1e-3)
    assert fit.xsec_err_fb == pytest.approx(np.hypot(np.sqrt(90.0), 10.0), rel=1e-4)
    # The profile likelihood of some hundred events is a parabola to a per cent.
    assert (fit.xsec_err_down_fb, fit.xsec_err_up_fb) == (pytest.approx(fit.xsec_err_fb, rel=0.02),) * 2
    assert fit.goodness.statistic == pytest.approx(0.0, abs=1e-6)


def test_goodness_of_fit_is_the_deviance_of_the_best_fit():
    fit, _ = infer(counting([1.0, 0.0], [10.0, 20.0], [15.0, 30.0]))
    # The first bin is all the signal's; the second has the Poisson deviance of 30 observed and 20 expected.
    deviance = 2 * (30 * np.log(1.5) - 10)
    assert fit.goodness.statistic == pytest.approx(deviance, rel=1e-6)
    assert fit.goodness.n_degrees_of_freedom == 1
    assert fit.goodness.p_value == pytest.approx(chi2.sf(deviance, 1), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w["observations"][0].update(data=[float("nan")]), "not all finite"),
        (lambda w: w["observations"].clear(), "valid pyhf workspace|no observations"),
        (
            lambda w: w["channels"][0]["samples"][1].update(data=[-5.0]),
            "background is negative in bin 0 of channel bins",
        ),
        (lambda w: w["channels"][0]["samples"].append(w["channels"][0]["samples"][1]), "background appears twice"),
        (lambda w: w["measurements"][0]["config"].update(poi="strength"), "strength"),
        (lambda w: w["channels"][0]["samples"][1].update(data=[float("inf")]), "not finite in its yields"),
    ],
)
def test_bad_input_is_named(change, message):
    specification = counting([1.0], [5.0], [4.0])
    change(specification)
    with pytest.raises(InferenceError, match=message):
        compile_likelihood(specification)


def test_a_bin_in_which_nothing_is_expected_is_named():
    with pytest.raises(InferenceError, match="Nothing is expected in bin 1 of channel bins"):
        compile_likelihood(counting([1.0, 0.0], [5.0, 0.0], [4.0, 0.0]))
