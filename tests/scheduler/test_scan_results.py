"""Results of workspaces are kept as they come and found again; a change of what they follow from asks for new ones."""

from dataclasses import replace

import pytest

from models.inference.bayesian.settings import BayesianSettings, ExpectedBandSettings
from models.inference.configuration import InferenceSettings, LimitMethod, SystematicsSettings
from models.scan_grid import MassPoint, ScanSettings
from models.search import Search
from processors.template_settings import TemplateSettings
from scheduler import scan
from scheduler.limits_table import LimitRow
from scheduler.result_store import ResultStore
from scheduler.run_folder import RunFolder
from scheduler.scan import ScanInputs
from tests.models.conftest import make_templates

__all__ = ["make_templates"]
POINT = MassPoint(Search.MUMU, 1.0)


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "workspaces" / "mumu").mkdir(parents=True)
    return ScanInputs(
        searches={},
        scale_factors=None,
        scan=ScanSettings(),
        templates=TemplateSettings(),
        systematics=SystematicsSettings(),
        inference=InferenceSettings(methods=(LimitMethod.CLS,), impacts=False),
        seed=1,
        output=RunFolder(tmp_path),
        store=ResultStore(str(tmp_path / "results")),
    )


def test_a_result_is_computed_once_and_again_when_anything_changes(monkeypatch, make_templates, inputs):
    computed = []
    original = scan.infer_mass_point
    monkeypatch.setattr(scan, "infer_mass_point", lambda *a, **k: computed.append(1) or original(*a, **k))
    templates = make_templates()
    first = scan._infer(POINT, 0.0, templates, inputs)
    assert scan._infer(POINT, 0.0, templates, inputs) == first
    assert len(computed) == 1
    assert inputs.output.workspace(POINT.search.channel, 1.0, 0.0).is_file()
    scan._infer(POINT, 0.0, make_templates(seed=2), inputs)
    scan._infer(POINT, 0.0, templates, replace(inputs, seed=2))
    stricter = inputs.inference.model_copy(update={"confidence_level": 0.95})
    assert scan._infer(POINT, 0.0, templates, replace(inputs, inference=stricter)) != first
    assert len(computed) == 4


def test_where_phi_flies_only_the_limits_that_couplings_need_are_set(make_templates, inputs):
    everything = replace(inputs, inference=InferenceSettings())
    result = scan._infer(POINT, 10.0, make_templates(), everything)
    assert result.is_complete
    assert result.quasi_monte_carlo.limit_fb > 0
    assert result.metropolis.limit_fb is None


def test_expected_bayesian_limits_have_columns_of_their_own(make_templates, inputs):
    bayesian = BayesianSettings(expected=ExpectedBandSettings(n_toys=20))
    methods = (LimitMethod.CLS, LimitMethod.EXPECTED_BAYESIAN)
    inference = InferenceSettings(methods=methods, impacts=False, bayesian=bayesian)
    chosen = replace(inputs, inference=inference)
    columns = scan._infer(POINT, 0.0, make_templates(), chosen).columns()
    row = LimitRow(
        channel="mumu",
        m_phi_gev=1.0,
        status="ok",
        **columns,
        **dict.fromkeys(["xi_ul", *(f"xi_exp_{name}" for name in ("m2", "m1", "0", "p1", "p2"))]),
    )
    band = [row.xsec_bayes_exp_m1_fb, row.xsec_bayes_exp_0_fb, row.xsec_bayes_exp_p1_fb]
    assert 0 < band[0] < band[1] < band[2]
    # They resemble those of CLs, and are not these.
    assert band[1] == pytest.approx(row.xsec_exp_0_fb, rel=0.3)
    assert band[1] != row.xsec_exp_0_fb
    without = scan._infer(POINT, 0.0, make_templates(), inputs).columns()
    assert without["xsec_bayes_exp_0_fb"] is None
    assert scan._infer(POINT, 10.0, make_templates(), chosen).columns()["xsec_bayes_exp_0_fb"] is None
