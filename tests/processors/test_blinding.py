"""Trying to get at signal-region data: rows, regions and histograms, blinded, in stages and with other records."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadInputError, BlindedError
from models.search import Channel, Process, Search
from processors.blinding import BlindingSettings, Unblinding, UnblindingStage, outside_windows
from processors.candidates import CandidatePath, CandidateStore, write_candidates
from processors.histogram_files import HistogramManifest, load_histograms, save_histograms
from processors.histogram_processor import HistogramProcessor, SearchBinning
from processors.histograms import empty_histograms
from processors.regions import RegionSettings
from processors.sample import SampleMetadata
from processors.scoring import NOMINAL, OutsideSignalRegion
from processors.variations import Kinematics

EDGES = np.linspace(0.0, 0.25, 6)
WINDOWS = np.array([[0.05, 0.10], [0.08, 0.15]])
N = 2000


def record(stage=UnblindingStage.FULL, **changes):
    fields = {"who": "A. Physicist", "reason": "review passed", "when": datetime(2022, 7, 15, tzinfo=UTC)}
    blinding = BlindingSettings(stage=stage, fraction=0.1)
    return Unblinding(**{**fields, "configuration_hash": "0" * 64, "blinding": blinding, **changes})


class HalfSignal:
    """A classifier that calls every second event signal."""

    channel = Channel.EE
    features = ()
    n_folds = 3
    seed = 1

    def scores(self, features, fold):
        scores = np.tile(np.array([0.01, 0.97, 0.01, 0.01, 0.0]), (len(fold), 1))
        scores[::2] = [0.99, 0.01, 0.0, 0.0, 0.0]
        return scores


class Undecided(HalfSignal):
    """One that cannot tell half of the rest either."""

    def scores(self, features, fold):
        scores = super().scores(features, fold)
        scores[1::4] = [0.9, 0.1, 0.0, 0.0, 0.0]
        return scores


@pytest.fixture(autouse=True)
def _no_features(monkeypatch):
    empty = np.zeros((N, 0), dtype=np.float32)
    monkeypatch.setattr("processors.scoring.feature_matrix", lambda columns, features: empty[: len(columns["event"])])


def data_columns():
    rng = np.random.default_rng(3)
    return {
        "experiment": np.full(N, 31),
        "run": np.full(N, 5),
        "event": np.arange(N),
        "m_ll_gev": rng.uniform(0.0, 0.25, N),
        "weight": np.ones(N),
    }


DATA = SampleMetadata(
    name="data", process=Process.DATA, is_data=True, n_generated=N, sum_weights=N, sum_weights2=N, generator="t"
)


def filled(unblinding):
    """Return histograms of data under a record, and how many events stay blinded."""
    binning = SearchBinning(EDGES, EDGES, WINDOWS)
    processor = HistogramProcessor(
        {Channel.EE: HalfSignal()}, {Search.EE: binning}, RegionSettings(), luminosity_fb=2.0, unblinding=unblinding
    )
    return processor.fill(data_columns(), DATA, Search.EE, NOMINAL, where="data.parquet")


@pytest.fixture
def store_folder(tmp_path):
    columns = data_columns()
    for name, more in (("data", {}), ("tautau", {"is_true_candidate": np.zeros(N, dtype=bool)})):
        path = CandidatePath(Search.EE, Kinematics.NOMINAL, name, name, 0, N).relative
        write_candidates(tmp_path / path, columns | more)
    return tmp_path


@pytest.mark.parametrize("unblinding", [None, record(UnblindingStage.FRACTION), record(UnblindingStage.SIDE_BANDS)])
def test_candidates_of_data_are_not_read_without_a_record_that_opens_everything(store_folder, unblinding):
    store = CandidateStore(store_folder, unblinding)
    assert len(store.read(Search.EE, "tautau")["event"]) == N
    for read in (store.read, store.dataframe):
        with pytest.raises(BlindedError, match="candidates of 'data'"):
            read(Search.EE, "data")
        with pytest.raises(BlindedError):
            read(Search.EE, "data", columns=["m_ll_gev"])
    assert len(CandidateStore(store_folder, record()).read(Search.EE, "data")["event"]) == N


def test_candidates_outside_the_signal_region_are_read_all_the_same(store_folder):
    # Below the configured threshold and above every control region: another threshold would open it.
    outside = OutsideSignalRegion(Undecided(), "data")
    control = CandidateStore(store_folder).read_control(Search.EE, "data", outside)
    assert control["event"].tolist() == list(range(3, N, 4))


def test_what_is_outside_the_signal_region_is_not_for_the_reader_to_say(store_folder):
    with pytest.raises(BlindedError, match="not by a function"):
        CandidateStore(store_folder).read_control(Search.EE, "data", lambda columns: columns["event"] >= 0)


def test_histograms_hold_what_a_record_opens_and_nothing_else():
    blinded, n_blinded = filled(None)
    assert n_blinded == N // 2
    assert blinded.contents("sr", Process.DATA).value.sum() == 0
    full, none_left = filled(record())
    assert none_left == 0
    assert full.contents("sr", Process.DATA).value.sum() == N // 2
    for histograms in (blinded, full):
        gcr = histograms.contents("gcr", Process.DATA)
        assert gcr.value.sum() == N // 2


def test_a_tenth_of_the_data_is_opened_by_event_identity():
    part, n_blinded = filled(record(UnblindingStage.FRACTION))
    n_open = part.contents("sr", Process.DATA).value.sum()
    assert n_open + n_blinded == N // 2
    # binomial: 100 ± 9.5
    assert abs(n_open - 100) < 4 * 9.5
    columns = data_columns()
    order = np.random.default_rng(1).permutation(N)
    shuffled = {name: column[order] for name, column in columns.items()}
    opened = record(UnblindingStage.FRACTION).opens(columns, WINDOWS)
    np.testing.assert_array_equal(record(UnblindingStage.FRACTION).opens(shuffled, WINDOWS), opened[order])
    larger = record(blinding=BlindingSettings(stage=UnblindingStage.FRACTION, fraction=0.3)).opens(columns, WINDOWS)
    assert np.all(larger[opened])


def test_side_bands_are_the_masses_that_no_signal_window_reaches():
    bands, _ = filled(record(UnblindingStage.SIDE_BANDS))
    data = bands.contents("sr", Process.DATA).value
    in_window = np.array([False, True, True, False, False])
    assert np.all(data[~in_window] > 0)
    # the window begins and ends at bin edges
    assert data[1:3].tolist() == [0.0, 0.0]


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), max_size=6), st.lists(st.floats(-1, 7), max_size=20))
def test_windows_may_overlap(windows, masses):
    edges = np.array([(low, low + width) for low, width in windows]).reshape(-1, 2)
    mass = np.array(masses)
    inside = np.any((mass[:, None] >= edges[:, 0]) & (mass[:, None] <= edges[:, 1]), axis=1)
    np.testing.assert_array_equal(outside_windows(mass, edges), ~inside)


def manifest(unblinding):
    return HistogramManifest(
        search=Search.EE,
        luminosity_fb=2.0,
        classifier_fingerprint="x",
        sr_above_signal_score=0.95,
        unblinding=unblinding,
        n_blinded=0,
        n_candidates={},
    )


def test_histograms_of_signal_region_data_open_only_with_the_record_they_were_filled_under(tmp_path):
    path = tmp_path / "ee.zip"
    save_histograms(filled(record())[0], manifest(record()), path)
    with pytest.raises(BlindedError, match="no such record now"):
        load_histograms(path)
    for other in (
        record(when=datetime(2023, 1, 1, tzinfo=UTC)),
        record(configuration_hash="1" * 64),
        record(UnblindingStage.FRACTION),
    ):
        with pytest.raises(BlindedError, match="fill the histograms again"):
            load_histograms(path, other)
    histograms, read = load_histograms(path, record(previous=(record(),)))
    assert histograms.contents("sr", Process.DATA).value.sum() == N // 2
    assert read.opened_fraction == 1.0


def test_limits_are_those_of_the_luminosity_that_was_opened(tmp_path):
    assert manifest(None).signal_region_luminosity_fb == 2.0
    assert manifest(record(UnblindingStage.FRACTION)).signal_region_luminosity_fb == pytest.approx(0.2)
    assert manifest(record(UnblindingStage.SIDE_BANDS)).opened_fraction == 0.0
    save_histograms(empty_histograms(Search.EE, EDGES, EDGES), manifest(None), tmp_path / "ee.zip")
    assert load_histograms(tmp_path / "ee.zip")[1].unblinding is None


def test_data_that_are_called_simulation_are_refused():
    simulation = SampleMetadata(
        name="tautau", process=Process.TAUTAU, is_data=False, cross_section_fb=1.0, n_generated=N, sum_weights=N,
        sum_weights2=N, generator="t",
    )  # fmt: skip
    processor = HistogramProcessor({}, {}, RegionSettings(), luminosity_fb=2.0)
    with pytest.raises(BadInputError, match="'tautau' is simulation, but its candidates lack 'is_true_candidate'"):
        processor.fill(data_columns(), simulation, Search.EE, NOMINAL, where="x.parquet")
    with pytest.raises(BadInputError, match="'data' is data, but its candidates have"):
        processor.fill(
            data_columns() | {"is_true_candidate": np.zeros(N, bool)}, DATA, Search.EE, NOMINAL, where="x.parquet"
        )
