"""A JSON list of objects, one a line, that is kept as the objects come and goes on where it was left.

While it is made, the lines are in ``<file>.partial`` in the order in which they came; the file itself appears complete,
in the order asked for. Each object has an `identity`, a digest of all that it follows from: a line with the right one,
in either file, need not be made again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from models.errors import BadInputError, UsageError


class ResultLines:
    """Objects that have come so far; see `result_lines`."""

    def __init__(self, path: Path, partial: IO[bytes]) -> None:
        self._path = path
        self._partial = partial
        self._places: dict[int, tuple[int, int]] = {}
        """Index of each object → offset and length of its line."""

    def reuse(
        self, wanted: Mapping[str, int], is_usable: Callable[[Mapping[str, Any]], bool]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield index and content of every object that is there already.

        Parameters
        ----------
        wanted
            Identity → index of the objects asked for.
        is_usable
            Says of an object whether it need not be made again.
        """
        for earlier in (False, True):
            for offset, line in self._lines(earlier=earlier):
                found = _parse(line)
                index = wanted.get(found.get("identity") or "")
                if index is None or index in self._places or not is_usable(found):
                    continue
                if earlier:
                    self.add(index, line.decode())
                else:
                    self._places[index] = offset, len(line)
                yield index, found

    def add(self, index: int, line: str) -> None:
        """Keep an object, JSON in one line, from now on also if this process dies."""
        content = line.encode()
        with _writing(self._path):
            self._places[index] = self._partial.seek(0, os.SEEK_END), len(content)
            self._partial.write(content + b"\n")
            self._partial.flush()

    def finish(self) -> None:
        """Write the list, in the order of the indices."""
        temporary = self._path.with_name(f".{self._path.name}.new")
        with _writing(self._path):
            with temporary.open("wb") as out:
                for number, index in enumerate(sorted(self._places)):
                    offset, length = self._places[index]
                    self._partial.seek(offset)
                    out.write((b",\n" if number else b"[\n") + self._partial.read(length))
                out.write(b"\n]\n" if self._places else b"[]\n")
            temporary.replace(self._path)
            _partial_path(self._path).unlink()

    def _lines(self, *, earlier: bool) -> Iterator[tuple[int, bytes]]:
        """Yield offset and content of every whole line of the partial file, or of the list that was there earlier."""
        if earlier and not self._path.is_file():
            return
        if not earlier:
            self._partial.seek(0)
            yield from _whole_lines(self._partial)
            return
        with self._path.open("rb") as stream:
            yield from _whole_lines(stream)


def _whole_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in stream:
        content = line.rstrip(b",\n")
        if content.startswith(b"{"):
            yield offset, content
        offset += len(line)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        # Torn by what ended the run before, or laid out by another program.
        return {}
    return found if isinstance(found, dict) else {}


def _partial_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInputError(f"The results cannot be written to {path}: {error.strerror}.") from error


@contextmanager
def result_lines(path: Path) -> Iterator[ResultLines]:
    """Open a list; what has come stays in its partial file unless the list is finished.

    Parameters
    ----------
    path
        The JSON file.

    Raises
    ------
    UsageError
        If another process is making it.
    BadInputError
        If it cannot be written.
    """
    with ExitStack() as stack:
        with _writing(path):
            partial = stack.enter_context(_partial_path(path).open("a+b"))
            try:
                fcntl.flock(partial, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"Another leptophile is writing {path}.") from None
            _end_last_line(partial)
        try:
            yield ResultLines(path, partial)
        finally:
            if not partial.seek(0, os.SEEK_END):
                _partial_path(path).unlink(missing_ok=True)


def _end_last_line(partial: IO[bytes]) -> None:
    """End a line that whoever wrote it did not, so that what follows is a line of its own."""
    if partial.seek(0, os.SEEK_END):
        partial.seek(-1, os.SEEK_END)
        if partial.read(1) != b"\n":
            partial.write(b"\n")
