"""The coffea view of an ntuple: layout, behaviours, cross-references, and what happens when branches lack."""

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea import processor
from coffea.nanoevents import NanoEventsFactory
from numpy.testing import assert_allclose, assert_array_equal

from models.constants import ELECTRON_MASS_GEV, MUON_MASS_GEV, PION_MASS_GEV
from models.errors import BadInputError
from models.helix import distance_to
from models.search import Process
from processors.belle_behaviour import covariance_of, helix_of
from processors.belle_schema import BelleSchema
from processors.configuration import NtupleWriterSettings
from processors.ntuple import COVARIANCE_INDICES, GEN, HELIX_PARAMETERS, TREE_NAME
from processors.ntuple_writer import write_ntuple

SMALL_CLUSTERS = NtupleWriterSettings(events_per_cluster=7)


@pytest.fixture
def columns(columns):
    """Events with a decay chain: particle 0 has no mother, the others descend from it."""
    counts = columns["nGen"] = np.maximum(columns["nGen"], 2)
    rng = np.random.default_rng(6)
    columns |= {f"Gen_{b.name}": rng.normal(size=counts.sum()).astype(b.dtype) for b in GEN.branches}
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    columns["Gen_mother"] = np.where(np.isin(np.arange(counts.sum()), first), -1, 0)
    columns["Gen_pdg"] = np.arange(counts.sum())
    columns["Track_gen"] = np.where(columns["Track_charge"] == 1, 1, -1)
    columns["nPhoton"] = np.full_like(counts, 2)
    for name in ("px", "py", "pz", "E", "E9E25"):
        columns[f"Photon_{name}"] = rng.normal(size=2 * len(counts))
    columns["Pi0_photon0"] = np.zeros(columns["nPi0"].sum(), dtype=int)
    columns["Pi0_photon1"] = np.ones_like(columns["Pi0_photon0"])
    return columns


@pytest.fixture
def path(tmp_path, columns, tautau_metadata):
    write_ntuple(tmp_path / "file.root", columns, tautau_metadata, SMALL_CLUSTERS)
    return tmp_path / "file.root"


def read(path, **kwargs):
    return NanoEventsFactory.from_root(
        {str(path): TREE_NAME}, mode="virtual", schemaclass=BelleSchema, **kwargs
    ).events()


def test_columns_are_read_only_when_touched(path):
    access_log = []
    events = read(path, access_log=access_log)
    assert access_log == []
    assert ak.sum(events.Track.px) != 0.0
    # The first column of a collection needs its counter too.
    assert {access.branch for access in access_log} == {"nTrack", "Track_px"}


def test_four_momenta_follow_the_branches(path, columns):
    events = read(path)
    px, py, pz = (columns[f"Track_{axis}"].astype(np.float32) for axis in ("px", "py", "pz"))
    momentum2 = px**2 + py**2 + pz**2
    for tracks, mass in (
        (events.Track, PION_MASS_GEV),
        (events.Track.as_electron, ELECTRON_MASS_GEV),
        (events.Track.as_muon, MUON_MASS_GEV),
    ):
        assert_allclose(ak.flatten(tracks.E), np.sqrt(momentum2 + mass**2), rtol=1e-6)  # float32 columns
        assert_allclose(ak.flatten(tracks.mass), mass, rtol=1e-6)
    assert_allclose(
        ak.flatten(events.Photon.p), np.linalg.norm([columns[f"Photon_p{a}"] for a in "xyz"], axis=0), rtol=1e-6
    )
    assert_allclose(events.beam.E, columns["beam_E"])
    assert_allclose(events.ip.z, columns["ip_z"], rtol=1e-6)


def test_pairs_add_up_to_a_charged_four_momentum(path):
    pairs = ak.combinations(read(path).Track, 2, fields=["a", "b"])
    pair = pairs.a + pairs.b
    assert_allclose(ak.flatten(pair.E), ak.flatten(pairs.a.E + pairs.b.E), rtol=1e-5)
    assert_array_equal(ak.flatten(pair.charge), ak.flatten(pairs.a.charge + pairs.b.charge))
    assert_allclose(ak.sum(read(path).Track, axis=1).px, ak.sum(read(path).Track.px, axis=1), rtol=1e-6)


def test_helix_covariance_and_distances_follow_the_branches(path, columns):
    tracks = read(path).Track
    for parameter, name in zip(tracks.helix, HELIX_PARAMETERS, strict=True):
        assert_array_equal(parameter, columns[f"Track_{name}"])
    for i, j in COVARIANCE_INDICES:
        stored = columns[f"Track_cov{i}{j}"].astype(np.float32)
        assert_array_equal(covariance_of(tracks)[:, i, j], stored)
        assert_array_equal(covariance_of(tracks)[:, j, i], stored)
    ip = np.stack([columns[f"ip_{axis}"] for axis in "xyz"], axis=-1).astype(np.float32)
    dr, dz = distance_to(helix_of(tracks), np.repeat(ip, columns["nTrack"], axis=0))
    assert_allclose(ak.flatten(tracks.dr), dr)
    assert_allclose(ak.flatten(tracks.dz), dz)


def test_distances_of_selected_tracks_are_those_of_their_own_event(path):
    events = read(path)
    wanted = events.Track.px > 0.0
    all_dr = events.Track.dr
    selected_events = np.arange(len(events)) % 3 == 1
    assert_array_equal(ak.flatten(events.Track[wanted].dr), ak.flatten(all_dr[wanted]))
    assert_array_equal(ak.flatten(events[selected_events].Track.dr), ak.flatten(all_dr[selected_events]))
    assert_array_equal(ak.flatten(events.Track).dr, ak.flatten(all_dr))
    pairs = ak.combinations(events.Track, 2, fields=["a", "b"])
    assert_array_equal(ak.flatten(pairs.b.dr), ak.flatten(ak.combinations(all_dr, 2, fields=["a", "b"]).b))


def test_generator_references(path, columns):
    events = read(path)
    first = np.concatenate([[0], np.cumsum(columns["nGen"])[:-1]])
    matched = events.Track.matched_gen.pdg
    track_event = np.repeat(np.arange(len(events)), columns["nTrack"])
    assert_array_equal(ak.flatten(events.Track.event_index), track_event)
    expected = np.where(columns["Track_gen"] == 1, first[track_event] + 1, -1)
    assert_array_equal(ak.flatten(ak.fill_none(matched, -1)), expected)
    parents = ak.fill_none(events.Gen.parent.pdg, -1)
    assert ak.all(parents[:, 0] == -1)
    assert_array_equal(ak.flatten(parents[:, 1:]), np.repeat(first, columns["nGen"] - 1))
    assert_array_equal(ak.flatten(events.Gen.children.pdg[:, 0]), ak.flatten(events.Gen.pdg[:, 1:]))
    # Also after a selection of events, whose positions in the chunk differ from those in the selection.
    assert_array_equal(ak.flatten(events[10:].Gen.parent.pdg[:, 1:]), ak.flatten(parents[10:, 1:]))


def test_photons_of_a_neutral_pion(path):
    events = read(path)
    first = events.Pi0.first_photon.E
    assert_array_equal(ak.flatten(first), ak.flatten(events.Photon.E[events.Pi0.photon0]))
    assert_array_equal(ak.flatten(events.Pi0.second_photon.E), ak.flatten(events.Photon.E[events.Pi0.photon1]))


def test_data_have_no_truth_to_look_up(tmp_path, columns, tautau_metadata):
    data = tautau_metadata.model_copy(update={"process": Process.DATA, "is_data": True, "cross_section_fb": None})
    write_ntuple(tmp_path / "data.root", columns, data)
    events = read(tmp_path / "data.root")
    assert "Gen" not in events.fields
    assert "pdg" not in events.Track.fields
    assert_allclose(ak.flatten(events.Track.dr), ak.flatten(events.Track.dr))
    with pytest.raises(BadInputError, match="no 'Gen' to look up"):
        _ = events.Track.matched_gen


@pytest.mark.parametrize("format_name", ["TTree", "RNTuple"])
def test_trees_without_neutral_pions_or_with_a_missing_branch(tmp_path, path, format_name):
    def rewrite(name, dropped):
        with uproot.open(path) as file:
            arrays = {b.name: b.array() for b in file[TREE_NAME].branches if not b.name.startswith(dropped)}
        with uproot.recreate(tmp_path / name) as file:
            if format_name == "TTree":
                file.mktree(TREE_NAME, arrays, counter_name=lambda branch: f"n{branch.split('_')[0]}")
            else:
                file.mkrntuple(TREE_NAME, {k: a for k, a in arrays.items() if not k.startswith("n")})
        return tmp_path / name

    without_pi0 = read(rewrite("a.root", ("nPi0", "Pi0_")))
    assert "Pi0" not in without_pi0.fields
    assert_allclose(ak.flatten(without_pi0.Track.dr), ak.flatten(read(path).Track.dr))
    assert ak.to_list(without_pi0.Gen.parent.pdg) == ak.to_list(read(path).Gen.parent.pdg)
    with pytest.raises(BadInputError, match="lacks the branch 'Track_d0' \\(1 missing in all\\)"):
        read(rewrite("b.root", ("Track_d0",)))
    with pytest.raises(BadInputError, match="lacks the branch 'Photon_px'"):
        read(rewrite("c.root", ("nPhoton", "Photon_")))


def test_empty_tree_has_no_events(tmp_path, columns, tautau_metadata):
    write_ntuple(tmp_path / "empty.root", {name: array[:0] for name, array in columns.items()}, tautau_metadata)
    events = read(tmp_path / "empty.root")
    assert len(events) == 0
    assert len(events.Track.dr) == 0


def track_counter():
    """Sums that depend on every event and on cross-references within a chunk.

    Local, so that it travels to the workers by value: they cannot import test modules.
    """

    class TrackCounter(processor.ProcessorABC):
        def process(self, events):
            return {
                "tracks": ak.count(events.Track.px),
                "dr_mm": ak.sum(events.Track.dr),
                "matched": ak.sum(events.Track.matched_gen.pdg),
            }

        def postprocess(self, accumulator):
            return accumulator

    return TrackCounter()


def test_executors_and_chunk_sizes_agree(path, dask_client):
    fileset = {"tautau": {"files": {str(path): TREE_NAME}}}
    results = [
        processor.Runner(executor=executor, schema=BelleSchema, chunksize=chunk_size, metadata_cache={})(
            fileset, track_counter()
        )
        for executor, chunk_size in (
            (processor.IterativeExecutor(status=False), 100),
            (processor.IterativeExecutor(status=False), 4),
            (processor.DaskExecutor(client=dask_client, status=False), 8),
        )
    ]
    for result in results[1:]:
        assert result["tracks"] == results[0]["tracks"]
        assert result["matched"] == results[0]["matched"]
        assert_allclose(result["dr_mm"], results[0]["dr_mm"], rtol=1e-12)
