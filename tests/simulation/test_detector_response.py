import numpy as np
import pytest

from processors.ntuple import COLLECTIONS
from simulation.detector.configuration import DetectorConfig
from simulation.detector.material import convert_photons
from simulation.detector.response import reconstruct, simulate_detector
from simulation.detector.tracking import in_acceptance
from simulation.generated import DECAYED, FINAL_STATE, GeneratedEvents

CONFIG = DetectorConfig()


@pytest.fixture(scope="module")
def mixed_events():
    """Events of zero to nine particles of every kind, each the daughter of a decayed τ."""
    rng = np.random.default_rng(11)
    daughters = rng.integers(0, 10, 2000)
    codes = np.array([11, -11, 13, -13, 211, -211, 321, -321, 2212, -2212, 22, 22, 22, 130, 2112, 12, 16])
    masses = np.array([0.000511] * 2 + [0.10566] * 2 + [0.13957] * 2 + [0.49368] * 2 + [0.93827] * 2)
    masses = np.concatenate([masses, [0, 0, 0, 0.497611, 0.93957, 0, 0]])
    pdg, status, mother, momentum = [], [], [], []
    for count in daughters:
        kind = rng.integers(0, len(codes), count)
        three = rng.normal(0.0, 0.7, (count, 3))
        pdg.append(np.concatenate([[15], codes[kind]]))
        status.append(np.concatenate([[DECAYED], np.full(count, FINAL_STATE)]))
        mother.append(np.concatenate([[-1], np.zeros(count)]))
        energy = np.sqrt(np.sum(three**2, axis=1) + masses[kind] ** 2)
        momentum.append(np.vstack([[0.0, 0.0, 1.0, 3.0], np.column_stack([three, energy])]))
    p = np.concatenate(momentum)
    vertex = rng.normal(0.0, [0.1, 0.005, 4.0, 0.0], (len(p), 4))
    columns = dict(zip(("px", "py", "pz", "E", "vx", "vy", "vz", "vt"), np.hstack([p, vertex]).T, strict=True))
    return GeneratedEvents(
        counts=daughters + 1,
        weight=np.ones(len(daughters)),
        pdg=np.concatenate(pdg).astype(np.int32),
        status=np.concatenate(status).astype(np.int32),
        mother=np.concatenate(mother).astype(np.int32),
        **columns,
    )


@pytest.fixture(scope="module")
def detected(mixed_events):
    ip = np.zeros((mixed_events.n_events, 3))
    return simulate_detector(mixed_events, ip, np.random.default_rng(12), CONFIG)


def test_columns_are_exactly_those_of_the_ntuple(detected):
    columns = detected.columns()
    expected = {}
    for collection in COLLECTIONS:
        expected[collection.counter] = "int32"
        expected |= {f"{collection.name}_{branch.name}": branch.dtype for branch in collection.branches}
    assert {name: str(column.dtype) for name, column in columns.items()} == expected
    for collection in COLLECTIONS:
        total = columns[collection.counter].sum()
        assert len(columns[collection.counter]) == 2000
        for branch in collection.branches:
            assert columns[f"{collection.name}_{branch.name}"].shape == (total,)


def test_data_have_no_truth(detected):
    names = detected.columns(truth=False)
    assert not [name for name in names if name.startswith(("Gen", "nGen"))]
    assert not {"Track_pdg", "Track_mother_pdg", "Track_gen"} & set(names)
    assert "Track_eID" in names


def test_nothing_is_nan(detected):
    for name, column in detected.columns().items():
        assert np.all(np.isfinite(column)), name


def test_truth_matching(detected):
    columns = detected.columns()
    start = np.cumsum(columns["nGen"]) - columns["nGen"]
    match = np.repeat(start, columns["nTrack"]) + columns["Track_gen"]
    assert np.all(columns["Gen_pdg"][match] == columns["Track_pdg"])
    assert np.all(columns["Gen_status"][match] == FINAL_STATE)
    mother = columns["Gen_mother"][match]
    direct = columns["Track_mother_pdg"] == 15
    assert np.all(mother[direct] == 0)
    from_photon = columns["Track_mother_pdg"] == 22
    assert from_photon.any()
    assert np.all(np.abs(columns["Track_pdg"][from_photon]) == 11)
    # Charge and flight direction belong to the matched particle.
    sign = np.where(np.abs(columns["Track_pdg"]) < 20, -1, 1) * np.sign(columns["Track_pdg"])
    assert np.all(columns["Track_charge"] == sign)
    pions = np.abs(columns["Track_pdg"]) == 211
    ratio = columns["Track_pz"][pions] / columns["Gen_pz"][match][pions]
    assert np.median(np.abs(ratio - 1.0)) < 0.01


def test_radiating_electrons_live_on(detected):
    generated = detected.generated
    mother = np.repeat(generated.offsets[:-1], generated.counts) + generated.mother
    radiated = (generated.pdg == 22) & (generated.mother > 0) & (np.abs(generated.pdg[mother]) == 11)
    assert radiated.any()
    assert np.all(generated.status[mother[radiated]] == FINAL_STATE)
    assert np.all(generated.E[radiated] > CONFIG.material.radiated_photon_threshold_gev)
    assert np.all(generated.E[radiated] < generated.E[mother[radiated]])


def test_same_seed_same_response_and_another_seed_another(mixed_events):
    ip = np.zeros((mixed_events.n_events, 3))
    first, again, other = (
        simulate_detector(mixed_events, ip, np.random.default_rng(seed), CONFIG).columns() for seed in (5, 5, 6)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["nPhoton"], other["nPhoton"])


def test_input_is_left_as_it_was(mixed_events):
    before = mixed_events.px.copy(), mixed_events.status.copy()
    simulate_detector(mixed_events, np.zeros((mixed_events.n_events, 3)), np.random.default_rng(7), CONFIG)
    assert np.array_equal(mixed_events.px, before[0])
    assert np.array_equal(mixed_events.status, before[1])


def test_events_without_particles_and_no_events(mixed_events):
    only_taus = GeneratedEvents.from_table(
        np.full((3, 1), 16, dtype=np.int32), np.tile([0.0, 0.0, 1.0, 1.0], (3, 1, 1)), np.zeros((3, 1), dtype=bool)
    )
    silent = CONFIG.model_copy(
        update={"calorimeter": CONFIG.calorimeter.model_copy(update={"background_photons": 0.0})}
    )
    columns = simulate_detector(only_taus, np.zeros((3, 3)), np.random.default_rng(8), silent).columns()
    for collection in COLLECTIONS:
        assert columns[collection.counter].tolist() == [0, 0, 0]
    none = mixed_events.select(np.zeros(mixed_events.n_events, dtype=bool))
    columns = simulate_detector(none, np.zeros((0, 3)), np.random.default_rng(9), CONFIG).columns()
    assert all(len(column) == 0 for column in columns.values())


def test_a_skim_between_conversion_and_reconstruction(mixed_events):
    rng = np.random.default_rng(10)
    converted = convert_photons(mixed_events, rng, CONFIG.material)
    accepted = in_acceptance(converted, CONFIG.tracking)
    possible = np.bincount(converted.event_index[accepted], minlength=converted.n_events)
    kept = possible >= 3
    skimmed = converted.select(kept)
    response = reconstruct(skimmed, np.zeros((int(kept.sum()), 3)), rng, CONFIG)
    assert len(response.tracks.counts) == kept.sum()
    # The skim never costs a track.
    assert np.all(response.tracks.counts <= possible[kept])
