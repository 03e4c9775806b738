"""The polar angle of a fermion pair from a transversely polarised virtual photon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def sample_fermion_cosine(mass_ratio: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return cosines to the photon's axis, with the density ∝ 1 + cos²θ + (4m²/q²) sin²θ, by rejection.

    Parameters
    ----------
    mass_ratio
        4m²/q² of each pair, between 0 and 1, shape (n,).
    rng
        Random stream.
    """
    cosine = np.empty_like(mass_ratio)
    pending = np.arange(len(mass_ratio))
    while len(pending):
        trial = rng.uniform(-1.0, 1.0, len(pending))
        density = 1.0 + trial**2 + mass_ratio[pending] * (1.0 - trial**2)
        accepted = rng.uniform(0.0, 2.0, len(pending)) < density
        cosine[pending[accepted]] = trial[accepted]
        pending = pending[~accepted]
    return cosine
