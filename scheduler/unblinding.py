"""The decision to look at signal-region data, kept in the run folder.

A record belongs to the configuration that was decided on. Once that has changed in anything that decides results, the
record is void: what was tuned after looking is not blind, so somebody has to say so again, and both records stay.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from models.errors import BlindedError, UsageError
from processors.blinding import Unblinding
from scheduler.configuration import AnalysisConfig, load_configuration
from scheduler.provenance import user, write_json

if TYPE_CHECKING:
    from scheduler.progress import Terminal
    from scheduler.run_folder import RunFolder

_HOW_IT_IS_RUN: Final = frozenset({"cluster", "chunks", "results", "tasks", "progress", "report", "validation"})
"""Sections that decide no result."""


def check_reason(reason: str) -> None:
    """Refuse an empty reason.

    Raises
    ------
    UsageError
        If there are no words in it.
    """
    if not reason.strip():
        raise UsageError("--unblind needs a reason, such as the review that approved it.")


def section_digests(config: AnalysisConfig) -> dict[str, str]:
    """Return the SHA-256 of each part of a configuration that decides results."""
    content = config.model_dump(mode="json", exclude=set(_HOW_IT_IS_RUN))
    return {name: _digest(section) for name, section in content.items()}


def configuration_hash(config: AnalysisConfig) -> str:
    """Return the SHA-256 of a configuration, as far as it decides results.

    >>> configuration_hash(AnalysisConfig()) == configuration_hash(AnalysisConfig(cluster={"workers": 3}))
    True
    """
    return _digest(section_digests(config))


def record_unblinding(run: RunFolder, reason: str, config: AnalysisConfig, terminal: Terminal) -> Unblinding:
    """Record the unblinding of a run; one that is in force already stays, a void one is kept as a previous one.

    Parameters
    ----------
    run
        The run to unblind.
    reason
        Why, in words.
    config
        The analysis that is decided on, and how much of the data is opened.
    terminal
        Where it is announced.

    Raises
    ------
    UsageError
        If the reason is empty.

    Notes
    -----
    A file that is no record, or one of an older version without a configuration, opens nothing; it is kept beside the
    new record as ``unblinding.void.json``.
    """
    check_reason(reason)
    try:
        existing = _read(run)
    except BlindedError:
        run.unblinding.replace(run.unblinding.with_suffix(".void.json"))
        existing = None
    if existing is not None and existing.configuration_hash == configuration_hash(config):
        return existing
    record = Unblinding(
        who=user(),
        reason=reason.strip(),
        when=datetime.now(UTC),
        configuration_hash=configuration_hash(config),
        blinding=config.regions.unblinding,
        sections=section_digests(config),
        previous=() if existing is None else (*existing.previous, existing.model_copy(update={"previous": ()})),
    )
    write_json(run.unblinding, record.model_dump(mode="json"))
    terminal.say(f"Unblinded ({record.blinding.stage}) by {record.who}: {record.reason}")
    return record


def read_unblinding(run: RunFolder, config: AnalysisConfig | None = None) -> Unblinding | None:
    """Return the record of a run's unblinding, None while it is blinded.

    Parameters
    ----------
    run
        The run.
    config
        The configuration in use; by default the one in the run folder.

    Raises
    ------
    BlindedError
        If there is a record that cannot be read, or is for another configuration: nothing is unblinded by accident.
    """
    record = _read(run)
    if record is None:
        return None
    config = config or load_configuration(str(run.configuration))
    if record.configuration_hash != configuration_hash(config):
        now = section_digests(config)
        changed = [name for name in now.keys() | record.sections.keys() if now.get(name) != record.sections.get(name)]
        raise BlindedError(
            f"{run.unblinding} was recorded by {record.who} for another configuration (changed since: "
            f"{', '.join(sorted(changed)) or 'unknown'}): restore it, or unblind this one with --unblind and a reason."
        )
    return record


def run_of_workspace(path: Path) -> RunFolder | None:
    """Return the run folder that a workspace's file lies in, None if it does not lie where `RunFolder` places it."""
    from scheduler.run_folder import RunFolder

    run = RunFolder(path.resolve().parent.parent.parent)
    return run if path.resolve().parent.parent == run.workspaces and run.configuration.is_file() else None


def closed_because(run: RunFolder) -> str | None:
    """Return why observed data of a run may not be looked at, in a sentence; None if a record in force opens them."""
    try:
        opened = read_unblinding(run)
    except BlindedError as error:
        return str(error)
    if opened is not None and opened.opened_fraction > 0:
        return None
    return f"{run.path} has no record of an unblinding that opens the signal region: its observed data stay closed."


def _read(run: RunFolder) -> Unblinding | None:
    try:
        return Unblinding.model_validate_json(run.unblinding.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BlindedError(f"{run.unblinding} is not a record of an unblinding; the run stays blinded.") from error


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
