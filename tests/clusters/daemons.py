"""Daemons that cluster tests start: all of them carry a mark by which those of an earlier, broken run are found."""

import fcntl
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
MARK = "LEPTOPHILE_CLUSTER_TESTS"
"""Environment variable of everything that is started, jobs included."""
PATIENCE_S = 120.0


def home() -> Path:
    """Return the folder of this process's daemons, short because sockets' paths are limited."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return Path(tempfile.gettempdir()) / f"{_name()}{worker}"


def _name() -> str:
    return f"leptophile-clusters-{os.getuid()}-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]}"


@contextmanager
def exclusive_home() -> Iterator[Path]:
    """Hold the folder, stop what an earlier run left there, and leave nothing running behind."""
    folder = home()
    folder.mkdir(mode=0o755, exist_ok=True)
    os.environ[MARK] = str(folder)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        left = stop_marked(folder)
        if left:
            sys.stderr.write(f"stopped what an earlier run of the cluster tests had left: {', '.join(left)}\n")
        try:
            yield folder
        finally:
            stop_marked(folder)


def marked(folder: Path) -> list[psutil.Process]:
    """Return the processes that belong to the folder, without this one, its parents and its children."""
    this = psutil.Process()
    mine = {process.pid for process in (this, *this.parents(), *this.children(recursive=True))}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid in mine or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(MARK) == str(folder) or any(str(folder) in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def stop_marked(folder: Path) -> list[str]:
    """Stop the processes that belong to the folder and return their names."""
    found = marked(folder)
    names = []
    for process in found:
        try:
            names.append(process.name())
            process.terminate()
        except psutil.Error:
            continue
    _, alive = psutil.wait_procs(found, timeout=10)
    for process in alive:
        process.kill()
    return sorted(set(names))


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def daemon(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon in the foreground of its own session, and stop it afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(
    condition: Callable[[], bool], what: str, log: Path | None = None, timeout_s: float = PATIENCE_S
) -> None:
    """Wait until something is so, and fail with the end of a log if it never is."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up:
            tail = log.read_text(errors="replace")[-2000:] if log is not None and log.exists() else ""
            raise AssertionError(f"{what} did not happen within {timeout_s:g} s.\n{tail}")
        time.sleep(0.2)


if __name__ == "__main__":
    # After the tests: nothing is left, even if they were killed.
    for folder in Path(tempfile.gettempdir()).glob(f"{_name()}*"):
        stop_marked(folder)
