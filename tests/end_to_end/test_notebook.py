"""The exploration notebook runs on a run folder as a user would execute it."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from tests.end_to_end.conftest import Chain

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "explore.ipynb"


def test_notebook_runs_and_draws(chain: Chain, tmp_path: Path) -> None:
    executed = tmp_path / "executed.ipynb"
    ended = subprocess.run(
        [Path(sys.executable).with_name("jupyter"), "execute", str(NOTEBOOK), f"--output={executed}"],
        capture_output=True,
        text=True,
        timeout=200,
        env={
            **os.environ,
            "LEPTOPHILE_RUN": str(chain.run.path),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        },
    )
    assert ended.returncode == 0, ended.stderr
    outputs = [out for cell in nbformat.read(executed, as_version=4).cells for out in cell.get("outputs", [])]
    # Four of the run, six of one mass point's inference.
    assert sum("image/png" in out.get("data", {}) for out in outputs) == 10
    assert not [out for out in outputs if out.get("name") == "stderr"]


def test_notebook_is_committed_without_output() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")
