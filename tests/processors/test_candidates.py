"""Candidate files: names, order, completeness, and what is said when something is wrong."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import BadInputError
from models.search import Search
from processors.candidates import CandidatePath, CandidateStore, write_candidates
from processors.variations import Kinematics


def _write(folder, first, stop, rows, stem="tautau_000"):
    path = CandidatePath(Search.EE, Kinematics.NOMINAL, "tautau", stem, first, stop)
    columns = {
        "event": np.asarray(rows, dtype=np.int32),
        "m_ll_gev": np.asarray(rows, dtype=np.float64) / 100.0,
        "is_true_candidate": np.asarray(rows) > 1,
    }
    write_candidates(folder / path.relative, columns)
    return folder / path.relative


def test_paths_parse_back_also_with_underscores_in_names():
    path = CandidatePath(
        Search.MUMU, Kinematics.MOMENTUM_SCALE_UP, "signal_mumu_m1.000", "signal_mumu_m1.000_002", 5, 9
    )
    assert path.relative == Path("mumu/momentum_scale_up/signal_mumu_m1.000/signal_mumu_m1.000_002_5_9.parquet")
    assert CandidatePath.parse(path.relative) == path


def test_samples_are_read_in_the_order_of_ntuples_and_entries(tmp_path):
    _write(tmp_path, 0, 4, [7], stem="tautau_001")
    _write(tmp_path, 1000, 2000, [5])
    _write(tmp_path, 200, 1000, [])
    _write(tmp_path, 0, 200, [1, 2])
    store = CandidateStore(tmp_path)
    columns = store.read(Search.EE, "tautau")
    assert columns["event"].tolist() == [1, 2, 5, 7]
    assert {name: column.dtype for name, column in columns.items()} == {
        "event": np.int32,
        "m_ll_gev": np.float64,
        "is_true_candidate": np.bool_,
    }
    assert list(store.files(Search.EE, "tautau").values()) == [2, 0, 1, 1]
    assert store.samples(Search.EE) == ("tautau",)
    assert store.samples(Search.MUMU) == ()


def test_only_the_columns_asked_for_are_read(tmp_path):
    _write(tmp_path, 0, 10, [1, 2])
    columns = CandidateStore(tmp_path).read(Search.EE, "tautau", columns=["m_ll_gev"])
    assert {name: column.tolist() for name, column in columns.items()} == {"m_ll_gev": [0.01, 0.02]}


def test_a_data_frame_has_the_same_content(tmp_path):
    _write(tmp_path, 0, 10, [1, 2])
    frame = CandidateStore(tmp_path).dataframe(Search.EE, "tautau")
    assert list(frame.columns) == ["event", "m_ll_gev", "is_true_candidate"]
    assert frame["is_true_candidate"].tolist() == [False, True]


def test_chunks_of_two_different_runs_do_not_count_twice(tmp_path):
    _write(tmp_path, 0, 100, [1])
    _write(tmp_path, 50, 150, [1])
    with pytest.raises(BadInputError, match=r"tautau_000_0_100.* and tautau_000_50_150.* hold the same entries"):
        CandidateStore(tmp_path).read(Search.EE, "tautau")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInputError, match="nowhere: no candidate folder"):
        CandidateStore(tmp_path / "nowhere")
    _write(tmp_path, 0, 10, [1])
    store = CandidateStore(tmp_path)
    with pytest.raises(BadInputError, match="ee/nominal/qqbar: no candidate files"):
        store.read(Search.EE, "qqbar")
    with pytest.raises(BadInputError, match=r"tautau_000_0_10\.parquet: the candidates lack the column 'charge'"):
        store.read(Search.EE, "tautau", columns=["charge"])


def test_foreign_and_broken_files_are_named(tmp_path):
    path = _write(tmp_path, 0, 10, [1])
    store = CandidateStore(tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BadInputError, match=r"tautau_000_0_10\.parquet: not a readable candidate file"):
        store.read(Search.EE, "tautau")
    path.with_name("notes.parquet").write_text("x")
    with pytest.raises(BadInputError, match="not one of candidates"):
        store.files(Search.EE, "tautau")
