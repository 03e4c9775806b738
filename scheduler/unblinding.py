"""The decision to look at signal-region data, kept in the run folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from models.errors import BlindedError, UsageError
from processors.regions import Unblinding
from scheduler.provenance import user, write_json

if TYPE_CHECKING:
    from scheduler.progress import Terminal
    from scheduler.run_folder import RunFolder


def check_reason(reason: str) -> None:
    """Refuse an empty reason.

    Raises
    ------
    UsageError
        If there are no words in it.
    """
    if not reason.strip():
        raise UsageError("--unblind needs a reason, such as the review that approved it.")


def record_unblinding(run: RunFolder, reason: str, terminal: Terminal) -> Unblinding:
    """Record the unblinding of a run; one that is unblinded already keeps its first record.

    Parameters
    ----------
    run
        The run to unblind.
    reason
        Why, in words.
    terminal
        Where it is announced.

    Raises
    ------
    UsageError
        If the reason is empty.
    """
    check_reason(reason)
    existing = read_unblinding(run)
    if existing is not None:
        return existing
    record = Unblinding(who=user(), reason=reason.strip(), when=datetime.now(UTC))
    write_json(run.unblinding, record.model_dump(mode="json"))
    terminal.say(f"Unblinded by {record.who}: {record.reason}")
    return record


def read_unblinding(run: RunFolder) -> Unblinding | None:
    """Return the record of a run's unblinding, None while it is blinded.

    Raises
    ------
    BlindedError
        If there is a record that cannot be read: nothing is unblinded by accident.
    """
    try:
        return Unblinding.model_validate_json(run.unblinding.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BlindedError(f"{run.unblinding} is not a record of an unblinding; the run stays blinded.") from error
