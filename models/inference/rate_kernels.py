"""Expected events of a compiled model and their analytic derivatives."""

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import CompiledModel, Floats
from models.inference.interpolation import interpolated_factor, interpolated_shift


@compiled
def term_factors(model: CompiledModel, term: int, point: Floats, values: Floats, slopes: Floats) -> float:
    """Fill in the scalar factors of a term and their derivatives; return the product.

    Parameters
    ----------
    model
        The model.
    term
        Index of the term.
    point
        Parameters, shape (n_parameters,).
    values, slopes
        Filled with the linear factors, then the interpolated ones; at least as long as there are.
    """
    n = 0
    product = 1.0
    for i in range(model.linear_start[term], model.linear_start[term + 1]):
        values[n] = point[model.linear_parameter[i]]
        slopes[n] = 1.0
        product *= values[n]
        n += 1
    for i in range(model.norm_start[term], model.norm_start[term + 1]):
        values[n], slopes[n] = interpolated_factor(
            model.norm_code,
            point[model.norm_parameter[i]],
            model.norm_log_up[i],
            model.norm_log_down[i],
            model.norm_polynomial[i],
        )
        product *= values[n]
        n += 1
    return product


@compiled
def largest_number_of_factors(model: CompiledModel) -> int:
    """Return the length of the buffers that `term_factors` needs."""
    largest = 0
    for term in range(model.term_first_bin.size):
        n = model.linear_start[term + 1] - model.linear_start[term]
        n += model.norm_start[term + 1] - model.norm_start[term]
        largest = max(largest, n)
    return largest


@compiled
def cell_rates(model: CompiledModel, point: Floats, cells: Floats) -> None:
    """Fill in the expected events of every cell, signal for a cross-section of one, shape (n_cells,)."""
    n_factors = largest_number_of_factors(model)
    values, slopes = np.empty(n_factors), np.empty(n_factors)
    for term in range(model.term_first_bin.size):
        first, end = model.term_start[term], model.term_start[term + 1]
        for cell in range(first, end):
            cells[cell] = model.nominal[cell]
        for i in range(model.shift_start[term], model.shift_start[term + 1]):
            alpha = point[model.shift_parameter[i]]
            entry = model.shift_offset[i]
            for cell in range(first, end):
                cells[cell] += interpolated_shift(
                    model.shift_code, alpha, model.shift_up[entry], model.shift_down[entry]
                )[0]
                entry += 1
        product = term_factors(model, term, point, values, slopes)
        for cell in range(first, end):
            scale = product
            for i in range(model.scale_start[cell], model.scale_start[cell + 1]):
                scale *= point[model.scale_parameter[i]]
            cells[cell] *= scale


@compiled
def rates(model: CompiledModel, point: Floats, background: Floats, signal: Floats) -> None:
    """Fill in the expected background, and signal for a cross-section of one.

    Parameters
    ----------
    model
        The model.
    point
        Parameters, shape (n_parameters,); the cross-section among them is not used.
    background, signal
        Filled, shape (n_bins,).
    """
    cells = np.empty(model.nominal.size)
    cell_rates(model, point, cells)
    background[:] = 0.0
    signal[:] = 0.0
    for term in range(model.term_first_bin.size):
        target = signal if model.term_is_signal[term] else background
        b = model.term_first_bin[term]
        for cell in range(model.term_start[term], model.term_start[term + 1]):
            target[b] += cells[cell]
            b += 1


@compiled
def rates_and_slopes(
    model: CompiledModel, point: Floats, expected: Floats, global_slopes: Floats, local_slopes: Floats
) -> None:
    """Fill in the expected events at a point and their derivatives by all parameters.

    Parameters
    ----------
    model
        The model.
    point
        Parameters including the cross-section, shape (n_parameters,).
    expected
        Filled with the rates, shape (n_bins,).
    global_slopes
        Filled with derivatives by the global parameters, shape (n_bins, n_globals); the column of the cross-section is
        the signal rate.
    local_slopes
        Filled with the derivative of a local parameter's bin by it, zero for global ones, shape (n_parameters,).
    """
    xsec, poi_slot = point[model.poi], model.slot[model.poi]
    n_factors = largest_number_of_factors(model)
    values, slopes, others = np.empty(n_factors), np.empty(n_factors), np.empty(n_factors)
    expected[:] = 0.0
    global_slopes[:, :] = 0.0
    local_slopes[:] = 0.0
    for term in range(model.term_first_bin.size):
        product = term_factors(model, term, point, values, slopes)
        n_linear = model.linear_start[term + 1] - model.linear_start[term]
        n_norm = model.norm_start[term + 1] - model.norm_start[term]
        # The product of all other factors times the slope of one, without a division by what may be zero.
        before = 1.0
        for k in range(n_linear + n_norm):
            others[k] = before * slopes[k]
            before *= values[k]
        after = 1.0
        for k in range(n_linear + n_norm - 1, -1, -1):
            others[k] *= after
            after *= values[k]
        weight = xsec if model.term_is_signal[term] else 1.0
        first = model.term_start[term]
        first_shift, end_shift = model.shift_start[term], model.shift_start[term + 1]
        for cell in range(first, model.term_start[term + 1]):
            b = model.term_first_bin[term] + cell - first
            yields = model.nominal[cell]
            for i in range(first_shift, end_shift):
                entry = model.shift_offset[i] + cell - first
                yields += interpolated_shift(
                    model.shift_code, point[model.shift_parameter[i]], model.shift_up[entry], model.shift_down[entry]
                )[0]
            first_scale, end_scale = model.scale_start[cell], model.scale_start[cell + 1]
            scale = 1.0
            for i in range(first_scale, end_scale):
                scale *= point[model.scale_parameter[i]]
            expected[b] += weight * product * scale * yields
            if model.term_is_signal[term]:
                global_slopes[b, poi_slot] += product * scale * yields
            for k in range(n_linear):
                parameter = model.linear_parameter[model.linear_start[term] + k]
                global_slopes[b, model.slot[parameter]] += weight * others[k] * scale * yields
            for k in range(n_norm):
                parameter = model.norm_parameter[model.norm_start[term] + k]
                global_slopes[b, model.slot[parameter]] += weight * others[n_linear + k] * scale * yields
            for i in range(first_shift, end_shift):
                parameter = model.shift_parameter[i]
                entry = model.shift_offset[i] + cell - first
                bend = interpolated_shift(
                    model.shift_code, point[parameter], model.shift_up[entry], model.shift_down[entry]
                )[1]
                global_slopes[b, model.slot[parameter]] += weight * product * scale * bend
            for i in range(first_scale, end_scale):
                parameter = model.scale_parameter[i]
                rest = weight * product * yields
                for j in range(first_scale, end_scale):
                    if j != i:
                        rest *= point[model.scale_parameter[j]]
                if model.slot[parameter] >= 0:
                    global_slopes[b, model.slot[parameter]] += rest
                else:
                    local_slopes[parameter] += rest


@compiled
def rates_and_local_slopes(
    model: CompiledModel, point: Floats, background: Floats, signal: Floats, of_background: Floats, of_signal: Floats
) -> None:
    """Fill in background and signal as `rates` does, and their derivatives by the local parameters.

    Parameters
    ----------
    model
        The model.
    point
        Parameters, shape (n_parameters,); the cross-section among them is not used.
    background, signal
        Filled, shape (n_bins,).
    of_background, of_signal
        Filled with the derivative of a local parameter's bin by it, zero for global ones, shape (n_parameters,).
    """
    background[:] = 0.0
    signal[:] = 0.0
    of_background[:] = 0.0
    of_signal[:] = 0.0
    n_factors = largest_number_of_factors(model)
    values, slopes = np.empty(n_factors), np.empty(n_factors)
    for term in range(model.term_first_bin.size):
        target = signal if model.term_is_signal[term] else background
        derivative = of_signal if model.term_is_signal[term] else of_background
        product = term_factors(model, term, point, values, slopes)
        first = model.term_start[term]
        for cell in range(first, model.term_start[term + 1]):
            yields = model.nominal[cell]
            for i in range(model.shift_start[term], model.shift_start[term + 1]):
                entry = model.shift_offset[i] + cell - first
                yields += interpolated_shift(
                    model.shift_code, point[model.shift_parameter[i]], model.shift_up[entry], model.shift_down[entry]
                )[0]
            first_scale, end_scale = model.scale_start[cell], model.scale_start[cell + 1]
            total = product * yields
            for i in range(first_scale, end_scale):
                parameter = model.scale_parameter[i]
                if model.slot[parameter] < 0:
                    rest = product * yields
                    for j in range(first_scale, end_scale):
                        if j != i:
                            rest *= point[model.scale_parameter[j]]
                    derivative[parameter] += rest
                total *= point[parameter]
            target[model.term_first_bin[term] + cell - first] += total
