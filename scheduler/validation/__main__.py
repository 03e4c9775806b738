"""Check background and signal model of a run: ``python -m scheduler.validation RUN_FOLDER``.

Writes ``validation/index.html`` in the run folder: a verdict for every check, what it follows from, and its figure.
Signal-region data are used only as far as the run's unblinding opens them; until then a pseudo-experiment stands in.
``leptophile report --validation`` does the same after the report.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.errors import LeptophileError
from scheduler.run_folder import RunFolder
from scheduler.validation.checks import validate_run
from scheduler.validation.page import Verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; the exit status is 0 unless one failed or could not be made."""
    parser = argparse.ArgumentParser(prog="python -m scheduler.validation", description=__doc__)
    parser.add_argument("run", type=Path, help="run folder with a complete run")
    parser.add_argument(
        "--out", type=Path, default=None, help="folder that validation/ is written to; the run folder by default"
    )
    parser.add_argument("--site", default="local", help="where the workers are, as for leptophile run")
    options = parser.parse_args(arguments)
    run = RunFolder(options.run.resolve())
    output = run if options.out is None else RunFolder(options.out.resolve())
    try:
        results = validate_run(run, output, site=options.site)
    except LeptophileError as error:
        sys.stderr.write(f"validation: {error}\n")
        return error.exit_status
    for result in results:
        sys.stdout.write(f"{result.summary}\n")
    sys.stdout.write(f"{output.validation / 'index.html'}\n")
    return 1 if any(result.verdict is Verdict.FAILED for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
