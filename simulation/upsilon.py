"""e⁺e⁻ → Υ(4S) → BB̄: the B mesons in array code, their decays by Pythia."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from models.kinematics import two_body_momentum, unit_vector
from simulation.configuration import UpsilonConfig
from simulation.generated import GeneratedEvents
from simulation.pythia_processes import HardProcesses, continued_events

PURPOSE: Final = "Υ(4S) → BB̄"
CHARGED_B: Final = 521
NEUTRAL_B: Final = 511


def upsilon_events(
    n: int, batch: int, sqrt_s_gev: float, config: UpsilonConfig, rng: np.random.Generator
) -> Iterator[GeneratedEvents]:
    """Yield batches of unweighted Υ(4S) → BB̄ events in the centre-of-mass frame.

    The polar angle follows sin²θ, as two pseudoscalars from a vector made by e⁺e⁻ must. Pythia mixes B⁰ and B̄⁰ each for
    itself; the coherence of the pair is left out.

    Parameters
    ----------
    n
        Number of events.
    batch
        Most events in a batch.
    sqrt_s_gev
        Centre-of-mass energy.
    config
        Masses and fraction of charged pairs.
    rng
        Random stream of the kinematics and of Pythia's seed.

    Raises
    ------
    PythiaError
        If Pythia cannot be set up or gives up.
    """
    charged = rng.uniform(size=n) < config.charged_fraction
    code = np.where(charged, CHARGED_B, NEUTRAL_B)
    mass = np.where(charged, config.charged_mass_gev, config.neutral_mass_gev)
    # If x follows the beta distribution (2, 2), 2x − 1 follows 1 − cos².
    direction = unit_vector(2.0 * rng.beta(2.0, 2.0, n) - 1.0, rng.uniform(-np.pi, np.pi, n))
    momentum = two_body_momentum(sqrt_s_gev, mass, mass)[:, None] * direction
    energy = np.full((n, 1), 0.5 * sqrt_s_gev)
    pairs = np.stack([np.concatenate([sign * momentum, energy], axis=1) for sign in (1.0, -1.0)], axis=1)
    processes = HardProcesses(
        pdg=np.stack([code, -code], axis=1),
        momentum=pairs,
        mass_gev=np.stack([mass, mass], axis=1),
        colour=np.zeros((n, 2, 2), dtype=np.int64),
    )
    return continued_events(processes, batch, sqrt_s_gev, rng, PURPOSE)
