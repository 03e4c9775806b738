"""The whole chain on a tiny simulated data set, from the command line."""

import csv
import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pyhf
import pytest
import yaml
from distributed import Client

from models.errors import BlindedError
from models.scan_grid import mass_points
from models.search import Channel, Search
from processors.candidates import CandidateStore
from processors.histogram_files import load_histograms
from scheduler.configuration import load_configuration
from scheduler.limits_table import COLUMNS, column, read_limits
from scheduler.progress import Terminal
from scheduler.result_store import ResultStore
from scheduler.run_folder import RunFolder
from scheduler.sample_catalogue import read_catalogue
from scheduler.steps.runner import bring_up_to_date
from scheduler.steps.step import StepContext
from scheduler.unblinding import read_unblinding, record_unblinding
from scheduler.validation.__main__ import main as validate
from tests.end_to_end.conftest import Chain
from tests.end_to_end.tiny_chain import TINY, CommandLine, steps_run

STEPS = ["simulate", "process", "train", "histogram", "normalise", "scan", "report"]


def test_all_steps_run_and_every_product_is_there(chain: Chain) -> None:
    assert steps_run(chain.first) == STEPS
    run = chain.run
    for path in (run.configuration, run.provenance, run.cutflow, run.normalisation, run.metrics, run.unblinding):
        assert path.is_file(), path
    assert (run.report / "index.html").is_file()
    assert (run.hepdata / "submission.yaml").is_file()
    assert not list(run.path.rglob("*.partial"))
    assert not any(run.unfinished.iterdir())


def test_status_and_progress_are_shown_and_nothing_else(chain: Chain) -> None:
    shown = chain.first.stderr
    for text in ("dashboard http", "process: ", "events, ", "scan: 6/6 mass points"):
        assert text in shown
    assert "Warning" not in shown
    assert "ERROR" not in shown


def test_nothing_changed_means_nothing_is_run(chain: Chain) -> None:
    again = chain.command("run")
    assert again.returncode == 0
    assert steps_run(again) == []
    assert "scan: up to date" in again.stderr
    assert "Dask" not in again.stderr


def test_limits_table_has_a_row_for_every_mass_point(chain: Chain) -> None:
    with chain.run.limits_csv.open() as stream:
        assert tuple(next(csv.reader(stream))) == COLUMNS
    rows = read_limits(chain.run.limits_csv)
    points = mass_points(load_configuration(str(TINY)).scan)
    assert [(row.channel, row.m_phi_gev) for row in rows] == [(str(p.search.channel), p.m_phi_gev) for p in points]
    assert json.loads(chain.run.limits_json.read_text()) == [row.model_dump() for row in rows]
    expected = np.stack([column(rows, f"xsec_exp_{level}_fb") for level in ("m2", "m1", "0", "p1", "p2")])
    assert np.all(np.diff(expected, axis=0) > 0)
    assert np.all(column(rows, "xsec_ul_mh_fb") > np.maximum(column(rows, "xsec_hat_fb"), 0.0))


def test_workspaces_are_valid_pyhf_models(chain: Chain) -> None:
    for point in mass_points(load_configuration(str(TINY)).scan):
        path = chain.run.workspace(point.search.channel, point.m_phi_gev)
        workspace = pyhf.Workspace(json.loads(path.read_text()))
        assert workspace.model().config.poi_name == "xsec_fb"


def test_provenance_says_where_the_numbers_come_from(chain: Chain) -> None:
    provenance = json.loads(chain.run.provenance.read_text())
    assert list(provenance["steps"]) == STEPS
    assert provenance["configuration"] == yaml.safe_load(chain.run.configuration.read_text())
    assert provenance["environment"]["libraries"]["pyhf"] == pyhf.__version__
    assert provenance["unblinding"]["reason"] == "the data are simulated"


def test_every_generated_event_is_accounted_for(chain: Chain) -> None:
    catalogue = read_catalogue(chain.run.samples)
    cutflow = json.loads(chain.run.cutflow.read_text())
    assert set(cutflow) == set(catalogue.samples)
    for name, summary in cutflow.items():
        for cuts in summary["cutflow"].values():
            counts = [count["events"] for count in cuts.values()]
            assert counts[0] == summary["n_events"] <= catalogue.samples[name].n_generated
            assert counts == sorted(counts, reverse=True)


def rerun(chain: Chain, folder: Path, **changes: object) -> RunFolder:
    """Process and histogram the ntuples and classifiers of the chain again, under a changed configuration."""
    run = RunFolder(folder)
    folder.mkdir()
    config = load_configuration(str(TINY))
    config = config.model_copy(
        update={"inputs": config.inputs.model_copy(update={"ntuples": chain.run.ntuples}), **changes}
    )
    record_unblinding(run, "the data are simulated", config, Terminal())
    bring_up_to_date(["process", "train", "histogram"], config, run, site="local", terminal=Terminal())
    return run


@pytest.mark.long
def test_chunk_size_and_number_of_workers_change_no_histogram(chain: Chain, tmp_path: Path) -> None:
    config = load_configuration(str(TINY))
    other = rerun(
        chain,
        tmp_path / "run",
        chunks=config.chunks.model_copy(update={"entries": 3001, "merge_group": 3}),
        cluster=config.cluster.model_copy(update={"workers": 1}),
    )
    for channel in Channel:
        for model in sorted(chain.run.classifier_of(channel).glob("model_*.json")):
            assert model.read_bytes() == (other.classifier_of(channel) / model.name).read_bytes()
    for search in Search:
        (first, manifest), (second, other_manifest) = (
            load_histograms(run.histogram(search), read_unblinding(run)) for run in (chain.run, other)
        )
        assert manifest.n_candidates == other_manifest.n_candidates
        for name in ("control", "signal_region", "signal"):
            a, b = getattr(first, name), getattr(second, name)
            assert a.axes == b.axes
            np.testing.assert_allclose(a.values(flow=True), b.values(flow=True), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(a.variances(flow=True), b.variances(flow=True), rtol=1e-12, atol=1e-12)


def test_when_the_record_is_gone_no_step_reads_what_it_opened(chain: Chain, tmp_path: Path) -> None:
    for entry in chain.run.path.iterdir():
        if entry != chain.run.unblinding:
            (tmp_path / entry.name).symlink_to(entry)
    run, config = RunFolder(tmp_path), load_configuration(str(TINY))
    output = RunFolder(tmp_path / "output")
    context = StepContext(
        config,
        run,
        output,
        client=lambda: pytest.fail("no work is to be done"),
        terminal=Terminal(),
        results=ResultStore(str(tmp_path / "kept")),
    )
    for step in ("normalise", "scan", "report"):
        with pytest.raises(BlindedError, match="no such record now"):
            import_module(f"scheduler.steps.{step}").execute(context)
    with pytest.raises(BlindedError, match="candidates of 'data'"):
        CandidateStore(run.candidates, read_unblinding(run, config)).dataframe(Search.EE, "data")


@pytest.mark.long
def test_one_command_validates_the_background(chain: Chain, dask_client: Client, tmp_path: Path) -> None:
    site = dask_client.scheduler.address
    assert validate([str(chain.run.path), "--out", str(tmp_path), "--site", site]) in (0, 1)
    folder = tmp_path / "validation"
    checks = {check["name"]: check for check in json.loads((folder / "checks.json").read_text())}
    assert {
        "Overtraining mumu", "Threshold ee", "Scale factors", "Pulls of scale factors", "Inputs ee", "Inputs mumu",
        "Mass points", "Alternative fit gaussian", "Alternative fit crystal_ball", "Goodness of fit",
        "Pulls of nuisance parameters", "Impacts of nuisance parameters", "Injection and linearity",
        "Look-elsewhere effect", "Gain over the published classifier",
    } <= set(checks)  # fmt: skip
    for check in checks.values():
        for product in (check["figure"], check["table"]):
            assert product is None or (folder / product).stat().st_size > 0
    n_points = len(mass_points(load_configuration(str(TINY)).scan))
    assert checks["Mass points"]["numbers"]["n_examined"] == n_points
    with (folder / checks["Pulls of nuisance parameters"]["table"]).open() as stream:
        nuisances = list(csv.DictReader(stream))
    assert len({(row["channel"], row["m_phi_gev"]) for row in nuisances}) == n_points
    impacts = [float(row["impact_over_error"]) for row in nuisances if row["m_phi_gev"] == "0.5"]
    assert impacts == sorted(impacts, reverse=True)
    assert checks["Injection and linearity"]["numbers"]["mean_slope"] == pytest.approx(1.0, abs=0.2)
    assert "In data: Z = " in checks["Look-elsewhere effect"]["sentence"]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "truncated"),
        (lambda path: path.write_bytes(b""), "tautau_000.root"),
        (lambda path: shutil.copy(path, path.with_name("tautau_099.root")), "tautau_099.root"),
    ],
    ids=["truncated", "empty", "twice"],
)
def test_a_bad_ntuple_is_named(chain: Chain, tmp_path: Path, damage, sentence: str) -> None:
    ntuples = tmp_path / "ntuples"
    shutil.copytree(chain.run.ntuples / "tautau", ntuples / "tautau")
    damage(ntuples / "tautau" / "tautau_000.root")
    (tmp_path / "my.yml").write_text(f"inputs: {{ntuples: {ntuples}}}\ncluster: {{workers: 1}}\n")
    command = CommandLine(tmp_path / "run")
    ended = command("process", "--config", str(tmp_path / "my.yml"))
    assert ended.returncode == 1
    assert "tautau_0" in ended.stderr
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not command.run.candidates.exists()
