"""Corrections by name from correctionlib sets, event weights and their variations."""

import gzip
import json
import pickle
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from correctionlib import schemav2
from numpy.testing import assert_allclose

from models.search import Channel
from processors.correction_sets import INPUTS, CorrectionError, CorrectionName, Variation, load_corrections
from processors.correction_tables import Table, as_correction, write_correction_set
from processors.corrections import CorrectedEvents, TrackCoordinates, WeightSource, corrected_weights, weight_sources
from processors.default_corrections import default_corrections

DEFAULT = load_corrections(["default"])
EDGES = {"p_gev": (0.0, 1.0, 3.0), "theta_deg": (17.0, 90.0, 150.0), "charge": (-2.0, 0.0, 2.0)}
VALUES = np.array([[[0.90, 0.91], [0.95, 0.96]], [[1.05, 1.06], [1.10, 1.11]]])
ERRORS = np.array([[[0.04] * 2, [0.03] * 2], [[0.02] * 2, [0.01] * 2]])
ELECTRON_TABLE = Table.symmetric(EDGES, VALUES, ERRORS)


def corrections_with(tmp_path, suffix=".json", **tables):
    path = tmp_path / f"own{suffix}"
    made = [as_correction(CorrectionName(name), table, "test") for name, table in tables.items()]
    write_correction_set(made, "test", path)
    return load_corrections(["default", str(path)])


def events(p_gev, theta_deg, charge, pdg, *, weight=None, kaon_likelihood=0.2):
    """Return events whose φ daughters are given, shape (n, 2), and whose four tracks are the daughters twice."""
    daughters = TrackCoordinates(*(np.array(column, dtype=float) for column in (p_gev, theta_deg, charge)))
    n = len(daughters.p_gev)
    return CorrectedEvents(
        generator_weight=np.ones(n) if weight is None else np.array(weight),
        tracks=TrackCoordinates(*(np.tile(column, (1, 2)) for column in daughters)),
        daughters=daughters,
        daughter_pdg=np.array(pdg),
        daughter_kaon_likelihood=np.full((n, 2), kaon_likelihood),
        visible_energy_cm_gev=np.full(n, 7.0),
    )


def test_daughters_take_the_correction_of_what_they_are_in_truth(tmp_path):
    corrections = corrections_with(tmp_path, identification_electron=ELECTRON_TABLE)
    two = events([[0.5, 2.0]] * 2, [[30.0, 120.0]] * 2, [[1, -1]] * 2, [[-11, 11], [-11, 211]], weight=[2.0, 3.0])
    weights = corrected_weights(two, Channel.EE, corrections)
    assert_allclose(weights.nominal, [2.0 * 0.91 * 1.10, 3.0 * 0.91], rtol=1e-14)
    identification = WeightSource.IDENTIFICATION_ELECTRON
    assert_allclose(weights.up[identification], [2.0 * 0.95 * 1.11, 3.0 * 0.95], rtol=1e-14)
    assert_allclose(weights.down[identification], [2.0 * 0.87 * 1.09, 3.0 * 0.87], rtol=1e-14)
    misidentification = WeightSource.MISIDENTIFICATION_ELECTRON
    # The default 10 % for a pion above 1 GeV in the barrel.
    assert_allclose(weights.up[misidentification] / weights.nominal, [1.0, 1.10], rtol=1e-14)
    assert_allclose(weights.down[misidentification] / weights.nominal, [1.0, 0.90], rtol=1e-14)


def test_kaon_pion_separation_applies_to_hadrons_by_whether_they_are_told_right():
    pion, kaon, muon = (events([[2.0, 2.0]], [[90.0, 90.0]], [[1, -1]], [[code, 13]]) for code in (211, 321, -13))
    source = WeightSource.KAON_PION
    up = [
        float(w.up[source][0] / w.nominal[0])
        for w in (corrected_weights(e, Channel.MUMU, DEFAULT) for e in (pion, kaon, muon))
    ]
    assert up == pytest.approx([1.01, 1.05, 1.0], rel=1e-12)


def test_tracking_moves_all_four_tracks_together_and_the_trigger_the_event():
    one = events([[2.0, 2.0]], [[90.0, 90.0]], [[1, -1]], [[13, -13]])
    weights = corrected_weights(one, Channel.MUMU, DEFAULT)
    assert_allclose(weights.up[WeightSource.TRACKING], 1.0035**4, rtol=1e-14)
    assert_allclose(weights.down[WeightSource.TRACKING], 0.9965**4, rtol=1e-14)
    assert_allclose(weights.up[WeightSource.TRIGGER], 1.005, rtol=1e-14)


def test_luminosity_scales_the_weights_and_leaves_its_uncertainty_to_the_fit(tmp_path):
    corrections = corrections_with(tmp_path, luminosity=Table.symmetric({}, 1.03, 0.02))
    one = events([[2.0, 2.0]], [[90.0, 90.0]], [[1, -1]], [[13, -13]])
    weights = corrected_weights(one, Channel.MUMU, corrections)
    assert_allclose(weights.nominal, 1.03, rtol=1e-14)
    assert corrections.factor(CorrectionName.LUMINOSITY) == pytest.approx((1.03, 1.05, 1.01))


def test_an_uncertainty_larger_than_its_correction_never_turns_weights_negative(tmp_path):
    wild = Table.symmetric(EDGES, VALUES, 2.0 + 0.0 * ERRORS)
    corrections = corrections_with(tmp_path, identification_electron=wild)
    one = events([[2.0, 2.0]], [[90.0, 90.0]], [[1, -1]], [[11, -11]])
    assert corrected_weights(one, Channel.EE, corrections).down[WeightSource.IDENTIFICATION_ELECTRON].tolist() == [0.0]


def test_default_corrections_are_one_with_uncertainties():
    rng = np.random.default_rng(1)
    n = 100
    many = events(
        rng.uniform(0.1, 8.0, (n, 2)),
        rng.uniform(15.0, 152.0, (n, 2)),
        [[1, -1]] * n,
        rng.choice([11, 13, 211, 321, 0], (n, 2)),
    )
    for channel in Channel:
        weights = corrected_weights(many, channel, DEFAULT)
        assert weights.nominal.tolist() == [1.0] * n
        assert tuple(weights.up) == tuple(weights.down) == weight_sources(channel)
        for source in weight_sources(channel):
            assert np.all(weights.up[source] >= 1.0)
            assert np.all(weights.down[source] <= 1.0)
            assert np.any(weights.up[source] > 1.0)
        assert corrected_weights(many, channel, DEFAULT, varied=False).up == {}


def test_the_set_that_is_shipped_is_what_the_command_makes(tmp_path):
    write_correction_set(default_corrections(), "Corrections of one, with uncertainties", tmp_path / "default.json")
    shipped = resources.files("processors").joinpath("default_corrections.json").read_bytes()
    assert (tmp_path / "default.json").read_bytes() == shipped


@pytest.mark.parametrize("name", CorrectionName)
def test_every_correction_is_reached_by_its_name_in_every_variation(name):
    value = {"p_gev": 2.0, "theta_deg": 90.0, "charge": -1.0}
    inputs = {key: np.full(2, value.get(key, 1.0)) for key in INPUTS[name]}
    nominal, up, down = (DEFAULT.evaluate(name, variation, **inputs) for variation in Variation)
    assert np.all(nominal == 1.0)
    assert np.all((up > 1.0) & (down < 1.0))


def test_sets_travel_as_text_and_gzipped_files_are_read(tmp_path):
    packed = corrections_with(tmp_path, ".json.gz", identification_electron=ELECTRON_TABLE)
    copy = pickle.loads(pickle.dumps(packed))
    assert copy.text == packed.text
    assert (tmp_path / "own.json.gz").read_bytes()[:2] == b"\x1f\x8b"


# ---- what is refused


def test_a_value_that_a_correction_does_not_cover_is_named(tmp_path):
    corrections = corrections_with(tmp_path, identification_electron=ELECTRON_TABLE)
    one = events([[2.0, 2.0], [2.0, 3.5]], [[90.0, 90.0]] * 2, [[1, -1]] * 2, [[11, -11]] * 2)
    with pytest.raises(CorrectionError, match=r"identification_electron' does not cover p_gev = 3.5, theta_deg = 90"):
        corrected_weights(one, Channel.EE, corrections)
    # A table that says so extends its outermost bins instead.
    clamped = corrections_with(tmp_path, identification_electron=ELECTRON_TABLE._replace(flow="clamp"))
    assert corrected_weights(one, Channel.EE, clamped).nominal[1] == pytest.approx(1.11 * 1.10)


def test_a_weight_that_is_no_number_is_named(tmp_path):
    one = events([[2.0, 2.0]], [[90.0, 90.0]], [[1, -1]], [[11, -11]])
    with pytest.raises(CorrectionError, match=r"nominal weight of event 0 .* is nan"):
        corrected_weights(replace(one, generator_weight=np.array([np.nan])), Channel.EE, DEFAULT)
    nowhere = one.daughters._replace(p_gev=np.array([[np.nan, 1.0]]))
    with pytest.raises(CorrectionError, match="'identification_electron' is asked for p_gev = nan"):
        corrected_weights(replace(one, daughters=nowhere), Channel.EE, DEFAULT)
    content = _default_content()
    logarithm = {"nodetype": "formula", "expression": "log(x-2)", "parser": "TFormula", "variables": ["p_gev"]}
    content["corrections"][0]["data"]["content"][1]["value"] = logarithm
    path = tmp_path / "formula.json"
    path.write_text(json.dumps(content))
    with pytest.raises(CorrectionError, match=r"'identification_electron' is not finite for p_gev = 2, .* \(up\)"):
        corrected_weights(one, Channel.EE, load_corrections([str(path)]))


def test_a_negative_correction_is_named(tmp_path):
    corrections = corrections_with(tmp_path, trigger=Table.symmetric({}, -1.0, 0.0))
    one = events([[2.0, 2.0]], [[90.0, 90.0]], [[1, -1]], [[11, -11]])
    with pytest.raises(CorrectionError, match="'trigger' is negative"):
        corrected_weights(one, Channel.EE, corrections)


def _default_content():
    return json.loads(resources.files("processors").joinpath("default_corrections.json").read_text())


def _without_variation(content):
    content["corrections"][0]["data"]["content"].pop()


def _renamed(content):
    content["corrections"][0]["name"] = "identification_electrons"


def _missing(content):
    del content["corrections"][5]


def _other_inputs(content):
    content["corrections"][6]["inputs"][1]["name"] = "energy"


def _no_category(content):
    content["corrections"][7]["data"] = 1.0


def _other_schema(content):
    content["corrections"][0]["data"]["nodetype"] = "heap"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_variation, "'identification_electron' lacks the variation 'down'"),
        (_renamed, "nothing consumes .*'identification_electrons', did you mean 'identification_electron'"),
        (_missing, "no file of 'candidates.corrections' .* has 'tracking'"),
        (_other_inputs, "'trigger' has the inputs variation, energy; expected"),
        (_no_category, "must begin with a category of its variations"),
        (_other_schema, "not a correctionlib set of schema 2"),
    ],
)
def test_a_set_that_is_not_what_the_analysis_needs_is_refused(tmp_path, spoil, message):
    content = _default_content()
    spoil(content)
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(content))
    with pytest.raises(CorrectionError, match=message):
        load_corrections([str(path)])


@pytest.mark.parametrize("content", [b"not json", gzip.compress(b"{}", mtime=0)[:-9], b"[]", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "broken.json.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorrectionError, match=r"broken\.json\.gz"):
        load_corrections([str(path)])


def test_the_files_are_valid_for_correctionlib_itself():
    assert schemav2.CorrectionSet.model_validate(_default_content()).schema_version == 2
