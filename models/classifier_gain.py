"""How much stronger expected limits on ξ get by another classifier, or another threshold, than the published ones.

A limit on the cross-section goes as the inverse of the figure of merit of the threshold scan, and one on ξ as its root.
Every number is of events that neither the classifier nor the choice of the threshold has seen.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from models.search import Channel
from models.settings import Settings
from models.thresholds import HeldOut, ScoredBackground, ScoredSignal, ThresholdSettings, hold_out, thresholds_tried


class ClassifierGain(Settings):
    """Gains in ξ over the published classifier at its published threshold, one per generated mass."""

    channel: Channel
    mass_gev: tuple[float, ...] = Field(min_length=1)
    """Generated masses, ascending."""
    published_best: tuple[float, ...]
    """Published classifier, one threshold for all masses."""
    published_by_mass: tuple[float, ...]
    """Published classifier, thresholds by mass."""
    own: tuple[float, ...]
    """The other classifier at the published threshold."""
    own_best: tuple[float, ...]
    """The other classifier, one threshold for all masses."""
    own_by_mass: tuple[float, ...]
    """The other classifier, thresholds by mass."""

    @classmethod
    def compare(
        cls,
        channel: Channel,
        published: tuple[Sequence[ScoredSignal], ScoredBackground],
        own: tuple[Sequence[ScoredSignal], ScoredBackground],
        threshold: float,
        settings: ThresholdSettings,
    ) -> Self | None:
        """Return the gains of one classifier over another on the same candidates.

        Masses at which the published threshold keeps no signal are left out; None if these are all, or if folds are
        not known.

        Parameters
        ----------
        channel
            Of both.
        published, own
            Candidates as scored by either, the same masses.
        threshold
            The published one.
        settings
            Of the scan.
        """
        tried, reference = thresholds_tried(threshold, settings)
        found: list[HeldOut] = []
        for signals, background in (published, own):
            ordered = sorted(signals, key=lambda signal: signal.m_phi_gev)
            held_out = hold_out(ordered, background, tried, reference, settings)
            if held_out is None:
                return None
            found.append(held_out)
        before, after = found
        measured = np.isfinite(before.reference)
        if not measured.any():
            return None

        def gain(logarithms: NDArray[np.float64]) -> tuple[float, ...]:
            return tuple(np.exp(0.5 * (logarithms[measured] - before.reference[measured])).tolist())

        return cls(
            channel=channel,
            mass_gev=tuple(np.sort([signal.m_phi_gev for signal in own[0]])[measured].tolist()),
            published_best=gain(before.common),
            published_by_mass=gain(before.by_mass),
            own=gain(after.reference),
            own_best=gain(after.common),
            own_by_mass=gain(after.by_mass),
        )


def mean_gain(gains: Sequence[tuple[Sequence[float], Sequence[float], ArrayLike]]) -> float:
    """Return the geometric mean of gains over all mass points of a scan.

    Parameters
    ----------
    gains
        Generated masses, gains there, and mass points, for each channel; interpolated in the logarithms of both.

    Examples
    --------
    >>> round(mean_gain([((1.0, 4.0), (1.0, 4.0), [2.0, 2.0, 9.0])]), 3)
    2.52
    """
    smallest = np.finfo(np.float64).tiny
    logarithms = [
        np.interp(np.log(np.asarray(points)), np.log(mass), np.log(np.maximum(gain, smallest)))
        for mass, gain, points in gains
    ]
    return float(np.exp(np.mean(np.concatenate(logarithms))))
