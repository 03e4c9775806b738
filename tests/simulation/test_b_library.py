"""B decays in a library: complete, at rest, of known ancestry, thinned with weights."""

from pathlib import Path

import numpy as np
import pytest
from particle import PDGID

from simulation.b_library import charged_multiplicity, make_b_library_part
from simulation.configuration import BLibraryConfig, UpsilonConfig
from simulation.decay_library import DecayLibrary
from simulation.generated import DECAYED, FINAL_STATE

CONFIG = UpsilonConfig()
N_DECAYS = 12_000
"""Decays that the fixture's library was made from."""


def test_a_decay_keeps_four_momentum_and_charge(b_library: DecayLibrary) -> None:
    final = b_library.status == FINAL_STATE
    decay = b_library.decay_index[final]
    total = np.stack([np.bincount(decay, p, b_library.n_decays) for p in b_library.momentum[final].T], axis=1)
    mass = np.where(b_library.parent == 521, CONFIG.charged_mass_gev, CONFIG.neutral_mass_gev)
    np.testing.assert_allclose(total[:, :3], 0.0, atol=1e-9)
    np.testing.assert_allclose(total[:, 3], mass, rtol=1e-9)
    codes, which = np.unique(b_library.pdg[final], return_inverse=True)
    of_code = np.array([PDGID(int(code)).charge for code in codes], dtype=np.float64)
    charge = np.bincount(decay, of_code[which], b_library.n_decays)
    np.testing.assert_array_equal(charge, np.where(b_library.parent == 521, 1, 0))


def test_mothers_decayed_and_nothing_is_left_of_strings(b_library: DecayLibrary) -> None:
    has_mother = b_library.mother >= 0
    mother_row = (b_library.mother + np.repeat(b_library.starts, b_library.counts))[has_mother]
    assert np.all(b_library.status[mother_row] == DECAYED)
    assert np.all(b_library.mother[has_mother] < b_library.counts[b_library.decay_index[has_mother]])
    codes = np.unique(np.abs(b_library.pdg))
    assert not np.any((codes <= 8) | (codes == 21))
    assert np.all(np.abs(b_library.vertex[~has_mother]) == 0.0)


def test_conjugates_are_antiparticles(b_library: DecayLibrary) -> None:
    pairs = np.unique(np.stack([b_library.pdg, b_library.conjugate_pdg], axis=1), axis=0)
    for code, conjugate in pairs.tolist():
        self_conjugate = code == conjugate
        assert conjugate == (code if self_conjugate else -code)
        assert PDGID(code).charge == -PDGID(conjugate).charge
    assert {22: 22, 310: 310, 211: -211, 13: -13}.items() <= dict(pairs.tolist()).items()


def test_weights_undo_the_thinning(b_library: DecayLibrary) -> None:
    """Each of the 6000 decays of either meson is kept with probability f and then weighs 1/f."""
    multiplicity = charged_multiplicity(b_library)
    fraction = np.array(CONFIG.library.kept_fraction)[np.minimum(multiplicity, len(CONFIG.library.kept_fraction) - 1)]
    leptons = b_library.count((np.abs(b_library.pdg) == 11) | (np.abs(b_library.pdg) == 13))
    fraction *= np.where(leptons > 0, 1.0, CONFIG.library.kept_without_leptons)
    np.testing.assert_allclose(b_library.weight, 1.0 / fraction)
    for parent in (511, 521):
        weight = b_library.weight[b_library.parent == parent]
        spread = np.sqrt(np.sum(weight**2 - weight))
        assert weight.sum() == pytest.approx(N_DECAYS / 2, abs=5 * spread)


def test_leptons_come_as_often_as_measured(b_library: DecayLibrary) -> None:
    """Direct B → eνX: (10.8 ± 0.3) % of B⁺ and (10.1 ± 0.4) % of B⁰ (PDG 2024); Pythia's table is within a tenth."""
    electron = (np.abs(b_library.pdg) == 11) & (b_library.mother < 0)
    for parent, measured in ((521, 0.108), (511, 0.101)):
        own = b_library.parent == parent
        rate = np.average(b_library.count(electron)[own], weights=b_library.weight[own])
        # 6000 decays, a little less by their weights
        assert rate == pytest.approx(measured, abs=0.1 * measured + 4 * np.sqrt(0.1 / 5000))


def test_same_stream_same_library_and_it_survives_the_disk(tmp_path: Path) -> None:
    config = UpsilonConfig(library=BLibraryConfig(kept_fraction=(1.0, 0.5)))
    first, again, other = (make_b_library_part(40, config, np.random.default_rng(seed)) for seed in (1, 1, 2))
    first.save(tmp_path / "b.npz")
    loaded = DecayLibrary.load(tmp_path / "b.npz")
    for library in (again, loaded):
        np.testing.assert_array_equal(library.momentum, first.momentum)
        np.testing.assert_array_equal(library.weight, first.weight)
    assert not np.array_equal(other.momentum[:5], first.momentum[:5])
    both = DecayLibrary.concatenate([first, other])
    last = both.take(np.array([both.n_decays - 1]))
    np.testing.assert_array_equal(last.momentum, other.momentum[other.starts[-1] :])
