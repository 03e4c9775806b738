"""Polarimeter vectors from Pythia's matrix elements, channel by channel, against formulas and analysing powers."""

import numpy as np
import pytest

from models.constants import TAU_MASS_GEV
from simulation.configuration import TauLibraryConfig
from simulation.pythia_events import start_pythia
from simulation.tau_library import TAU, TauDecayLibrary, make_tau_decay_library
from simulation.tau_polarimeter import LEPTONIC_MODE, TauPolarimeter

RHO_MASS_GEV = 0.775


@pytest.fixture(scope="module")
def fast_library() -> TauDecayLibrary:
    """More decays of the channels that are quick to make."""
    slow = TauLibraryConfig(sampling_share={1544: 0.01, 1551: 0.02, 1561: 0.02})
    return make_tau_decay_library(8000, slow, np.random.default_rng(31))


def _channel(library: TauDecayLibrary, codes: list[int]) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Decays into these particles, and their momenta, shape (n, 4), by code; for one that is there twice the first."""
    decay = np.repeat(np.arange(library.n_decays), library.counts)
    direct = library.mother < 0
    found = np.bincount(decay[direct], minlength=library.n_decays) == len(codes)
    for code in codes:
        chosen = direct & (library.pdg == code)
        found &= np.bincount(decay[chosen], minlength=library.n_decays) == codes.count(code)
    momenta = {}
    for code in codes:
        rows = np.flatnonzero(direct & (library.pdg == code) & found[decay])
        momenta[code] = library.momentum[rows[np.unique(decay[rows], return_index=True)[1]]]
    return np.flatnonzero(found), momenta


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=1)[:, None]


@pytest.mark.parametrize("meson", [-211, -321])
def test_one_meson_points_along_its_momentum(fast_library: TauDecayLibrary, meson: int) -> None:
    """The neutrino is left-handed, so h is the direction of the meson, with every component and sign."""
    decays, momenta = _channel(fast_library, [16, meson])
    np.testing.assert_allclose(fast_library.polarimeter[decays], _unit(momenta[meson][:, :3]), atol=1e-6)


def test_rho_has_the_formula_of_kuehn_and_wagner(fast_library: TauDecayLibrary) -> None:
    """h ∝ 2(q·N)q − q²N, q the difference of the pions' momenta, N the neutrino (Nucl. Phys. B 236, 16 (1984))."""
    decays, momenta = _channel(fast_library, [16, -211, 111])
    q, neutrino = momenta[-211] - momenta[111], momenta[16]

    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a[:, 3] * b[:, 3] - np.sum(a[:, :3] * b[:, :3], axis=1)

    expected = 2.0 * product(q, neutrino)[:, None] * q[:, :3] - product(q, q)[:, None] * neutrino[:, :3]
    # π⁻ and π⁰ differ in mass by 3 %, which the current of Pythia corrects for and the formula does not.
    aligned = np.sum(_unit(expected) * fast_library.polarimeter[decays], axis=1)
    assert aligned.min() > 0.99
    assert np.median(aligned) > 0.9999


def test_leptonic_formula_is_what_pythia_has() -> None:
    pythia = start_pythia(("ProcessLevel:all = off", "PartonLevel:all = off", "Check:event = off"), 5, "test")
    entry = pythia.particleData.findParticle(TAU)
    for index in range(entry.sizeChannels()):
        entry.channel(index).onMode(int(entry.channel(index).meMode() == LEPTONIC_MODE))
    pythia.event.reset()
    for _ in range(20):
        pythia.event.append(TAU, 23, 0, 0, 0.0, 0.0, 1.0, np.hypot(1.0, TAU_MASS_GEV), TAU_MASS_GEV, 0.0, 1.0)
    assert pythia.next()
    polarimeter = TauPolarimeter(pythia)
    for tau in range(1, 21):
        first = pythia.event[tau].daughter1()
        antineutrino = pythia.event[first + 2]
        energy = np.hypot(1.0, TAU_MASS_GEV)
        along = (energy * antineutrino.pz() - antineutrino.e()) / TAU_MASS_GEV
        direction = _unit(np.array([[antineutrino.px(), antineutrino.py(), along]]))[0]
        np.testing.assert_allclose(polarimeter(pythia.event, tau, LEPTONIC_MODE), direction, atol=1e-5)


def test_densities_are_positive(tau_library: TauDecayLibrary) -> None:
    """1 + s·h ≥ 0 for every spin; one hadronic current with a left-handed neutrino has |h| = 1 exactly."""
    length = np.linalg.norm(tau_library.polarimeter, axis=1)
    assert length.max() < 1.0 + 1e-6
    partial = length < 0.999
    # Several helicity amplitudes of the photon in γππ⁰, and phase space, where h = 0: 0.2 % + 0.3 % of all decays
    assert tau_library.weight[partial].sum() / tau_library.weight.sum() < 0.006


@pytest.mark.parametrize("codes", [[16, -211], [16, 11, -12], [16, -211, 111], [16, -211, -211, 211]])
def test_spin_up_decays_have_the_mean_of_a_third(fast_library: TauDecayLibrary, codes: list[int]) -> None:
    """The library holds spin up, of density ∝ 1 + h_z with h isotropic: ⟨h⟩ = (0, 0, 1/3) in every channel."""
    decays, _ = _channel(fast_library, codes)
    error = np.sqrt(1.0 / 3.0 / len(decays))
    np.testing.assert_allclose(fast_library.polarimeter[decays].mean(axis=0), [0.0, 0.0, 1.0 / 3.0], atol=4.0 * error)


@pytest.mark.parametrize(
    ("codes", "visible", "power"),
    [
        ([16, -211], [-211], 1.0),
        # A fixed mass of 0.775 GeV gives (m² − 2Q²)/(m² + 2Q²) = 0.45; the width of the ρ takes it to 0.43.
        ([16, -211, 111], [-211, 111], 0.44),
        ([16, 11, -12], [11], -1.0 / 3.0),
        ([16, 13, -14], [13], -1.0 / 3.0),
    ],
)
def test_analysing_power_of_the_visible_momentum(
    fast_library: TauDecayLibrary, codes: list[int], visible: list[int], power: float
) -> None:
    """⟨h·p̂⟩ over unpolarised decays: undoing the polarisation of the library weighs them with 1/(1 + h_z)."""
    decays, momenta = _channel(fast_library, codes)
    direction = _unit(sum(momenta[code][:, :3] for code in visible))
    alignment = np.sum(direction * fast_library.polarimeter[decays], axis=1)
    # h·p̂ depends on no direction in space, and its mean on no polarisation
    assert alignment.mean() == pytest.approx(power, abs=4.5 * alignment.std() / np.sqrt(len(decays)) + 0.015)


def test_library_in_parts_is_the_library(tau_library: TauDecayLibrary) -> None:
    part = tau_library.take(slice(3, 5))
    first, last = tau_library.starts[3], tau_library.starts[5]
    np.testing.assert_array_equal(part.momentum, tau_library.momentum[first:last])
    np.testing.assert_array_equal(part.polarimeter, tau_library.polarimeter[3:5])
