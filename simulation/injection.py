"""A signal of chosen mass and coupling for pseudo-data: how many events it has, and the events themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.coupling_conventions import LIFETIME_AWARE, CouplingConvention
from models.lifetime import LifetimeMixture
from models.search import Channel
from models.theory.cross_section import cross_section_fb
from models.theory.decays import branching_fraction, ctau_mm
from simulation.beams import sqrt_s_gev
from simulation.configuration import SimulationConfig
from simulation.generated import GeneratedEvents, batch_sizes
from simulation.signal import SignalGenerator
from simulation.signal_events import signal_events
from simulation.tau_library import TauDecayLibrary


@dataclass(frozen=True)
class SignalExpectation:
    """What a coupling predicts in one decay channel."""

    channel: Channel
    m_phi_gev: float
    xi: float
    ctau_mm: float
    """Proper decay length of φ."""
    cross_section_fb: float
    """σ(e⁺e⁻ → τ⁺τ⁻φ) B(φ → ℓℓ)."""
    luminosity_fb: float

    @property
    def n_events(self) -> float:
        """Expected number of produced events."""
        return self.cross_section_fb * self.luminosity_fb


def signal_expectation(
    channel: Channel,
    m_phi_gev: float,
    xi: float,
    luminosity_fb: float,
    convention: CouplingConvention = LIFETIME_AWARE,
) -> SignalExpectation:
    """Return what a coupling predicts, before any selection.

    Parameters
    ----------
    channel
        Decay of φ.
    m_phi_gev, xi
        Mass and coupling of φ.
    luminosity_fb
        Luminosity.
    convention
        Radiative factors of the cross-section, and whether φ → γγ is in the width. By default everything is: what is
        injected should be what nature would do.

    Raises
    ------
    MassRangeError
        If the mass is outside 2 m_e … √s − 2 m_τ.

    Examples
    --------
    >>> expected = signal_expectation(Channel.MUMU, 1.0, 10.0, 626.0)
    >>> round(expected.n_events / 626.0, 1), expected.ctau_mm < 1e-3
    (153.2, True)
    """
    theory_fb = cross_section_fb(m_phi_gev, isr=convention.isr, vacuum_polarisation=convention.vacuum_polarisation)
    branching = branching_fraction(m_phi_gev, channel, include_photons=convention.include_photons)
    return SignalExpectation(
        channel,
        m_phi_gev,
        xi,
        float(ctau_mm(m_phi_gev, xi, include_photons=convention.include_photons)),
        float(xi**2 * theory_fb * branching),
        luminosity_fb,
    )


def injected_signal_events(
    expectation: SignalExpectation, library: TauDecayLibrary, config: SimulationConfig, rng: np.random.Generator
) -> Iterator[GeneratedEvents]:
    """Yield batches of unweighted signal events in the centre-of-mass frame, neutral pions not decayed.

    Parameters
    ----------
    expectation
        Of `signal_expectation`; the number of events is drawn from the Poisson distribution about its own.
    library
        τ decays.
    config
        Beams, generator and size of a batch.
    rng
        Random stream.
    """
    n = int(rng.poisson(expectation.n_events))
    if n == 0:
        return
    generator = SignalGenerator.prepare(expectation.m_phi_gev, sqrt_s_gev(config.beams), config.signal_generator)
    lifetimes = LifetimeMixture.single(expectation.ctau_mm)
    for size in batch_sizes(n, config.production.batch_events):
        yield signal_events(
            size, generator, expectation.channel, lifetimes, library, rng, radiation=config.phi_radiation
        )
