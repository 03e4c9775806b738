"""Signal candidates of every lifetime at once: those of one mass, with the true flight length of each φ."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.lifetime import LifetimeError, LifetimeMixture
from models.signal_shape import SignalSample, SignalShapeSettings

NO_FLIGHT = -1.0
"""Flight length of an event without φ."""


class FlyingSignal(NamedTuple):
    """Selected candidates of one mass whose φ's fly by a mixture of lifetimes."""

    candidates: SignalSample
    """With the weights they were generated with."""
    proper_length_mm: NDArray[np.float64]
    """True proper flight length of φ, shape (n,)."""
    flight_lengths: LifetimeMixture
    """Distribution that these were generated with."""

    @staticmethod
    def pooled(samples: Sequence["FlyingSignal"]) -> "FlyingSignal":
        """Return several samples of one mass as one, in which each event stands for all lifetimes."""
        if len(samples) == 1:
            return samples[0]
        parts = [sample.candidates for sample in samples]
        sums = [part.sum_weights for part in parts]
        return FlyingSignal(
            SignalSample(
                parts[0].m_phi_gev,
                sum(sums),
                np.concatenate([part.mass_gev for part in parts]),
                np.concatenate([part.weight for part in parts]),
                np.concatenate([part.is_true for part in parts]),
                np.concatenate([part.in_signal_region for part in parts]),
                _all_generated(parts),
            ),
            np.concatenate([sample.proper_length_mm for sample in samples]),
            LifetimeMixture.pooled([sample.flight_lengths for sample in samples], sums),
        )

    def at(self, ctau_mm: float) -> SignalSample:
        """Return the candidates with the weights of a φ of one lifetime.

        Parameters
        ----------
        ctau_mm
            Proper decay length, zero for prompt.

        Raises
        ------
        LifetimeError
            If the sample has no φ's that do not fly and these are wanted, or none that fly, or a flight length is
            unknown.
        """
        if np.any(self.proper_length_mm < 0.0):
            raise LifetimeError(
                f"the signal sample at {self.candidates.m_phi_gev:.3f} GeV has events without a φ in truth: "
                "its lifetime is unknown"
            )
        factor = self.flight_lengths.weights(self.proper_length_mm, ctau_mm)
        return self.candidates._replace(weight=self.candidates.weight * factor)


def served_at(signals: Sequence[FlyingSignal], ctau_mm: float, settings: SignalShapeSettings) -> list[SignalSample]:
    """Return the samples of all masses at one lifetime, having checked that each has events enough for it.

    Raises
    ------
    LifetimeError
        If the effective number of candidates in the signal region is too small at some mass.
    """
    samples = [signal.at(ctau_mm) for signal in signals]
    poorest = min(samples, key=lambda sample: sample.effective_selected)
    if ctau_mm > 0.0 and poorest.effective_selected < settings.minimum_effective:
        raise LifetimeError(
            f"cτ = {ctau_mm:g} mm is beyond what the signal sample at {poorest.m_phi_gev:.3f} GeV can stand for: "
            f"{poorest.effective_selected:.1f} effective candidates, {settings.minimum_effective:g} are needed"
        )
    return samples


def _all_generated(parts: Sequence[SignalSample]) -> NDArray[np.int64] | None:
    """Return numbers of the generated events of several samples, which share none; None if no sample has copies."""
    if all(part.generated is None for part in parts):
        return None
    numbers: list[NDArray[np.int64]] = []
    n_before = 0
    for part in parts:
        own = (
            np.arange(len(part.weight)) if part.generated is None else np.unique(part.generated, return_inverse=True)[1]
        )
        numbers.append(np.asarray(own, dtype=np.int64).reshape(-1) + n_before)
        n_before += len(own)
    return np.concatenate(numbers)
