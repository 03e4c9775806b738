"""Unweighted τ⁺τ⁻φ events against the phase-space integral of |M|² and conservation laws."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from models.constants import TAU_MASS_GEV
from models.theory.born import born_cross_section_fb
from models.theory.errors import MassRangeError
from models.theory.initial_state_radiation import (
    hard_radiation,
    radiation_nodes,
    radiator_exponent,
    soft_virtual_factor,
)
from models.theory.matrix_element import helicity_weights, scalar_radiation_amplitudes
from models.theory.phase_space import body_momenta, orient
from models.theory.spin_correlation import helicity_probabilities
from models.theory.tau_pair import same_helicity_fraction
from simulation.configuration import SignalGeneratorSettings
from simulation.signal import EnvelopeError, SignalGenerator, TauPairPhi

SQRT_S = 10.58
NO_RADIATION = SignalGeneratorSettings(isr=False)
MASSES = [2e-3, 0.1, 1.0, 6.5]


def _prepare(m_phi: float) -> SignalGenerator:
    return SignalGenerator.prepare(m_phi, settings=NO_RADIATION)


@pytest.fixture(scope="module", params=MASSES)
def sample(request: pytest.FixtureRequest) -> tuple[float, TauPairPhi]:
    return request.param, _prepare(request.param).generate(40_000, np.random.default_rng(11))


def _mass(momenta: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.clip(momenta[:, 0] ** 2 - np.sum(momenta[:, 1:] ** 2, axis=1), 0, None))


def _observables(minus, plus, phi) -> dict[str, NDArray[np.float64]]:
    def cosine(momenta):
        return momenta[:, 3] / np.linalg.norm(momenta[:, 1:], axis=1)

    return {
        "phi energy": phi[:, 0],
        "tau minus energy": minus[:, 0],
        "tau pair mass": _mass(minus + plus),
        "phi polar angle": cosine(phi),
        "tau minus polar angle": cosine(minus),
        "tau plus azimuth": np.arctan2(plus[:, 2], plus[:, 1]),
        "angle of phi to tau minus": np.einsum("ni,ni->n", minus[:, 1:], phi[:, 1:])
        / np.linalg.norm(minus[:, 1:], axis=1)
        / np.linalg.norm(phi[:, 1:], axis=1),
    }


def _weighted_phase_space(m_phi: float, n: int, seed: int):
    """Points uniform in the unit square and orientation (QR of Gaussian matrices, not the generator's angles)."""
    rng = np.random.default_rng(seed)
    body = body_momenta(rng.random(n), rng.random(n), m_phi_gev=m_phi, sqrt_s_gev=SQRT_S)
    axes, upper = np.linalg.qr(rng.normal(size=(n, 3, 3)))
    axes = axes * np.sign(np.einsum("nii->ni", upper))[:, None, :]
    axes[:, :, 1] *= np.linalg.det(axes)[:, None]
    momenta = orient(body, axes[:, :, 0], axes[:, :, 2])
    weights = body.density * helicity_weights(scalar_radiation_amplitudes(*momenta, sqrt_s_gev=SQRT_S))
    return momenta, weights


def test_four_momentum_is_conserved_and_masses_are_right(sample: tuple[float, TauPairPhi]) -> None:
    m_phi, events = sample
    total = events.p_tau_minus + events.p_tau_plus + events.p_phi
    np.testing.assert_allclose(total, np.broadcast_to([SQRT_S, 0, 0, 0], total.shape), atol=1e-9)
    np.testing.assert_allclose(_mass(events.p_tau_minus), TAU_MASS_GEV, rtol=1e-9)
    np.testing.assert_allclose(_mass(events.p_tau_plus), TAU_MASS_GEV, rtol=1e-9)
    # m² is the difference of squares of up to 25 GeV²: rounding leaves 10⁻¹⁴ GeV².
    np.testing.assert_allclose(_mass(events.p_phi) ** 2, m_phi**2, atol=1e-13)


def test_distributions_are_those_of_the_weighted_phase_space(sample: tuple[float, TauPairPhi]) -> None:
    m_phi, events = sample
    momenta, weights = _weighted_phase_space(m_phi, 60_000, seed=4)
    summed = weights.sum(axis=(0, 1))
    effective = summed.sum() ** 2 / np.sum(summed**2)
    generated = _observables(events.p_tau_minus, events.p_tau_plus, events.p_phi)
    n = 1 / (1 / len(events) + 1 / effective)
    for name, expected in _observables(*momenta).items():
        order = np.argsort(expected)
        cumulative = np.cumsum(summed[order]) / summed.sum()
        distances = np.interp(np.sort(generated[name]), expected[order], cumulative)
        distance = np.max(np.abs(distances - (np.arange(len(events)) + 0.5) / len(events)))
        # Seven observables at four masses with a fixed seed: the smallest of 28 p-values is expected at 0.035.
        assert stats.kstwo.sf(distance, int(n)) > 1e-3, name


def test_helicities_follow_the_matrix_element(sample: tuple[float, TauPairPhi]) -> None:
    m_phi, events = sample
    _, weights = _weighted_phase_space(m_phi, 60_000, seed=6)
    expected = weights.sum(axis=2) / weights.sum()
    observed = helicity_probabilities(events.spin_correlation).mean(axis=0)
    # 40 k events and 60 k weighted points: 0.4 % at most, four standard deviations below 1.5 %.
    np.testing.assert_allclose(observed, expected, atol=0.015)


def _same_helicity(events: TauPairPhi) -> NDArray[np.float64]:
    return np.trace(helicity_probabilities(events.spin_correlation), axis1=1, axis2=2)


def test_same_helicity_fraction_rises_with_mass_from_that_of_the_tau_pair() -> None:
    fractions = []
    for m_phi in (2e-3, 0.1, 1.0, 4.0):
        events = _prepare(m_phi).generate(20_000, np.random.default_rng(3))
        fractions.append(_same_helicity(events).mean())
    assert np.all(np.diff(fractions) > 0)
    assert fractions[0] > same_helicity_fraction(SQRT_S**2)


def test_helicity_correlates_with_direction_event_by_event() -> None:
    """Equal helicities of a soft emission vanish along the beam, as for the bare τ pair."""
    events = _prepare(2e-3).generate(100_000, np.random.default_rng(8))
    soft = events.p_phi[:, 0] < 0.1
    cosine = np.abs(events.p_tau_minus[soft, 3]) / np.linalg.norm(events.p_tau_minus[soft, 1:], axis=1)
    same = _same_helicity(events)[soft]
    assert np.mean(same[cosine > 0.95]) < 0.03
    assert np.mean(same[cosine < 0.3]) == pytest.approx(0.098, abs=0.02)


def test_envelope_encloses_the_whole_cross_section_efficiently() -> None:
    generator = _prepare(0.5)
    _, weights = _weighted_phase_space(0.5, 60_000, seed=9)
    acceptance = weights.sum(axis=(0, 1)).mean() / (1.5 * generator.envelope.mean() * SQRT_S**2)
    assert 0.5 < acceptance < 2 / 3


@pytest.mark.parametrize("m_phi", [1.03e-3, 0.01, 0.3, 3.0, 6.9, 7.02])
def test_envelope_holds_over_the_mass_range(m_phi: float) -> None:
    assert len(_prepare(m_phi).generate(50_000, np.random.default_rng(2))) == 50_000


def test_too_coarse_an_envelope_is_an_error_and_not_a_bias() -> None:
    generator = _prepare(1.0)
    low = replace(generator, envelope=generator.envelope * 0.8)
    with pytest.raises(EnvelopeError, match=r"1\.0 GeV"):
        low.generate(50_000, np.random.default_rng(1))


def test_a_seed_reproduces_events_and_a_shorter_run_is_a_prefix() -> None:
    generator = SignalGenerator.prepare(0.21)
    long, short = (generator.generate(n, np.random.default_rng(77)) for n in (9_000, 4_000))
    np.testing.assert_array_equal(long.p_phi[:4_000], short.p_phi)
    np.testing.assert_array_equal(long.spin_correlation[:4_000], short.spin_correlation)


def test_no_events_and_impossible_masses() -> None:
    assert len(_prepare(1.0).generate(0, np.random.default_rng(1))) == 0
    with pytest.raises(MassRangeError):
        _prepare(7.1)
    assert SignalGenerator.prepare(1.0).sqrt_s_gev == SQRT_S


def _radiated(events: TauPairPhi) -> NDArray[np.float64]:
    return 2.0 * events.photon[:, 0] / SQRT_S


@pytest.mark.parametrize("m_phi", [2e-3, 0.5, 5.0])
def test_radiated_energy_is_that_of_the_cross_section(m_phi: float) -> None:
    """Moments and distribution of v from the radiator and the Born cross-section, which the generator never uses."""
    events = SignalGenerator.prepare(m_phi).generate(60_000, np.random.default_rng(21))
    radiated = _radiated(events)
    threshold = 2 * TAU_MASS_GEV + m_phi
    nodes = radiation_nodes(SQRT_S, threshold, points=10)
    contribution = nodes.weights * [
        born_cross_section_fb(m_phi, sqrt_s_gev=float(energy)) for energy in nodes.reduced_sqrt_s_gev
    ]
    fraction = 1.0 - (nodes.reduced_sqrt_s_gev / SQRT_S) ** 2
    for power in (1, 2):
        mean = float(contribution @ fraction**power / contribution.sum())
        error = np.std(radiated**power) / np.sqrt(len(radiated))
        # photons below the softest one followed add 10⁻⁵ to the mean and are left out
        assert np.mean(radiated**power) == pytest.approx(mean, abs=4 * error + 1e-5)
    # The cumulative distribution by a fine sum in t = v^β, where the soft singularity is flat.
    beta = radiator_exponent(SQRT_S**2)
    largest = 1.0 - (threshold / SQRT_S) ** 2
    ends = np.linspace(0.0, largest**beta, 400)
    middle = (0.5 * (ends[1:] + ends[:-1])) ** (1 / beta)
    radiator = soft_virtual_factor(SQRT_S**2) + hard_radiation(middle, SQRT_S**2) * middle ** (1 - beta) / beta
    coarse = np.linspace(0.0, 0.999 * largest, 15)
    born = [born_cross_section_fb(m_phi, sqrt_s_gev=SQRT_S * float(np.sqrt(1 - v))) for v in coarse]
    cumulative = np.cumsum(radiator * np.interp(middle, coarse, born))
    cumulative /= cumulative[-1]
    for v in (1e-3, 0.01, 0.1 * largest, 0.5 * largest):
        expected = np.interp(v, ends[1:] ** (1 / beta), cumulative)
        tolerance = 4 * np.sqrt(expected * (1 - expected) / len(radiated)) + 2e-3  # the coarse table of σ
        assert np.mean(radiated <= v) == pytest.approx(expected, abs=tolerance)


def test_radiating_events_are_those_of_the_reduced_energy() -> None:
    """Given v, nothing else knows of radiation: a slice has the distributions of a generator at its energy."""
    events = SignalGenerator.prepare(0.3).generate(150_000, np.random.default_rng(5))
    radiated = _radiated(events)
    chosen = (radiated > 0.3) & (radiated < 0.34)
    reduced = SQRT_S * np.sqrt(1.0 - radiated[chosen].mean())
    direct = SignalGenerator.prepare(0.3, reduced, NO_RADIATION).generate(20_000, np.random.default_rng(6))
    scale = SQRT_S * np.sqrt(1.0 - radiated[chosen])
    total = (events.p_tau_minus + events.p_tau_plus + events.p_phi)[chosen]
    np.testing.assert_allclose(total[:, 0], scale, rtol=1e-12)
    np.testing.assert_allclose(total[:, 1:], 0.0, atol=1e-12)
    ours = _observables(events.p_tau_minus[chosen], events.p_tau_plus[chosen], events.p_phi[chosen])
    theirs = _observables(direct.p_tau_minus, direct.p_tau_plus, direct.p_phi)
    for name in ("phi energy", "tau minus energy", "tau pair mass"):
        ours[name], theirs[name] = ours[name] / scale, theirs[name] / reduced
    for name in ours:
        # the slice is 2 % wide in √s′: scaled energies move by a tenth of that
        assert stats.ks_2samp(ours[name], theirs[name]).pvalue > 1e-3, name


def test_photons_follow_the_beams_and_are_massless() -> None:
    events = SignalGenerator.prepare(1.0).generate(50_000, np.random.default_rng(9))
    photon = events.photon[events.photon[:, 0] > 0]
    momentum = np.linalg.norm(photon[:, 1:], axis=1)
    np.testing.assert_allclose(momentum, photon[:, 0], rtol=1e-12)
    cosine = photon[:, 3] / momentum
    assert np.mean(np.abs(cosine) > 0.99) > 0.7
    assert np.mean(cosine > 0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(cosine)))
    assert not np.any(
        SignalGenerator.prepare(1.0, settings=NO_RADIATION).generate(100, np.random.default_rng(1)).photon
    )


def test_slices_must_descend() -> None:
    with pytest.raises(ValueError, match="descend"):
        SignalGeneratorSettings(slice_ends=(0.5, 0.7))
