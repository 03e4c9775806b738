"""Whether a file is still the one that was looked at, and which contents it has."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import fsspec
from pydantic import JsonValue

from models.errors import BadInputError
from processors.locations import FileStamp, file_stamp

_BLOCK_BYTES: Final = 2**20


def check_unchanged(path: str, then: FileStamp) -> None:
    """Refuse a file that is not the one that was looked at before.

    Raises
    ------
    BadInputError
        If its size or its time of modification is another, or it is gone.
    """
    now = file_stamp(path)
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
