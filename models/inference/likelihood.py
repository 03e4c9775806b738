"""The likelihood of a pyhf workspace: the compiled model, what was observed, and what fits may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np

from models.inference.compilation import compile_model
from models.inference.compiled_model import CompiledModel, Constraint, Flags, Floats, ModelNames
from models.inference.configuration import MinimiserSettings
from models.inference.density import log_density
from models.inference.minimisation import FitControl
from models.inference.rate_kernels import cell_rates, rates
from models.inference.results import InferenceError
from models.inference.specification import read_specification

LARGEST_YIELD: Final = 1e60
"""Events in a bin, for a parameter of interest of one, beyond which products of yields overflow; a signal below its
inverse is none."""


class Dataset(NamedTuple):
    """Observations of a batch of fits."""

    counts: Floats
    """Events per bin, shape (n_fits, n_bins)."""
    auxiliary: Floats
    """Auxiliary observation of each parameter, 0 without a constraint, shape (n_fits, n_parameters)."""

    def select(self, which: Any) -> Self:
        """Return the datasets of some of the fits, by index or mask."""
        return type(self)(self.counts[which], self.auxiliary[which])

    def repeat(self, n_fits: int) -> Self:
        """Return a single dataset once for each of a number of fits."""
        return self.select(np.zeros(n_fits, dtype=np.intp))


@dataclass(frozen=True)
class Likelihood:
    """Model, observations and fit criteria of one workspace."""

    model: CompiledModel
    names: ModelNames
    control: FitControl
    observed: Dataset
    """What was observed, or the Asimov data that stand in for it while blinded; one dataset."""

    @property
    def poi(self) -> int:
        """Index of the cross-section among the parameters."""
        return self.model.poi

    @property
    def free(self) -> Flags:
        """Nuisance parameters that are fitted, shape (n_parameters,)."""
        return self.control.free

    @property
    def constrained(self) -> Flags:
        """Parameters with a constraint term, shape (n_parameters,)."""
        return np.asarray(self.model.constraint != Constraint.NONE)

    def rates(self, point: Floats) -> tuple[Floats, Floats]:
        """Return expected background, and signal for a cross-section of one, at a parameter point; (n_bins,) each."""
        background, signal = np.empty(self.model.n_bins), np.empty(self.model.n_bins)
        rates(self.model, point, background, signal)
        return background, signal

    def expected(self, point: Floats) -> Floats:
        """Return the expected events at a parameter point, shape (n_bins,)."""
        background, signal = self.rates(point)
        total: Floats = background + point[self.poi] * signal
        return total

    def yields(self, point: Floats) -> dict[str, Floats]:
        """Return sample → expected events per bin at a parameter point, bins of all channels."""
        model = self.model
        cells = np.empty(model.nominal.size)
        cell_rates(model, point, cells)
        found = {name: np.zeros(model.n_bins) for name in self.names.samples}
        for term, name in enumerate(self.names.term_sample):
            part = cells[model.term_start[term] : model.term_start[term + 1]]
            first = model.term_first_bin[term]
            found[name][first : first + part.size] += part * (point[self.poi] if model.term_is_signal[term] else 1.0)
        return found

    def log_density(self, point: Floats, data: Dataset | None = None) -> float:
        """Return ln of pyhf's probability density of one dataset, by default the observed one."""
        counts, auxiliary = (part[0] for part in data or self.observed)
        return float(log_density(self.model, point, counts, auxiliary))

    def asimov(self, point: Floats) -> Dataset:
        """Return the data expected at a parameter point, main and auxiliary, without fluctuation."""
        auxiliary = np.where(self.constrained, self.model.factor * point, 0.0)
        return Dataset(self.expected(point)[None, :], auxiliary[None, :])

    def with_data(self, data: Dataset) -> Likelihood:
        """Return the same model with other observations, one dataset."""
        return replace(self, observed=data)


def compile_likelihood(
    workspace: Mapping[str, Any],
    settings: MinimiserSettings | None = None,
    measurement: str | None = None,
    *,
    validate: bool = True,
) -> Likelihood:
    """Build the likelihood of a pyhf workspace.

    Parameters
    ----------
    workspace
        pyhf JSON specification whose measurement's POI is a normalisation factor of the signal.
    settings
        Fit settings.
    measurement
        Name of the measurement; the first one if not given.
    validate
        As for `read_specification`.

    Raises
    ------
    InferenceError
        If the workspace cannot be used; the message names what stands against it.
    """
    settings = settings or MinimiserSettings()
    specification = read_specification(workspace, measurement, validate=validate)
    model, names = compile_model(specification.model)
    _check_templates(model, names)
    background, signal = np.empty(model.n_bins), np.empty(model.n_bins)
    rates(model, model.initial, background, signal)
    _check_rates(names, str(specification.model.config.poi_name), background, signal)
    free = ~model.fixed
    free[model.poi] = False
    lower, upper = model.lower.copy(), model.upper.copy()
    # The bounds that the workspace gives the cross-section are not used: the rates, which stay positive, hold it.
    lower[model.poi] = 0.0 if np.any((background == 0) & (signal > 0)) else -np.inf
    upper[model.poi] = np.inf
    control = FitControl(
        free=free,
        lower=lower,
        upper=upper,
        barrier=settings.barrier_fraction * background,
        edm_below=settings.edm_below,
        maximum_iterations=settings.maximum_iterations,
        feasible_fraction=settings.feasible_fraction,
    )
    observed = Dataset(specification.counts[None, :], model.auxiliary[None, :])
    return Likelihood(model, names, control, observed)


def _check_templates(model: CompiledModel, names: ModelNames) -> None:
    for term, name in enumerate(names.term_sample):
        part = model.nominal[model.term_start[term] : model.term_start[term + 1]]
        if np.any(part < 0):
            label = names.bin_label(int(model.term_first_bin[term] + np.argmin(part)))
            raise InferenceError(f"The template of sample {name} is negative in {label}: {part.min():g} events.")


def _check_rates(names: ModelNames, poi_name: str, background: Floats, signal: Floats) -> None:
    for kind, yields in (("background", background), ("signal", signal)):
        largest = int(np.argmax(yields))
        if yields[largest] > LARGEST_YIELD:
            raise InferenceError(f"The expected {kind} is {yields[largest]:g} events in {names.bin_label(largest)}.")
        if not np.all(np.isfinite(yields) & (yields >= 0)):
            worst = int(np.argmin(np.where(np.isfinite(yields), yields, -np.inf)))
            raise InferenceError(f"The expected {kind} is negative or not finite in {names.bin_label(worst)}.")
    if not np.any(signal > 1.0 / LARGEST_YIELD):
        raise InferenceError(f"The signal that {poi_name} scales is empty in every bin.")
    empty = np.flatnonzero((background == 0) & (signal == 0))
    if empty.size:
        raise InferenceError(f"Nothing is expected in {names.bin_label(int(empty[0]))}, from no sample; leave it out.")
