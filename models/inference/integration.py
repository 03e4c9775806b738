"""The likelihood of the cross-section with nuisance parameters integrated out, draw by draw.

Local parameters are integrated out bin by bin, in closed form or by quadrature (`bin_integrals`):

- in a bin without events, all of them: its probability exp(−rate) is a product over parameters that scale different
  cells, and so is its average;
- in a bin with events, the one whose prior moves the rate most, together with every other normal one that never
  reaches its bounds, because a sum of normal variables is one again.

What is left, the *sampled* parameters, has coordinates in which the priors are standard normal or nearly so: a normal
constraint is a normal prior around its auxiliary observation, a Poisson one with n auxiliary events a gamma prior of
shape n + 1, whose cube root is close to normal (E. Wilson, M. Hilferty, PNAS 17 (1931) 684); the density in these
coordinates is exact. Parameters without constraint keep a flat prior within their bounds.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from models.compiled import compiled
from models.inference.bin_integrals import log_displaced_normal, log_gamma_average, log_normal_average
from models.inference.compiled_model import CompiledModel, Constraint, Floats, Indices, offsets
from models.inference.likelihood import Likelihood
from models.inference.rate_kernels import rates_and_local_slopes

FAR_BOUND: Final = 6.0
"""Prior standard deviations at which a bound plays no part."""


class IntegrationPlan(NamedTuple):
    """Which parameters are sampled and which are integrated bin by bin."""

    sampled: Indices
    """Sampled parameters, shape (n_sampled,)."""
    bin_start: Indices
    """Integrated parameters of each bin: all of them normal or a single Poisson one where events were counted."""
    bin_parameter: Indices
    base: Floats
    """Values of all parameters before the sampled ones are put in, shape (n_parameters,)."""
    lower: Floats
    upper: Floats
    """Bounds of all parameters."""

    @property
    def size(self) -> int:
        """Number of sampled parameters."""
        return int(self.sampled.size)


def plan_integration(likelihood: Likelihood, point: Floats) -> IntegrationPlan:
    """Choose the parameters to integrate in each bin by what their priors do to the rates around a point."""
    model, control = likelihood.model, likelihood.control
    n = point.size
    background, signal = np.empty(model.n_bins), np.empty(model.n_bins)
    of_background, of_signal = np.empty(n), np.empty(n)
    rates_and_local_slopes(model, point, background, signal, of_background, of_signal)
    spread = model.width * np.abs(of_background + max(float(point[model.poi]), 0.0) * of_signal)
    cells = _cells_of(model)
    chosen: list[list[int]] = []
    for b in range(model.n_bins):
        candidates = [
            int(p)
            for p in model.local_parameter[model.local_start[b] : model.local_start[b + 1]]
            if likelihood.free[p] and model.constraint[p] != Constraint.NONE
        ]
        candidates.sort(key=lambda p: -spread[p])
        group = candidates[:1]
        for other in candidates[1:]:
            # Two factors on one cell multiply: their effects on the rate do not add up.
            if _can_join(likelihood, b, group, other) and all(cells[other].isdisjoint(cells[p]) for p in group):
                group.append(other)
        chosen.append(group)
    integrated = {p for group in chosen for p in group}
    base = model.initial.copy()
    for p in integrated:
        base[p] = 0.0 if model.constraint[p] == Constraint.POISSON else model.auxiliary[p]
    return IntegrationPlan(
        sampled=np.array([p for p in np.flatnonzero(likelihood.free) if int(p) not in integrated], dtype=np.int64),
        bin_start=offsets([len(group) for group in chosen]),
        bin_parameter=np.array([p for group in chosen for p in group], dtype=np.int64),
        base=base,
        lower=control.lower,
        upper=control.upper,
    )


def _cells_of(model: CompiledModel) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {int(p): set() for p in model.local_parameter}
    for cell in range(model.nominal.size):
        for p in model.scale_parameter[model.scale_start[cell] : model.scale_start[cell + 1]]:
            if int(p) in found:
                found[int(p)].add(cell)
    return found


def _can_join(likelihood: Likelihood, b: int, group: list[int], other: int) -> bool:
    """Return whether a parameter can be integrated out of a bin together with those that are already."""
    if likelihood.observed.counts[0, b] == 0:
        # With no factor below zero no rate is: each parameter has no bounds but its own.
        return all(likelihood.control.lower[p] >= 0.0 for p in (*group, other))
    return all(_is_far(likelihood, p) for p in (*group, other))


def _is_far(likelihood: Likelihood, parameter: int) -> bool:
    model = likelihood.model
    centre, width = model.auxiliary[parameter], model.width[parameter]
    room = min(centre - likelihood.control.lower[parameter], likelihood.control.upper[parameter] - centre)
    return bool(model.constraint[parameter] == Constraint.NORMAL and room > FAR_BOUND * width)


@compiled
def parameter_at(constraint: int, centre: float, width: float, factor: float, z: float) -> tuple[float, float, float]:
    """Return a parameter's value at a coordinate, the derivative, and ln of the prior density in the coordinate.

    Parameters
    ----------
    constraint, centre, width, factor
        Of the parameter; `centre` is its auxiliary observation, its initial value where it has no constraint.
    z
        Coordinate.
    """
    if constraint == 2:
        shape = centre + 1.0
        root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))
        if root <= 0.0:
            return 0.0, 0.0, -np.inf
        events = shape * root**3
        log_prior = (shape - 1.0) * math.log(events) - events - math.lgamma(shape)
        log_prior += 0.5 * math.log(2.0 * math.pi * shape) + 2.0 * math.log(root)
        return events / factor, math.sqrt(shape) * root * root / factor, log_prior
    return centre + width * z, width, -0.5 * z * z if constraint == 1 else 0.0


@compiled
def log_slope_average(
    constraint: int, centre: float, width: float, factor: float, lower: float, upper: float, slope: float
) -> float:
    """Return ln of the average of exp(−slope·(θ − base)) over one integrated parameter θ, −∞ for a negative slope.

    Parameters
    ----------
    constraint, centre, width, factor, lower, upper
        Of the parameter, `centre` being its auxiliary observation; the base is 0 for a Poisson constraint, else the
        centre.
    slope
        Derivative of a rate by it.
    """
    if slope < 0.0:
        return -np.inf
    if constraint == 2:
        return log_gamma_average(0.0, 0.0, slope / factor, centre + 1.0)
    return log_displaced_normal(slope * width, (lower - centre) / width, (upper - centre) / width)


@compiled
def log_joint(
    model: CompiledModel,
    plan: IntegrationPlan,
    counts: Floats,
    auxiliary: Floats,
    xsec_fb: Floats,
    coordinates: Floats,
    values: Floats,
) -> None:
    """Fill in ln of likelihood times nuisance priors at many draws and cross-sections.

    Parameters
    ----------
    model, plan
        The model and what is integrated.
    counts
        Events per bin, shape (n_bins,).
    auxiliary
        Auxiliary observation of each parameter, shape (n_parameters,).
    xsec_fb
        Cross-sections at or above zero, shape (n_nodes,).
    coordinates
        Draws of the sampled parameters, shape (n_draws, n_sampled).
    values
        Filled, shape (n_draws, n_nodes), up to a constant of the data; −∞ outside bounds or where a rate is impossible.
        Standard normal priors count as exp(−z²/2) there.
    """
    n_bins, n = model.n_bins, model.initial.size
    background, signal = np.empty(n_bins), np.empty(n_bins)
    of_background, of_signal = np.empty(n), np.empty(n)
    point = plan.base.copy()
    for b in range(n_bins):
        for i in range(plan.bin_start[b], plan.bin_start[b + 1]):
            if model.constraint[plan.bin_parameter[i]] == 1:
                point[plan.bin_parameter[i]] = auxiliary[plan.bin_parameter[i]]
    centre = np.where(model.constraint == 0, model.initial, auxiliary)
    for draw in range(coordinates.shape[0]):
        log_prior = 0.0
        for j in range(plan.sampled.size):
            parameter = plan.sampled[j]
            point[parameter], _, log_density = parameter_at(
                model.constraint[parameter],
                centre[parameter],
                model.width[parameter],
                model.factor[parameter],
                coordinates[draw, j],
            )
            log_prior += log_density
            if point[parameter] < plan.lower[parameter] or point[parameter] > plan.upper[parameter]:
                log_prior = -np.inf
        values[draw, :] = log_prior
        if log_prior == -np.inf:
            continue
        rates_and_local_slopes(model, point, background, signal, of_background, of_signal)
        for b in range(n_bins):
            first, end = plan.bin_start[b], plan.bin_start[b + 1]
            count = counts[b]
            if count == 0.0 and end > first + 1:
                constant = 0.0
                for k in range(xsec_fb.size):
                    rate = background[b] + xsec_fb[k] * signal[b]
                    values[draw, k] += -rate if rate >= 0.0 else -np.inf
                for i in range(first, end):
                    parameter = plan.bin_parameter[i]
                    # A parameter of the background alone has one average at every cross-section.
                    n_different = xsec_fb.size if of_signal[parameter] != 0.0 else 1
                    for k in range(n_different):
                        average = log_slope_average(
                            model.constraint[parameter],
                            auxiliary[parameter],
                            model.width[parameter],
                            model.factor[parameter],
                            plan.lower[parameter],
                            plan.upper[parameter],
                            of_background[parameter] + xsec_fb[k] * of_signal[parameter],
                        )
                        if n_different == 1:
                            constant += average
                        else:
                            values[draw, k] += average
                for k in range(xsec_fb.size):
                    values[draw, k] += constant
                continue
            for k in range(xsec_fb.size):
                rate = background[b] + xsec_fb[k] * signal[b]
                if first == end:
                    if rate < 0.0 or (rate == 0.0 and count > 0.0):
                        values[draw, k] = -np.inf
                    else:
                        values[draw, k] += (count * math.log(rate) if count > 0.0 else 0.0) - rate
                    continue
                parameter = plan.bin_parameter[first]
                slope = of_background[parameter] + xsec_fb[k] * of_signal[parameter]
                if rate < 0.0 or slope < 0.0:
                    values[draw, k] = -np.inf
                elif model.constraint[parameter] == 2:
                    shape = auxiliary[parameter] + 1.0
                    values[draw, k] += log_gamma_average(count, rate, slope / model.factor[parameter], shape)
                else:
                    variance = (slope * model.width[parameter]) ** 2
                    low, high = -np.inf, np.inf
                    if end == first + 1:
                        width = model.width[parameter]
                        low = (plan.lower[parameter] - auxiliary[parameter]) / width
                        high = (plan.upper[parameter] - auxiliary[parameter]) / width
                    for i in range(first + 1, end):
                        other = plan.bin_parameter[i]
                        extra = of_background[other] + xsec_fb[k] * of_signal[other]
                        variance += (extra * model.width[other]) ** 2
                    values[draw, k] += log_normal_average(count, rate, math.sqrt(variance), low, high)
