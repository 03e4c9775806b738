"""Results under the identity of all that they follow from: what has been computed once is not computed again.

A key is a digest of code, configuration and inputs, so that a change of any of them asks for another key and nothing
has to be invalidated. Results are pickled: a store is as trusted as the code that reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import cramjam
import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import Field, JsonValue

from models.errors import UsageError
from models.settings import Settings

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_FORMAT: Final = b"leptophile result 1\n"
_DIGEST_BYTES: Final = 32
_GIB: Final = 2**30
_TEMPORARY: Final = "-"
"""In the name of what is of no use to another run, or was being written."""
_TEMPORARY_AGE: Final = timedelta(days=1)


class ResultStoreSettings(Settings):
    """Where results of chunks and mass points are kept, and for how long."""

    location: str | None = None
    """Folder, or URL of any file system that fsspec knows, seen by client and workers alike; runs may share it. None
    keeps the results in the run folder."""
    max_age_days: float = Field(default=30.0, gt=0.0)
    """A result that no run has used for this long is removed."""
    max_size_gib: float = Field(default=50.0, gt=0.0)
    """When a store grows larger, the results that have not been used for longest are removed."""


class Stored(NamedTuple):
    """A result that was found; `None` could be one."""

    value: Any


class Pruned(NamedTuple):
    """What `ResultStore.prune` removed."""

    n_results: int
    n_bytes: int


def result_key(**parts: JsonValue) -> str:
    """Return the key of a result: a digest of all that it follows from.

    Parameters
    ----------
    parts
        By name; the order of names and of keys of mappings does not matter.

    Examples
    --------
    >>> result_key(code="a", cut=1.0) == result_key(cut=1.0, code="a")
    True
    >>> result_key(code="a", cut=1.0) == result_key(code="a", cut=1)
    False
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def temporary_key(run: str, name: str) -> str:
    """Return the key of something that only one run needs: what it leaves behind is removed after a day.

    Parameters
    ----------
    run
        Name of the run, without hyphens.
    name
        What it is in the run.
    """
    return f"{result_key(run=run, name=name)}{_TEMPORARY}{run}"


@dataclass(frozen=True)
class ResultStore:
    """Results on a file system that client and workers share; cheap to pickle, safe for any number of writers.

    An entry appears complete or not at all: it is written under a name that no one else has and then renamed. Its
    content carries a digest, so that what an unsafe file system tore is taken for missing, not for a result. Two
    writers of one key write the same.

    Examples
    --------
    >>> store = ResultStore("memory://doctest-results")
    >>> key = result_key(point="mumu m1.000")
    >>> store.load(key) is None
    True
    >>> store.save(key, {"limit_fb": 1.5})
    >>> store.load(key)
    Stored(value={'limit_fb': 1.5})
    """

    location: str
    """Folder, or URL for fsspec."""

    def load(self, key: str) -> Stored | None:
        """Return the result under a key and note that it was used; None if there is none, or none that is whole."""
        path = self._path(key)
        try:
            content: bytes = self._files.cat_file(path)
        except FileNotFoundError:
            return None
        payload = memoryview(content)[len(_FORMAT) + _DIGEST_BYTES :]
        if content[: len(_FORMAT) + _DIGEST_BYTES] != _FORMAT + _digest(payload):
            return None
        if isinstance(self._files, LocalFileSystem):
            # pruning goes by last use; other file systems do not let their times be set and go by age
            os.utime(path)
        return Stored(pickle.loads(cramjam.lz4.decompress(payload)))

    def save(self, key: str, value: object) -> None:
        """Put a result under a key.

        Raises
        ------
        OSError
            If it cannot be written; nothing is left behind then.
        """
        payload = bytes(cramjam.lz4.compress(pickle.dumps(value, protocol=5)))
        path = self._path(key)
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}{_TEMPORARY}{uuid4().hex}"
        try:
            self._files.pipe_file(temporary, _FORMAT + _digest(payload) + payload)
            self._files.mv(temporary, path)
        except BaseException:
            if self._files.exists(temporary):
                self._files.rm_file(temporary)
            raise

    def remove(self, keys: Iterable[str]) -> None:
        """Remove results, whether they are there or not."""
        for key in keys:
            try:
                self._files.rm_file(self._path(key))
            except FileNotFoundError:
                continue

    def prune(self, settings: ResultStoreSettings, *, keep_since: datetime) -> Pruned:
        """Remove what is too old, then what has not been used for longest until the store is small enough.

        Parameters
        ----------
        settings
            What is too old and too large.
        keep_since
            Results used since then stay in any case: the start of the run that prunes.
        """
        now = datetime.now(UTC)
        entries = sorted(
            ((_last_use(info), int(info["size"]), path) for path, info in self._entries().items()), key=lambda e: e[:2]
        )
        total = sum(size for _, size, _ in entries)
        n_results = n_bytes = 0
        for used, size, path in entries:
            max_age = _TEMPORARY_AGE if _TEMPORARY in path.rpartition("/")[2] else timedelta(days=settings.max_age_days)
            too_large = total - n_bytes > settings.max_size_gib * _GIB
            if used >= keep_since or not (now - used > max_age or too_large):
                continue
            try:
                self._files.rm_file(path)
            except FileNotFoundError:
                # another run prunes too
                continue
            n_results += 1
            n_bytes += size
        return Pruned(n_results, n_bytes)

    def _entries(self) -> Mapping[str, Mapping[str, Any]]:
        self._files.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = self._files.find(self._root, detail=True)
        return found

    @cached_property
    def _opened(self) -> tuple[AbstractFileSystem, str]:
        is_local = fsspec.core.split_protocol(self.location)[0] in (None, "file", "local")
        try:
            files, root = fsspec.core.url_to_fs(self.location, **({"auto_mkdir": True} if is_local else {}))
        except (ImportError, ValueError) as error:
            raise UsageError(f"'results.location': {self.location} cannot be used ({error}).") from error
        return files, root.rstrip("/")

    @property
    def _files(self) -> AbstractFileSystem:
        return self._opened[0]

    @property
    def _root(self) -> str:
        return self._opened[1]

    def _path(self, key: str) -> str:
        # a folder of a hundred thousand entries is slow on many file systems
        return f"{self._root}/{key[:2]}/{key}"

    def __getstate__(self) -> dict[str, str]:
        return {"location": self.location}


def store_of(settings: ResultStoreSettings, default: Path) -> ResultStore:
    """Return the store of a run.

    Parameters
    ----------
    settings
        Says where it is, if it is not the run's own.
    default
        Folder in the run folder.
    """
    return ResultStore(settings.location or str(default))


def _digest(payload: bytes | memoryview) -> bytes:
    return hashlib.blake2b(payload, digest_size=_DIGEST_BYTES).digest()


def _last_use(info: Mapping[str, Any]) -> datetime:
    """Return when an entry was used or written, from what its file system tells; now if it does not."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(name)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.now(UTC)
