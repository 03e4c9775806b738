"""Every door to signal-region data: tried while a run is blinded, opened in part, and after its record is gone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
from distributed import Client

from models.classifier.persistence import load_classifier
from models.errors import BlindedError
from models.inference.workspace import is_blinded
from models.scan_grid import mass_points
from models.search import Channel, Process, Search
from processors.blinding import BlindingSettings, Unblinding, UnblindingStage
from processors.candidates import CandidateStore
from processors.histogram_files import load_histograms
from processors.regions import SIGNAL_REGION
from processors.scoring import OutsideSignalRegion, score_candidates
from scheduler.commands.main import run_command
from scheduler.configuration import AnalysisConfig, load_configuration
from scheduler.limits_table import column, read_limits
from scheduler.progress import Terminal
from scheduler.run_folder import RunFolder
from scheduler.steps.runner import bring_up_to_date
from scheduler.unblinding import read_unblinding, record_unblinding
from scheduler.validation.checks import validate_run
from tests.end_to_end.conftest import Chain
from tests.end_to_end.test_notebook import NOTEBOOK
from tests.end_to_end.tiny_chain import TINY

pytestmark = pytest.mark.long

OBSERVED = ("xsec_hat_fb", "significance", "p_local", "xsec_ul_mh_fb", "xsec_ul_qmc_fb", "xsec_ul_toymc_fb",
            "xsec_ul_cls_fb", "xi_ul", "xi_ul_lifetime_aware")  # fmt: skip
FRACTION = 0.3
CONFIG = load_configuration(str(TINY))
MakeRun = Callable[..., RunFolder]


def at_stage(stage: UnblindingStage | None) -> AnalysisConfig:
    blinding = BlindingSettings() if stage is None else BlindingSettings(stage=stage, fraction=FRACTION)
    return CONFIG.model_copy(update={"regions": CONFIG.regions.model_copy(update={"unblinding": blinding})})


@pytest.fixture(scope="module")
def make_run(dask_client: Client, tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """Return a function that copies a run and takes it from its candidates to its limits, or on, at another stage."""

    def make(source: RunFolder, name: str, stage: UnblindingStage | None, *more: str) -> RunFolder:
        folder = tmp_path_factory.mktemp(name) / "run"
        shutil.copytree(source.path, folder, ignore=shutil.ignore_patterns("unblinding.json", ".lock"))
        run, config = RunFolder(folder), at_stage(stage)
        if stage is not None:
            record_unblinding(run, "the data are simulated", config, Terminal())
        bring_up_to_date(
            ["histogram", "normalise", "scan", *more],
            config,
            run,
            site=dask_client.scheduler.address,
            terminal=Terminal(),
        )
        return run

    return make


@pytest.fixture(scope="module")
def blinded(chain: Chain, make_run: MakeRun) -> RunFolder:
    return make_run(chain.run, "blinded", None, "report")


def signal_region_data(run: RunFolder, search: Search) -> np.ndarray:
    histograms, _ = load_histograms(run.histogram(search), read_unblinding(run))
    return histograms.contents(SIGNAL_REGION, Process.DATA).value


def test_without_an_unblinding_no_signal_region_data_are_read(chain: Chain, blinded: RunFolder) -> None:
    for search in Search:
        histograms, manifest = load_histograms(blinded.histogram(search))
        assert manifest.unblinding is None
        data = histograms.signal_region[{"process": "data"}] if "data" in histograms.signal_region.axes[0] else None
        assert data is None or data.sum(flow=True).value == 0
        with pytest.raises(BlindedError, match=r"no such record now"):
            load_histograms(chain.run.histogram(search))
        unblinded, record = load_histograms(chain.run.histogram(search), read_unblinding(chain.run))
        assert isinstance(record.unblinding, Unblinding)
        assert record.n_blinded == 0
        n_data = unblinded.signal_region[{"process": "data"}].sum(flow=True).value
        assert manifest.n_blinded == n_data


def test_a_blinded_run_writes_expectations_only(blinded: RunFolder) -> None:
    assert not blinded.unblinding.exists()
    assert all(signal_region_data(blinded, search).sum() == 0 for search in Search)
    paths = sorted(blinded.workspaces.glob("*/*.json"))
    assert paths
    for path in paths:
        workspace = json.loads(path.read_text())
        assert is_blinded(workspace)
        expected = np.sum([s["data"] for s in workspace["channels"][0]["samples"] if s["name"] != "signal"], axis=0)
        np.testing.assert_allclose(workspace["observations"][0]["data"], expected)
    rows = read_limits(blinded.limits_csv)
    assert all(row.status == "blinded" or "blinded" in row.status for row in rows)
    for name in OBSERVED:
        assert np.isnan(column(rows, name)).all(), name
    assert np.isfinite(column(rows, "xsec_exp_0_fb")).all()
    assert not blinded.global_significance.exists()
    exported = "".join(path.read_text() for path in blinded.hepdata.glob("*.yaml"))
    assert "Expected limit" in exported
    assert "Observed" not in exported
    assert "Significances" not in exported
    assert "Blinded: no data of the signal region were read." in (blinded.report / "index.html").read_text()


def test_a_blinded_run_gives_no_rows_of_data(blinded: RunFolder) -> None:
    store = CandidateStore(blinded.candidates, read_unblinding(blinded))
    for search in Search:
        for read in (store.read, store.dataframe):
            with pytest.raises(BlindedError, match="candidates of 'data'"):
                read(search, "data")
        with pytest.raises(BlindedError, match="not by a function"):
            store.read_control(search, "data", lambda columns: columns["event"] >= 0)
        classifier = load_classifier(blinded.classifier_of(search.channel))
        control = store.read_control(search, "data", OutsideSignalRegion(classifier, "data"))
        assert len(control["event"]) > 0
        assert score_candidates(control, classifier, "data")[:, 0].max() <= 0.5


def test_the_limits_command_sees_what_the_run_opens(
    chain: Chain, blinded: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    point = mass_points(CONFIG.scan)[-1]
    found = tmp_path / "limits.json"
    arguments = ["--json", str(found), "--method", "cls", "--workers", "1"]
    place = blinded.workspace(point.search.channel, point.m_phi_gev)
    assert run_command(["limits", str(place), *arguments], debug=False) == 0
    (entry,) = json.loads(found.read_text())
    assert entry["mu_hat"] is entry["significance"] is entry["cls_obs"] is None
    assert entry["cls_exp"][2] > 0
    opened = chain.run.workspace(point.search.channel, point.m_phi_gev)
    assert run_command(["limits", str(opened), *arguments], debug=False) == 0
    # A run whose record is gone keeps what was observed to itself, also through a link.
    closed = RunFolder(tmp_path / "run").workspace(point.search.channel, point.m_phi_gev)
    closed.parent.mkdir(parents=True)
    shutil.copy(opened, closed)
    shutil.copy(chain.run.configuration, tmp_path / "run" / "config.yml")
    (tmp_path / "elsewhere.json").symlink_to(closed)
    capsys.readouterr()
    for path in (closed, tmp_path / "elsewhere.json"):
        assert run_command(["limits", str(path), *arguments], debug=False) == 1
        assert "has no record of an unblinding" in capsys.readouterr().err
        (entry,) = json.loads(found.read_text())
        assert entry["mu_hat"] is None


def test_the_notebook_shows_no_data_of_a_blinded_run(blinded: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEPTOPHILE_RUN", str(blinded.path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace: dict[str, object] = {}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, namespace)
    assert namespace["strongest"] is None
    assert namespace["manifest"].unblinding is None
    assert namespace["found"].profile is namespace["found"].posterior is None
    with pytest.raises(BlindedError):
        exec("store.read(Search.MUMU, 'data')", namespace)


def test_the_validation_of_a_blinded_run_uses_pseudo_experiments(
    blinded: RunFolder, dask_client: Client, tmp_path: Path
) -> None:
    checks = {c.name: c for c in validate_run(blinded, RunFolder(tmp_path), site=dask_client.scheduler.address)}
    for name in ("Alternative fit gaussian", "Goodness of fit", "Pulls of nuisance parameters"):
        assert "on a pseudo-experiment (blinded)" in checks[name].sentence
    assert "In data" not in checks["Look-elsewhere effect"].sentence


def test_side_bands_open_no_window_and_no_fit(blinded: RunFolder, make_run: MakeRun) -> None:
    run = make_run(blinded, "side_bands", UnblindingStage.SIDE_BANDS)
    assert all(is_blinded(json.loads(path.read_text())) for path in run.workspaces.glob("*/*.json"))
    assert np.isnan(column(read_limits(run.limits_csv), "significance")).all()
    opened = sum(signal_region_data(run, search).sum() for search in Search)
    assert opened > 0
    with pytest.raises(BlindedError):
        CandidateStore(run.candidates, read_unblinding(run)).read(Search.MUMU, "data")


def test_a_fraction_opens_so_much_of_the_data_in_everything(
    chain: Chain, blinded: RunFolder, make_run: MakeRun
) -> None:
    run = make_run(blinded, "fraction", UnblindingStage.FRACTION)
    full, part = (sum(signal_region_data(r, search).sum() for search in Search) for r in (chain.run, run))
    # binomial, five deviations
    assert abs(part - FRACTION * full) < 5.0 * np.sqrt(FRACTION * (1.0 - FRACTION) * full)
    point = next(point for point in mass_points(CONFIG.scan) if point.search.channel is Channel.MUMU)
    workspaces = [json.loads(r.workspace(point.search.channel, point.m_phi_gev).read_text()) for r in (chain.run, run)]
    assert not is_blinded(workspaces[1])
    expected = [
        sum(np.sum(s["data"]) for s in w["channels"][0]["samples"] if s["name"] == "tautau") for w in workspaces
    ]
    assert expected[1] == pytest.approx(FRACTION * expected[0], rel=1e-9)
    observed = signal_region_data(run, point.search).sum()
    assert sum(workspaces[1]["observations"][0]["data"]) == observed
    assert np.isfinite(column(read_limits(run.limits_csv), "xsec_ul_mh_fb")).all()
    with pytest.raises(BlindedError):
        CandidateStore(run.candidates, read_unblinding(run)).read(Search.MUMU, "data")
