"""Every dialect of a B2BII file becomes the ntuple that it was made from."""

import dataclasses
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from models.helix import Helix, momentum_at, move_pivot, position_at
from processors.b2bii.configuration import BeamEnergies, ConversionSettings
from processors.b2bii.tracks import track_columns
from processors.configuration import NtupleWriterSettings, TrackSettings
from processors.fileset import check_file
from processors.ntuple import HELIX_PARAMETERS
from processors.sample import read_sample_metadata

# Each branch of the ntuple is at least single precision; a file in single precision has rounded before.
RTOL, ATOL = 3e-6, 1e-6
SLOW = settings(max_examples=7, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_same(found, expected, *, without=()):
    """Check that columns are those expected, but for those whose names begin with one of `without`."""
    names = {name for name in found if not name.startswith(tuple(without) or "/")}
    assert names <= set(expected)
    for name in sorted(names):
        actual, wanted = (np.asarray(columns[name], dtype=np.float64) for columns in (found, expected))
        if name == "Track_phi0":
            actual, wanted = np.angle(np.exp(1j * (actual - wanted))), np.zeros_like(wanted)
        # Off-diagonal elements come near zero: their scale is that of the diagonal.
        atol = 1e-6 * np.max(np.abs(wanted), initial=0.0) if "_cov" in name else ATOL
        np.testing.assert_allclose(actual, wanted, rtol=RTOL, atol=atol, err_msg=name)


@given(
    seed=st.integers(0, 2**16),
    n_events=st.integers(1, 6),
    dialect=st.fixed_dictionaries(
        {
            "real": st.sampled_from(["f4", "f8", "mixed"]),
            "older_event_numbers": st.booleans(),
            "production": st.booleans(),
            "weight": st.booleans(),
            "candidates": st.booleans(),
            "spaced": st.booleans(),
            "container": st.sampled_from(["ttree", "rntuple"]),
        }
    ),
    output=st.sampled_from(["ttree", "rntuple"]),
    chunk_events=st.integers(1, 7),
)
@SLOW
def test_every_dialect_gives_the_same_events(b2bii, rich_columns, seed, n_events, dialect, output, chunk_events):
    columns = rich_columns(seed, n_events)
    path = b2bii.write(columns, b2bii.Dialect(**dialect))
    conversion = ConversionSettings(chunk_events=chunk_events)
    done = b2bii.convert(path, settings=conversion, ntuples=NtupleWriterSettings(format=output))
    missing = [name for name in ("production", "weight") if not dialect[name]]
    assert_same(b2bii.read_columns(done.target), columns, without=missing)
    assert any("__production__" in note for note in done.notes) != dialect["production"]
    assert check_file(done.target).metadata.n_generated == done.n_events_in == n_events


@pytest.mark.parametrize("charge", [1, -1])
@pytest.mark.parametrize("direction_deg", [10.0, 100.0, 190.0, 280.0])
@pytest.mark.parametrize("sideways_cm", [0.3, -0.3])
def test_a_helix_passes_where_its_circle_does(b2bii, toy_events, charge, direction_deg, sideways_cm):
    """Signs of d0, φ0, ω and charge: the converted helix is the circle through a point with a momentum there."""
    trees = b2bii.trees_of(toy_events)
    phi = np.deg2rad(direction_deg)
    momentum = np.array([0.7 * np.cos(phi), 0.7 * np.sin(phi), 0.4])
    # Left of the flight direction by `sideways_cm`, and far along it: a good part of the circle.
    point = np.array([sideways_cm * -np.sin(phi) + 5 * np.cos(phi), sideways_cm * np.cos(phi) + 5 * np.sin(phi)])
    helix = b2bii.basf2_helix(*point, 2.0, *momentum, charge)
    # Momentum at the point closest to the axis, turned back along the circle: clockwise if positive.
    track = trees.variables["track"]
    values = helix | {
        "px": 0.7 * np.cos(helix["phi0"]),
        "py": 0.7 * np.sin(helix["phi0"]),
        "pz": momentum[2],
        "charge": charge,
    }
    for name, value in values.items():
        track[name] = np.full_like(track[name], value)
    columns = track_columns(b2bii.tracks_of(trees), np.zeros((12, 3)), ConversionSettings(), Counter())
    converted = Helix(*(columns[name][0] for name in HELIX_PARAMETERS))
    radius_mm = 10 * 0.7 / (0.00299792458 * 1.5)
    assert abs(converted.omega) == pytest.approx(1 / radius_mm)
    at_point, arc_length = move_pivot(converted, [10 * point[0], 10 * point[1], 0.0])
    assert at_point.d0 == pytest.approx(0.0, abs=1e-9)
    assert position_at(converted, arc_length)[:2] == pytest.approx(10 * point)
    assert momentum_at(converted, arc_length, 1.5) == pytest.approx(momentum)
    # The particle came from the perigee: it is ahead of it, and has turned clockwise if positive.
    assert arc_length > 0
    turned = np.angle(np.exp(1j * (phi - converted.phi0)))
    assert np.sign(turned) == -charge


def test_each_element_of_the_covariance_has_its_own_unit(b2bii, toy_events):
    trees = b2bii.trees_of(toy_events)
    for i in range(5):
        for j in range(i, 5):
            name = f"trackFitCovariance({i}, {j})"
            trees.variables["track"][name] = np.full_like(trees.variables["track"][name], 1e-3)
    columns = track_columns(b2bii.tracks_of(trees), np.zeros((12, 3)), ConversionSettings(), Counter())
    # cm is 10 mm, cm⁻¹ is 0.1 mm⁻¹; in the order d0, φ0, ω, z0, tan λ.
    expected = {"00": 0.1, "01": 1e-2, "02": 1e-3, "03": 0.1, "04": 1e-2, "11": 1e-3, "12": 1e-4, "13": 1e-2}
    expected |= {"14": 1e-3, "22": 1e-5, "23": 1e-3, "24": 1e-4, "33": 0.1, "34": 1e-2, "44": 1e-3}
    assert {name: float(columns[f"cov{name}"][0]) for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("beams", "cm_energy_gev", "note"),
    [
        ("four_momentum", 10.5824, None),
        ("energies", 10.5824, "beams from Eher and Eler with a crossing angle of 0.022 rad"),
        ("cm_energy", 10.52, "beam energies from the configuration, scaled to Ecms"),
        ("none", 10.5824, "beam energies from the configuration, for want of any in the file"),
    ],
)
def test_beams_come_from_what_there_is(b2bii, toy_events, beams, cm_energy_gev, note):
    trees = b2bii.trees_of(toy_events)
    trees.event["Ecms"][:] = cm_energy_gev
    path = b2bii.write_trees(b2bii.folder / "in.root", trees, b2bii.Dialect(beams=beams))
    done = b2bii.convert(path)
    beam = np.stack([b2bii.read_columns(done.target)[f"beam_{name}"] for name in ("px", "py", "pz", "E")], axis=-1)
    # 8 GeV at 22 mrad on 3.5 GeV along −z; electron masses make 1e-8.
    nominal = np.array([8.0 * np.sin(0.022), 0.0, 8.0 * np.cos(0.022) - 3.5, 11.5])
    np.testing.assert_allclose(beam[0], nominal * cm_energy_gev / 10.5824, rtol=2e-5, atol=1e-6)
    assert np.sqrt(beam[0, 3] ** 2 - np.sum(beam[0, :3] ** 2)) == pytest.approx(cm_energy_gev, rel=1e-5)
    assert (note in done.notes) if note else not done.notes
    assert read_sample_metadata(done.target).notes == ((note,) if note else ())


def test_defaults_are_those_of_the_experiment(b2bii, toy_events):
    toy_events["experiment"][:6] = 53
    dialect = b2bii.Dialect(interaction_point=False, beams="none")
    settings = ConversionSettings(
        ip_mm=(0.0, 0.0, 1.0),
        ip_mm_of_experiment={53: (0.5, 0.25, -2.0)},
        beam_energies_of_experiment={53: BeamEnergies(electron_gev=8.2, positron_gev=3.6)},
    )
    done = b2bii.convert(b2bii.write(toy_events, dialect), settings=settings)
    columns = b2bii.read_columns(done.target)
    assert [columns[f"ip_{axis}"][[0, 6]].tolist() for axis in "xyz"] == [[0.5, 0.0], [0.25, 0.0], [-2.0, 1.0]]
    assert columns["beam_E"][[0, 6]].tolist() == pytest.approx([11.8, 11.5])
    assert done.notes["interaction point from the configuration, for want of IPX, IPY, IPZ"] == 12
    assert (
        "interaction point from the configuration, for want of IPX, IPY, IPZ" in read_sample_metadata(done.target).notes
    )


def test_what_may_be_absent_is_said(b2bii, toy_events):
    done = b2bii.convert(b2bii.write(toy_events, b2bii.Dialect(mc=False, daughters=False)))
    columns = b2bii.read_columns(done.target)
    assert_same(columns, toy_events, without=["nGen", "Gen_", "Track_gen", "Pi0_photon"])
    assert columns["nGen"].sum() == 0
    assert set(columns["Pi0_photon0"]) | set(columns["Pi0_photon1"]) | set(columns["Track_gen"]) == {-1}
    assert done.notes == {
        "no generator particles, for want of a tree mc": 12,
        "π⁰ without daughters, for want of mdstIndex of photons and daughters": len(columns["Pi0_px"]),
    }


def test_generator_lists_may_come_in_several_trees(b2bii, toy_events):
    trees = b2bii.trees_of(toy_events)
    mc, counts = trees.variables.pop("mc"), trees.counts.pop("mc")
    event = np.repeat(np.arange(len(counts)), counts)
    lepton = np.isin(np.abs(mc["mcPDG"]), (11, 13, 15))
    for name, part in (("mc_leptons", lepton), ("mc_others", ~lepton)):
        trees.counts[name] = np.bincount(event[part], minlength=len(counts))
        trees.variables[name] = {variable: values[part] for variable, values in mc.items()}
    done = b2bii.convert(b2bii.write_trees(b2bii.folder / "in.root", trees, b2bii.Dialect()))
    found = b2bii.read_columns(done.target)
    np.testing.assert_array_equal(found["nGen"], toy_events["nGen"])
    # Another order within events, the same relations.
    for columns in (found, toy_events):
        first = np.repeat(np.cumsum(columns["nGen"]) - columns["nGen"], columns["nGen"])
        columns["of_mother"] = np.where(
            columns["Gen_mother"] < 0, 0.0, np.float32(columns["Gen_E"])[first + columns["Gen_mother"]]
        )
    pairs = [
        sorted(zip(np.float32(columns["Gen_E"]).tolist(), columns["of_mother"].tolist(), strict=True))
        for columns in (found, toy_events)
    ]
    assert pairs[0] == pairs[1]


def test_data_have_no_truth_and_weight_one(b2bii, toy_events):
    toy_events["weight"][:] = 1.0
    done = b2bii.convert(b2bii.write(toy_events), is_data=True)
    columns = b2bii.read_columns(done.target)
    assert "Track_pdg" not in columns
    assert columns["is_data"].all()
    assert done.notes == {"generator information left out, because these are said to be data": 12}
    assert check_file(done.target).metadata.is_data


def test_unidentified_tracks_are_neither(b2bii, toy_events):
    trees = b2bii.trees_of(toy_events)
    for name in ("eIDBelle", "muIDBelle", "muIDBelleQuality", "atcPIDBelle(3, 2)"):
        trees.variables["track"][name][3] = np.nan
    done = b2bii.convert(b2bii.write_trees(b2bii.folder / "in.root", trees, b2bii.Dialect()))
    columns = b2bii.read_columns(done.target)
    assert [float(columns[f"Track_{name}"][3]) for name in ("eID", "muID", "KpiID", "muIDQuality")] == [0.5] * 3 + [0.0]
    assert done.notes["tracks without eIDBelle, given 0.5"] == 1


def test_distances_that_are_not_those_of_the_helix_are_noted(b2bii, toy_events):
    trees = b2bii.trees_of(toy_events)
    trees.variables["track"]["dr"][:2] += 0.1
    done = b2bii.convert(b2bii.write_trees(b2bii.folder / "in.root", trees, b2bii.Dialect()))
    assert done.notes == {"tracks whose dr and dz are not the distances of their helix to the interaction point": 2}


def test_skimming_keeps_what_the_selection_can_use_and_the_generated_counts(b2bii, rich_columns):
    columns = rich_columns(5, 60)
    whole = b2bii.convert(b2bii.write(columns))
    skimmed = b2bii.convert(b2bii.write(columns, name="again.root"), skim=TrackSettings())
    kept = b2bii.read_columns(skimmed.target)
    n_tracks = dict(zip(columns["event"].tolist(), columns["nTrack"].tolist(), strict=True))
    # Toy vertices are well inside the requirements: what decides is the number of tracks inside the acceptance.
    inside = (columns["Track_tanLambda"] < 1 / np.tan(np.deg2rad(17))) & (
        columns["Track_tanLambda"] > 1 / np.tan(np.deg2rad(150))
    )
    event = np.repeat(columns["event"], columns["nTrack"])
    expected = [number for number in n_tracks if inside[event == number].sum() == 4]
    assert kept["event"].tolist() == expected
    assert 0 < skimmed.n_dropped == 60 - len(expected)
    before, after = (read_sample_metadata(done.target) for done in (whole, skimmed))
    assert (after.n_generated, after.sum_weights) == (before.n_generated, before.sum_weights)
    assert '"good_tracks": 4' in after.skim
    assert dataclasses.asdict(skimmed)["n_events_in"] == 60


def test_generated_events_that_are_not_in_the_file_count(b2bii, toy_events):
    toy_events["weight"][:] = 1.0
    toy_events["weight"][0] = 10.0  # stands for ten events
    done = b2bii.convert(b2bii.write(toy_events), n_generated=919_000)
    sample = read_sample_metadata(done.target)
    assert (sample.n_generated, sample.sum_weights, sample.sum_weights2) == (919_000, 919_000.0, 919_090.0)
    assert sample.equivalent_luminosity_fb == pytest.approx(1.0, rel=1e-3)
