"""Scanning ntuples: good samples become a fileset, bad files become one named sentence."""

import numpy as np
import pytest
import uproot

from models.errors import BadInputError
from processors.fileset import build_fileset, check_file, sample_metadata
from processors.ntuple import TREE_NAME


@pytest.fixture
def events(toy_ntuples):
    rng = np.random.default_rng(3)
    return [toy_ntuples.random_event(rng) for _ in range(20)]


@pytest.fixture
def columns(toy_ntuples, events):
    return toy_ntuples.columns(events)


def test_files_of_a_sample_add_up(toy_ntuples, events):
    paths = [toy_ntuples.write(events, number=number) for number in (1, 0)]
    toy_ntuples.write(events, "data", is_data=True)
    scan = build_fileset(toy_ntuples.folder)
    assert scan.skipped == ()
    assert list(scan.fileset) == ["data", "tautau"]
    assert list(scan.fileset["tautau"]["files"].items()) == [(str(path), TREE_NAME) for path in sorted(paths)]
    metadata = sample_metadata(scan.fileset["tautau"]["metadata"] | {"filename": "added by coffea"})
    assert (metadata.name, metadata.n_generated, metadata.sum_weights) == ("tautau", 40, 40.0)
    assert metadata.equivalent_luminosity_fb == 1.0
    assert sample_metadata(scan.fileset["data"]["metadata"]).is_data


def test_an_empty_tree_is_a_file_with_no_events(toy_ntuples):
    assert check_file(toy_ntuples.write([])).n_events == 0


def test_data_need_no_truth_but_simulation_does(toy_ntuples, events):
    path = toy_ntuples.write(events, "data", is_data=True)
    assert "Track_pdg" not in uproot.open(path)[TREE_NAME]
    check_file(path)
    columns = toy_ntuples.columns(events)
    del columns["Track_pdg"]
    with pytest.raises(BadInputError, match=r"tautau_000\.root: tree 'events' lacks the branch 'Track_pdg'"):
        check_file(toy_ntuples.write_spoiled(columns))


def test_a_missing_branch_is_named(toy_ntuples, columns):
    del columns["Track_cov23"]
    with pytest.raises(BadInputError, match=r"tautau_000\.root: tree 'events' lacks the branch 'Track_cov23'"):
        check_file(toy_ntuples.write_spoiled(columns))


@pytest.mark.parametrize(
    ("branch", "dtype", "expected"),
    [
        ("Track_omega", np.float32, "expected an array per event of float64"),
        ("Track_px", np.int32, "expected an array per event of float32"),
        ("run", np.float64, "expected int32"),
    ],
)
def test_a_wrong_type_is_named(toy_ntuples, columns, branch, dtype, expected):
    columns[branch] = columns[branch].astype(dtype)
    with pytest.raises(BadInputError, match=rf"tautau_000\.root: branch '{branch}' holds .*, {expected}"):
        check_file(toy_ntuples.write_spoiled(columns))


def test_a_wider_type_is_fine(toy_ntuples, columns):
    assert columns["Track_px"].dtype == np.float64
    check_file(toy_ntuples.write_spoiled(columns))


def test_a_wrong_tree_name_is_named_with_what_there_is(toy_ntuples, columns):
    with pytest.raises(BadInputError, match=r"tautau_000\.root: no tree 'events', the file holds Events"):
        check_file(toy_ntuples.write_spoiled(columns, tree="Events"))


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.3, 0.7, 0.95, 0.999])
def test_a_truncated_file_is_named(toy_ntuples, events, fraction):
    path = toy_ntuples.write(events)
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(BadInputError, match=r"tautau_000\.root: (not a readable ROOT file|truncated)"):
        check_file(path)


def test_a_file_that_is_not_root_is_named(toy_ntuples, events):
    path = toy_ntuples.write(events)
    path.write_text("not a ROOT file\n" * 100)
    with pytest.raises(BadInputError, match=r"tautau_000\.root: not a readable ROOT file"):
        check_file(path)


def test_an_event_twice_in_a_file_is_named(toy_ntuples, columns):
    columns["event"][17] = columns["event"][4]
    with pytest.raises(BadInputError, match=r"tautau_000\.root: entry 17 repeats experiment 31, run 7, event 4"):
        check_file(toy_ntuples.write_spoiled(columns))


def test_a_copied_file_is_named(toy_ntuples, events):
    path = toy_ntuples.write(events)
    copy = path.with_name("tautau_001.root")
    copy.write_bytes(path.read_bytes())
    with pytest.raises(
        BadInputError, match=r"tautau_001\.root: entry 0 repeats experiment 31, .* of .*tautau_000\.root"
    ):
        build_fileset(toy_ntuples.folder)


def test_files_that_disagree_about_their_sample_are_named(toy_ntuples, events):
    toy_ntuples.write(events)
    toy_ntuples.write(events, number=1, cross_section_fb=1.0)
    with pytest.raises(
        BadInputError, match=r"tautau_001\.root: cross_section_fb is 1\.0, but 919000\.0 in .*tautau_000"
    ):
        build_fileset(toy_ntuples.folder)


def test_a_negative_run_number_is_named(toy_ntuples, columns):
    columns["run"][2] = -1
    with pytest.raises(BadInputError, match=r"tautau_000\.root: branch 'run' holds -1 at entry 2"):
        check_file(toy_ntuples.write_spoiled(columns))


def test_a_file_in_the_wrong_folder_is_named(toy_ntuples, events):
    path = toy_ntuples.write(events)
    elsewhere = toy_ntuples.folder / "qqbar" / path.name
    elsewhere.parent.mkdir()
    path.rename(elsewhere)
    path.parent.rmdir()
    with pytest.raises(BadInputError, match=r"tautau_000\.root: belongs to sample 'tautau', lies in 'qqbar'"):
        build_fileset(toy_ntuples.folder)


@pytest.mark.parametrize("folders", [[], ["tautau"]])
def test_nothing_to_read_is_an_error(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(BadInputError, match=r"no samples|a sample without ROOT files"):
        build_fileset(tmp_path)


def test_bad_files_are_skipped_on_request_and_listed_with_their_cost(toy_ntuples, events):
    paths = [toy_ntuples.write(events, number=number) for number in range(3)]
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    paths[2].write_bytes(paths[0].read_bytes())
    with pytest.raises(BadInputError, match="tautau_001"):
        build_fileset(toy_ntuples.folder)
    scan = build_fileset(toy_ntuples.folder, skip_bad_files=True)
    assert list(scan.fileset["tautau"]["files"]) == [str(paths[0])]
    assert scan.fileset["tautau"]["metadata"]["sum_weights"] == 20.0
    truncated, copied = scan.skipped
    assert truncated.path == paths[1]
    assert "tautau_001.root" in truncated.reason
    assert (copied.path, copied.n_generated, copied.equivalent_luminosity_fb) == (paths[2], 20, 0.5)
