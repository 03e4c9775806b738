"""What the sites have in common: how many workers of which size, where they listen, how their environment is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from models.errors import LeptophileError
from models.settings import Settings


class ClusterError(LeptophileError):
    """Workers could not be started or reached, or run something else than the client."""


class ClusterSettings(Settings):
    """Workers of the embedded cluster, and how patiently a cluster given by its address is waited for."""

    workers: int | None = Field(default=None, gt=0)
    """Worker processes of the `local` site, one thread each; None for one per core."""
    worker_memory_gib: float = Field(default=2.0, gt=0.0)
    """Memory limit of each local worker."""
    connect_timeout_s: float = Field(default=60.0, gt=0.0)
    """How long to wait for a scheduler and its first worker."""


class WorkerCount(Settings):
    """How many workers: a fixed number, or bounds between which the work that is left decides.

    >>> WorkerCount.model_validate(4).fixed, WorkerCount(minimum=0, maximum=4).fixed
    (True, False)
    """

    minimum: int = Field(default=1, ge=0)
    """Workers that are kept when there is nothing to do."""
    maximum: int = Field(gt=0)
    """Most workers that run at a time."""

    @model_validator(mode="before")
    @classmethod
    def _number_is_fixed(cls, value: Any) -> Any:
        return {"minimum": value, "maximum": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _ordered(self) -> WorkerCount:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self

    @property
    def fixed(self) -> bool:
        """Whether the number does not follow the work."""
        return self.minimum == self.maximum

    @property
    def first(self) -> int:
        """Workers to start with: one at least, or nobody could be asked what it runs."""
        return max(self.minimum, 1)

    def __str__(self) -> str:
        return f"{self.maximum}" if self.fixed else f"{self.minimum} to {self.maximum}"


Shipping = Literal["shared", "wheel"]
"""Whether workers find this software on a file system that they share with the client, or get it as a wheel."""
Tls = Literal["auto", "always", "never"]
"""When connections are encrypted and authenticated."""


class SiteSettings(Settings):
    """What every site has."""

    start_timeout_s: float = Field(default=60.0, gt=0.0)
    """How long to wait for the scheduler and the first worker, in seconds."""


class ListeningSite(SiteSettings):
    """A site whose scheduler runs inside the command, and whose workers are started by it."""

    worker_memory_gib: float = Field(default=2.0, gt=0.0)
    """Memory of each worker in GiB: what is asked for, and the limit above which a worker is restarted."""
    idle_s: float = Field(default=60.0, gt=0.0)
    """With a varying number of workers: how long a worker has nothing to do before it is stopped, in seconds."""
    interface: str | None = None
    """Network interface that scheduler and workers listen on, such as ib0."""
    tls: Tls = "auto"
    """Encrypt and authenticate all connections with certificates made for this run: always, never, or auto: where the
    scheduler listens beyond this machine's loopback. Without, whoever reaches the port can run code in your name."""
    scratch: Path | None = None
    """Folder on the workers' local disk for what does not fit into memory; null for the one that Dask chooses."""
