"""Toys of the spectrum: their mean is the expectation, and systematics are common to all searches."""

import numpy as np
import pytest

from models.inference.configuration import SystematicsSettings
from models.search import Process, Search
from models.sparse_templates import BinnedMass
from processors.template_builder import SearchTemplates
from processors.template_settings import TemplateSettings
from processors.toy_spectra import LUMINOSITY, draw_systematics, expected_spectra, systematic_names

EDGES = np.linspace(0.0, 1.0, 11)
FACTORS = {Process.TAUTAU: (1.2, 0.1), Process.QQBAR: (0.9, 0.4)}
TEMPLATES, SYSTEMATICS = TemplateSettings(), SystematicsSettings()
WEIGHT = 0.5


def search(which, seed):
    rng = np.random.default_rng(seed)

    def component():
        nominal = WEIGHT * rng.integers(30, 60, size=10)
        rows = np.stack([nominal, 0.9 * nominal, 1.1 * nominal])
        return BinnedMass(EDGES, rows, WEIGHT * nominal)

    return SearchTemplates(
        search=which,
        luminosity_fb=10.0,
        backgrounds={process: component() for process in FACTORS},
        variations=("nominal", "momentum_scale_down", "momentum_scale_up"),
        data=None,
        atomic_edges_gev=EDGES,
        signal=None,
    )


SEARCHES = {which: search(which, seed) for seed, which in enumerate((Search.EE, Search.MUMU))}
SOURCES = {f"scale_factor_{process}": {process: relative} for process, (_, relative) in FACTORS.items()}
# of a background without simulated events in any search
SOURCES["scale_factor_twophoton"] = {Process.TWOPHOTON: 1.0}
NAMES = systematic_names(SEARCHES, SOURCES)


def spectra(inputs, pulls, rng=None):
    return expected_spectra(inputs, FACTORS, SOURCES, pulls, TEMPLATES, SYSTEMATICS, rng)


def at_rest(n_toys=1, **moved):
    return {name: np.full(n_toys, moved.get(name, 0.0)) for name in NAMES}


def test_every_systematic_has_one_name():
    assert NAMES == ("lumi", "momentum_scale", "scale_factor_qqbar", "scale_factor_tautau")


def test_expectation_is_the_scaled_simulation_and_the_uniform_component():
    inputs = SEARCHES[Search.MUMU]
    expected = sum(FACTORS[p][0] * part.values[0] for p, part in inputs.backgrounds.items())
    # One event in the whole window.
    assert spectra(inputs, at_rest())[0] == pytest.approx(expected + 0.1)


@pytest.mark.parametrize(
    ("name", "factor"), [("momentum_scale", 1.1), (LUMINOSITY, 1.014), ("scale_factor_tautau", None)]
)
def test_one_sigma_is_the_variation(name, factor):
    inputs = SEARCHES[Search.EE]
    nominal = spectra(inputs, at_rest())[0] - 0.1
    moved = spectra(inputs, at_rest(**{name: 1.0}))[0] - 0.1
    tautau = 1.2 * inputs.backgrounds[Process.TAUTAU].values[0]
    assert moved == pytest.approx(factor * nominal if factor else nominal + 0.1 * tautau)


def test_systematics_are_common_to_searches_and_simulated_samples_fluctuate_alone():
    rng = np.random.default_rng(1)
    pulls = draw_systematics(NAMES, 4000, rng)
    totals = [spectra(inputs, pulls, rng).sum(axis=1) for inputs in SEARCHES.values()]
    assert np.corrcoef(totals)[0, 1] > 0.95
    alone = [spectra(inputs, at_rest(4000), rng) for inputs in SEARCHES.values()]
    # Errors of correlations of 4000 toys.
    assert abs(np.corrcoef([part.sum(axis=1) for part in alone])[0, 1]) < 0.06
    nominal = spectra(SEARCHES[Search.EE], at_rest())[0]
    assert alone[0].mean(axis=0) == pytest.approx(nominal, rel=0.01)
    variance = sum(FACTORS[p][0] ** 2 * part.variance for p, part in SEARCHES[Search.EE].backgrounds.items())
    # A variance from 4000 values is known to 2 %.
    assert alone[0].var(axis=0) == pytest.approx(variance, rel=0.15)


def test_correlated_scale_factors_move_with_one_pull():
    modes = {"scale_factor_mode_0": {Process.TAUTAU: 0.2, Process.QQBAR: -0.3}}
    names = systematic_names(SEARCHES, modes)
    assert names == ("lumi", "momentum_scale", "scale_factor_mode_0")
    pulls = {name: np.zeros(1) for name in names} | {"scale_factor_mode_0": np.ones(1)}
    inputs = SEARCHES[Search.EE]
    moved = expected_spectra(inputs, FACTORS, modes, pulls, TEMPLATES, SYSTEMATICS, None)[0]
    tautau, qqbar = (FACTORS[p][0] * inputs.backgrounds[p].values[0] for p in FACTORS)
    assert moved == pytest.approx(1.2 * tautau + qqbar / 1.3 + 0.1)
