"""What is done on every worker before its first task. Workers get this module by value: they may not have it.

Therefore it imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import io
import logging
import os
import platform
import shutil
import signal
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from distributed import Status, Worker, WorkerPlugin

FITNESS_TOPIC = "leptophile-fitness"
"""Topic of events of workers that a client uses and does not own: whether they run what it runs."""


class Identity(NamedTuple):
    """What a process runs."""

    code: str
    """Digest of this project's packages, empty without them."""
    python: str
    versions: Mapping[str, str]
    """Installed version of every library that matters, empty where it is not installed."""
    where: str
    """Folder of this project's packages."""


def project_files(packages: Sequence[str]) -> dict[str, Path]:
    """Return every file of the project's packages, by its path below the folder that they are in."""
    files: dict[str, Path] = {}
    for package in packages:
        specification = importlib.util.find_spec(package)
        if specification is None or specification.origin is None:
            continue
        folder = Path(specification.origin).parent
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder.parent)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
            if path.is_file() and not hidden:
                files[relative.as_posix()] = path
    return files


def identify(packages: Sequence[str], libraries: Sequence[str]) -> Identity:
    """Return what this process runs.

    Parameters
    ----------
    packages
        Import packages of the project.
    libraries
        Distributions whose versions matter.
    """
    digest = hashlib.sha256()
    files = project_files(packages)
    for name, path in files.items():
        digest.update(name.encode())
        digest.update(path.read_bytes())
    versions = dict.fromkeys(libraries, "")
    for name in libraries:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    where = next((str(path.parents[len(Path(name).parts) - 1]) for name, path in files.items()), "")
    return Identity(digest.hexdigest()[:16] if files else "", platform.python_version(), versions, where)


def difference(found: Identity, expected: Identity) -> str | None:
    """Say in which way a process runs something else than the client, or None if it does not."""
    if found.python != expected.python:
        return f"runs Python {found.python}, this command {expected.python}"
    for name, version in expected.versions.items():
        if found.versions[name] != version:
            return f"has {name} {found.versions[name] or 'not installed'}, this command {version}"
    if not found.code:
        return "has no leptophile"
    if found.code != expected.code:
        return f"has another leptophile (code {found.code} in {found.where}, this command {expected.code})"
    return None


def install(wheel: bytes, folder: Path, packages: Sequence[str]) -> None:
    """Install a wheel of pure Python into a folder of its own, before everything else on the import path.

    Other workers of the machine may install the same at the same time, or have done so: they share the folder, and with
    it the machine code that numba has compiled.

    Raises
    ------
    RuntimeError
        If another version of it has been imported already: a running process cannot change what it runs; or if the
        folder is somebody else's.
    """
    loaded = sorted(name for name in packages if name in sys.modules)
    if loaded:
        raise RuntimeError(f"has imported another version of {', '.join(loaded)} already: it has to be restarted")
    if not folder.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=".leptophile-", dir=folder.parent))
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            archive.extractall(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            # Another worker was faster.
            shutil.rmtree(unfinished)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"cannot be given the wheel: {folder} belongs to somebody else")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def prepare_process(
    expected: Identity, packages: Sequence[str], wheel: bytes | None, folder: Path | None, previous: str | None
) -> str | None:
    """Make this process run what the client runs, if that can be done, and say what is different if not.

    Parameters
    ----------
    expected
        What the client runs.
    packages
        Import packages of the project.
    wheel
        The project, for processes that do not have it; None to use what is there.
    folder
        In which to install it, for this and other workers of the machine; None for a new temporary folder.
    previous
        Code that this process was prepared for before, which it may have imported.
    """
    found = identify(packages, list(expected.versions))
    if wheel is not None and found.code != expected.code:
        target = folder or Path(tempfile.mkdtemp(prefix="leptophile-"))
        try:
            install(wheel, target / f"leptophile-{expected.code}-{os.getuid()}", packages)
        except RuntimeError as error:
            return str(error)
        found = identify(packages, list(expected.versions))
    if previous is not None and previous != expected.code:
        return f"was used with another leptophile (code {previous}) before and may have it in memory: restart it"
    return difference(found, expected)


class PreparedWorker(WorkerPlugin):  # type: ignore[misc]  # distributed is untyped
    """Prepares a worker, also one that joins later or replaces a dead one; a worker that cannot be is not used.

    Of a cluster that belongs to the client it is closed before it gets a task. On another cluster it says so, before it
    can return a result, and the client stops (`scheduler.worker_deaths`).
    """

    def __init__(
        self,
        name: str,
        expected: Identity,
        packages: Sequence[str],
        wheel: bytes | None,
        environment: Mapping[str, str],
        log_folder: str | None,
        owned: bool,
    ) -> None:
        self.name = name
        self.expected = expected
        self.packages = packages
        self.wheel = wheel
        self.environment = environment
        self.log_folder = log_folder
        self.owned = owned

    def setup(self, worker: Worker) -> None:
        """Redirect output, limit threads, install the project and compare what is run."""
        if self.owned:
            self._take_over(worker)
        try:
            problem = prepare_process(
                self.expected,
                self.packages,
                self.wheel,
                Path(worker.local_directory).parent,
                getattr(worker, "leptophile_code", None),
            )
        except Exception as error:  # noqa: BLE001 - a worker that cannot be prepared must not get tasks
            problem = f"could not be prepared ({type(error).__name__}: {error})"
        if not self.owned:
            fitness = {"worker": worker.address, "code": self.expected.code, "problem": problem or ""}
            worker.log_event(FITNESS_TOPIC, fitness)
        if problem is None:
            worker.leptophile_code = self.expected.code
            return
        if self.owned:
            # no task is sent to a worker in this state, and none is begun
            worker.status = Status.closing_gracefully
            worker.loop.call_later(1.0, worker.close)
        raise RuntimeError(f"Worker {worker.address} {problem}")

    def _take_over(self, worker: Worker) -> None:
        os.environ.update(self.environment)
        if self.log_folder is None:
            # The failure of a task travels back and is reported with the task's name.
            logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
        else:
            log = Path(self.log_folder) / f"worker-{worker.name}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for number in (1, 2):
                os.dup2(descriptor, number)
            os.close(descriptor)
        # Ctrl-C reaches all processes of a terminal; workers are told to stop by the client.
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
