"""What tests of several packages share."""

from collections.abc import Iterator

import pytest
from distributed import Client

from scheduler.clusters import ClusterSettings, connect
from scheduler.progress import Terminal


@pytest.fixture(scope="session")
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture(scope="session")
def dask_client(terminal: Terminal) -> Iterator[Client]:
    """Two local worker processes, started once for all tests that don't hurt them."""
    with connect("local", ClusterSettings(workers=2), terminal) as client:
        yield client
