"""Signal events, complete: e⁺e⁻ → τ⁺τ⁻φ with the τ's and φ decayed."""

from __future__ import annotations

import numpy as np

from models.search import PHI_PDG, Channel
from simulation.configuration import NeutralPionDecayConfig
from simulation.generated import GeneratedEvents
from simulation.neutral_pion_decays import decay_neutral_pions
from simulation.phi_decay import decay_phi
from simulation.signal import SignalGenerator
from simulation.tau_decays import decay_taus
from simulation.tau_library import TAU, TauDecayLibrary


def signal_events(
    n: int,
    generator: SignalGenerator,
    channel: Channel,
    ctau_mm: float,
    library: TauDecayLibrary,
    rng: np.random.Generator,
    neutral_pions: NeutralPionDecayConfig,
) -> GeneratedEvents:
    """Return unweighted signal events in the centre-of-mass frame.

    Parameters
    ----------
    n
        Number of events.
    generator
        Prepared for the φ mass and collision energy.
    channel
        Decay of φ.
    ctau_mm
        Proper decay length of φ, zero for prompt.
    library
        τ decays.
    rng
        Random stream.
    neutral_pions
        π⁰ decays.
    """
    kinematics = generator.generate(n, rng)
    energy_first = np.stack([kinematics.p_tau_minus, kinematics.p_tau_plus, kinematics.p_phi], axis=1)
    momentum = np.roll(energy_first, -1, axis=2)
    events = GeneratedEvents.from_table(np.tile(np.array([TAU, -TAU, PHI_PDG], dtype=np.int32), (n, 1)), momentum)
    helicity = np.column_stack([kinematics.helicity_tau_minus, kinematics.helicity_tau_plus]).astype(np.int64)
    # The φ decays first: its daughters then follow the τ's, before the many products of these.
    with_leptons = decay_phi(events, events.offsets[:-1] + 2, channel, ctau_mm, rng)
    tau_rows = with_leptons.offsets[:-1, None] + np.array([0, 1])
    decayed = decay_taus(with_leptons, tau_rows.ravel(), helicity.ravel(), library, rng)
    return decay_neutral_pions(decayed, neutral_pions, rng)
