"""Cross-sections integrated a second time, and the sampler that does it."""

import numpy as np
import pytest

from models.search import Channel
from models.theory.cross_section import cross_section_fb
from models.theory.four_lepton_cross_section import HEAVY_ELECTRONS_GEV, four_lepton_cross_section
from models.theory.spot_checks import SpotCheck, four_lepton_pair_cross_section, signal_cross_section
from models.theory.vegas import Estimate, integrate

SQRT_S = 10.58


def test_vegas_finds_peaks_and_states_its_error() -> None:
    def integrand(x):
        return np.prod(0.01 / ((x - 0.6) ** 2 + 0.01**2), axis=1)

    exact = (np.arctan(40.0) + np.arctan(60.0)) ** 3
    pulls = []
    for seed in range(20):
        found = integrate(integrand, 3, np.random.default_rng(seed), n_points=2000)
        assert found.error < 0.05 * exact
        pulls.append((found.value - exact) / found.error)
    # the mean square of 20 pulls has an error of 0.3
    assert np.mean(np.square(pulls)) == pytest.approx(1.0, abs=1.0)


@pytest.mark.parametrize("isr", [False, True])
@pytest.mark.parametrize("m_phi", [0.04, 1.0, 6.0])
def test_signal_agrees_with_the_table(m_phi: float, isr: bool) -> None:
    found = signal_cross_section(m_phi, np.random.default_rng(1), n_points=1500, isr=isr)
    tabulated = float(cross_section_fb(m_phi, isr=isr, vacuum_polarisation=False))
    assert found.error < 4e-3 * tabulated
    assert found.value == pytest.approx(tabulated, abs=3.5 * found.error)


def test_four_muon_table_agrees_with_plain_phase_space() -> None:
    table = four_lepton_cross_section(Channel.MUMU, SQRT_S)
    found = four_lepton_pair_cross_section(Channel.MUMU, 0.0, np.random.default_rng(2), n_points=5000)
    assert found.error < 0.013 * table.sigma_born_fb
    assert found.value == pytest.approx(table.sigma_born_fb, abs=3.5 * found.error)


def test_electron_pairs_agree_with_plain_phase_space() -> None:
    table = four_lepton_cross_section(Channel.EE, SQRT_S, pair_mass_min_gev=HEAVY_ELECTRONS_GEV)
    found = four_lepton_pair_cross_section(Channel.EE, HEAVY_ELECTRONS_GEV, np.random.default_rng(3), n_points=8000)
    assert found.error < 0.02 * table.sigma_born_fb
    assert found.value == pytest.approx(table.sigma_born_fb, abs=4 * found.error)


def test_a_pull_knows_both_errors() -> None:
    check = SpotCheck("x", 10.0, 0.03, Estimate(10.5, 0.4))
    assert check.pull == pytest.approx(1.0)
