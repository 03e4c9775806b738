"""e⁺e⁻ → e⁺e⁻τ⁺τ⁻ with the beam particles scattered into the detector, by the diagrams that exchange electrons.

Where the outgoing electron is that of the beam there are six diagrams beside those of `simulation.four_lepton`: two
photons that make the τ pair, and the scattering of electrons of which one radiates it (`models.theory.four_lepton`).
They are the larger part of pairs of electrons above 1 GeV. Points of phase space are those of the equivalent photons
of `simulation.equivalent_photons`, which know where the photons' poles are; what is accepted follows |M|². Interference
with the other six diagrams is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from models.constants import ELECTRON_MASS_GEV, GEV_M2_TO_FB, TAU_MASS_GEV
from models.kinematics import two_body_momentum, unit_vector
from models.theory.four_lepton import FourLeptons, exchange_amplitudes
from models.theory.spin_correlation import spin_correlation_from_amplitudes
from simulation.configuration import EquivalentPhotonSettings
from simulation.detector.species import ELECTRON
from simulation.equivalent_photons import TwoPhotonProcess
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling
from simulation.tau_decays import decay_tau_pairs
from simulation.tau_library import TAU, TauDecayLibrary
from simulation.two_photon import from_photon_frame, tau_process, turned

FloatArray = NDArray[np.float64]
_DIMENSIONS: Final = 7
_TRIALS: Final = 10_000
"""Trials made together; part of what a seed reproduces."""


class ExchangeTrials(NamedTuple):
    """Points of phase space with what each adds to the cross-section."""

    leptons: FourLeptons
    amplitudes: NDArray[np.complex128]
    """Of `exchange_amplitudes`, shape (n, 2, 2, 2, 2, 2, 2)."""
    weight_fb: FloatArray
    """Zero outside phase space left out: the mean over all points of the hypercube needs their number, shape (n,)."""


@dataclass(frozen=True)
class ElectronExchange:
    """The process at one collision energy."""

    sqrt_s_gev: float
    scattering_angle_min_rad: float
    """Smallest angle of either beam particle."""
    photons: EquivalentPhotonSettings
    """Where phase space is sampled, and the integral."""

    def trials(self, cube: FloatArray) -> ExchangeTrials:
        """Return the points of the unit hypercube, shape (n, 7), that are in phase space, fewer than n."""
        points = self._photons.points(cube[:, :5])
        mass = points.beams.mass_gev
        inside = mass > 2.0 * TAU_MASS_GEV
        beams = type(points.beams)(*(momentum[inside] for momentum in points.beams))
        mass = mass[inside]
        momentum = two_body_momentum(mass, TAU_MASS_GEV, TAU_MASS_GEV)
        direction = unit_vector(2.0 * cube[inside, 5] - 1.0, 2.0 * np.pi * cube[inside, 6])
        tau_minus, tau_plus = from_photon_frame(momentum[:, np.newaxis] * direction, 0.5 * mass, beams)
        leptons = FourLeptons(*(np.roll(p, 1, axis=1) for p in (tau_minus, tau_plus, beams.electron, beams.positron)))
        amplitudes = exchange_amplitudes(leptons, ELECTRON_MASS_GEV)
        squared = 0.25 * np.sum(np.abs(amplitudes) ** 2, axis=tuple(range(1, amplitudes.ndim)))
        phase_space = points.phase_space_gev4[inside] * momentum / mass / (4.0 * np.pi)
        return ExchangeTrials(leptons, amplitudes, GEV_M2_TO_FB * squared * phase_space / (2.0 * self.sqrt_s_gev**2))

    def cross_section_fb(self) -> float:
        """Return the cross-section at tree level, from a fixed low-discrepancy set of points."""
        return _scan(self)[0]

    def events(
        self, n: int, library: TauDecayLibrary, rng: np.random.Generator, importance: ImportanceSampling = NATURAL
    ) -> GeneratedEvents:
        """Return `n` events in the centre-of-mass frame, the τ's decayed and neutral pions not.

        Parameters
        ----------
        n
            Number of events; the few above the bound keep the excess as their weight.
        library
            τ decays.
        rng
            Random stream.
        importance
            Classes of τ decay that are oversampled.
        """
        bound = _scan(self)[1]
        leptons: list[FourLeptons] = []
        correlations: list[FloatArray] = []
        weights: list[FloatArray] = []
        missing = n
        while missing > 0 or not leptons:
            trials = self.trials(rng.random((_TRIALS, _DIMENSIONS)))
            ratio = trials.weight_fb / bound
            chosen = np.flatnonzero(rng.random(len(ratio)) < ratio)[: max(missing, 0)]
            kept = FourLeptons(*(momentum[chosen] for momentum in trials.leptons))
            leptons.append(kept)
            # [event, e⁻, e⁺, τ⁺, τ⁻, ℓ⁺, ℓ⁻] with the τ's last, τ⁻ first
            amplitudes = trials.amplitudes[chosen].transpose(1, 2, 5, 6, 4, 3, 0)
            correlations.append(spin_correlation_from_amplitudes(amplitudes, kept.tau_minus, kept.tau_plus))
            weights.append(np.maximum(ratio[chosen], 1.0))
            missing -= len(chosen)
        momentum = np.stack([np.concatenate(parts) for parts in zip(*leptons, strict=True)], axis=1)
        # the spins are measured from the momenta and turn with them about the beam
        momentum = turned(np.roll(momentum, -1, axis=2), rng)
        codes = np.tile(np.array([TAU, -TAU, ELECTRON, -ELECTRON], dtype=np.int32), (n, 1))
        events = GeneratedEvents.from_table(codes, momentum).reweighted(np.concatenate(weights))
        rows = events.offsets[:-1, None] + np.array([0, 1])
        return decay_tau_pairs(
            events, rows, np.concatenate(correlations), library, rng, enrichment=importance.tau_enrichment
        )

    @property
    def _photons(self) -> TwoPhotonProcess:
        return tau_process(self.sqrt_s_gev, self.photons, self.scattering_angle_min_rad)


@cache
def _scan(process: ElectronExchange) -> tuple[float, float]:
    """Return the cross-section in fb, and the largest weight of a fixed set of points as the bound of sampling."""
    sequence = qmc.Sobol(_DIMENSIONS, scramble=False)
    n_blocks = 2 ** max(process.photons.log2_integration_points - 12, 0)
    # the first point of the sequence is a corner, where the flux is not defined
    sequence.fast_forward(1)
    total, largest = 0.0, 0.0
    for _ in range(n_blocks):
        weight = process.trials(sequence.random(2**12)).weight_fb
        total += float(weight.sum())
        largest = max(largest, float(weight.max(initial=0.0)))
    return total / (n_blocks * 2**12), largest
