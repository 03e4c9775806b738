"""The true flight length of φ on its way from the generator through the ntuple to the candidates."""

import numpy as np

from models.search import PHI_PDG
from processors.four_track_events import _proper_lengths

_COLUMNS = {
    "pdg": [15, PHI_PDG, 11, -11, PHI_PDG, 11, -11, 22, 211, PHI_PDG, 11, -11],
    "mother": [-1, -1, 1, 1, -1, 0, 0, -1, -1, -1, 0, 0],
    "vx": [0, 0, 3, 3, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0],
    "vy": [0, 0, 0, 0, 0.2, 0.2, 0.2, 0, 0, 0, 0, 0],
    "vz": [1, 1, 5, 5, 0.3, 0.3, 0.3, 0, 0, 0, 12, 12],
    "px": [0, 1.2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    "py": [0, 0.0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    "pz": [0, 1.6, 0, 0, 1, 0, 0, 0, 0, 3, 0, 0],
}


class _Gen:
    """A chunk that has generator particles only: three events with φ (one prompt), and one without."""

    def counts(self, collection: str) -> np.ndarray:
        return np.array([4, 3, 2, 3])

    def flat(self, collection: str, name: str) -> np.ndarray:
        return np.asarray(_COLUMNS[name], dtype=np.int32 if name in ("pdg", "mother") else np.float32)


def test_length_is_distance_times_mass_over_momentum() -> None:
    lengths = _proper_lengths(_Gen(), np.array([0, 1, 2, 3]), 0.1)
    np.testing.assert_allclose(lengths, [5.0 * 0.1 / 2.0, 0.0, -1.0, 12.0 * 0.1 / 3.0], rtol=1e-6)
    np.testing.assert_allclose(_proper_lengths(_Gen(), np.array([1, 3]), 0.2), [0.0, 0.8], rtol=1e-6)
