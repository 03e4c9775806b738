"""Where files are: paths and URLs, and whether what is there has changed. Nothing is opened."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import fsspec

from models.errors import BadInputError

Location = str | Path
"""Path of a local file or URL of a remote one."""

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


def describe_cause(error: BaseException) -> str:
    """Return what a library said, in one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
