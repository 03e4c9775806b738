"""The store of results: whole entries or none, the same bits back, a clear rule of what is removed."""

import errno
import os
import pickle
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem

from models.errors import UsageError
from scheduler.code_identity import computation_identity, imported_libraries, imported_modules
from scheduler.result_store import ResultStore, ResultStoreSettings, Stored, result_key

KEY = result_key(what="test")


@pytest.fixture(params=["folder", "url", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ResultStore:
    locations = {
        "folder": str(tmp_path / "not" / "yet"),
        "url": f"file://{tmp_path / 'results'}",
        "memory": f"memory://{uuid4().hex}",
    }
    return ResultStore(locations[request.param])


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_result_comes_back_bit_by_bit(store: ResultStore) -> None:
    value = {"histogram": np.random.default_rng(1).normal(size=1000), "tiny": 5e-324, "none": None}
    assert store.load(KEY) is None
    store.save(KEY, value)
    loaded = pickle.loads(pickle.dumps(store)).load(KEY)
    assert loaded is not None
    assert loaded.value["histogram"].tobytes() == value["histogram"].tobytes()
    assert loaded.value["tiny"] == 5e-324
    store.save(KEY, None)
    assert store.load(KEY) == Stored(None)
    store.remove([KEY, "00" * 32])
    assert store.load(KEY) is None


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b + b"x"]
)
def test_a_damaged_entry_is_missing_and_can_be_replaced(tmp_path: Path, damage) -> None:
    store = ResultStore(str(tmp_path))
    store.save(KEY, [1, 2, 3])
    (entry,) = entries(tmp_path)
    entry.write_bytes(damage(entry.read_bytes()))
    assert store.load(KEY) is None
    store.save(KEY, [1, 2, 3])
    assert store.load(KEY) == Stored([1, 2, 3])


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: LocalFileSystem, *paths: str, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LocalFileSystem, "mv", full)
    with pytest.raises(OSError, match="No space"):
        ResultStore(str(tmp_path)).save(KEY, 1)
    assert entries(tmp_path) == []


def test_two_writers_and_a_reader_never_see_half_an_entry(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    value = np.random.default_rng(2).normal(size=20_000)
    seen: list[Stored | None] = []
    writers = [threading.Thread(target=lambda: [store.save(KEY, value) for _ in range(20)]) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.append(store.load(KEY))
    for writer in writers:
        writer.join()
    assert len(entries(tmp_path)) == 1
    started = next(i for i, entry in enumerate(seen) if entry is not None)
    for entry in seen[started:]:
        assert entry is not None
        assert np.array_equal(entry.value, value)


def test_pruning_goes_by_last_use(tmp_path: Path) -> None:
    store = ResultStore(str(tmp_path))
    now = datetime.now(UTC)
    keys = {}
    for days in (40, 20, 10, 0):
        keys[days] = result_key(days=days)
        store.save(keys[days], os.urandom(300_000))
        used = (now - timedelta(days=days)).timestamp()
        os.utime(tmp_path / keys[days][:2] / keys[days], (used, used))
    settings = ResultStoreSettings(max_age_days=30, max_size_gib=700_000 / 2**30)
    keep_since = now - timedelta(hours=1)
    # 40 days are too many; of the other three, two fit: the one not used for longest goes
    assert store.prune(settings, keep_since=keep_since).n_results == 2
    assert [days for days, key in keys.items() if store.load(key)] == [10, 0]
    # both were used just now
    tight = ResultStoreSettings(max_size_gib=1e-9)
    assert store.prune(tight, keep_since=keep_since).n_results == 0
    assert store.prune(tight, keep_since=now + timedelta(hours=1)).n_results == 2
    assert ResultStore(str(tmp_path / "nothing")).prune(tight, keep_since=now).n_results == 0


def test_an_unknown_file_system_is_wrong_use() -> None:
    with pytest.raises(UsageError, match=r"'results\.location': nowhere://x cannot be used"):
        ResultStore("nowhere://x").load(KEY)


def test_a_computation_is_its_code_and_the_libraries_it_imports() -> None:
    libraries = imported_libraries("processors.candidate_processor")
    assert {"awkward", "coffea", "numpy", "numba", "uproot"} <= libraries.keys()
    assert not {"typer", "distributed", "pyhf", "jinja2"} & libraries.keys()
    assert "scheduler" not in {name.split(".")[0] for name in imported_modules("processors.candidate_processor")}
    assert computation_identity("processors.candidate_processor") != computation_identity(
        "processors.histogram_processor"
    )
