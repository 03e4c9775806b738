from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from particle import PDGID

from simulation.b_library import make_b_library_part
from simulation.configuration import TauLibraryConfig, UpsilonConfig
from simulation.decay_library import DecayLibrary
from simulation.detector.species import PHOTON, mass_gev
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.tau_library import TauDecayLibrary, make_tau_decay_library

Gun = Callable[..., GeneratedEvents]
Sums = Callable[[GeneratedEvents], tuple[NDArray[np.float64], NDArray[np.float64]]]


@pytest.fixture(scope="session")
def particle_gun() -> Gun:
    """Events of one particle each; every argument broadcasts to `n` events."""

    def shoot(
        n: int,
        pdg: ArrayLike,
        momentum_gev: ArrayLike,
        theta: ArrayLike = 0.5 * np.pi,
        phi: ArrayLike = 0.3,
        vertex_mm: ArrayLike = (0.0, 0.0, 0.0),
    ) -> GeneratedEvents:
        codes = np.full(n, pdg, dtype=np.int32)
        mass = np.zeros(n)
        massive = codes != PHOTON
        mass[massive] = mass_gev(codes[massive])
        size, theta, phi = (np.broadcast_to(value, n) for value in (momentum_gev, theta, phi))
        momentum = np.stack(
            [
                size * np.sin(theta) * np.cos(phi),
                size * np.sin(theta) * np.sin(phi),
                size * np.cos(theta),
                np.hypot(size, mass),
            ],
            axis=-1,
        )
        events = GeneratedEvents.from_table(codes[:, None], momentum[:, None])
        vertex = np.zeros((n, 4))
        vertex[:, :3] = vertex_mm
        return events.with_kinematics(momentum, vertex)

    return shoot


@pytest.fixture(scope="session")
def tau_library() -> TauDecayLibrary:
    """A library small enough to be made in two seconds."""
    return make_tau_decay_library(4000, TauLibraryConfig(), np.random.default_rng(11))


@pytest.fixture(scope="session")
def b_library() -> DecayLibrary:
    """A library of B decays that is made in two seconds."""
    return make_b_library_part(12_000, UpsilonConfig(), np.random.default_rng(12))


@pytest.fixture(scope="session")
def final_state_sums() -> Sums:
    """Total four-momentum, shape (n_events, 4), and charge, shape (n_events,), of the final state."""

    def sums(events: GeneratedEvents) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        final = events.status == FINAL_STATE
        event = events.event_index[final]
        codes, which = np.unique(events.pdg[final], return_inverse=True)
        charge = np.array([PDGID(int(code)).charge for code in codes], dtype=np.float64)[which]
        total = np.stack([np.bincount(event, p, events.n_events) for p in events.momentum[final].T], axis=1)
        return total, np.bincount(event, charge, events.n_events)

    return sums
