"""Cross-section of e⁺e⁻ → τ⁺τ⁻φ: independent integration, radiation, vacuum polarisation, table."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, GEV_M2_TO_FB, MUON_MASS_GEV, TAU_MASS_GEV
from models.theory.born import born_cross_section_fb
from models.theory.configuration import CollisionSettings, QuadratureSettings, TableSettings
from models.theory.cross_section import TABLE_PATH, cross_section_fb, mass_range_gev
from models.theory.errors import BelowThresholdError, MassRangeError
from models.theory.initial_state_radiation import (
    hard_radiation,
    radiated_cross_section,
    radiator_exponent,
    soft_virtual_factor,
)
from models.theory.integration import integrate_cross_sections
from models.theory.make_table import write_table
from models.theory.matrix_element import TAU_COUPLING
from models.theory.phase_space import body_momenta
from models.theory.point import TheoryPoint, theory_point
from models.theory.tau_pair import tau_pair_cross_section_fb
from models.theory.trace_evaluation import traced_helicity_weights
from models.theory.vacuum_polarisation import (
    hadronic_polarisation,
    leptonic_polarisation,
    vacuum_polarisation_factor,
)

SQRT_S = 10.58


def _directions(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    vectors = rng.normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _boosted(momenta: NDArray[np.float64], velocity: NDArray[np.float64]) -> NDArray[np.float64]:
    gamma = 1 / np.sqrt(1 - np.sum(velocity**2, axis=1))
    along = np.sum(velocity * momenta[:, 1:], axis=1)
    factor = (gamma - 1) / np.sum(velocity**2, axis=1) * along + gamma * momenta[:, 0]
    return np.column_stack([gamma * (momenta[:, 0] + along), momenta[:, 1:] + factor[:, None] * velocity])


def _cross_section_by_monte_carlo(m_phi: float, n: int, seed: int) -> tuple[float, float]:
    """Two successive two-body decays with flat m_ττ, weighted by the trace evaluation: shares no code with `born`."""
    rng = np.random.default_rng(seed)
    low, high = 2 * TAU_MASS_GEV, SQRT_S - m_phi
    pair_mass = rng.uniform(low, high, n)
    phi_energy = (SQRT_S**2 + m_phi**2 - pair_mass**2) / (2 * SQRT_S)
    phi_momentum = np.sqrt(phi_energy**2 - m_phi**2)
    phi = np.column_stack([phi_energy, phi_momentum[:, None] * _directions(rng, n)])
    tau_momentum = np.sqrt(pair_mass**2 / 4 - TAU_MASS_GEV**2)
    direction = tau_momentum[:, None] * _directions(rng, n)
    velocity = -phi[:, 1:] / (SQRT_S - phi_energy)[:, None]
    minus, plus = (_boosted(np.column_stack([pair_mass / 2, sign * direction]), velocity) for sign in (1, -1))
    # dΦ₃ = dm²/(2π) · p_φ/(4π√s) · p*/(4π m_ττ) with both solid angles averaged.
    measure = (high - low) * pair_mass / np.pi * phi_momentum / (4 * np.pi * SQRT_S)
    measure *= tau_momentum / (4 * np.pi * pair_mass)
    electron = np.tile([SQRT_S / 2, 0.0, 0.0, SQRT_S / 2], (n, 1))
    squared = traced_helicity_weights(minus, plus, phi, p_electron=electron).sum(axis=(0, 1))
    weights = measure * squared / (2 * SQRT_S**2) * GEV_M2_TO_FB
    return float(weights.mean()), float(weights.std() / np.sqrt(n))


@pytest.mark.parametrize("m_phi", [0.5, 3.0])
def test_born_cross_section_by_an_independent_monte_carlo(m_phi: float) -> None:
    value, error = _cross_section_by_monte_carlo(m_phi, 30_000, seed=5)
    assert error < 0.01 * value
    assert abs(born_cross_section_fb(m_phi, sqrt_s_gev=SQRT_S) - value) < 4 * error


@pytest.mark.parametrize("m_phi", [1.1e-3, 0.05, 1.0, 6.9])
def test_quadrature_has_converged(m_phi: float) -> None:
    finer = QuadratureSettings(recoil_points=60, pair_points=40)
    assert born_cross_section_fb(m_phi, sqrt_s_gev=SQRT_S) == pytest.approx(
        born_cross_section_fb(m_phi, sqrt_s_gev=SQRT_S, quadrature=finer), rel=1e-5
    )


def test_phase_space_volume_without_masses() -> None:
    """For E ≫ m all masses vanish and Φ₃ = s/(256π³)."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    u, v = (0.5 * (grid.ravel() + 1) for grid in np.meshgrid(nodes, nodes, indexing="ij"))
    energy = 2000.0
    density = body_momenta(u, v, m_phi_gev=1e-2, sqrt_s_gev=energy).density
    volume = 0.25 * np.outer(weights, weights).ravel() @ density
    assert volume == pytest.approx(energy**2 / (256 * np.pi**3), rel=1e-4)


def test_light_scalar_limit_is_the_eikonal_logarithm() -> None:
    """dσ/dln m_φ for m_φ → 0 is −σ_ττ g²/(4π²) times the angular average of the soft factor."""
    beta = np.sqrt(1 - 4 * TAU_MASS_GEV**2 / SQRT_S**2)
    energy = SQRT_S / 2

    def soft_factor(cosine: float) -> float:
        lines = 1 / (1 - beta * cosine) + 1 / (1 + beta * cosine)
        return 0.5 * (TAU_MASS_GEV / energy * lines) ** 2

    slope = TAU_COUPLING**2 / (4 * np.pi**2) * quad(soft_factor, -1, 1)[0] * float(tau_pair_cross_section_fb(SQRT_S**2))
    orders = QuadratureSettings(recoil_points=200, pair_points=24)
    lighter, heavier = (born_cross_section_fb(m, sqrt_s_gev=SQRT_S, quadrature=orders) for m in (1e-5, 2e-5))
    assert (lighter - heavier) / np.log(2) == pytest.approx(slope, rel=1e-3)


def test_cross_section_falls_with_mass_and_vanishes_like_the_phase_space_at_threshold() -> None:
    masses = np.geomspace(1.1e-3, 7.0, 200)
    assert np.all(np.diff(cross_section_fb(masses)) < 0)
    high = mass_range_gev()[1]
    near, far = (born_cross_section_fb(high - gap, sqrt_s_gev=SQRT_S) for gap in (1e-3, 2e-3))
    # S-wave three-body phase space goes as (excess energy)².
    assert np.log2(far / near) == pytest.approx(2.0, abs=0.01)


def test_below_threshold_is_named() -> None:
    with pytest.raises(BelowThresholdError, match=r"7\.5"):
        born_cross_section_fb(7.5, sqrt_s_gev=SQRT_S)


def test_radiator_is_the_convolution_of_two_electron_structure_functions() -> None:
    """The additive radiator against D⊗D (of the same paper): they differ beyond order α² only."""
    s = SQRT_S**2
    beta = radiator_exponent(s)
    logarithm = beta * np.pi / (2 * ALPHA_EM) + 1
    k_factor = 1 + ALPHA_EM / np.pi * (np.pi**2 / 3 - 0.5)
    soft = 1 + 0.375 * beta - beta**2 / 48 * (logarithm / 3 + np.pi**2 - 47 / 8)

    def structure(z: float) -> float:
        """D(z) without its singular part ½β(1−z)^{β/2−1}·soft."""
        second = 4 * (1 + z) * np.log(1 / (1 - z)) + (1 + 3 * z**2) / (1 - z) * np.log(1 / z) - 5 - z
        return -0.25 * beta * (1 + z) + beta**2 / 32 * second

    def kept(x: float) -> float:
        """∫∫ D D over z₁z₂ > 1 − x, with the singular parts integrated in t = (1−z)^{β/2}."""

        def one_leg(largest: float) -> float:
            return soft * largest ** (beta / 2) + quad(lambda y: structure(1 - y), 0, largest)[0]

        singular = quad(
            lambda t: soft * one_leg(max(1 - (1 - x) / (1 - t ** (2 / beta)), 0.0)), 0, x ** (beta / 2), limit=200
        )[0]
        regular = quad(lambda y: structure(1 - y) * one_leg(max(1 - (1 - x) / (1 - y), 0.0)), 0, x, limit=200)[0]
        return k_factor * (singular + regular)

    for x in (0.01, 0.3, 0.8):
        radiated = soft_virtual_factor(s) * x**beta + quad(lambda y: hard_radiation(y, s), 0, x, limit=200)[0]
        assert radiated == pytest.approx(kept(x), rel=2e-3)


def test_tau_pair_cross_section_with_radiation_is_that_of_kkmc() -> None:
    """S. Banerjee et al., arXiv:0706.3235: σ(e⁺e⁻ → τ⁺τ⁻) = 0.919 ± 0.003 nb at 10.58 GeV, final-state radiation in."""

    def dressed(energy: float) -> float:
        return float(tau_pair_cross_section_fb(energy**2) * vacuum_polarisation_factor(energy**2))

    inclusive = radiated_cross_section(dressed, sqrt_s_gev=SQRT_S, lowest_sqrt_s_gev=2 * TAU_MASS_GEV, points=16)
    final_state = 1 + 3 * ALPHA_EM / (4 * np.pi)
    assert inclusive * final_state / 1e6 == pytest.approx(0.919, rel=6e-3)


def test_radiation_takes_from_heavy_and_gives_to_light_scalars() -> None:
    light, heavy = integrate_cross_sections(0.1), integrate_cross_sections(6.0)
    assert 1.05 < light.sigma_isr_fb / light.sigma_born_fb < 1.15
    assert 0.70 < heavy.sigma_isr_fb / heavy.sigma_born_fb < 0.90
    assert 1.06 < light.sigma_vp_fb / light.sigma_isr_fb < 1.08


def test_polarisation_at_the_z_is_the_known_running() -> None:
    # One-loop leptons 0.0314 and hadrons 0.0276 at M_Z (Particle Data Group, electroweak review).
    assert float(leptonic_polarisation(91.188**2).real) == pytest.approx(0.03142, abs=2e-5)
    assert float(hadronic_polarisation(91.188**2)) == pytest.approx(0.0276, abs=2e-4)


def test_leptonic_polarisation_is_its_dispersion_integral() -> None:
    """Re Δα(s) − Re Δα(s₀) = (s − s₀)/π P∫ Im Δα(t)/((t − s)(t − s₀)) dt, subtracted far above the thresholds."""
    s, subtraction, tau_threshold = SQRT_S**2, 4e4, 4 * TAU_MASS_GEV**2

    def imaginary(t: float) -> float:
        total = 0.0
        for mass in (ELECTRON_MASS_GEV, MUON_MASS_GEV, TAU_MASS_GEV):
            if t > 4 * mass**2:
                beta = np.sqrt(1 - 4 * mass**2 / t)
                total -= ALPHA_EM / 3 * beta * (3 - beta**2) / 2
        return total

    def smooth(t: float, pole: float, other: float) -> float:
        return (imaginary(t) * (1 / (t - other)) - imaginary(pole) / (pole - other)) / (t - pole)

    def principal(low: float, high: float, pole: float, other: float) -> float:
        regular = quad(smooth, low, high, args=(pole, other), points=[pole], limit=400)[0]
        return regular + imaginary(pole) / (pole - other) * np.log((high - pole) / (pole - low))

    def logarithmic(low: float, high: float) -> float:
        return quad(
            lambda x: imaginary(np.exp(x)) / ((np.exp(x) - s) * (np.exp(x) - subtraction)) * np.exp(x),
            np.log(low),
            np.log(high),
            points=[p for p in (np.log(4 * MUON_MASS_GEV**2),) if low < np.exp(p) < high],
            limit=400,
        )[0]

    middle = 1000.0
    integral = logarithmic(4 * ELECTRON_MASS_GEV**2, tau_threshold)
    integral += principal(tau_threshold, middle, s, subtraction) + principal(middle, 2e5, subtraction, s)
    integral += logarithmic(2e5, 1e12)
    expected = leptonic_polarisation(subtraction).real + (s - subtraction) / np.pi * integral
    assert leptonic_polarisation(s).imag == pytest.approx(imaginary(s), rel=1e-9)
    assert float(leptonic_polarisation(s).real) == pytest.approx(float(expected), rel=1e-4)


def test_polarisation_below_the_tau_threshold_is_named() -> None:
    with pytest.raises(BelowThresholdError, match="vacuum polarisation"):
        leptonic_polarisation(10.0)


@pytest.mark.parametrize("m_phi", [1.3e-3, 0.0437, 0.123, 0.777, 2.345, 4.56, 6.54, 7.0123])
def test_interpolation_agrees_with_direct_integration_off_the_grid(m_phi: float) -> None:
    born, isr, vp = integrate_cross_sections(m_phi)
    assert cross_section_fb(m_phi, isr=False, vacuum_polarisation=False) == pytest.approx(born, rel=1e-4)
    assert cross_section_fb(m_phi, isr=True, vacuum_polarisation=False) == pytest.approx(isr, rel=1e-4)
    assert cross_section_fb(m_phi) == pytest.approx(vp, rel=1e-4)


def test_vacuum_polarisation_without_radiation_is_a_factor() -> None:
    born = cross_section_fb(1.0, isr=False, vacuum_polarisation=False)
    dressed = cross_section_fb(1.0, isr=False, vacuum_polarisation=True)
    assert dressed / born == pytest.approx(float(vacuum_polarisation_factor(SQRT_S**2)))


def test_shipped_table_is_what_the_command_writes(tmp_path: Path) -> None:
    destination = tmp_path / "table.csv"
    write_table(destination, CollisionSettings(), TableSettings(points=8))
    remade = np.loadtxt(destination, delimiter=",", skiprows=1)
    shipped = np.loadtxt(TABLE_PATH, delimiter=",", skiprows=1)
    np.testing.assert_allclose(remade[[0, -1]], shipped[[0, -1]], rtol=1e-8)
    assert destination.read_text().splitlines()[0] == TABLE_PATH.read_text().splitlines()[0]


@pytest.mark.parametrize("m_phi", [0.0, 1e-3, 7.1, -1.0, float("nan"), float("inf")])
def test_masses_outside_the_physical_range_are_named(m_phi: float) -> None:
    with pytest.raises(MassRangeError, match="GeV is outside the range"):
        theory_point(m_phi)
    with pytest.raises(MassRangeError):
        cross_section_fb([0.1, m_phi])


def test_theory_point_is_complete_and_finite() -> None:
    assert TheoryPoint._fields == (
        "m_phi_gev",
        "sigma_born_fb",
        "sigma_isr_fb",
        "sigma_vp_fb",
        "br_ee",
        "br_mumu",
        "br_tautau",
        "br_gammagamma",
        "ctau_mm",
        "delta_a_mu",
    )
    for m_phi in (0.00103, 0.04, 0.21, 1.0, 3.7, 7.02):
        point = theory_point(m_phi)
        assert np.all(np.isfinite(point))
        assert point.br_ee + point.br_mumu + point.br_tautau + point.br_gammagamma == pytest.approx(1.0)


def test_documented_cross_sections_are_the_calculated_ones() -> None:
    page = (Path(__file__).parents[2] / "docs" / "theory.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \| ([0-9.]+) \|$", page, flags=re.MULTILINE)
    assert len(rows) == 8
    for row in rows:
        mass, *documented = map(float, row)
        point = theory_point(mass)
        calculated = (point.sigma_born_fb, point.sigma_isr_fb, point.sigma_vp_fb)
        np.testing.assert_allclose(documented, calculated, rtol=3e-4)
