"""Opening ROOT files, local and remote, and reading from them: each way in which that fails becomes one named error."""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import cramjam
import numpy as np
import uproot
from uproot.behaviors.RNTuple import HasFields
from uproot.interpretation.objects import CannotBeAwkward

from models.errors import BadInputError
from processors.locations import Location, check_client, describe_cause, is_remote

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
