"""Whether a file is still the one that was looked at, and which contents it has."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final, NamedTuple

import fsspec
from pydantic import JsonValue

from models.errors import BadInputError

_BLOCK_BYTES: Final = 2**20


class FileStamp(NamedTuple):
    """What changes when a file is written again, as far as its file system tells."""

    n_bytes: int | None
    modified: str | None
    """Time of the last modification, in the file system's words."""


def stamp(path: str) -> FileStamp:
    """Return the stamp of a local or remote file.

    Raises
    ------
    OSError
        If there is no such file.
    """
    if "://" not in path:
        status = os.stat(path)  # noqa: PTH116 - a path as coffea writes it
        return FileStamp(status.st_size, str(status.st_mtime_ns))
    try:
        files, name = fsspec.core.url_to_fs(path)
    except ImportError:
        # uproot reads some protocols by itself
        return FileStamp(None, None)
    info = files.info(name)
    modified = info.get("mtime") or info.get("LastModified") or info.get("created")
    return FileStamp(info.get("size"), None if modified is None else str(modified))


def check_unchanged(path: str, then: FileStamp) -> None:
    """Refuse a file that is not the one that was looked at before.

    Raises
    ------
    BadInputError
        If its size or its time of modification is another, or it is gone.
    """
    try:
        now = stamp(path)
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: disappeared during the run") from error
    if now != then:
        size = f": {now.n_bytes} bytes instead of {then.n_bytes}" if now.n_bytes != then.n_bytes else ""
        raise BadInputError(f"{path}: changed during the run{size}")


def content_identity(path: str) -> dict[str, JsonValue]:
    """Return what identifies a small file wherever it lies: name and digest of its contents."""
    digest = hashlib.blake2b(digest_size=32)
    with fsspec.open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return {"name": Path(path).name, "digest": digest.hexdigest()}
