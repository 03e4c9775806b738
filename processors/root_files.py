"""Opening ROOT files, local and remote, and reading from them: each way in which that fails becomes one named error."""

from __future__ import annotations

import importlib.util
import lzma
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import awkward as ak
import cramjam
import fsspec
import numpy as np
import uproot
from uproot.behaviors.RNTuple import HasFields
from uproot.interpretation.objects import CannotBeAwkward

from models.errors import BadInputError

Location = str | Path
"""Path of a local file or URL of a remote one."""

UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    EOFError,
    NotImplementedError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
    cramjam.DecompressionError,
    uproot.DeserializationError,
)
"""What uproot raises on a file that is missing, truncated, empty or not ROOT."""

CLIENTS: Final = {"http": "aiohttp", "https": "aiohttp", "root": "fsspec_xrootd", "roots": "fsspec_xrootd"}
"""Kinds of URLs that are read, and the Python package that does it."""
_INSTALL: Final = {"aiohttp": "aiohttp", "fsspec_xrootd": "fsspec-xrootd and xrootd"}


def is_remote(location: Location) -> bool:
    """Return whether a location is a URL.

    >>> is_remote("https://example.org/a.root"), is_remote("ntuples/a.root")
    (True, False)
    """
    return isinstance(location, str) and "://" in location


def check_client(url: str) -> None:
    """Check that a URL is of a kind that can be read here.

    Raises
    ------
    BadInputError
        If the protocol is unknown or its client is not installed; the message names the packages.
    """
    protocol = urlsplit(url).scheme
    if protocol not in CLIENTS:
        raise BadInputError(f"{url}: '{protocol}' is not a protocol that is read, which are {', '.join(CLIENTS)}")
    if importlib.util.find_spec(CLIENTS[protocol]) is None:
        raise BadInputError(
            f"{url}: reading {protocol}:// needs the Python packages {_INSTALL[CLIENTS[protocol]]}, "
            "which are not installed"
        )


class FileStamp(NamedTuple):
    """What tells whether a file has changed."""

    n_bytes: int
    stamp: str
    """Size with modification time, or what a server gives for it."""


def file_stamp(location: Location) -> FileStamp:
    """Return what tells, without opening it, whether a file has changed.

    Raises
    ------
    BadInputError
        If there is no such file, it cannot be reached, or its client is not installed.
    """
    if not is_remote(location):
        try:
            status = Path(location).stat()
        except FileNotFoundError as error:
            raise BadInputError(f"{location}: no such file") from error
        except OSError as error:
            raise BadInputError(f"{location}: cannot be reached ({describe_cause(error)})") from error
        return FileStamp(status.st_size, f"{status.st_size} {status.st_mtime_ns}")
    check_client(str(location))
    try:
        system, path = fsspec.core.url_to_fs(str(location))
        system.invalidate_cache()
        information = system.info(path)
    except (OSError, ValueError) as error:
        raise BadInputError(f"{location}: cannot be reached ({describe_cause(error)})") from error
    n_bytes = int(information["size"] or 0)
    version = next((str(information[key]) for key in ("ETag", "Last-Modified", "mtime") if key in information), "")
    return FileStamp(n_bytes, f"{n_bytes} {version}".strip())


@contextmanager
def open_root_file(path: Location) -> Iterator[uproot.ReadOnlyDirectory]:
    """Open a ROOT file, turning each way in which that or reading it can fail into one named error.

    Raises
    ------
    BadInputError
        If the file is missing, empty, truncated or not a ROOT file, or the client for its URL is not installed.
    """
    if is_remote(path):
        check_client(str(path))
        source: Location = str(path)
    else:
        source = Path(path)
        # Metadata and contents are written last: without them, a truncated file fails in any of many ways.
        if (left := bytes_left(source)) is not None:
            raise BadInputError(f"{path}: truncated, {left.found} of {left.written} bytes are left")
    try:
        with uproot.open(source) as file:
            yield file
    except FileNotFoundError as error:
        raise BadInputError(f"{path}: no such file") from error
    except UNREADABLE as error:
        if isinstance(source, Path) and source.is_file() and source.stat().st_size == 0:
            raise BadInputError(f"{path}: not a readable ROOT file, it has no bytes at all") from error
        raise BadInputError(f"{path}: not a readable ROOT file ({describe_cause(error)})") from error


def describe_cause(error: BaseException) -> str:
    """Return what a library said, in one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


class BytesLeft(NamedTuple):
    """What is left of a file."""

    found: int
    written: int


def bytes_left(path: Path) -> BytesLeft | None:
    """Return the sizes that a truncated ROOT file has and should have, None if it is not a truncated ROOT file."""
    written = written_bytes(path)
    if written is None:
        return None
    found = path.stat().st_size
    return BytesLeft(found, written) if found < written else None


def written_bytes(path: Path) -> int | None:
    """Return the size that a ROOT file had when it was written, None if it is none.

    A ROOT file begins with `root`, its format version and its size, which takes eight bytes in files of the large
    format (versions from a million on) and four in others.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        header = file.read(20)
    if len(header) < 20 or not header.startswith(b"root"):
        return None
    (version,) = struct.unpack_from(">i", header, 4)
    (written,) = struct.unpack_from(">q" if version >= 1_000_000 else ">i", header, 12)
    return int(written)


class BranchType(NamedTuple):
    """What a branch of a TTree or a field of an RNTuple holds."""

    is_jagged: bool
    """Whether it is an array of numbers for each entry."""
    dtype: np.dtype[Any] | None
    """Type of the numbers, None if they are none."""


def branch_type(branch: Any) -> BranchType:
    """Return what a branch of a TTree or a field of an RNTuple holds."""
    try:
        form = (
            branch.to_akform()[0].contents[0]
            if isinstance(branch, HasFields)
            else branch.interpretation.awkward_form(None)
        )
    except (CannotBeAwkward, AttributeError, NotImplementedError):
        # Objects of C++ classes, and what uproot cannot interpret at all.
        return BranchType(is_jagged=False, dtype=None)
    is_jagged = isinstance(form, ak.forms.ListOffsetForm)
    content = form.content if is_jagged else form
    is_number = isinstance(content, ak.forms.NumpyForm) and not content.inner_shape
    is_number = is_number and not content.parameters.get("__array__")  # else text
    return BranchType(is_jagged, np.dtype(content.primitive) if is_number else None)
