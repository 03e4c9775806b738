"""One tiny run of the whole chain, made once and looked at by several tests."""

import fcntl
import json
import subprocess
from typing import NamedTuple

import pytest

from scheduler.run_folder import RunFolder
from tests.end_to_end.tiny_chain import TINY, CommandLine


class Chain(NamedTuple):
    """A finished run."""

    run: RunFolder
    command: CommandLine
    first: subprocess.CompletedProcess[str]
    """How the command that made it ended."""


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Chain:
    """Return the run; of the processes that share the tests, the first to need it makes it and the others wait."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    command, ended = CommandLine(folder / "tiny"), folder / "tiny.json"
    with (folder / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ended.exists():
            first = command("run", "--config", str(TINY), "--unblind", "the data are simulated")
            said = {"args": [], "returncode": first.returncode, "stdout": first.stdout, "stderr": first.stderr}
            ended.write_text(json.dumps(said))
    first = subprocess.CompletedProcess(**json.loads(ended.read_text()))
    assert first.returncode == 0, first.stderr
    return Chain(command.run, command, first)
