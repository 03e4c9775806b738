"""Comparison of data and simulation: p-values where they agree, order where they do not."""

import numpy as np
from scipy.stats import kstest

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


def test_copies_of_one_event_are_one_event():
    """Every simulated event four times: taken for independent, they would make agreement look like disagreement."""
    p_values = {"together": [], "apart": []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        data, generated = {"x": rng.normal(size=2000)}, rng.normal(size=500)
        copies = {"x": np.repeat(generated, 4)}
        for kind, group in (("together", np.repeat(np.arange(500), 4)), ("apart", None)):
            p_values[kind].append(compare_inputs(data, copies, np.ones(2000), generated=group)[0].p_value)
    assert kstest(p_values["together"], "uniform").pvalue > 1e-3
    assert kstest(p_values["apart"], "uniform").pvalue < 1e-6
