"""The library of τ decays against branching fractions, kinematics and the spin dependence of single channels."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from models.constants import MUON_MASS_GEV, PION_MASS_GEV, TAU_MASS_GEV
from models.errors import BadInputError
from models.kinematics import mass_of, two_body_momentum
from simulation.configuration import TauLibraryConfig
from simulation.generated import FINAL_STATE
from simulation.tau_decay_class import TauDecayClass
from simulation.tau_library import CLASSES, TauDecayLibrary, make_tau_decay_library


def _direct(library: TauDecayLibrary) -> tuple[np.ndarray, np.ndarray]:
    """Rows of direct τ daughters and the decay of each."""
    rows = np.flatnonzero(library.mother < 0)
    return rows, np.repeat(np.arange(library.n_decays), library.counts)[rows]


def _decays_with(library: TauDecayLibrary, codes: list[int]) -> np.ndarray:
    """Decays whose direct daughters are exactly these."""
    rows, decay = _direct(library)
    same = np.bincount(decay, minlength=library.n_decays) == len(codes)
    for code in codes:
        found = np.bincount(decay[library.pdg[rows] == code], minlength=library.n_decays)
        same &= found == codes.count(code)
    return np.flatnonzero(same)


def _momenta(library: TauDecayLibrary, decays: np.ndarray, code: int) -> np.ndarray:
    rows, decay = _direct(library)
    return library.momentum[rows[np.isin(decay, decays) & (library.pdg[rows] == code)]]


def test_every_decay_conserves_four_momentum(tau_library: TauDecayLibrary) -> None:
    decay = np.repeat(np.arange(tau_library.n_decays), tau_library.counts)
    for rows in (tau_library.mother < 0, tau_library.status == FINAL_STATE):
        totals = [np.bincount(decay[rows], p, tau_library.n_decays) for p in tau_library.momentum[rows].T]
        np.testing.assert_allclose(np.stack(totals[:3]), 0.0, atol=1e-9)
        np.testing.assert_allclose(totals[3], TAU_MASS_GEV, rtol=1e-9)


@pytest.mark.parametrize(
    ("codes", "fraction"),
    [
        ([16, 11, -12], 0.1782),
        ([16, 13, -14], 0.1739),
        ([16, -211], 0.1082),
        ([16, -211, 111], 0.2549),
        ([16, -211, -211, 211], 0.0902),
        ([16, -211, 111, 111], 0.0926),
        ([16, -211, -211, 211, 111], 0.0462),
    ],
)
def test_weights_give_the_branching_fractions(tau_library: TauDecayLibrary, codes: list[int], fraction: float) -> None:
    """PDG 2024; the fractions of Pythia 8.3 are up to 3 % away from them."""
    weight = tau_library.weight[_decays_with(tau_library, codes)].sum() / tau_library.weight.sum()
    assert weight == pytest.approx(fraction, rel=0.03)


def test_drawing_follows_the_weights(tau_library: TauDecayLibrary) -> None:
    drawn = tau_library.draw(200_000, np.random.default_rng(1)).decay
    slow = _decays_with(tau_library, [16, -211, -211, 211, 111])
    expected = tau_library.weight[slow].sum() / tau_library.weight.sum()
    assert np.isin(drawn, slow).mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / 200_000))
    assert len(slow) / tau_library.n_decays < 0.5 * expected


ENRICHMENT = {TauDecayClass.LEPTONIC: 0.5, TauDecayClass.THREE_PRONG: 5.0, TauDecayClass.OTHER: 20.0}


def test_enriched_drawing_is_unbiased_class_by_class(tau_library: TauDecayLibrary) -> None:
    n = 200_000
    drawn = tau_library.draw(n, np.random.default_rng(2), ENRICHMENT)
    total = tau_library.weight.sum()
    for number, kind in enumerate(CLASSES):
        chosen = tau_library.decay_class[drawn.decay] == number
        natural = tau_library.weight[tau_library.decay_class == number].sum() / total
        weights = np.where(chosen, drawn.weight, 0.0)
        assert weights.mean() == pytest.approx(natural, abs=4.5 * weights.std() / np.sqrt(n)), kind
        # One class has one weight: no luminosity is lost among its decays.
        assert np.ptp(drawn.weight[chosen]) < 1e-12
    three_prong = CLASSES.index(TauDecayClass.THREE_PRONG)
    fraction = tau_library.weight[tau_library.decay_class == three_prong].sum() / total
    assert np.mean(tau_library.decay_class[drawn.decay] == three_prong) > 2.0 * fraction


def test_natural_drawing_has_unit_weights(tau_library: TauDecayLibrary) -> None:
    drawn = tau_library.draw(100, np.random.default_rng(2))
    assert np.all(drawn.weight == 1.0)
    same = tau_library.draw(100, np.random.default_rng(2), dict.fromkeys(TauDecayClass, 3.0))
    np.testing.assert_array_equal(drawn.decay, same.decay)
    np.testing.assert_allclose(same.weight, 1.0)


def test_classes_have_their_branching_fractions(tau_library: TauDecayLibrary) -> None:
    """PDG 2024: e + μ 0.3521; three charged hadrons, K_S → π⁺π⁻ included, 0.1520; five 0.0010."""
    fraction = np.bincount(tau_library.decay_class, tau_library.weight, len(CLASSES)) / tau_library.weight.sum()
    assert fraction[CLASSES.index(TauDecayClass.LEPTONIC)] == pytest.approx(0.352, abs=0.005)
    assert fraction[CLASSES.index(TauDecayClass.THREE_PRONG)] == pytest.approx(0.152, abs=0.006)
    assert fraction[CLASSES.index(TauDecayClass.ONE_PRONG_NEUTRAL_PIONS)] == pytest.approx(0.37, abs=0.01)
    assert fraction[CLASSES.index(TauDecayClass.OTHER)] < 0.005


def test_pion_follows_the_spin(tau_library: TauDecayLibrary) -> None:
    """τ⁻ → π⁻ν with spin up: dN/dcosθ ∝ 1 + cosθ, since the neutrino is left-handed."""
    pion = _momenta(tau_library, _decays_with(tau_library, [16, -211]), -211)
    momentum = np.linalg.norm(pion[:, :3], axis=1)
    np.testing.assert_allclose(momentum, two_body_momentum(TAU_MASS_GEV, PION_MASS_GEV, 0.0), rtol=1e-4)
    assert stats.kstest(pion[:, 2] / momentum, lambda c: 0.25 * (1.0 + c) ** 2).pvalue > 1e-3


def test_muon_follows_michel(tau_library: TauDecayLibrary) -> None:
    """τ⁻ → μ⁻ν̄ν: x²(3 − 2x) + P cosθ x²(1 − 2x) for spin P along z, up to m_μ/m_τ (PDG, Muon Decay Parameters)."""
    muon = _momenta(tau_library, _decays_with(tau_library, [16, 13, -14]), 13)
    largest = (TAU_MASS_GEV**2 + MUON_MASS_GEV**2) / (2.0 * TAU_MASS_GEV)
    x = muon[:, 3] / largest
    cosine = muon[:, 2] / np.linalg.norm(muon[:, :3], axis=1)
    # ⟨x⟩ = 0.7 and ⟨cosθ⟩ = −1/9; the muon's mass moves both by a per cent of their size
    assert x.mean() == pytest.approx(0.7, abs=0.02)
    assert cosine.mean() == pytest.approx(-1.0 / 9.0, abs=5 * 0.577 / np.sqrt(len(x)))
    hard = x > 0.8
    assert cosine[hard].mean() < cosine[~hard].mean()


def test_short_lived_kaons_fly_and_long_lived_ones_do_not_decay(tau_library: TauDecayLibrary) -> None:
    from_short_lived = np.flatnonzero((np.abs(tau_library.pdg) == 211) & (tau_library.vertex[:, 3] > 0.0))
    assert len(from_short_lived) > 10
    assert np.all(tau_library.status[tau_library.pdg == 130] == FINAL_STATE)
    assert not np.any(tau_library.pdg == 22) or np.all(mass_of(tau_library.momentum[tau_library.pdg == 22]) < 1e-6)


def test_antiparticles_are_known(tau_library: TauDecayLibrary) -> None:
    own = tau_library.conjugate_pdg == tau_library.pdg
    assert set(np.abs(tau_library.pdg[own]).tolist()) <= {22, 111, 113, 130, 221, 223, 310, 331, 333}
    assert np.all(tau_library.conjugate_pdg[~own] == -tau_library.pdg[~own])


def test_saved_and_read_again(tau_library: TauDecayLibrary, tmp_path: Path) -> None:
    path = tmp_path / "library.npz"
    tau_library.save(path)
    again = TauDecayLibrary.load(path)
    np.testing.assert_array_equal(again.momentum, tau_library.momentum)
    np.testing.assert_array_equal(again.weight, tau_library.weight)


def test_a_damaged_library_is_named(tmp_path: Path) -> None:
    for content in (b"", b"not an archive"):
        path = tmp_path / "library.npz"
        path.write_bytes(content)
        with pytest.raises(BadInputError, match=r"library\.npz"):
            TauDecayLibrary.load(path)
    with pytest.raises(BadInputError, match="nowhere"):
        TauDecayLibrary.load(tmp_path / "nowhere.npz")


def test_same_seed_same_library() -> None:
    first, second = (
        make_tau_decay_library(100, TauLibraryConfig(), np.random.default_rng(seed)).momentum for seed in (5, 5)
    )
    np.testing.assert_array_equal(first, second)


def test_parts_join(tau_library: TauDecayLibrary) -> None:
    both = TauDecayLibrary.concatenate([tau_library, tau_library])
    assert both.n_decays == 2 * tau_library.n_decays
    assert both.starts[tau_library.n_decays] == len(tau_library.pdg)
