"""Small ntuple contents that several tests write, read and spoil."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.ntuple import COLLECTIONS, EVENT_BRANCHES
from processors.sample import SampleMetadata

N_EVENTS = 25


@pytest.fixture
def columns() -> dict[str, NDArray[Any]]:
    """Every branch of the table filled with random numbers of its kind; indices are 0 or 1."""
    rng = np.random.default_rng(5)

    def random(dtype: str, size: int) -> NDArray[Any]:
        if dtype == "bool":
            return np.zeros(size, dtype=bool)
        return rng.integers(0, 2, size) if dtype.startswith("int") else rng.normal(size=size)

    flat = {branch.name: random(branch.dtype, N_EVENTS) for branch in EVENT_BRANCHES}
    for collection in COLLECTIONS:
        counts = rng.integers(0, 6, N_EVENTS)
        flat[collection.counter] = counts
        flat |= {
            f"{collection.name}_{branch.name}": random(branch.dtype, counts.sum()) for branch in collection.branches
        }
    return flat


@pytest.fixture
def tautau_metadata() -> SampleMetadata:
    """Metadata of a simulated file with `N_EVENTS` events."""
    return SampleMetadata(
        name="tautau",
        process="tautau",
        is_data=False,
        cross_section_fb=919e3,
        n_generated=N_EVENTS,
        sum_weights=25.0,
        sum_weights2=25.0,
        generator="test",
    )
