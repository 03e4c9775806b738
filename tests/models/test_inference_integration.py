"""Nuisance parameters integrated out bin by bin, against brute force."""

import numpy as np
import pytest
from scipy.stats import gamma, norm

from models.inference.compiled_model import Constraint
from models.inference.integration import log_joint, plan_integration
from models.inference.likelihood import compile_likelihood

XSEC_FB = np.array([0.0, 0.4, 3.0, 12.0])
LEGENDRE = np.polynomial.legendre.leggauss(60)


@pytest.fixture(scope="module")
def empty_bin():
    """One bin without events and three parameters of its own: of the background, the signal, a uniform component."""
    samples = [
        {
            "name": "signal",
            "data": [0.8],
            "modifiers": [
                {"name": "mu", "type": "normfactor", "data": None},
                {"name": "of_signal", "type": "staterror", "data": [0.08]},
            ],
        },
        {
            "name": "background",
            "data": [0.5],
            "modifiers": [
                {"name": "yield", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8}},
                {"name": "of_background", "type": "staterror", "data": [0.3]},
            ],
        },
        {
            "name": "uniform",
            "data": [0.2],
            "modifiers": [{"name": "of_uniform", "type": "shapesys", "data": [0.2]}],
        },
    ]
    return compile_likelihood(
        {
            "channels": [{"name": "bin", "samples": samples}],
            "observations": [{"name": "bin", "data": [0.0]}],
            "measurements": [{"name": "any", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )


def nodes(low, high):
    """Return nodes and weights of a quadrature."""
    return 0.5 * (low + high) + 0.5 * (high - low) * LEGENDRE[0], 0.5 * (high - low) * LEGENDRE[1]


def test_a_bin_without_events_keeps_no_parameter_of_its_own(empty_bin):
    plan = plan_integration(empty_bin, empty_bin.model.initial)
    assert [empty_bin.names.parameters[i] for i in plan.sampled] == ["yield"]
    assert plan.bin_parameter.size == 3


def test_average_over_a_bin_without_events_is_exact(empty_bin):
    model = empty_bin.model
    plan = plan_integration(empty_bin, model.initial)
    draws = np.array([[-1.5], [0.0], [2.0]])
    values = np.empty((len(draws), XSEC_FB.size))
    counts, auxiliary = empty_bin.observed.counts[0], empty_bin.observed.auxiliary[0]
    log_joint(model, plan, counts, auxiliary, XSEC_FB, draws, values)
    axes, density = [], np.ones(())
    for i in plan.bin_parameter:
        if model.constraint[i] == Constraint.POISSON:
            prior = gamma(auxiliary[i] + 1.0, scale=1.0 / model.factor[i])
            x, w = nodes(0.0, prior.ppf(1.0 - 1e-13))
        else:
            prior = norm(auxiliary[i], model.width[i])
            x, w = nodes(max(model.lower[i], auxiliary[i] - 8.0 * model.width[i]), auxiliary[i] + 8.0 * model.width[i])
        axes.append(x)
        density = density[..., None] * (w * prior.pdf(x))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    names = list(empty_bin.names.parameters)
    gammas = {names[i]: grid[..., k] for k, i in enumerate(plan.bin_parameter)}
    by_name = {name.split("[")[0]: value for name, value in gammas.items()}
    for z, row in zip(draws[:, 0], values, strict=True):
        point = model.initial.copy()
        point[names.index("yield")] = z
        background = empty_bin.yields(point)["background"][0] * by_name["of_background"]
        for xsec_fb, value in zip(XSEC_FB, row, strict=True):
            rate = background + 0.2 * by_name["of_uniform"] + xsec_fb * 0.8 * by_name["of_signal"]
            expected = np.log(np.sum(np.exp(-rate) * density)) - 0.5 * z**2
            assert value == pytest.approx(expected, abs=1e-7)
