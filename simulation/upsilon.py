"""e⁺e⁻ → Υ(4S) → BB̄, in array code with decays from a library."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulation.b_pairs import BPairGenerator
from simulation.configuration import UpsilonConfig
from simulation.decay_library import DecayLibrary
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling


def upsilon_events(
    n: int,
    batch: int,
    sqrt_s_gev: float,
    config: UpsilonConfig,
    library: DecayLibrary,
    rng: np.random.Generator,
    importance: ImportanceSampling = NATURAL,
) -> Iterator[GeneratedEvents]:
    """Yield batches of Υ(4S) → BB̄ events in the centre-of-mass frame, neutral pions undecayed.

    Parameters
    ----------
    n
        Number of events.
    batch
        Most events in a batch.
    sqrt_s_gev
        Centre-of-mass energy.
    config
        Masses, lifetimes, mixing and the fraction of charged pairs.
    library
        Decays of B⁺ and B⁰.
    rng
        Random stream.
    importance
        Which pairs of decays are sampled more often; events of the others weigh more.
    """
    generator = BPairGenerator.prepare(library, config, importance)
    for start in range(0, n, batch):
        yield generator.events(min(batch, n - start), sqrt_s_gev, rng)
