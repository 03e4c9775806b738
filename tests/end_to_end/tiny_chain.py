"""A run folder and the command line on it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from scheduler.run_folder import RunFolder

TINY = Path(__file__).with_name("tiny.yml")
COMMAND = Path(sys.executable).with_name("leptophile")


class CommandLine:
    """The command as a user runs it on one run folder."""

    def __init__(self, folder: Path) -> None:
        self.run = RunFolder(folder)

    def __call__(self, step: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command and return how it ended."""
        return subprocess.run(
            [COMMAND, step, "--out", self.run.path, "--json", *arguments],
            capture_output=True,
            text=True,
            timeout=280,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        )


def steps_run(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Return which steps a command ran."""
    return list(json.loads(ended.stdout)["wall_s"])
