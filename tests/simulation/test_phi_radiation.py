"""φ → ℓ⁺ℓ⁻γ against Dirac traces, limits and the first-order rate; the decay with its photon."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, MUON_MASS_GEV
from models.kinematics import boost_to_rest_frame, mass_of
from models.lifetime import LifetimeMixture
from models.search import PHI_PDG, Channel
from models.theory.trace_evaluation import GAMMA
from simulation.configuration import RadiationSettings, SimulationConfig
from simulation.generated import GeneratedEvents
from simulation.phi_decay import decay_phi
from simulation.phi_radiation import (
    first_order_spectrum,
    phi_radiation_spectrum,
    sample_lepton_cosine,
)

RADIATION = RadiationSettings()
METRIC = np.diag([1.0, -1.0, -1.0, -1.0])


def traced(p_minus, p_plus, photon, mass):
    """Σ|M|² over e² y² of one event: both diagrams, Dirac matrices, no algebra done by hand."""

    def slash(p):
        return np.einsum("m,mn,nij->ij", p, METRIC, GAMMA)

    def square(p):
        return p @ METRIC @ p

    one = np.eye(4)
    after = slash(p_minus + photon) + mass * one
    before = -slash(p_plus + photon) + mass * one
    vertices = [
        gamma @ after / (square(p_minus + photon) - mass**2) + before @ gamma / (square(p_plus + photon) - mass**2)
        for gamma in GAMMA
    ]
    total = 0.0
    for index, vertex in enumerate(vertices):
        adjoint = GAMMA[0] @ vertex.conj().T @ GAMMA[0]
        trace = np.trace((slash(p_minus) + mass * one) @ vertex @ (slash(p_plus) - mass * one) @ adjoint)
        total -= METRIC[index, index] * trace.real
    return total


def decay(v, cosine, m_phi, mass):
    """Return the momenta of ℓ⁻, ℓ⁺ and photon in the rest frame of the pair."""
    pair = m_phi * np.sqrt(1 - v)
    energy = (m_phi**2 - pair**2) / (2 * pair)
    momentum = np.sqrt(pair**2 / 4 - mass**2)
    p = momentum * np.array([np.sqrt(1 - cosine**2), 0.0, cosine])
    photon = energy * np.array([1.0, 0.0, 0.0, 1.0])
    return np.array([pair / 2, *p]), np.array([pair / 2, *-p]), photon


@pytest.mark.parametrize(
    ("m_phi", "mass"), [(0.1, ELECTRON_MASS_GEV), (0.225, MUON_MASS_GEV), (0.5, MUON_MASS_GEV), (6.0, MUON_MASS_GEV)]
)
def test_first_order_rate_is_the_integral_of_the_traces(m_phi, mass) -> None:
    largest = 1 - (2 * mass / m_phi) ** 2
    for v in np.array([1e-4, 0.1, 0.5, 0.95]) * largest:
        velocity = np.sqrt(1 - (2 * mass / m_phi) ** 2 / (1 - v))

        def integrand(eta, v=v, velocity=velocity):
            c = np.tanh(eta) / velocity
            jacobian = (1 - np.tanh(eta) ** 2) / velocity
            return jacobian * traced(*decay(v, np.clip(c, -1, 1), m_phi, mass), mass)

        reach = np.arctanh(velocity)
        averaged = quad(integrand, -reach, reach, epsrel=1e-7)[0] / 2
        leading = 2 * (m_phi**2 - 4 * mass**2)
        ratio = velocity / np.sqrt(1 - (2 * mass / m_phi) ** 2)
        expected = v**2 * m_phi**2 * ratio * 4 * np.pi * ALPHA_EM * averaged / (16 * np.pi**2 * leading)
        assert float(first_order_spectrum(v, m_phi, mass)) == pytest.approx(expected, rel=1e-5)


def test_soft_and_collinear_photons_have_their_known_rates() -> None:
    m_phi, mass = 0.3, MUON_MASS_GEV
    velocity = np.sqrt(1 - (2 * mass / m_phi) ** 2)
    eikonal = 2 * ALPHA_EM / np.pi * ((1 + velocity**2) / velocity * np.arctanh(velocity) - 1)
    assert float(first_order_spectrum(1e-6, m_phi, mass)) == pytest.approx(eikonal, rel=1e-4)
    # α/π (1 + (1 − v)²)/v [ln(m_φ²(1 − v)/m²) − 1] + α/π v: no helicity is flipped but with the photon's own
    v, m_phi, mass = 0.4, 1.0, 1e-5
    collinear = (1 + (1 - v) ** 2) * (np.log(m_phi**2 * (1 - v) / mass**2) - 1) + v**2
    assert float(first_order_spectrum(v, m_phi, mass)) == pytest.approx(ALPHA_EM / np.pi * collinear, rel=1e-3)


def test_sampled_fractions_and_cosines_follow_the_matrix_element() -> None:
    m_phi, mass, n = 0.5, MUON_MASS_GEV, 40_000
    rng = np.random.default_rng(1)
    spectrum = phi_radiation_spectrum(m_phi, mass, RADIATION)
    # exponentiation keeps the rate but for non-logarithmic terms: what hard photons take, soft ones lose
    assert spectrum.integral == pytest.approx(1.0, abs=0.015)
    fraction = spectrum.sample(n, rng)
    hard = 0.2
    first_order = quad(lambda v: float(first_order_spectrum(v, m_phi, mass)) / v, hard, 1 - (2 * mass / m_phi) ** 2)[0]
    expected = n * first_order / spectrum.integral
    # terms of second order are of the size of the strength times a logarithm
    assert np.count_nonzero(fraction > hard) == pytest.approx(expected, abs=4 * np.sqrt(expected) + 0.05 * expected)
    v = np.full(n, 0.4)
    cosine = sample_lepton_cosine(v, m_phi, mass, rng)
    grid = np.linspace(-1, 1, 401)
    density = np.array([traced(*decay(0.4, c, m_phi, mass), mass) for c in grid])
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    assert stats.kstest(cosine, lambda c: np.interp(c, grid, cumulative / cumulative[-1])).pvalue > 1e-3


@pytest.mark.parametrize(("channel", "m_phi"), [(Channel.EE, 0.1), (Channel.MUMU, 0.225), (Channel.MUMU, 3.0)])
def test_decays_conserve_momentum_and_keep_the_photon_with_the_leptons(channel, m_phi) -> None:
    n = 20_000
    momentum = np.tile([0.3, -0.4, 1.2, 0.0], (n, 1, 1))
    momentum[..., 3] = np.sqrt(0.09 + 0.16 + 1.44 + m_phi**2)
    events = GeneratedEvents.from_table(np.full((n, 1), PHI_PDG, dtype=np.int32), momentum)
    rows = np.arange(n)
    made = decay_phi(events, rows, channel, LifetimeMixture.single(5.0), np.random.default_rng(3), RADIATION)
    daughters = made.pdg != PHI_PDG
    total = np.zeros((n, 4))
    np.add.at(total, made.event_index[daughters], made.momentum[daughters])
    np.testing.assert_allclose(total, momentum[:, 0], atol=1e-12)
    lepton = np.flatnonzero(made.pdg == channel.lepton_pdg)
    np.testing.assert_allclose(mass_of(made.momentum[lepton]), channel.lepton_mass_gev, atol=2e-8 + 1e-8 * m_phi)
    np.testing.assert_array_equal(made.vertex[lepton], made.vertex[lepton + 1])
    photon = np.flatnonzero(made.pdg == 22)
    expected = phi_radiation_spectrum(m_phi, channel.lepton_mass_gev, RADIATION).probability_above(1e-4 * (1 + 1e-9))
    assert len(photon) == pytest.approx(n * expected, abs=5 * np.sqrt(n * expected))
    # a spin-zero mother has no direction: leptons are isotropic with photons, too
    at_rest = boost_to_rest_frame(made.momentum[lepton], momentum[:, 0])[:, :3]
    cosine = at_rest @ momentum[0, 0, :3] / np.linalg.norm(at_rest, axis=1) / np.linalg.norm(momentum[0, 0, :3])
    assert stats.kstest(cosine, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_the_switch_is_on_and_switches() -> None:
    config = SimulationConfig()
    assert config.phi_radiation == config.radiation
    off = config.model_copy(update={"signal_generator": config.signal_generator.model_copy(update={"fsr": False})})
    assert off.phi_radiation is None
