"""Diagnostic figures show the numbers of the inference, and are files of the limits command."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from models.errors import UsageError
from models.inference.configuration import InferenceSettings, LimitMethod
from models.inference.diagnostics import gather_diagnostics
from models.inference.engine import infer
from models.inference.likelihood import compile_likelihood
from models.inference.workspace import BLINDED_MEASUREMENT
from scheduler.commands.main import run_command
from scheduler.report.diagnostic_figures import corner_figure, figures
from scheduler.report.style import report_style
from tests.models.histfactory_workspaces import MU, histosys, normsys, of_bins, workspace

SETTINGS = InferenceSettings(methods=(LimitMethod.MH, LimitMethod.CLS))
SPECIFICATION = workspace(
    {
        "sr": {
            "signal": ([0.5, 4.0, 0.5], [MU, normsys("efficiency", 0.9, 1.1)]),
            "background": (
                [30.0, 8.0, 20.0],
                [
                    normsys("large_yield", 0.7, 1.4),
                    normsys("idle", 0.999, 1.001),
                    histosys("shape", [28.0, 8.5, 21.0], [32.0, 7.5, 19.0]),
                    of_bins("staterror", "statistics", [3.0, 1.0, 2.0]),
                ],
            ),
        }
    },
    {"sr": [34.0, 13.0, 21.0]},
)


@pytest.fixture(scope="module")
def found():
    return gather_diagnostics(compile_likelihood(SPECIFICATION), SETTINGS, seed=3)


def test_curves_are_those_of_the_limits(found):
    result = infer(compile_likelihood(SPECIFICATION), SETTINGS, seed=3)
    assert found.metropolis == result.metropolis
    assert found.fit == result.fit
    density = np.nan_to_num(found.posterior.values)
    area = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(found.posterior.xsec))])
    # The trapezoidal rule, less the singular node at zero.
    assert np.interp(result.metropolis.limit_fb, found.posterior.xsec, area) == pytest.approx(0.9, abs=0.005)
    # Profile: one standard deviation up is a rise of one.
    up = result.fit.xsec_hat_fb + result.fit.xsec_err_up_fb
    assert np.interp(up, found.profile.xsec, found.profile.values) == pytest.approx(1.0, abs=0.01)
    # CLs falls, and passes 0.1 at the limits.
    assert np.all(np.diff(found.cls.observed) <= 1e-6)
    assert np.interp(result.cls.observed_fb, found.cls.xsec, found.cls.observed) == pytest.approx(0.1, abs=2e-3)
    for curve, limit in zip(found.cls.expected, result.cls.expected_fb, strict=True):
        assert np.interp(limit, found.cls.xsec, curve) == pytest.approx(0.1, abs=2e-3)


def test_chains_are_draws_of_the_posterior(found):
    xsec = found.chains.points[:, :, found.parameters.index("mu")]
    below = np.mean(xsec < found.metropolis.limit_fb)
    # Cross-sections are drawn, so that they know the limit less well than the densities that they are drawn from.
    assert below == pytest.approx(0.9, abs=5 * np.sqrt(0.09 / found.metropolis.effective_size))
    assert xsec.min() >= 0.0


def test_nuisances_are_ranked_by_impact(found):
    names = [nuisance.name for nuisance in found.ranked]
    impacts = [nuisance.impact for nuisance in found.ranked]
    assert impacts == sorted(impacts, reverse=True)
    assert names.index("statistics[1]") < names.index("idle")


def test_every_figure_is_drawn_with_its_axes(found):
    with report_style():
        drawn = figures(found, "a title", corner=["large_yield"])
        assert set(drawn) == {"posterior", "profile", "chains", "corner", "nuisances", "cls"}
        assert drawn["posterior"].axes[0].get_xlabel() == "mu"
        assert drawn["corner"].axes[2].get_ylabel() == "large yield"
        assert len(drawn["corner"].axes) == 4
        assert len(drawn["nuisances"].axes[0].get_yticklabels()) == len(found.ranked)
        with pytest.raises(UsageError, match="no parameter large_yields"):
            corner_figure(found, ["large_yields"])
        plt.close("all")


def test_blinded_workspace_shows_expectations_only():
    blinded = SPECIFICATION | {"measurements": [SPECIFICATION["measurements"][0] | {"name": BLINDED_MEASUREMENT}]}
    hidden = gather_diagnostics(compile_likelihood(blinded), SETTINGS, seed=3, blinded=True)
    assert hidden.cls.observed is None
    with report_style():
        assert set(figures(hidden, "blinded")) == {"cls"}
        plt.close("all")


def test_command_writes_figures(tmp_path):
    path = tmp_path / "somebody_elses.json"
    path.write_text(json.dumps(SPECIFICATION))
    arguments = ["limits", str(path), "--method", "cls", "--plots", str(tmp_path / "figures"), "--corner", "shape"]
    assert run_command(arguments) == 0
    written = sorted(p.name for p in (tmp_path / "figures").iterdir())
    kinds = ("chains", "cls", "corner", "nuisances", "posterior", "profile")
    assert written == [f"somebody_elses_{kind}.png" for kind in kinds]
    assert run_command(["limits", str(path), "--corner", "shape"]) == 2
