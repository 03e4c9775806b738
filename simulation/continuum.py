"""e⁺e⁻ → qq̄ with initial-state radiation, showers and hadronisation by Pythia."""

from __future__ import annotations

import numpy as np

from simulation.configuration import ContinuumConfig
from simulation.generated import GeneratedEvents
from simulation.pythia_events import next_events, pythia_seed, start_pythia

PURPOSE = "qq̄ continuum"
_LIGHT_AND_CHARM_QUARKS = "1 2 3 4"


def continuum_events(n: int, sqrt_s_gev: float, config: ContinuumConfig, rng: np.random.Generator) -> GeneratedEvents:
    """Return unweighted e⁺e⁻ → qq̄ events, q = u, d, s, c, in the centre-of-mass frame.

    Parameters
    ----------
    n
        Number of events.
    sqrt_s_gev
        Centre-of-mass energy.
    config
        Smallest hadronic mass.
    rng
        Random stream that Pythia's seed is taken from.

    Raises
    ------
    PythiaError
        If Pythia cannot be set up or gives up.
    """
    settings = (
        "Beams:idA = 11",
        "Beams:idB = -11",
        f"Beams:eCM = {sqrt_s_gev}",
        "PDF:lepton = on",
        "WeakSingleBoson:ffbar2gmZ = on",
        f"23:mMin = {config.hadronic_mass_min_gev}",
        f"PhaseSpace:mHatMin = {config.hadronic_mass_min_gev}",
        "23:onMode = off",
        f"23:onIfAny = {_LIGHT_AND_CHARM_QUARKS}",
    )
    return next_events(start_pythia(settings, pythia_seed(rng), PURPOSE), n, PURPOSE)
