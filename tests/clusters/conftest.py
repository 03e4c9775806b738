"""Real schedulers for the tests of this folder, or the reason why this machine cannot run one."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest
import yaml

from scheduler.run_folder import RunFolder
from tests.clusters import gateway_server, slurm_queue
from tests.clusters.daemons import exclusive_home
from tests.processors.conftest import ToyNtuples

COMMAND = Path(sys.executable).with_name("leptophile")
N_EVENTS = 1000
"""In each of two files."""
CHUNK = 200
N_CPUS = 4
"""Of the SLURM node: more than the machine may have, its jobs mostly wait."""


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    with exclusive_home() as folder:
        for left in folder.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
        yield folder


@pytest.fixture(scope="session")
def slurm(home: Path) -> Iterator[None]:
    """A SLURM queue."""
    missing = slurm_queue.missing()
    if missing:
        pytest.skip(f"SLURM is not installed here: there is no {', '.join(missing)}")
    with slurm_queue.slurm_queue(home / "slurm", N_CPUS):
        yield


@pytest.fixture(scope="session")
def bare_python(home: Path) -> Path:
    """An interpreter with all libraries but without this project, which an editable installation adds by a .pth."""
    path = home / "bare-python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{sysconfig.get_paths()["purelib"]}" exec "{sys.executable}" -S "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


@pytest.fixture(scope="session")
def gateway(home: Path, bare_python: Path) -> Iterator[gateway_server.GatewayAddress]:
    """A Dask Gateway server whose clusters do not have this project."""
    missing = gateway_server.missing()
    if missing:
        pytest.skip(f"Dask Gateway is not installed here: there is no {', '.join(missing)}")
    with gateway_server.gateway_server(home / "gateway", [str(bare_python)]) as server:
        yield server


class Sample(NamedTuple):
    """Ntuples and what the local site makes of them."""

    configuration: Path
    """Configuration that reads the ntuples."""
    one_worker: Path
    """The same for commands that are going to be stopped: one local worker starts faster than two."""
    processed: RunFolder
    """Run folder of the local site."""
    ntuples: Path
    """Folder of the ntuples."""


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Made-up events near the edges of every cut, processed by the local site."""
    folder = tmp_path_factory.mktemp("sample")
    rng = np.random.default_rng(3)
    ntuples = ToyNtuples(folder / "ntuples")
    for number in range(2):
        ntuples.write([ntuples.random_event(rng) for _ in range(N_EVENTS)], number=number)
    configurations = {workers: folder / f"read_{workers}.yml" for workers in (1, 2)}
    for workers, path in configurations.items():
        inputs = {"ntuples": str(ntuples.folder)}
        content = {"inputs": inputs, "chunks": {"entries": CHUNK}, "cluster": {"workers": workers}}
        path.write_text(yaml.safe_dump(content))
    processed = leptophile("process", "--config", configurations[2], "--out", folder / "local")
    assert processed.returncode == 0, processed.stderr
    return Sample(configurations[2], configurations[1], RunFolder(folder / "local"), ntuples.folder)


def leptophile(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
    )


def same_candidates(one: RunFolder, other: RunFolder) -> None:
    """Check that two runs made the same files, byte by byte, and counted the same events."""
    files = sorted(path.relative_to(one.candidates) for path in one.candidates.rglob("*.parquet"))
    assert files
    assert files == sorted(path.relative_to(other.candidates) for path in other.candidates.rglob("*.parquet"))
    for name in files:
        assert (one.candidates / name).read_bytes() == (other.candidates / name).read_bytes(), name
    assert one.cutflow.read_bytes() == other.cutflow.read_bytes()


class Interrupted(NamedTuple):
    """A command that was stopped by a signal while its workers were there."""

    status: int
    errors: str
    seconds: float
    """Until it had ended."""
    orphans: list[int]
    """Processes that it had started and that outlived it."""


def interrupt(signal_number: int, *arguments: str | Path, group: bool = False, **environment: str) -> Interrupted:
    """Start a command, wait until its workers have started, and send it a signal.

    `group` sends the signal to all processes of its terminal, as Ctrl-C does.
    """
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "NO_COLOR": "1", **environment},
        start_new_session=True,
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("Dask: "):
            break
    children = psutil.Process(process.pid).children(recursive=True)
    start = time.monotonic()
    if group:
        os.killpg(process.pid, signal_number)
    else:
        process.send_signal(signal_number)
    with process.stderr:
        lines.append(process.stderr.read())
    status = process.wait(timeout=100)
    seconds = time.monotonic() - start
    # Python's tracker of shared resources ends when it sees that its parent has, which is a moment later.
    _, left = psutil.wait_procs(children, timeout=2.0)
    return Interrupted(status, "".join(lines), seconds, [child.pid for child in left if child.status() != "zombie"])
