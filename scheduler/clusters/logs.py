"""Fetching the logs of workers whose output this machine cannot see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.clusters.running import SiteUse

_TIMEOUT_S: Final = 10.0


def fetch_logs(client: Client, use: SiteUse) -> None:
    """Write what every worker has logged to the log folder; it must not hinder closing that some cannot be asked.

    Parameters
    ----------
    client
        Connected to the scheduler.
    use
        Where logs go.
    """
    assert use.logs is not None
    try:
        found = client.sync(client.scheduler.worker_logs, callback_timeout=_TIMEOUT_S)
    except (OSError, TimeoutError) as error:
        use.terminal.say(f"The logs of the workers could not be fetched: {error}")
        return
    use.logs.mkdir(parents=True, exist_ok=True)
    for worker, lines in found.items():
        text = "".join(f"{entry[-1]}\n" for entry in reversed(lines))
        name = re.sub(r"[^A-Za-z0-9.]+", "-", worker)
        (use.logs / f"{use.name}-{name}.log").write_text(text, encoding="utf-8")
