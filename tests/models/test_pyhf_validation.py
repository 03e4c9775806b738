"""pyhf's own validation workspaces: density, fits and CLs are those that pyhf finds and publishes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyhf
import pytest
from scipy.stats import norm

from models.inference.compilation import compile_model
from models.inference.diagnostics import cls_curves
from models.inference.fits import fit_observed, profile
from models.inference.likelihood import compile_likelihood
from models.inference.results import InferenceError
from tests.models.histfactory_workspaces import MU, of_bins, workspace

ENTRIES = json.loads((Path(__file__).parent / "pyhf_validation" / "workspaces.json").read_text(encoding="utf-8"))
"""Name → source, interpolation, workspace, best fit and CLs at μ = 1; see `tests.models.pyhf_validation.remake`."""


@pytest.mark.parametrize("name", ENTRIES)
def test_density_fit_and_cls_are_pyhfs(name):
    entry = ENTRIES[name]
    pyhf.set_backend("numpy")
    parsed = pyhf.Workspace(entry["workspace"])
    settings = {"modifier_settings": entry["settings"]} if entry["settings"] else {}
    model = parsed.model(**settings)
    likelihood = replace(compile_likelihood(entry["workspace"]), model=compile_model(model)[0])

    data = np.array(parsed.data(model), dtype=float)
    bounds = np.array(model.config.suggested_bounds()).T
    steps = 0.3 * np.random.default_rng(1).standard_normal((20, model.config.npars))
    for point in np.clip(model.config.suggested_init() + steps, *bounds):
        assert likelihood.log_density(point) == pytest.approx(model.logpdf(point, data)[0], rel=1e-10)

    fits = fit_observed(likelihood)
    physical = fits.physical(likelihood)
    twice_nll = -2 * likelihood.log_density(physical.points[0])
    # pyhf's minimiser ends up to 1e-6 above the minimum, and then 1e-3 standard deviations away from it.
    assert entry["fit"]["twice_nll"] - 2e-6 < twice_nll < entry["fit"]["twice_nll"] + 2e-8
    assert physical.points[0, likelihood.poi] == pytest.approx(entry["fit"]["mu"], rel=1e-3, abs=1e-3)

    curves = cls_curves(likelihood, fits, 1.0, blinded=False)
    assert curves.xsec[-1] == 1.0
    assert curves.expected[:, -1] == pytest.approx(entry["cls"]["exp"], rel=1e-3)
    observed = curves.observed[-1]
    if entry["source"].startswith("published") and fits.xsec_hat_fb(likelihood) < 0:
        # Published values are of q, whose p-values have no straight part where the best fit is negative.
        held = profile(likelihood, likelihood.observed, np.array([1.0]), physical.points)
        root = np.sqrt(2 * (held.nll - physical.nll)).item()
        root_asimov = norm.isf(0.5 * curves.expected[2, -1])
        observed = norm.sf(root) / norm.sf(root - root_asimov)
    assert observed == pytest.approx(entry["cls"]["obs"], rel=1e-3)


def test_every_kind_of_modifier_is_among_them():
    kinds = {
        modifier["type"]
        for entry in ENTRIES.values()
        for channel in entry["workspace"]["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    assert kinds == {"normfactor", "normsys", "histosys", "lumi", "staterror", "shapesys", "shapefactor"}
    assert sum(entry["source"].startswith("published") for entry in ENTRIES.values()) == 8


def test_pyhfs_example_with_an_empty_bin_is_named():
    """Its HistFactory import has a bin without anything, for which pyhf computes a density and we have no meaning."""
    samples = {"signal": ([10.0, 0.0], [MU]), "bkg": ([50.0, 0.0], [of_bins("shapesys", "uncorrshape", [5.0, 0.0])])}
    with pytest.raises(InferenceError, match="Nothing is expected in bin 1 of channel channel1"):
        compile_likelihood(workspace({"channel1": samples}, {"channel1": [53.0, 0.0]}))
