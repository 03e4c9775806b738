"""What is written comes back unchanged, and what does not fit is refused by name."""

import itertools

import awkward as ak
import numpy as np
import pytest
import uproot
from numpy.testing import assert_array_equal

from models.search import Process
from processors.configuration import NtupleWriterSettings
from processors.ntuple import COLLECTIONS, EVENT_BRANCHES, TREE_NAME
from processors.ntuple_writer import NtupleContentError, ntuple_writer, write_ntuple
from processors.sample import read_sample_metadata

DATA_CHANGES = {"process": Process.DATA, "is_data": True, "cross_section_fb": None}


@pytest.mark.parametrize("events_per_cluster", [1, 7, 25, 1000])
def test_every_branch_comes_back_whatever_the_cluster_size(tmp_path, columns, tautau_metadata, events_per_cluster):
    path = tmp_path / "a" / "file.root"
    write_ntuple(path, columns, tautau_metadata, NtupleWriterSettings(events_per_cluster=events_per_cluster))
    with uproot.open(path) as file:
        tree = file[TREE_NAME]
        assert tree.classname == "TTree"
        assert set(tree.keys()) == set(columns)
        for branch in EVENT_BRANCHES:
            read = tree[branch.name].array(library="np")
            assert read.dtype == branch.dtype
            assert_array_equal(read, columns[branch.name].astype(branch.dtype))
        for collection in COLLECTIONS:
            assert_array_equal(tree[collection.counter].array(library="np"), columns[collection.counter])
            for branch in collection.branches:
                name = f"{collection.name}_{branch.name}"
                assert tree[name].count_branch.name == collection.counter
                read = tree[name].array()
                assert_array_equal(ak.num(read), columns[collection.counter])
                assert_array_equal(ak.flatten(read).to_numpy(), columns[name].astype(branch.dtype))
    assert read_sample_metadata(path) == tautau_metadata


@pytest.mark.parametrize("pieces", [(25,), (3, 0, 9, 13), (12, 13)])
def test_events_handed_over_in_pieces_come_in_clusters_of_one_size(tmp_path, columns, tautau_metadata, pieces):
    path = tmp_path / "file.root"
    settings = NtupleWriterSettings(events_per_cluster=10, expected_clusters=1)
    edges = np.cumsum([0, *pieces])
    with ntuple_writer(path, is_data=False, settings=settings) as writer:
        for first, stop in itertools.pairwise(edges):
            writer.extend(_events(columns, first, stop))
        assert not path.exists()
        writer.finish(tautau_metadata)
    assert writer.n_events == edges[-1] == 25
    with uproot.open(path) as file:
        tree = file[TREE_NAME]
        assert tree.common_entry_offsets() == [0, 10, 20, 25]
        for name in columns:
            read = np.concatenate([np.ravel(entry) for entry in tree[name].array(library="np")])
            assert_array_equal(read, columns[name].astype(read.dtype))
    assert read_sample_metadata(path) == tautau_metadata


def test_a_file_that_was_not_finished_does_not_appear(tmp_path, columns):
    with (
        pytest.raises(NtupleContentError, match="not finished"),
        ntuple_writer(tmp_path / "a.root", is_data=False) as writer,
    ):
        writer.extend(columns)
    assert list(tmp_path.iterdir()) == []


def _events(columns, first, stop):
    counters = {collection.name: columns[collection.counter] for collection in COLLECTIONS}

    def rows(name):
        counts = counters.get(name.split("_", 1)[0])
        return slice(first, stop) if counts is None else slice(counts[:first].sum(), counts[:stop].sum())

    return {name: column[rows(name)] for name, column in columns.items()}


def test_truth_is_not_written_for_data(tmp_path, columns, tautau_metadata):
    path = tmp_path / "data.root"
    write_ntuple(path, columns, tautau_metadata.model_copy(update=DATA_CHANGES))
    with uproot.open(path) as file:
        names = set(file[TREE_NAME].keys())
    assert names.isdisjoint({"nGen", "Gen_px", "Track_pdg", "Track_gen"})
    assert {"nTrack", "Track_px", "nPi0"} <= names


def test_no_events_make_an_empty_tree(tmp_path, columns, tautau_metadata):
    path = tmp_path / "empty.root"
    write_ntuple(path, {name: array[:0] for name, array in columns.items()}, tautau_metadata)
    with uproot.open(path) as file:
        assert file[TREE_NAME].num_entries == 0
        assert len(file[TREE_NAME]["Track_px"].array()) == 0


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("Track_px", lambda a: None, "'Track_px' is missing"),
        ("Track_px", lambda a: a[:-1], r"'Track_px' has shape .* expected"),
        ("run", lambda a: a[:-1], "'run' has shape"),
        ("nPi0", lambda a: -a - 1, "'nPi0' is negative at entry 0"),
        ("Track_charge", lambda a: a.astype(float), "'Track_charge' holds float64, expected int8"),
        ("is_data", lambda a: a.astype(int), "'is_data' holds int64, expected bool"),
        ("Track_charge", lambda a: a + 127 * (np.arange(len(a)) == 3) + 1, r"'Track_charge' holds 12\d at entry 3"),
        ("Gen_E", lambda a: np.where(np.arange(len(a)) == 4, np.nan, a), "'Gen_E' holds nan at entry 4"),
        (
            "Track_gen",
            lambda a: a + 6 * (np.arange(len(a)) == 5),
            r"'Track_gen' points to Gen \d at entry 5, out of range",
        ),
        ("Pi0_photon1", lambda a: np.full_like(a, -2), "'Pi0_photon1' points to Photon -2 at entry 0"),
        ("Photon_E", lambda a: np.where(np.arange(len(a)) == 2, 1e39, a), r"'Photon_E' holds 1e\+39 at entry 2"),
    ],
)
def test_columns_that_do_not_fit_are_named_and_nothing_is_written(
    tmp_path, columns, tautau_metadata, name, change, message
):
    changed = change(columns.pop(name))
    if changed is not None:
        columns[name] = changed
    with pytest.raises(NtupleContentError, match=rf"bad\.root: co(lumn|unter) {message}"):
        write_ntuple(tmp_path / "bad.root", columns, tautau_metadata)
    assert list(tmp_path.iterdir()) == []


def test_unknown_column_is_named(tmp_path, columns, tautau_metadata):
    with pytest.raises(NtupleContentError, match="'Track_pt' is not a branch of the ntuple"):
        write_ntuple(tmp_path / "bad.root", columns | {"Track_pt": np.zeros(1)}, tautau_metadata)
