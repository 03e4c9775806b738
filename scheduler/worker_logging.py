"""What worker processes write to the terminal they share with the client."""

import logging

from distributed import Worker, WorkerPlugin


class FailuresTravelBack(WorkerPlugin):  # type: ignore[misc]  # distributed is untyped
    """Keep workers from logging failed tasks: the failure travels back and is reported with the task's name."""

    name = "failures-travel-back"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - the interface
        """Quieten the worker's log, also that of a worker that replaces a dead one."""
        logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
