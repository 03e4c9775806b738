"""Putting decays into events, against array code that does the same another way."""

import numpy as np
import pytest

from models.kinematics import boost_from_rest_frame
from simulation.decay_assembly import DecayingParticles, decayed_events, random_rotations
from simulation.decay_library import DecayLibrary
from simulation.generated import DECAYED


@pytest.fixture(scope="module")
def particles(b_library: DecayLibrary) -> DecayingParticles:
    rng = np.random.default_rng(3)
    n = 200
    decay = rng.integers(0, b_library.n_decays, (n, 2))
    momentum = np.concatenate([rng.normal(size=(n, 2, 3)), np.zeros((n, 2, 1))], axis=-1)
    momentum[..., 3] = np.sqrt(np.sum(momentum**2, axis=-1) + 5.28**2)
    return DecayingParticles(
        pdg=(rng.choice([-1, 1], (n, 2)) * b_library.parent[decay]).astype(np.int32),
        momentum=momentum,
        decay_vertex=rng.normal(size=(n, 2, 4)),
        decay=decay,
        rotation=random_rotations(2 * n, rng).reshape(n, 2, 3, 3),
    )


def test_every_product_is_turned_boosted_moved_and_conjugated(
    b_library: DecayLibrary, particles: DecayingParticles
) -> None:
    events = decayed_events(particles, np.ones(200), b_library)
    assert np.all(events.counts == 2 + b_library.counts[particles.decay].sum(axis=1))
    for event in range(200):
        first = events.offsets[event]
        row = first + 2
        for parent in range(2):
            decay = b_library.take(particles.decay[event, parent : parent + 1])
            rows = slice(row, row + int(decay.counts[0]))
            conjugate = particles.pdg[event, parent] < 0
            parity = -1.0 if conjugate else 1.0

            def placed(
                vectors: np.ndarray, event: int = event, parent: int = parent, parity: float = parity
            ) -> np.ndarray:
                turned = parity * vectors[:, :3] @ particles.rotation[event, parent].T
                moving = particles.momentum[event, parent]
                return boost_from_rest_frame(np.column_stack([turned, vectors[:, 3]]), moving)

            np.testing.assert_allclose(events.momentum[rows], placed(decay.momentum), atol=1e-12)
            vertex = particles.decay_vertex[event, parent] + placed(decay.vertex)
            np.testing.assert_allclose(events.vertex[rows], vertex, rtol=1e-12, atol=1e-10)
            np.testing.assert_array_equal(events.pdg[rows], decay.conjugate_pdg if conjugate else decay.pdg)
            np.testing.assert_array_equal(events.status[rows], decay.status)
            mother = np.where(decay.mother < 0, parent, decay.mother + row - first)
            np.testing.assert_array_equal(events.mother[rows], mother)
            row = rows.stop
        np.testing.assert_array_equal(events.status[first : first + 2], DECAYED)
        np.testing.assert_array_equal(events.pdg[first : first + 2], particles.pdg[event])


def test_rotations_turn_any_direction_to_all_directions() -> None:
    matrices = random_rotations(20_000, np.random.default_rng(5))
    np.testing.assert_allclose(matrices @ np.swapaxes(matrices, 1, 2), np.tile(np.eye(3), (20_000, 1, 1)), atol=1e-12)
    # A component of a unit vector that is uniform on the sphere: mean 0, mean square 1/3 (standard deviation 0.298)
    for column in range(3):
        for row in range(3):
            component = matrices[:, row, column]
            assert component.mean() == pytest.approx(0.0, abs=5 * np.sqrt(1 / 3 / 20_000))
            assert np.mean(component**2) == pytest.approx(1 / 3, abs=5 * 0.298 / np.sqrt(20_000))
