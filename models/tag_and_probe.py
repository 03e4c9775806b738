"""Efficiency of a requirement from a peak: the probes that pass and those that fail are fitted together.

Both distributions are a peak of the same shape, a Gaussian with a wider one under it, on a straight line each. The fit
is an extended binned likelihood whose parameters include the efficiency itself, so that its uncertainty needs no
propagation.
"""

from typing import Final, NamedTuple

import numpy as np
from iminuit import Minuit
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt
from scipy.special import ndtr, xlogy

from models.errors import LeptophileError
from models.settings import Settings

FloatArray = NDArray[np.float64]


class TagAndProbeError(LeptophileError):
    """An efficiency cannot be measured; the message names the sample and the bin."""


class PeakWindow(Settings):
    """Where a peak is looked for."""

    low: float
    high: float
    centre: float
    """About where the peak is."""
    width: PositiveFloat
    """About its standard deviation."""
    n_bins: PositiveInt = 60


class PeakSettings(Settings):
    """The fit."""

    minimum_probes: PositiveInt = 40
    """Fewest probes in the window that are fitted."""
    events_for_tilt: PositiveInt = 60
    """Fewest passing, or failing, probes for which the background may lean."""
    wide_ratio: float = Field(default=3.0, gt=1)
    """Width of the second Gaussian over that of the first."""


class PeakFit(NamedTuple):
    """Result of one fit, values with their uncertainties."""

    efficiency: float
    efficiency_error: float
    centre: float
    centre_error: float
    width: float
    width_error: float
    n_signal: float


class _Model(NamedTuple):
    edges: FloatArray
    wide_ratio: float

    def peak(self, centre: float, width: float, narrow: float) -> FloatArray:
        parts = (ndtr((self.edges - centre) / (width * ratio)) for ratio in (1.0, self.wide_ratio))
        first, second = (np.diff(part) for part in parts)
        return np.asarray(narrow * first + (1.0 - narrow) * second)

    def line(self, events: float, tilt: float) -> FloatArray:
        position = np.linspace(-1.0, 1.0, len(self.edges) - 1)
        return np.asarray(events / len(position) * (1.0 + tilt * position))


def fit_efficiency(
    value: FloatArray, passes: NDArray[np.bool_], window: PeakWindow, settings: PeakSettings, *, where: str
) -> PeakFit:
    """Fit the efficiency of a requirement on the probes of a peak.

    Parameters
    ----------
    value
        The quantity that peaks, one per probe, shape (n,).
    passes
        Whether the probe meets the requirement, shape (n,).
    window
        Range and starting values.
    settings
        Of the fit.
    where
        Sample and bin, for messages.

    Raises
    ------
    TagAndProbeError
        If there are too few probes or the fit does not converge.
    """
    inside = (value >= window.low) & (value < window.high)
    n = int(inside.sum())
    if n < settings.minimum_probes:
        raise TagAndProbeError(f"{where}: {n} probes, at least {settings.minimum_probes} are needed: widen the bins")
    model = _Model(np.linspace(window.low, window.high, window.n_bins + 1), settings.wide_ratio)
    passed, failed = (np.histogram(value[inside & mask], model.edges)[0].astype(float) for mask in (passes, ~passes))

    def minus_two_log_likelihood(p: FloatArray) -> float:
        signal, efficiency, centre, width, narrow, line_passed, tilt_passed, line_failed, tilt_failed = p
        peak = signal * model.peak(centre, width, narrow)
        total = 0.0
        for counts, share, line in (
            (passed, efficiency, model.line(line_passed, tilt_passed)),
            (failed, 1.0 - efficiency, model.line(line_failed, tilt_failed)),
        ):
            rate = np.maximum(share * peak + line, 1e-9)
            total += 2.0 * float(np.sum(rate - counts + xlogy(counts, counts / rate)))
        return total

    share = float(np.clip(passed.sum() / n, 0.02, 0.98))
    start = [0.8 * n, share, window.centre, window.width, 0.8]
    start += [0.2 * passed.sum() + 0.5, 0.0, 0.2 * failed.sum() + 0.5, 0.0]
    minuit = Minuit(minus_two_log_likelihood, np.array(start))
    minuit.errordef = Minuit.LEAST_SQUARES
    reach = 0.3 * (window.high - window.low)
    minuit.limits = [
        (0.0, 3.0 * n),
        (0.0, 1.0),
        (window.centre - reach, window.centre + reach),
        (0.2 * window.width, 5.0 * window.width),
        (0.0, 1.0),
        *[(0.0, 3.0 * n), (-1.0, 1.0)] * 2,
    ]
    # A handful of events does not tell how a background leans.
    for parameter, counts in ((_TILT_PASSED, passed), (_TILT_FAILED, failed)):
        minuit.fixed[parameter] = bool(counts.sum() < settings.events_for_tilt)
    _minimise(minuit)
    if not _is_good(minuit):
        minuit.fixed[_TILT_PASSED] = minuit.fixed[_TILT_FAILED] = True
        minuit.strategy = 2
        minuit.simplex()
        _minimise(minuit)
    if not _is_good(minuit):
        raise TagAndProbeError(f"{where}: the fit of the peak did not converge")
    values, errors = np.array(minuit.values), np.array(minuit.errors)
    # Hesse is no measure at a bound: there, what one event more or less would do.
    least = 1.0 / max(values[0], 1.0)
    error = max(float(errors[1]), least if min(values[1], 1.0 - values[1]) < least else 0.0)
    return PeakFit(values[1], error, values[2], errors[2], values[3], errors[3], values[0])


_TILT_PASSED: Final = 6
_TILT_FAILED: Final = 8
"""Positions of parameters of the fit."""
_LARGEST_DISTANCE: Final = 0.1
"""Estimated distance to the minimum in −2 ln L that is near enough."""


def _minimise(minuit: Minuit) -> None:
    minuit.migrad()
    minuit.hesse()


def _is_good(minuit: Minuit) -> bool:
    return bool(
        minuit.fmin.has_covariance and minuit.fmin.edm < _LARGEST_DISTANCE and np.all(np.isfinite(minuit.errors))
    )
