"""Expected events of a pyhf model over batches of parameter points, with derivatives.

pyhf evaluates all rates; what is added is what fast fits need: many points per evaluation, the split into
background and signal per unit cross-section (in which rates are linear), and derivatives by differences.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.inference.results import InferenceError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Rates(NamedTuple):
    """Expected events are ``background + cross-section * signal``; shapes (n_points, n_bins)."""

    background: Floats
    signal: Floats

    def total(self, xsec_fb: Floats) -> Floats:
        """Return expected events at a cross-section for each point, shape (n_points, n_bins)."""
        rates: Floats = self.background + xsec_fb[:, None] * self.signal
        return rates


class RateDerivatives(NamedTuple):
    """Derivatives of `Rates` by the nuisance parameters; shapes (n_points, n_bins, n_parameters)."""

    background: Floats
    signal: Floats

    def total(self, xsec_fb: Floats) -> Floats:
        """Return derivatives of the expected events at a cross-section for each point."""
        derivatives: Floats = self.background + xsec_fb[:, None, None] * self.signal
        return derivatives


@dataclass(frozen=True)
class RateModel:
    """The rates of a pyhf model with one cross-section as its parameter of interest."""

    model: Any
    """pyhf model built for batches."""
    batch_size: int
    poi: int
    """Index of the cross-section among the parameters."""
    signal_mask: Flags
    """Whether the cross-section scales a sample in a bin, shape (n_samples, n_bins)."""

    def by_sample(self, points: Floats) -> Floats:
        """Return expected events of each sample at full parameter points, shape (n_points, n_samples, n_bins)."""
        padding = np.repeat(points[-1:], -len(points) % self.batch_size, axis=0)
        padded = np.concatenate([points, padding])
        blocks = [
            self.model.main_model.expected_data(padded[start : start + self.batch_size], return_by_sample=True)
            for start in range(0, len(padded), self.batch_size)
        ]
        expected: Floats = np.concatenate(blocks)[: len(points)]
        return expected

    def __call__(self, points: Floats) -> Rates:
        """Return the rates at the nuisance parameters of `points`, shape (n_points, n_parameters)."""
        with_unit_signal = points.copy()
        with_unit_signal[:, self.poi] = 1.0
        expected = self.by_sample(with_unit_signal)
        signal = np.einsum("psb,sb->pb", expected, self.signal_mask.astype(np.float64))
        background = np.einsum("psb,sb->pb", expected, (~self.signal_mask).astype(np.float64))
        return Rates(background, signal)


@dataclass(frozen=True)
class DifferencePlan:
    """Which parameters are varied together, and by how much, to obtain all derivatives of the rates.

    Parameters that act on different bins, such as the Monte Carlo statistics of each bin, share one
    difference, so the number of evaluations does not grow with the number of bins.
    """

    shifts: Floats
    """Parameter shifts, one row for each group, shape (n_groups, n_parameters)."""
    group: NDArray[np.intp]
    """Row of each parameter in `shifts`; irrelevant where `response` is false."""
    response: Flags
    """Whether the rate of a bin depends on a fitted parameter, shape (n_parameters, n_bins)."""

    def differentiate(self, rates: RateModel, points: Floats) -> tuple[Rates, RateDerivatives]:
        """Return rates and derivatives at `points` from one batch of central differences."""
        n_groups, n_parameters = self.shifts.shape
        moves = np.concatenate([np.zeros((1, n_parameters)), self.shifts, -self.shifts])
        moved = rates((points[:, None, :] + moves).reshape(-1, n_parameters))
        width = 2.0 * self.shifts[self.group, np.arange(n_parameters)]
        values, derivatives = [], []
        for expected in moved:
            cube = expected.reshape(len(points), len(moves), -1)
            difference = (cube[:, 1 : n_groups + 1] - cube[:, n_groups + 1 :])[:, self.group]
            slope = np.divide(difference, width[:, None], out=np.zeros_like(difference), where=self.response)
            values.append(cube[:, 0])
            derivatives.append(slope.transpose(0, 2, 1))
        return Rates(*values), RateDerivatives(*derivatives)


def plan_differences(rates: RateModel, initial: Floats, step: Floats, free: Flags) -> DifferencePlan:
    """Find which bins respond to which parameters and group the parameters that never share a bin.

    Parameters
    ----------
    rates
        The model.
    initial
        Initial parameter values, shape (n_parameters,).
    step
        Difference step of each parameter, shape (n_parameters,).
    free
        Nuisance parameters that are fitted, shape (n_parameters,).
    """
    fitted = np.flatnonzero(free)
    # Away from the initial point, where a one-sided variation can have a vanishing derivative.
    base = initial + step
    moved = np.repeat(base[None, :], len(fitted) + 1, axis=0)
    moved[np.arange(len(fitted)), fitted] += step[fitted]
    background, signal = rates(moved)
    # Bins that a parameter does not reach are recomputed from identical numbers: the difference is exactly zero.
    reached = (background[:-1] != background[-1]) | (signal[:-1] != signal[-1])
    response = np.zeros((initial.size, background.shape[1]), dtype=bool)
    response[fitted] = reached
    occupied: list[Flags] = []
    group = np.zeros(initial.size, dtype=np.intp)
    for parameter in fitted:
        home = next((i for i, bins in enumerate(occupied) if not np.any(bins & response[parameter])), len(occupied))
        if home == len(occupied):
            occupied.append(response[parameter].copy())
        else:
            occupied[home] |= response[parameter]
        group[parameter] = home
    shifts = np.zeros((max(len(occupied), 1), initial.size))
    shifts[group[fitted], fitted] = step[fitted]
    return DifferencePlan(shifts, group, response)


def signal_mask(model: Any) -> Flags:
    """Return where the parameter of interest scales which sample, shape (n_samples, n_bins).

    Raises
    ------
    InferenceError
        If the parameter is anything but a normalisation factor, or scales nothing.
    """
    config = model.config
    mask = np.zeros((len(config.samples), config.nmaindata), dtype=bool)
    for channel in model.spec["channels"]:
        for sample in channel["samples"]:
            kinds = [modifier["type"] for modifier in sample["modifiers"] if modifier["name"] == config.poi_name]
            if not kinds:
                continue
            if kinds != ["normfactor"]:
                raise InferenceError(
                    f"The parameter of interest {config.poi_name} is a {'/'.join(kinds)} of sample {sample['name']}; "
                    "only a normalisation factor is a cross-section."
                )
            mask[config.samples.index(sample["name"]), config.channel_slices[channel["name"]]] = True
    if not mask.any():
        raise InferenceError(f"The parameter of interest {config.poi_name} scales no sample.")
    return mask
