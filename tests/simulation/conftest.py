from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike

from simulation.detector.species import PHOTON, mass_gev
from simulation.generated import GeneratedEvents

Gun = Callable[..., GeneratedEvents]


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
