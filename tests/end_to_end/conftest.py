"""One tiny run of the whole chain, made once and looked at by several tests."""

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
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    command = CommandLine(tmp_path_factory.mktemp("tiny") / "run")
    first = command("run", "--config", str(TINY), "--unblind", "the data are simulated")
    assert first.returncode == 0, first.stderr
    return Chain(command.run, command, first)
