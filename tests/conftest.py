"""What tests of several packages share."""

from collections.abc import Iterator

import hypothesis
import pytest
from distributed import Client

from scheduler.clusters import ClusterSettings, connect
from scheduler.progress import Terminal

# The same examples every time, and no time limit on each: the machine that runs the tests may be busy.
hypothesis.settings.register_profile("reproducible", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture(scope="session")
def dask_client(terminal: Terminal) -> Iterator[Client]:
    """Two local worker processes, started once for all tests that don't hurt them."""
    with connect("local", ClusterSettings(workers=2), terminal) as client:
        yield client
