"""The whole pass over ntuples: known events at each cut, invariances, bad input, executors."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import uproot
from coffea.processor import DaskExecutor, IterativeExecutor, Runner
from numpy.testing import assert_allclose, assert_array_equal

from models.errors import BadInputError
from models.search import Search
from processors.belle_schema import BelleSchema
from processors.blinding import Unblinding
from processors.candidate_processor import CandidateProcessor
from processors.candidates import CandidateStore
from processors.configuration import CandidateSettings
from processors.cutflow import Cut, SampleSummary
from processors.fileset import build_fileset
from processors.ntuple import TREE_NAME
from processors.variations import Kinematics

CUTS = list(Cut)
N_RANDOM = 45


UNBLINDING = Unblinding(
    who="A. Physicist", reason="random events", when=datetime(2022, 7, 15, tzinfo=UTC), configuration_hash="0" * 64
)


class Outcome(NamedTuple):
    """What one run over the random files left behind."""

    summary: dict[str, SampleSummary]
    folder: Path
    store: CandidateStore


def run(ntuples, folder, *, chunksize=100_000, reverse=False, executor=None):
    """Process all samples below an ntuple folder as the scheduler does."""
    fileset = build_fileset(ntuples).fileset
    if reverse:
        fileset = {sample: spec | {"files": dict(reversed(spec["files"].items()))} for sample, spec in fileset.items()}
    runner = Runner(
        executor=executor or IterativeExecutor(status=False),
        schema=BelleSchema,
        chunksize=chunksize,
        metadata_cache={},
    )
    summary = runner(fileset, CandidateProcessor(CandidateSettings(), folder))
    return Outcome(summary, folder, CandidateStore(folder, UNBLINDING))


@pytest.fixture(scope="module")
def random_ntuples(tmp_path_factory, toys):
    """Three files of random events and one of pseudo-data."""
    toys = toys(tmp_path_factory.mktemp("random") / "ntuples")
    rng = np.random.default_rng(11)
    for number in range(3):
        toys.write([toys.random_event(rng) for _ in range(N_RANDOM)], number=number)
    toys.write([toys.random_event(rng) for _ in range(N_RANDOM)], "data", is_data=True)
    return toys.folder


@pytest.fixture(scope="module")
def reference(random_ntuples):
    """One pass over the random files, one chunk per file."""
    return run(random_ntuples, random_ntuples.parent / "reference")


@pytest.fixture
def process(toy_ntuples):
    """Process one file without a runner; return the sample's summary and the store."""

    def process(path):
        folder = toy_ntuples.folder.parent / "candidates"
        summary = CandidateProcessor(CandidateSettings(), folder).process(toy_ntuples.events(path))
        return summary["tautau"], CandidateStore(folder)

    return process


def last_cut(cutflow):
    """Return the last cut that the only event passes."""
    passed = [cut for cut in CUTS if cutflow[cut]["events"] == 1]
    assert passed == CUTS[: len(passed)]
    return passed[-1]


PERPENDICULAR = np.array([-0.371, -0.928])
"""Transverse direction at a right angle to track 2 of the good event, at rest in the c.m. frame."""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, Cut.PHI_CANDIDATE, id="passes"),
        pytest.param({2: {"vertex_mm": (*(12.0 * PERPENDICULAR), 0.0)}}, Cut.ALL, id="dr"),
        pytest.param({2: {"vertex_mm": (0.0, 0.0, 60.0)}}, Cut.ALL, id="dz"),
        pytest.param({2: {"momentum_cm_gev": (0.1, 0.0, 2.0)}}, Cut.ALL, id="acceptance"),
        pytest.param({2: {"charge": -1}}, Cut.FOUR_GOOD_TRACKS, id="net charge"),
        pytest.param({0: {"species": "pi"}}, Cut.NET_CHARGE_ZERO, id="no positive lepton"),
        pytest.param({1: {"species": "pi"}}, Cut.NET_CHARGE_ZERO, id="no negative lepton"),
        pytest.param({2: {"momentum_cm_gev": (-4.4, 0.6, 0.3)}}, Cut.LEPTON_PAIR, id="missing mass too small"),
        pytest.param({2: {"momentum_cm_gev": (-0.2, 0.1, 0.3)}}, Cut.LEPTON_PAIR, id="missing mass too large"),
        pytest.param({2: {"momentum_cm_gev": (-2.2, 0.95, 0.3)}}, Cut.MISSING_MASS, id="missing along the beam"),
    ],
)
@pytest.mark.parametrize("lepton", ["e", "mu"])
def test_a_known_event_fails_the_cut_it_should(toy_ntuples, process, lepton, change, expected):
    event = toy_ntuples.good_event(lepton)
    for index, values in change.items():
        event = event.with_track(index, **values)
    summary, _ = process(toy_ntuples.write([event]))
    search = Search.EE if lepton == "e" else Search.MUMU
    assert last_cut(summary["cutflow"][search]) == expected


def test_each_search_sees_its_own_leptons_and_displacement(toy_ntuples, process):
    displaced = toy_ntuples.good_event("e").with_track(2, vertex_mm=(*(12.0 * PERPENDICULAR), 0.0))
    far = toy_ntuples.good_event("e").with_track(2, vertex_mm=(*(60.0 * PERPENDICULAR), 0.0))
    path = toy_ntuples.write([toy_ntuples.good_event("e"), toy_ntuples.good_event("mu"), displaced, far])
    summary, store = process(path)
    selected = {search: store.read(search, "tautau")["event"].tolist() for search in Search}
    assert selected == {Search.EE_DISPLACED: [0, 2], Search.EE: [0], Search.MUMU: [1]}
    assert summary["purity"][Search.EE] == {"kept": 1, "true": 1}


def test_fifth_good_track_fails_but_fifth_bad_track_does_not(toy_ntuples, process):
    good = toy_ntuples.good_event("e")
    fifth = good.tracks[3]
    far = good.with_track(3, vertex_mm=(0.0, 0.0, 80.0)).tracks[3]
    events = [replace(good, tracks=(*good.tracks, extra)) for extra in (fifth, far)]
    _, store = process(toy_ntuples.write(events))
    assert store.read(Search.EE, "tautau")["event"].tolist() == [1]


def test_candidate_columns_say_what_the_event_was_made_of(toy_ntuples, process):
    event = toy_ntuples.good_event("mu")
    displaced = event
    for index in (0, 1):
        displaced = displaced.with_track(index, vertex_mm=(3.0, 4.0, 1.0))
    _, store = process(toy_ntuples.write([event, displaced]))
    columns = store.read(Search.MUMU, "tautau")
    momentum = np.array([track.momentum_cm_gev for track in event.tracks])
    energy = np.sqrt(np.sum(momentum[:2] ** 2, axis=1) + 0.1056583755**2)
    mass = np.sqrt(energy.sum() ** 2 - np.sum(momentum[:2].sum(axis=0) ** 2))
    # Tracks start exactly at their vertex; their momenta are stored as helices in double precision.
    assert_allclose(columns["m_ll_gev"], mass, rtol=1e-6)
    # The opening angle of 0.1 rad turns the fit's micrometres into tens of them along the flight.
    assert_allclose(columns["vertex_dr_mm"], [0.0, 5.0], atol=0.02)
    assert columns["is_true_candidate"].tolist() == [True, True]
    assert columns["n_candidates"].tolist() == [1, 1]
    assert columns["experiment"].tolist() == [31, 31]


def test_cutflow_falls_and_ends_with_the_rows_written(reference):
    for sample, content in reference.summary.items():
        assert content["n_events"] == N_RANDOM * (1 if sample == "data" else 3)
        for search in Search:
            cutflow = content["cutflow"][search]
            assert list(cutflow) == CUTS
            events = [cutflow[cut]["events"] for cut in CUTS]
            assert events == sorted(events, reverse=True)
            assert events[0] == content["n_events"]
            assert cutflow[Cut.ALL]["weighted"] == pytest.approx(content["sum_weights"], rel=1e-14)
            assert events[-1] == len(reference.store.read(search, sample)["event"]) > 0
            assert sum(content["candidate_multiplicity"][search].values()) == events[-1]
    assert json.loads(json.dumps(reference.summary)) == reference.summary


def test_every_file_written_is_listed_with_its_rows(reference):
    listed = {path: rows for content in reference.summary.values() for path, rows in content["files"].items()}
    found = {
        path.relative_to(reference.folder).as_posix(): rows
        for search in Search
        for kinematics in Kinematics
        for sample in reference.store.samples(search, kinematics)
        for path, rows in reference.store.files(search, sample, kinematics).items()
    }
    assert found == listed
    assert len(found) == 3 * (3 * len(Kinematics) + 1)


def assert_same(outcome, reference):
    """Counts are equal, sums agree to rounding, and so do the rows, in order."""
    for sample, expected in reference.summary.items():
        summary = outcome.summary[sample]
        assert summary["candidate_multiplicity"] == expected["candidate_multiplicity"]
        assert summary["purity"] == expected["purity"]
        for search in Search:
            for cut in CUTS:
                row, expected_row = summary["cutflow"][search][cut], expected["cutflow"][search][cut]
                assert row["events"] == expected_row["events"]
                assert row["weighted"] == pytest.approx(expected_row["weighted"], rel=1e-12)
            for kinematics in Kinematics if sample != "data" else [Kinematics.NOMINAL]:
                columns, expected_columns = (
                    which.store.read(search, sample, kinematics) for which in (outcome, reference)
                )
                assert list(columns) == list(expected_columns)
                for name in columns:
                    assert_array_equal(columns[name], expected_columns[name], err_msg=name)


def test_chunk_size_changes_nothing(random_ntuples, reference, tmp_path):
    assert_same(run(random_ntuples, tmp_path, chunksize=13), reference)


def test_order_of_files_changes_nothing(random_ntuples, reference, tmp_path):
    assert_same(run(random_ntuples, tmp_path, reverse=True), reference)


def test_dask_workers_write_the_same(random_ntuples, reference, tmp_path, dask_client):
    executor = DaskExecutor(client=dask_client, status=False, compression=None)
    assert_same(run(random_ntuples, tmp_path, chunksize=25, executor=executor), reference)


def test_a_repeated_run_replaces_its_files_with_the_same_content(random_ntuples, reference):
    content = {path: path.read_bytes() for path in reference.folder.rglob("*.parquet")}
    repeated = run(random_ntuples, reference.folder)
    assert repeated.summary == reference.summary
    assert {path: path.read_bytes() for path in reference.folder.rglob("*") if path.is_file()} == content


def test_data_have_weight_one_no_truth_and_no_variations(reference):
    columns = reference.store.read(Search.EE, "data")
    assert set(columns["weight"]) == {1.0}
    assert not [name for name in columns if name.startswith("weight_") or name == "is_true_candidate"]
    assert reference.store.samples(Search.EE, Kinematics.MOMENTUM_SCALE_UP) == ("tautau",)
    assert reference.summary["data"]["sum_weights"] == N_RANDOM
    assert reference.summary["data"]["purity"][Search.EE] == {"kept": 0, "true": 0}


def test_events_without_tracks_are_counted(toy_ntuples, process):
    good = toy_ntuples.good_event("e")
    without_tracks = [replace(good, tracks=()), replace(good, tracks=(), photons_cm_gev=())]
    summary, store = process(toy_ntuples.write([without_tracks[0], good, without_tracks[1]]))
    assert summary["n_events"] == 3
    assert summary["cutflow"][Search.EE][Cut.FOUR_GOOD_TRACKS]["events"] == 1
    assert store.read(Search.EE, "tautau")["event"].tolist() == [1]
    assert len(store.read(Search.MUMU, "tautau")["event"]) == 0


def test_a_file_where_no_event_has_a_track_gives_empty_candidates(toy_ntuples, process):
    summary, store = process(toy_ntuples.write([replace(toy_ntuples.good_event("e"), tracks=())]))
    assert summary["n_events"] == 1
    assert len(store.read(Search.EE, "tautau")["event"]) == 0


def test_a_file_without_events_adds_nothing(toy_ntuples, tmp_path):
    good = toy_ntuples.good_event("e")
    toy_ntuples.write([good])
    toy_ntuples.write([], number=1)
    toy_ntuples.write([], "qqbar")
    outcome = run(toy_ntuples.folder, tmp_path / "candidates")
    assert outcome.summary["tautau"]["n_events"] == 1
    assert outcome.store.read(Search.EE, "tautau")["event"].tolist() == [0]


def test_an_rntuple_is_read_like_a_tree(toy_ntuples, tmp_path):
    columns = toy_ntuples.columns([toy_ntuples.good_event("e"), toy_ntuples.good_event("mu")])
    toy_ntuples.write_spoiled(columns, as_rntuple=True)
    outcome = run(toy_ntuples.folder, tmp_path / "candidates")
    assert outcome.store.read(Search.MUMU, "tautau")["event"].tolist() == [1]


@pytest.mark.parametrize(
    ("branch", "value", "sentence"),
    [
        ("Track_d0", np.nan, "branch 'Track_d0' holds nan at entry 1"),
        ("Track_px", np.inf, "branch 'Track_px' holds inf at entry 1"),
        ("Photon_E", np.nan, "branch 'Photon_E' holds nan at entry 1"),
        ("Track_cov22", -1e-12, r"branch 'Track_cov22' holds -1e-12 at entry 1"),
        ("Track_cov33", 0.0, "branch 'Track_cov33' holds 0.0 at entry 1"),
        ("Track_charge", 0, "branch 'Track_charge' holds 0 at entry 1"),
        ("weight", np.nan, "branch 'weight' holds nan at entry 1"),
        ("ip_z", np.nan, "branch 'ip_z' holds nan at entry 1"),
        ("is_data", True, "branch 'is_data' holds True at entry 1"),
        ("beam_E", np.inf, "branch 'beam_E' holds inf at entry 1"),
    ],
)
def test_numbers_that_mean_nothing_are_named_with_branch_and_entry(toy_ntuples, process, branch, value, sentence):
    events = [toy_ntuples.good_event(lepton) for lepton in ("mu", "e")]
    columns = toy_ntuples.columns(events)
    # The first value of the second event: of four tracks, one photon, or the event itself.
    position = {"Track": 4, "Photon": 1}.get(branch.split("_")[0], 1)
    columns[branch] = columns[branch].copy()
    columns[branch][position] = value
    with pytest.raises(BadInputError, match=rf"tautau_000\.root: {sentence}$"):
        process(toy_ntuples.write_spoiled(columns))


def test_a_pion_that_points_to_no_photon_is_named(toy_ntuples, process):
    columns = toy_ntuples.columns([toy_ntuples.good_event("e")])
    columns["nPi0"] = np.array([1])
    columns |= {f"Pi0_{name}": np.ones(1) for name in ("px", "py", "pz", "E")}
    columns |= {"Pi0_photon0": np.array([0], dtype=np.int32), "Pi0_photon1": np.array([1], dtype=np.int32)}
    with pytest.raises(BadInputError, match="branch 'Pi0_photon1' holds 1 at entry 0"):
        process(toy_ntuples.write_spoiled(columns))


def test_garbage_inside_a_basket_is_named_with_its_branch(toy_ntuples, process):
    rng = np.random.default_rng(5)
    path = toy_ntuples.write([toy_ntuples.random_event(rng) for _ in range(100)])
    with uproot.open(path) as file:
        branch = file[TREE_NAME]["Track_tanLambda"]
        first, n_bytes = branch.member("fBasketSeek")[0], branch.member("fBasketBytes")[0]
    content = bytearray(path.read_bytes())
    # The second half of the basket lies in its compressed content, not in its header.
    garbage = slice(first + n_bytes // 2, first + n_bytes)
    content[garbage] = rng.bytes(garbage.stop - garbage.start)
    path.write_bytes(content)
    build_fileset(toy_ntuples.folder)  # what opening a file reads is intact
    with pytest.raises(
        BadInputError, match=r"tautau_000\.root: branch 'Track_tanLambda' cannot be read in entries 0 to"
    ):
        process(path)
