"""Where a run's numbers come from: versions, code revision, inputs and timings, written beside the results."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

import scheduler
from scheduler.code_identity import library_versions


def write_json(path: Path, content: Mapping[str, JsonValue]) -> None:
    """Write a JSON file so that readers see the old or the new content and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def now() -> str:
    """Return the present time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def user() -> str:
    """Return who is running this, as ``name@host``."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user number that has no name.
        name = f"uid{os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def environment() -> dict[str, JsonValue]:
    """Return what the results depend on besides configuration and inputs."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": dict(library_versions()),
        "code_revision": code_revision(),
    }


def code_revision() -> str | None:
    """Return the git commit of the checkout, marked when files differ from it; None outside a checkout."""
    folder = Path(scheduler.__file__).parent
    try:
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
