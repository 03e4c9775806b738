"""Comparison of data and simulation: p-values where they agree, order where they do not."""

import numpy as np

from models.input_comparison import compare_inputs


def sample(rng, n):
    return {"normal": rng.normal(size=n), "count": rng.poisson(2.0, n).astype(float), "flat": rng.random(n)}


def test_p_values_are_uniform_where_simulation_is_right():
    values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        compared = compare_inputs(sample(rng, 400), sample(rng, 1500), rng.uniform(0.5, 1.5, 1500))
        values += [comparison.p_value for comparison in compared]
    # 180 values: mean of a uniform one within four of its errors, a tenth of them below 0.1
    assert abs(np.mean(values) - 0.5) < 4.0 * 0.289 / np.sqrt(180)
    assert abs(np.mean(np.array(values) < 0.1) - 0.1) < 4.0 * np.sqrt(0.09 / 180)


def test_the_worst_comes_first_and_normalisation_does_not_matter():
    rng = np.random.default_rng(1)
    data, simulation = sample(rng, 2000), sample(rng, 8000)
    data["flat"] = data["flat"] ** 1.2
    compared = compare_inputs(data, simulation, np.full(8000, 7.0))
    assert compared[0].name == "flat"
    assert compared[0].p_value < 1e-6
    assert compared[-1].p_value > 1e-3
    assert abs(sum(compared[0].expected) - 2000) < 1e-6
    assert sum(compared[0].data) == 2000
