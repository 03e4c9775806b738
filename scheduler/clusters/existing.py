"""A Dask scheduler that is already running, given by its address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scheduler.clusters.running import RunningCluster, SiteUse
from scheduler.clusters.settings import ClusterError, Shipping, SiteSettings

if TYPE_CHECKING:
    from distributed import Security


class ExistingSite(SiteSettings):
    """A running Dask scheduler with its workers; it is left as it is."""

    kind: Literal["existing"] = "existing"
    """Where workers come from: a Dask scheduler that is already running."""
    address: str = Field(pattern=r"^(tcp|tls)://\S+:\d+$", examples=["tls://dask.example.org:8786"])
    """Address of the scheduler: tcp://HOST:PORT, or tls://HOST:PORT if it is protected by certificates."""
    shipping: Shipping = "shared"
    """How workers get this software: shared, they have it already and that is checked; wheel, it is sent to them."""
    tls_ca: Path | None = None
    """For tls://: file of the authority that signed the scheduler's certificate; null takes Dask's configuration."""
    tls_certificate: Path | None = None
    """For tls://: file of the certificate that this command shows."""
    tls_key: Path | None = None
    """For tls://: file of that certificate's key."""

    def describe(self) -> str:
        """Say what would be connected to."""
        return f"Nothing would be started: the workers of the Dask scheduler at {self.address} would be used."


@contextmanager
def open_existing(site: ExistingSite, use: SiteUse) -> Iterator[RunningCluster]:  # noqa: ARG001 - nothing is started
    """Connect to a running scheduler, and leave it running.

    Raises
    ------
    ClusterError
        If none answers in time, or its certificate is not accepted.
    """
    from distributed import Client

    try:
        client = Client(site.address, timeout=site.start_timeout_s, security=_security(site))
    except (OSError, TypeError) as error:
        # distributed raises TypeError when there are no certificates for tls://.
        why = f": {error}" if site.address.startswith("tls") else ""
        raise ClusterError(f"No Dask scheduler answers at '{site.address}'{why.rstrip('.')}.") from error
    with client:
        yield RunningCluster(client, owned=False)


def _security(site: ExistingSite) -> Security | None:
    from distributed import Security

    files = {
        "tls_ca_file": site.tls_ca,
        "tls_client_cert": site.tls_certificate,
        "tls_client_key": site.tls_key,
    }
    given = {key: str(path) for key, path in files.items() if path is not None}
    return Security(require_encryption=True, **given) if given else None
