"""Spin correlation matrices: closed form against helicity amplitudes, limits, and what makes a density matrix."""

import numpy as np
import pytest

from models.constants import TAU_MASS_GEV
from models.theory.matrix_element import scalar_radiation_amplitudes, tau_pair_amplitudes
from models.theory.spin_correlation import (
    helicity_probabilities,
    spin_correlation_from_amplitudes,
    tau_pair_spin_correlation,
)
from models.theory.tau_pair import tau_pair_helicity_fractions

N = 200
PAULI = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def _pair(sqrt_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    cosine, phi = rng.uniform(-1.0, 1.0, N), rng.uniform(-np.pi, np.pi, N)
    sine, energy = np.sqrt(1.0 - cosine**2), 0.5 * sqrt_s
    momentum = np.sqrt(energy**2 - TAU_MASS_GEV**2) * np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], axis=1)
    minus, plus = (np.column_stack([np.full(N, energy), sign * momentum]) for sign in (1.0, -1.0))
    return cosine, minus, plus


def _eigenvalues(correlation: np.ndarray) -> np.ndarray:
    """Eigenvalues of the density matrix of both spins."""
    density = 0.25 * np.einsum("nab,apq,brs->nprqs", correlation, PAULI, PAULI).reshape(-1, 4, 4)
    return np.linalg.eigvalsh(density)


@pytest.mark.parametrize("sqrt_s", [3.6, 4.5, 10.58])
def test_closed_form_is_what_the_amplitudes_give(sqrt_s: float) -> None:
    cosine, minus, plus = _pair(sqrt_s)
    amplitudes = tau_pair_amplitudes(minus, plus, sqrt_s_gev=sqrt_s, with_z=False)
    expected = spin_correlation_from_amplitudes(amplitudes, minus, plus)
    np.testing.assert_allclose(tau_pair_spin_correlation(cosine, sqrt_s**2), expected, atol=1e-12)


def test_the_z_changes_little() -> None:
    cosine, minus, plus = _pair(10.58)
    with_z = spin_correlation_from_amplitudes(tau_pair_amplitudes(minus, plus, sqrt_s_gev=10.58), minus, plus)
    difference = np.abs(with_z - tau_pair_spin_correlation(cosine, 10.58**2)).max()
    assert 1e-4 < difference < 5e-3


def test_helicities_are_the_diagonal() -> None:
    cosine = np.linspace(-1.0, 1.0, 11)
    probabilities = helicity_probabilities(tau_pair_spin_correlation(cosine, 10.58**2))
    np.testing.assert_allclose(probabilities, tau_pair_helicity_fractions(cosine, 10.58**2), atol=1e-14)


def test_at_threshold_the_spins_are_those_of_the_virtual_photon() -> None:
    """J_z = ±1 along the beam: spins along it are equal, and transverse ones uncorrelated."""
    cosine = np.linspace(-0.9, 0.9, 7)
    s = 4.0 * TAU_MASS_GEV**2
    correlation = tau_pair_spin_correlation(cosine, s)
    sine = np.sqrt(1.0 - cosine**2)
    zero = np.zeros_like(sine)
    beam_minus = np.stack([-sine, zero, cosine], axis=1)
    beam_plus = np.stack([-sine, zero, -cosine], axis=1)
    along = np.einsum("na,nab,nb->n", beam_minus, correlation[:, 1:, 1:], beam_plus)
    np.testing.assert_allclose(along, 1.0, atol=1e-12)
    np.testing.assert_allclose(correlation[:, 2, 2], 0.0, atol=1e-12)


def test_density_matrices_are_positive() -> None:
    cosine, minus, plus = _pair(10.58)
    assert _eigenvalues(tau_pair_spin_correlation(cosine, 10.58**2)).min() > -1e-12
    # Unpolarised massless beams make two incoherent states: half of the eigenvalues vanish, with φ as well.
    phi = np.tile([2.0, 0.3, -0.4, 0.5], (N, 1))
    radiated = scalar_radiation_amplitudes(minus, plus, phi, sqrt_s_gev=10.58)
    eigenvalues = _eigenvalues(spin_correlation_from_amplitudes(radiated, minus, plus))
    np.testing.assert_allclose(eigenvalues[:, :2], 0.0, atol=1e-10)
    np.testing.assert_allclose(eigenvalues.sum(axis=1), 1.0, atol=1e-12)


def test_turning_the_event_about_the_beam_changes_nothing() -> None:
    """The axes turn with the momenta: that the spinors' phases depend on the azimuth must not be seen."""
    _, minus, plus = _pair(10.58)
    phi = np.tile([2.0, 0.3, -0.4, 0.5], (N, 1))
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(1.3), -np.sin(1.3)], [np.sin(1.3), np.cos(1.3)]]
    found = []
    for matrix in (np.eye(4), turn):
        momenta = [p @ matrix.T for p in (minus, plus, phi)]
        amplitudes = scalar_radiation_amplitudes(*momenta, sqrt_s_gev=10.58)
        found.append(spin_correlation_from_amplitudes(amplitudes, *momenta[:2]))
    np.testing.assert_allclose(found[0], found[1], atol=1e-10)
