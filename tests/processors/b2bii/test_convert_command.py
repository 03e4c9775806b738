"""``leptophile convert``: one file or many, what it says about them, and what bad ones cost."""

import json

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from processors.fileset import build_fileset, check_file, sample_metadata
from processors.sample import read_sample_metadata
from scheduler.commands.main import run_command
from tests.byte_server import byte_server


@pytest.fixture
def convert(capsys):
    """Run the command; return its exit status, its result and what it said."""

    def run(*arguments):
        status = run_command(["convert", *map(str, arguments)])
        shown = capsys.readouterr()
        return status, json.loads(shown.out) if shown.out.startswith("{") else None, " ".join(shown.err.split())

    return run


@pytest.fixture
def workers(dask_client, monkeypatch):
    """The workers that all tests share, in place of a cluster of the command's own."""

    class Borrowed:
        def __init__(self, *arguments):
            pass

        def __enter__(self):
            return dask_client

        def __exit__(self, *error):
            pass

    monkeypatch.setattr("scheduler.clusters.connect", Borrowed)


@pytest.fixture
def three_files(b2bii, toy_events):
    toy_events["weight"][:] = 1.0
    paths = []
    for number in range(3):
        toy_events["event"] = np.arange(12) + 100 * number
        paths.append(b2bii.write(toy_events, name=f"in/part_{number}.root"))
    return paths


def test_one_file_becomes_one_file(b2bii, toy_events, convert):
    out = b2bii.folder / "tautau" / "tautau_000.root"
    status, result, said = convert(b2bii.write(toy_events), "--out", out, "--json")
    assert status == 0
    assert (result["events_in"], result["events_out"], result["dropped"], result["skipped"]) == (12, 12, 0, [])
    assert result["files"][0]["output"] == str(out)
    assert result["events_per_s"] > 0
    sample = check_file(out).metadata
    # The folder's name is the sample's, and that of a process.
    assert (sample.name, sample.process, sample.n_generated) == ("tautau", "tautau", 12)
    assert sample.cross_section_fb == pytest.approx(919e3)
    assert "12 events read, 12 written" in said


def test_many_files_become_a_sample_over_workers(b2bii, three_files, convert, workers):
    out = b2bii.folder / "ntuples" / "data"
    status, result, _ = convert(three_files[0].parent, "--out", out, "--luminosity-fb", 0.3, "--json")
    assert status == 0
    assert result["events_in"] == 36
    fileset = build_fileset(out.parent).fileset["data"]
    assert sorted(fileset["files"]) == [str(out / path.name) for path in three_files]
    sample = sample_metadata(fileset["metadata"])
    assert sample.is_data
    assert sample.equivalent_luminosity_fb == pytest.approx(0.3)
    assert "generator information left out, because these are said to be data (36)" in result["warnings"]


def test_generated_events_are_shared_out_to_the_last(b2bii, three_files, convert, workers):
    out = b2bii.folder / "signal"
    description = ["--process", "signal", "--channel", "mumu", "--m-phi-gev", 1.2, "--n-generated", 1000, "--skim"]
    status, result, _ = convert(*three_files, "--out", out, *description, "--format", "rntuple", "--json")
    assert status == 0
    assert result["dropped"] == 36 - result["events_out"] > 0
    samples = [read_sample_metadata(out / path.name) for path in three_files]
    assert sum(sample.n_generated for sample in samples) == 1000
    assert {(sample.name, sample.channel, sample.m_phi_gev, sample.ctau_mm) for sample in samples} == {
        ("signal", "mumu", 1.2, 0.0)
    }


def test_bad_files_end_the_run_unless_they_may_be_skipped(b2bii, three_files, convert, workers):
    three_files[1].write_bytes(three_files[1].read_bytes()[:-500])
    three_files[2].write_bytes(three_files[0].read_bytes())
    out = b2bii.folder / "data"
    asked = [*three_files, "--out", out, "--luminosity-fb", 0.3]
    status, _, said = convert(*asked)
    assert status == 1
    assert "2 of 3 files are bad" in said
    assert "part_1.root: truncated" in said
    assert "part_2.root: entry 0 repeats experiment 31, run 7, event 0 of" in said
    assert not out.exists()
    status, result, said = convert(*asked, "--on-bad-file", "skip", "--json")
    assert status == 0
    assert [path.name for path in out.iterdir()] == ["part_0.root"]
    truncated, repeated = result["skipped"]
    assert (truncated["error"], truncated["events"]) == ("UnreadableFileError", 12)
    assert (repeated["error"], repeated["events"]) == ("DuplicateEventError", 12)
    # A third each, by size; the file that is left has only its own.
    costs = [file["luminosity_fb"] for file in (truncated, repeated)]
    assert costs == pytest.approx([0.1, 0.1], rel=0.05)
    kept = read_sample_metadata(out / "part_0.root").equivalent_luminosity_fb
    assert kept + sum(costs) == pytest.approx(0.3)
    assert "left out" in said


def test_files_are_read_over_http(b2bii, three_files, convert, workers):
    out = b2bii.folder / "data"
    with byte_server(three_files[0].parent) as (url, requests):
        urls = [f"{url}/{path.name}" for path in three_files]
        # the storage hiccups once: that is no reason to call a file bad
        requests.to_refuse = 1
        status, result, _ = convert(*urls, "--out", out, "--data", "--json")
        assert (status, result["events_in"]) == (0, 36)
        assert [file["input"] for file in result["files"]] == urls
        assert requests.n_ranges > 0
        status, _, said = convert(f"{url}/absent.root", "--out", b2bii.folder / "absent.root")
    assert status == 1
    assert f"{url}/absent.root" in said
    local = b2bii.folder / "local"
    assert convert(*three_files, "--out", local, "--data")[0] == 0
    for path in three_files:
        with uproot.open(out / path.name) as ours, uproot.open(local / path.name) as theirs:
            assert ak.array_equal(ours["events"].arrays(), theirs["events"].arrays())


def test_a_data_set_of_a_catalogue_is_converted(b2bii, three_files, convert, workers):
    catalogue = b2bii.folder / "belle.yml"
    with byte_server(three_files[0].parent) as (url, _):
        described = {"process": "tautau", "n_generated": 1000, "cross_section_fb": 900.0, "cross_section_source": "me"}
        files = ["in/part_[01].root", f"{url}/part_2.root"]
        selected = {"files": files, "luminosity_fb": 3.0, "runs": [{"experiment": 31}]}
        datasets = {"mc": {"files": ["in/part_2.root"], **described}, "data": selected}
        catalogue.write_text(yaml.safe_dump({"datasets": datasets}))
        status, result, said = convert(
            "--catalogue", catalogue, "--dataset", "data", "--out", b2bii.folder / "a", "--json"
        )
        assert status == 0, said
        assert (len(result["files"]), result["events_in"]) == (3, 36)
        # what the catalogue says of some runs does not describe files of all runs
        assert "luminosity_fb is that of the selected runs" in said
        assert read_sample_metadata(b2bii.folder / "a" / "part_2.root").equivalent_luminosity_fb is None
    out = b2bii.folder / "b"
    assert convert("--catalogue", catalogue, "--dataset", "mc", "--out", out)[0] == 0
    sample = read_sample_metadata(out / "part_2.root")
    assert (sample.name, sample.process, sample.n_generated) == ("mc", "tautau", 1000)
    assert (sample.cross_section_fb, sample.cross_section_source) == (900.0, "me")
    # the command line has the last word
    assert convert("--catalogue", catalogue, "--dataset", "mc", "--out", out, "--n-generated", 50)[0] == 0
    assert read_sample_metadata(out / "part_2.root").n_generated == 50
    for arguments, message in (
        ((), "several data sets (data, mc)"),
        (("--dataset", "none"), "no data set 'none', only data, mc"),
        (("more.root",), "either files, folders and URLs, or --catalogue"),
    ):
        status, _, said = convert("--catalogue", catalogue, *arguments, "--out", out)
        assert status == 2
        assert message in said


def test_a_client_that_is_missing_is_named(b2bii, convert, monkeypatch):
    monkeypatch.setattr("processors.locations.importlib.util.find_spec", lambda name: None)
    status, _, said = convert("root://server.example//belle/a.root", "--out", b2bii.folder / "a.root")
    assert status == 1
    assert "root://server.example//belle/a.root: reading root:// needs the Python packages fsspec-xrootd" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--luminosity-fb", "-1"], "--luminosity-fb: input should be greater than 0"),
        (["--process", "signal"], "a signal sample needs channel and m_phi_gev"),
        (["--process", "bhabha"], "a 'bhabha' sample needs cross_section_fb"),
        (["--process", "data", "--mc"], "--mc contradicts the process 'data'"),
        (["--process", "tautau", "--luminosity-fb", "1"], "--luminosity-fb belongs to data"),
        (["--data", "--n-generated", "10"], "--n-generated belongs to simulation"),
    ],
)
def test_a_description_that_cannot_be_is_wrong_use(b2bii, toy_events, convert, arguments, message):
    path = b2bii.write(toy_events)
    status, _, said = convert(path, "--out", b2bii.folder / "out.root", *arguments)
    assert (status, message in said) == (2, True), said
    assert not (b2bii.folder / "out.root").exists()


def test_paths_that_cannot_be_are_wrong_use(b2bii, toy_events, convert):
    path = b2bii.write(toy_events)
    for arguments, message in (
        ([path, "--out", path], "is one of the files to convert"),
        ([path, path, "--out", b2bii.folder / "out"], "is given twice"),
        ([path, b2bii.folder / "x" / "in.root", "--out", b2bii.folder / "out"], "would both become"),
        ([path, b2bii.folder / "b.root", "--out", b2bii.folder / "out.root"], "has to be a folder for 2 files"),
    ):
        status, _, said = convert(*arguments)
        assert (status, message in said) == (2, True), said
    status, _, said = convert(b2bii.folder / "absent.root", "--out", b2bii.folder / "out.root")
    assert (status, "absent.root: no such file" in said) == (1, True)


def test_simulation_of_an_unknown_process_is_stored_but_not_analysed(b2bii, toy_events, convert):
    out = b2bii.folder / "ntuples" / "mystery" / "out.root"
    status, _, said = convert(b2bii.write(toy_events), "--out", out)
    assert status == 0
    assert "nobody has said which process" in said
    assert read_sample_metadata(out).process == "unknown"
    with pytest.raises(Exception, match=r"out\.root: nobody has said which process"):
        build_fileset(out.parent.parent)
