"""Opening the sealed truth about pseudo-data: only for a reason, which stays on record beside it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from models.errors import BadInputError, BlindedError, UsageError
from scheduler.provenance import user, write_json
from simulation.sealed_truth import SEALED_FOLDER, SealedTruth, unseal

if TYPE_CHECKING:
    from scheduler.progress import Terminal
    from scheduler.run_folder import RunFolder


def sealed_digests(ntuples: Path) -> dict[str, str]:
    """Return the SHA-256 of every sealed file of a folder of ntuples, by its path in that folder."""
    return {
        path.relative_to(ntuples).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((ntuples / SEALED_FOLDER).glob("*.npz"))
    }


def open_sealed_truth(run: RunFolder, reason: str, terminal: Terminal) -> dict[str, SealedTruth]:
    """Return the truth about a run's pseudo-data, by the path of the sealed file, and record that it was looked at.

    Parameters
    ----------
    run
        The run whose pseudo-data were simulated.
    reason
        Why, in words.
    terminal
        Where it is announced.

    Raises
    ------
    UsageError
        If the reason is empty.
    BadInputError
        If the run has no sealed truth, or no record of its digests.
    BlindedError
        If a sealed file is not what it was when it was written.
    """
    if not reason.strip():
        raise UsageError("Opening the sealed truth needs a reason, such as the end of the blind analysis.")
    digests = sealed_digests(run.ntuples)
    if not digests:
        raise BadInputError(f"{run.ntuples}: no sealed truth, these are not pseudo-data that were simulated here")
    try:
        recorded = json.loads(run.provenance.read_text(encoding="utf-8"))["sealed_truth"]
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(f"{run.provenance}: no record of the sealed truth ({type(error).__name__})") from error
    if digests != recorded:
        changed = ", ".join(
            sorted(name for name in digests.keys() | recorded if digests.get(name) != recorded.get(name))
        )
        raise BlindedError(f"The sealed truth is not what was written with the pseudo-data: {changed}.")
    openings = json.loads(run.unsealing.read_text(encoding="utf-8")) if run.unsealing.exists() else {"openings": []}
    record: dict[str, JsonValue] = {
        "who": user(),
        "reason": reason.strip(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(run.unsealing, {"openings": [*openings["openings"], record]})
    terminal.say(f"Sealed truth opened by {record['who']}: {record['reason']}")
    return {name: unseal(run.ntuples / name) for name in digests}
