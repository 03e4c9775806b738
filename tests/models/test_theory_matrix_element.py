"""Helicity amplitudes against an independent trace evaluation, factorisation, symmetries and τ-pair formulas."""

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from models.constants import GEV_M2_TO_FB, SIN2_THETA_W, TAU_MASS_GEV, Z_MASS_GEV
from models.theory.matrix_element import (
    TAU_COUPLING,
    helicity_weights,
    scalar_radiation_amplitudes,
    tau_pair_amplitudes,
)
from models.theory.phase_space import body_momenta, orient
from models.theory.tau_pair import tau_pair_cross_section_fb, tau_pair_helicity_fractions
from models.theory.trace_evaluation import GAMMA, traced_helicity_weights

SQRT_S = 10.58
ELECTRON = np.array([[SQRT_S / 2, 0.0, 0.0, SQRT_S / 2]])


def _random_events(m_phi_gev: float, n: int, seed: int = 1) -> tuple[NDArray[np.float64], ...]:
    rng = np.random.default_rng(seed)
    body = body_momenta(rng.uniform(size=n), rng.uniform(size=n), m_phi_gev=m_phi_gev, sqrt_s_gev=SQRT_S)
    axes = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    return orient(body, axes[:, 0], axes[:, 2])


def _tau_pairs(cosine: NDArray[np.float64], sqrt_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    momentum = np.sqrt(sqrt_s**2 / 4 - TAU_MASS_GEV**2)
    azimuth = np.linspace(0.0, 6.0, len(cosine))
    sine = np.sqrt(1 - cosine**2)
    direction = np.column_stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])
    energy = np.full(len(cosine), sqrt_s / 2)
    return np.column_stack([energy, momentum * direction]), np.column_stack([energy, -momentum * direction])


def test_gamma_matrices_of_the_trace_evaluation_anticommute() -> None:
    metric = np.diag([1.0, -1.0, -1.0, -1.0])
    anticommutator = np.einsum("mij,njk->mnik", GAMMA, GAMMA) + np.einsum("nij,mjk->mnik", GAMMA, GAMMA)
    np.testing.assert_allclose(anticommutator, 2 * metric[:, :, None, None] * np.eye(4), atol=1e-15)


@pytest.mark.parametrize("with_z", [True, False])
@pytest.mark.parametrize("m_phi", [2e-3, 0.1, 1.0, 5.0, 7.0])
def test_amplitudes_agree_with_traces_helicity_by_helicity(m_phi: float, with_z: bool) -> None:
    minus, plus, phi = _random_events(m_phi, 400)
    spinors = helicity_weights(scalar_radiation_amplitudes(minus, plus, phi, sqrt_s_gev=SQRT_S, with_z=with_z))
    electron = np.broadcast_to(ELECTRON, minus.shape)
    traces = traced_helicity_weights(minus, plus, phi, p_electron=electron, with_z=with_z)
    np.testing.assert_allclose(spinors, traces, rtol=1e-9, atol=1e-12 * float(traces.max()))


def test_traces_are_covariant_under_rotations_of_the_whole_event() -> None:
    minus, plus, phi = _random_events(0.5, 100)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)

    def turned(momenta: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([momenta[:, 0], momenta[:, 1:] @ rotation.T])

    electron = np.broadcast_to(ELECTRON, minus.shape)
    np.testing.assert_allclose(
        traced_helicity_weights(turned(minus), turned(plus), turned(phi), p_electron=turned(electron)),
        traced_helicity_weights(minus, plus, phi, p_electron=electron),
        rtol=1e-9,
        atol=1e-18,
    )


def test_weights_do_not_depend_on_the_azimuth_about_the_beam() -> None:
    minus, plus, phi = _random_events(1.0, 200)
    angle = 1.234
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned = [np.column_stack([p[:, 0], p[:, 1:] @ rotation.T]) for p in (minus, plus, phi)]
    np.testing.assert_allclose(
        helicity_weights(scalar_radiation_amplitudes(*turned, sqrt_s_gev=SQRT_S)),
        helicity_weights(scalar_radiation_amplitudes(minus, plus, phi, sqrt_s_gev=SQRT_S)),
        rtol=1e-10,
    )


def test_charge_conjugation_and_parity_of_photon_exchange() -> None:
    """C exchanges the τ's (and the beams, which photon exchange does not notice); P flips every helicity."""
    minus, plus, phi = _random_events(1.0, 200)
    weights = helicity_weights(scalar_radiation_amplitudes(minus, plus, phi, sqrt_s_gev=SQRT_S, with_z=False))
    exchanged = helicity_weights(scalar_radiation_amplitudes(plus, minus, phi, sqrt_s_gev=SQRT_S, with_z=False))
    np.testing.assert_allclose(np.swapaxes(exchanged, 0, 1), weights, rtol=1e-10)
    mirrored = [p * np.array([1.0, -1.0, -1.0, -1.0]) for p in (minus, plus, phi)]
    reflected = helicity_weights(scalar_radiation_amplitudes(*mirrored, sqrt_s_gev=SQRT_S, with_z=False))
    np.testing.assert_allclose(reflected[::-1, ::-1], weights, rtol=1e-10)


def test_soft_scalar_factorises_into_the_tau_pair_and_an_eikonal_factor() -> None:
    """|M|² → |M_ττ|² g² [2m/(2p₁·k + m_φ²) + 2m/(2p₂·k + m_φ²)]² as k → 0, helicities kept."""
    cosine = np.array([-0.9, -0.3, 0.2, 0.7])
    deviations = []
    for softness in (1e-3, 1e-4):
        minus, plus = _tau_pairs(cosine, SQRT_S)
        m_phi = softness
        momentum = 2.0 * softness * np.array([0.6, 0.0, 0.8])
        phi = np.broadcast_to([np.sqrt(m_phi**2 + momentum @ momentum), *momentum], minus.shape)
        metric = np.array([1.0, -1.0, -1.0, -1.0])
        eikonal = sum(2 * TAU_MASS_GEV / (2 * np.sum(tau * phi * metric, axis=1) + m_phi**2) for tau in (minus, plus))
        full = helicity_weights(scalar_radiation_amplitudes(minus, plus, phi, sqrt_s_gev=SQRT_S))
        pair = helicity_weights(tau_pair_amplitudes(minus, plus, sqrt_s_gev=SQRT_S))
        deviations.append(np.max(np.abs(full / (pair * TAU_COUPLING**2 * eikonal**2) - 1)))
    # The correction is linear in k/E: with a tenth of the momentum it is a tenth as large.
    assert deviations[1] < 2e-3
    assert deviations[1] < 0.2 * deviations[0]


def test_tau_pairs_from_the_same_machinery_give_the_analytic_cross_section() -> None:
    nodes, weights = leggauss(8)
    for sqrt_s in (3.6, 5.0, SQRT_S, 30.0):
        minus, plus = _tau_pairs(nodes, sqrt_s)
        squared = helicity_weights(tau_pair_amplitudes(minus, plus, sqrt_s_gev=sqrt_s, with_z=False)).sum(axis=(0, 1))
        beta = np.sqrt(1 - 4 * TAU_MASS_GEV**2 / sqrt_s**2)
        cross_section = (weights @ squared) * beta / (32 * np.pi * sqrt_s**2) * GEV_M2_TO_FB
        assert cross_section == pytest.approx(float(tau_pair_cross_section_fb(sqrt_s**2)), rel=1e-10)


def test_tau_pair_helicity_fractions_are_those_of_the_amplitudes() -> None:
    cosine = np.linspace(-0.99, 0.99, 7)
    minus, plus = _tau_pairs(cosine, SQRT_S)
    weights = helicity_weights(tau_pair_amplitudes(minus, plus, sqrt_s_gev=SQRT_S, with_z=False))
    fractions = np.moveaxis(weights / weights.sum(axis=(0, 1)), -1, 0)
    np.testing.assert_allclose(fractions, tau_pair_helicity_fractions(cosine, SQRT_S**2), atol=1e-12)


def test_forward_backward_asymmetry_of_tau_pairs_is_gamma_z_interference() -> None:
    nodes, weights = leggauss(16)
    minus, plus = _tau_pairs(nodes, SQRT_S)
    squared = helicity_weights(tau_pair_amplitudes(minus, plus, sqrt_s_gev=SQRT_S)).sum(axis=(0, 1))
    asymmetry = (weights * np.sign(nodes)) @ squared / (weights @ squared)
    # Lowest order in s/M_Z²: A_FB = (3/8) a²χ · 2β/(3 − β²) with g_A = a = ½, χ = s/((s − M_Z²) s_W² c_W²).
    beta = np.sqrt(1 - 4 * TAU_MASS_GEV**2 / SQRT_S**2)
    strength = SQRT_S**2 / (SQRT_S**2 - Z_MASS_GEV**2) / (SIN2_THETA_W * (1 - SIN2_THETA_W))
    assert asymmetry == pytest.approx(0.375 * 0.25 * strength * 2 * beta / (3 - beta**2), rel=0.01)


def test_along_the_beam_only_opposite_helicities_are_produced() -> None:
    minus, plus = _tau_pairs(np.array([1.0, -1.0]), SQRT_S)
    weights = helicity_weights(tau_pair_amplitudes(minus, plus, sqrt_s_gev=SQRT_S))
    np.testing.assert_allclose(weights[[0, 1], [0, 1]], 0.0, atol=1e-20)
