"""Data sets from a catalogue: found, identified, selected by run, and accounted for to the last event."""

import json
import os
import re

import numpy as np
import pytest
import yaml

from models.errors import BadInputError, ConfigurationError
from processors import fileset as fileset_module
from processors.fileset import sample_metadata, scan_datasets
from processors.locations import check_client, file_stamp
from scheduler.configuration import AnalysisConfig, parse_configuration
from scheduler.dataset_catalogue import read_dataset_catalogue, resolve_datasets
from scheduler.preprocessed_datasets import known_files
from scheduler.result_store import ResultStore
from scheduler.run_folder import RunFolder
from scheduler.sample_catalogue import read_catalogue
from scheduler.steps import process
from scheduler.steps.chain import PROCESS, steps_of
from scheduler.steps.step import StepContext, fingerprint
from tests.byte_server import byte_server


@pytest.fixture
def events(toy_ntuples):
    rng = np.random.default_rng(4)
    return [toy_ntuples.random_event(rng) for _ in range(10)]


@pytest.fixture
def write(toy_ntuples):
    """Write a file of ten events in five runs, two in each."""

    def write_file(events, name="data", number=0, first_run=1, **options):
        is_data = name == "data"
        columns = toy_ntuples.columns(events, first_event=1000 * number)
        columns["is_data"][:] = is_data
        columns["run"] = first_run + np.arange(len(events)) // 2
        path = toy_ntuples.folder / name / f"{name}_{number:03d}.root"
        write_ntuple(path, columns, toy_metadata(name, len(events), is_data=is_data, **options))
        return path

    from processors.ntuple_writer import write_ntuple

    toy_metadata = toy_ntuples.metadata
    return write_file


@pytest.fixture
def catalogue(toy_ntuples):
    """Write a catalogue beside the folders of samples."""

    def write_catalogue(**datasets):
        toy_ntuples.folder.mkdir(parents=True, exist_ok=True)
        path = toy_ntuples.folder / "datasets.yml"
        path.write_text(yaml.safe_dump({"datasets": datasets}))
        return path

    return write_catalogue


@pytest.fixture
def server(toy_ntuples):
    """A web server on this machine that answers requests for ranges of bytes, and counts them."""

    with byte_server(toy_ntuples.folder) as (url, requests):
        yield url, requests


@pytest.fixture
def run_process(tmp_path, dask_client, terminal):
    """Run the processing step on a catalogue; return the run folder it wrote to."""

    def run(path, earlier=None):
        output = RunFolder(tmp_path / f"run_{len(list(tmp_path.iterdir()))}")
        output.path.mkdir()
        config = parse_configuration(f"inputs: {{catalogue: {path}}}\nchunks: {{entries: 4}}", "test")
        results = ResultStore(str(output.path / "results"))
        process.execute(
            StepContext(
                config=config,
                run=earlier or output,
                output=output,
                client=lambda: dask_client,
                terminal=terminal,
                results=results,
            )
        )
        return output

    return run


def test_the_whole_step_accounts_for_every_event(toy_ntuples, events, write, catalogue, server, run_process):
    url, requests = server
    for number in range(2):
        write(events, number=number, first_run=1 + 5 * number)
    write(events, "tautau")
    (toy_ntuples.folder / "good.json").write_text(json.dumps({"31": [[1, 3], 7, 8]}))
    path = catalogue(
        data={
            "files": ["data/data_000.root", f"{url}/data/data_001.root"],
            "runs": [{"experiment": 31, "first": 2, "last": 8}],
            "good_runs": "good.json",
            "luminosity_fb": 0.25,
        },
        tautau={"files": ["tautau/*.root"], "cross_section_fb": 1000.0, "cross_section_source": "a guess"},
    )
    run = run_process(path)
    assert requests.n_ranges > 0
    catalogue_of_run = read_catalogue(run.samples)
    # Runs 1 to 10 with two events each: 2 … 8 are asked for, of which 2, 3, 7, 8 are good.
    data, tautau = catalogue_of_run.accounting["data"], catalogue_of_run.accounting["tautau"]
    assert (data.files, data.events, data.removed_by_run_range, data.removed_by_good_runs) == (2, 20, 6, 6)
    assert (data.processed, data.luminosity_fb) == (8, 0.25)
    assert (tautau.events, tautau.processed, tautau.luminosity_fb) == (10, 10, 0.01)
    assert catalogue_of_run.samples["tautau"].cross_section_source == "a guess"
    cutflow = json.loads(run.cutflow.read_text())
    assert cutflow["data"]["removed"] == {"run_range": 6, "good_runs": 6}
    assert {flow["all"]["events"] for flow in cutflow["data"]["cutflow"].values()} == {8}
    kept = json.loads(run.datasets.read_text())["datasets"]["data"]
    assert [entry["chunks"] for entry in kept] == [[[0, 4], [4, 8], [8, 10]]] * 2
    assert [entry["file"]["n_events"] for entry in kept] == [10, 10]
    assert len({entry["file"]["uuid"] for entry in kept}) == 2


def test_files_that_have_not_changed_are_not_opened_again(
    toy_ntuples, events, write, catalogue, monkeypatch, run_process
):
    paths = [write(events, number=number) for number in range(2)]
    run = run_process(catalogue(data={"files": ["data/*.root"], "luminosity_fb": 1.0}))
    known = known_files(run.datasets)
    assert sorted(known) == [str(path) for path in paths]
    datasets = resolve_datasets(toy_ntuples.folder / "datasets.yml")
    before = scan_datasets(datasets, known=known)
    # A replaced file of the same name is looked at again, and no other one.
    write(events[:4], number=1)
    opened = []
    monkeypatch.setattr(fileset_module, "check_file", lambda path: opened.append(path) or before.files["data"][1])
    scan_datasets(datasets, known=known)
    assert opened == [paths[1]]
    run.datasets.write_text(run.datasets.read_text().replace('"checks":"', '"checks":"another '))
    assert known_files(run.datasets) == {}


def test_a_changed_file_makes_the_step_out_of_date(toy_ntuples, events, write, catalogue, server):
    url, _ = server
    write(events)
    paths = {name: write(events, name, first_run=20) for name in ("tautau",)}
    path = catalogue(data={"files": ["data/*.root"]}, tautau={"files": [f"{url}/tautau/tautau_000.root"]})
    config = AnalysisConfig.model_validate({"inputs": {"catalogue": path}})
    assert steps_of(config)[0].name == "process"

    def now():
        return fingerprint(PROCESS, config, RunFolder(toy_ntuples.folder / "run"), {})

    first = now()
    assert now() == first
    os.utime(paths["tautau"], (1e9, 1e9))
    second = now()
    catalogue(data={"files": ["data/*.root"], "luminosity_fb": 3.0}, tautau={"files": ["tautau/*.root"]})
    assert len({first, second, now()}) == 3


def test_luminosity_follows_the_selected_runs(events, write, catalogue):
    write(events)
    path = catalogue(data={"files": ["data/*.root"], "runs": [{"experiment": 31, "last": 2}]})
    scan = scan_datasets(resolve_datasets(path))
    sample = sample_metadata(scan.fileset["data"]["metadata"])
    # Four of ten events of 0.5 fb⁻¹; an estimate, and called one.
    assert sample.equivalent_luminosity_fb == pytest.approx(0.2)
    assert sample.notes == ("luminosity_fb of the selected runs estimated by their share of the events",)
    assert scan.removed["data"] == (6, 0)


def test_simulation_of_selected_runs_is_normalised_to_what_was_generated_for_them(events, write, catalogue):
    write(events, "tautau")
    selection = {"files": ["tautau/*.root"], "runs": [{"experiment": 31, "last": 2}]}
    for entry, expected in ((selection, 4), (selection | {"n_generated": 7}, 7)):
        scan = scan_datasets(resolve_datasets(catalogue(tautau=entry)))
        sample = sample_metadata(scan.fileset["tautau"]["metadata"])
        assert (sample.n_generated, sample.sum_weights) == (expected, pytest.approx(expected))
        assert sample.equivalent_luminosity_fb == pytest.approx(expected / 919e3)


def test_an_event_in_two_data_sets_is_found(toy_ntuples, events, write, catalogue):
    write(events)
    write(events, number=1, first_run=1)
    path = catalogue(first={"files": ["data/data_000.root"]}, second={"files": ["data/data_001.root"]})
    assert list(scan_datasets(resolve_datasets(path)).fileset) == ["first", "second"]
    copy = toy_ntuples.folder / "data" / "copy.root"
    copy.write_bytes((toy_ntuples.folder / "data" / "data_000.root").read_bytes())
    path = catalogue(first={"files": ["data/data_000.root"]}, second={"files": ["data/copy.root"]})
    with pytest.raises(BadInputError, match=r"copy\.root: entry 0 repeats experiment 31, run 1, event 0 of .*data_000"):
        scan_datasets(resolve_datasets(path))
    scan = scan_datasets(resolve_datasets(path), skip_bad_files=True)
    assert list(scan.fileset) == ["first"]
    assert scan.skipped[0].equivalent_luminosity_fb == 0.5


def test_simulation_of_different_processes_may_share_event_numbers(events, write, catalogue):
    write(events, "tautau")
    write(events, "other")
    entry = {"files": ["other/*.root"], "process": "qqbar", "cross_section_fb": 3e6}
    path = catalogue(tautau={"files": ["tautau/*.root"]}, other=entry)
    scan = scan_datasets(resolve_datasets(path))
    assert [spec["metadata"]["process"] for spec in scan.fileset.values()] == ["qqbar", "tautau"]
    path = catalogue(tautau={"files": ["tautau/*.root"]}, other={"files": ["other/*.root"]})
    with pytest.raises(BadInputError, match=r"tautau_000\.root: entry 0 repeats .*other_000"):
        scan_datasets(resolve_datasets(path))


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("data", {"cross_section_fb": 1.0}, "data have no cross-section"),
        ("data", {"n_generated": 5}, "n_generated belongs to simulation"),
        ("tautau", {"luminosity_fb": 1.0}, "luminosity_fb belongs to data"),
        ("tautau", {"process": "data"}, "is_data is False but the process is 'data'"),
    ],
)
def test_what_contradicts_the_files_is_named(events, write, catalogue, name, said, message):
    write(events, name)
    with pytest.raises(ConfigurationError, match=rf"Data set '{name}': {message}"):
        scan_datasets(resolve_datasets(catalogue(**{name: {"files": [f"{name}/*.root"]} | said})))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({}, "'datasets': dictionary should have at least 1 item"),
        ({"a": {}}, "'datasets.a.files': field required"),
        ({"a": {"files": []}}, "'datasets.a.files'"),
        ({"a": {"files": ["x"], "lumi": 1}}, "unknown key 'datasets.a.lumi'"),
        ({"a": {"files": ["x"], "luminosity_fb": -1}}, "'datasets.a.luminosity_fb': input should be greater than 0"),
        ({"a": {"files": ["x"], "process": "higgs"}}, "'datasets.a.process'"),
        ({"a": {"files": ["x"], "runs": [{"experiment": 31, "first": 9, "last": 2}]}}, "'datasets.a.runs.0.last'"),
    ],
)
def test_what_is_wrong_with_a_catalogue_is_named_by_its_key(catalogue, datasets, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        read_dataset_catalogue(catalogue(**datasets))


@pytest.mark.parametrize(
    ("good_runs", "message"),
    [
        ({"31": 5}, "'31': expected an experiment number with a list"),
        ({"x": [5]}, "'x': expected an experiment number with a list"),
        ({"31": [[5, 2]]}, r"'31': [5, 2] ends before it begins"),
        ({"31": [[1, 2, 3]]}, r"'31': [1, 2, 3] is neither a run nor"),
    ],
)
def test_what_is_wrong_with_a_list_of_good_runs_is_named(toy_ntuples, events, write, catalogue, good_runs, message):
    write(events)
    path = catalogue(data={"files": ["data/*.root"], "good_runs": "good.json"})
    (toy_ntuples.folder / "good.json").write_text(json.dumps(good_runs))
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        resolve_datasets(path)


def test_files_that_are_not_there_are_named(events, write, catalogue, server):
    url, _ = server
    write(events)
    with pytest.raises(BadInputError, match=r"'datasets\.data\.files\.1': no file matches 'more/\*\.root'"):
        resolve_datasets(catalogue(data={"files": ["data/*.root", "more/*.root"]}))
    with pytest.raises(BadInputError, match=r"is listed in 'a' and again in 'b'"):
        resolve_datasets(catalogue(a={"files": ["data/*.root"]}, b={"files": ["data/data_000.root"]}))
    with pytest.raises(BadInputError, match=r"absent\.root: cannot be reached \(FileNotFoundError"):
        scan_datasets(resolve_datasets(catalogue(data={"files": [f"{url}/absent.root"]})))


def test_a_client_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInputError, match=r"//a\.root: .* needs the Python packages fsspec-xrootd and xrootd"):
        file_stamp("root://server//a.root")
    with pytest.raises(BadInputError, match=r"'ftp' is not a protocol that is read, which are http, https, root"):
        check_client("ftp://server/a.root")


def test_a_folder_and_a_catalogue_exclude_each_other():
    with pytest.raises(ConfigurationError, match="set either ntuples or catalogue, not both"):
        parse_configuration("inputs: {ntuples: a, catalogue: b}", "my.yml")
