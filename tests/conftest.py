"""What tests of several packages share."""

import sys
from collections.abc import Iterator

import hypothesis
import pytest
from distributed import Client

from scheduler.clusters import ClusterSettings, connect
from scheduler.progress import Terminal

# The same examples every time, and no time limit on each: the machine that runs the tests may be busy.
hypothesis.settings.register_profile("reproducible", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reproducible")


@pytest.fixture(autouse=True)
def _no_figure_is_left_open() -> Iterator[None]:
    """Close what a test drew: matplotlib warns of many open figures, whichever test opened them."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture(scope="session")
def dask_client(terminal: Terminal) -> Iterator[Client]:
    """Two local worker processes, started once for all tests that don't hurt them."""
    with connect("local", ClusterSettings(workers=2), terminal) as client:
        yield client
