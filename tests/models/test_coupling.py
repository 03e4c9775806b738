"""Limits on ξ: the square-root law, the fixed point in cτ by plain iteration, conventions and failures."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.coupling import (
    CouplingError,
    CouplingStatus,
    interpolate_in_ctau,
    xi_limit,
)
from models.coupling_conventions import LIFETIME_AWARE, PUBLISHED, ConventionName
from models.search import Channel
from models.theory.cross_section import cross_section_fb
from models.theory.decays import branching_fraction, ctau_mm
from models.theory.errors import MassRangeError

NODES = np.array([0.0, 10.0, 50.0])


@given(mass=st.floats(0.22, 6.5), limit=st.floats(1e-3, 1e3))
def test_prompt_limit_is_the_square_root_of_the_ratio(mass: float, limit: float) -> None:
    found = xi_limit(limit, mass, Channel.MUMU, LIFETIME_AWARE)
    predicted = found.xi**2 * cross_section_fb(mass) * branching_fraction(mass, Channel.MUMU)
    assert predicted == pytest.approx(limit, rel=1e-12)
    assert found.status is CouplingStatus.NOT_APPLICABLE


@given(
    mass=st.floats(0.03, 0.21),
    prompt=st.floats(0.05, 50.0),
    first=st.floats(0.0, 3.0),
    second=st.floats(0.0, 5.0),
)
def test_fixed_point_by_iterating_the_coupling(mass: float, prompt: float, first: float, second: float) -> None:
    """ξ → √(ξ·ξ_UL(cτ(ξ))), the damped iteration, contracts for 0 ≤ d ln σ_UL/d ln cτ < 3 and so ends at the same ξ."""
    limits = prompt * np.array([1.0, 1.0 + first, 1.0 + first + second])
    found = xi_limit(limits, mass, Channel.EE, LIFETIME_AWARE, ctau_nodes_mm=NODES)
    theory = float(cross_section_fb(mass) * branching_fraction(mass, Channel.EE))
    unit_ctau = float(ctau_mm(mass))
    xi = np.sqrt(prompt / theory)
    for _ in range(200):
        xi = np.sqrt(xi * np.sqrt(interpolate_in_ctau(unit_ctau / xi**2, NODES, limits, logarithmic=True) / theory))
    ctau = unit_ctau / xi**2
    assume(abs(ctau - 50.0) > 1e-6)
    assume(abs(ctau - 100.0) > 1e-6)
    if ctau > 100.0:
        assert found.status is CouplingStatus.NO_FIXED_POINT
        assert found.xi is None
    else:
        assert found.xi == pytest.approx(xi, rel=1e-8)
        assert found.ctau_mm == pytest.approx(ctau, rel=1e-8)
        assert found.status is (CouplingStatus.CONVERGED if ctau <= 50.0 else CouplingStatus.EXTRAPOLATED)


def test_steeply_falling_efficiency_still_has_its_fixed_point() -> None:
    """σ_UL growing faster than cτ³ makes the plain iteration cycle; the bracketed crossing is found all the same."""
    found = xi_limit([1.0, 1.0, 100.0], 0.07, Channel.EE, ctau_nodes_mm=NODES)
    assert found.status is CouplingStatus.CONVERGED
    assert found.xi**2 * cross_section_fb(0.07) == pytest.approx(found.xsec_ul_fb, rel=1e-8)


def test_fixed_point_reproduces_itself_also_when_limits_fluctuate_downwards() -> None:
    limits = np.array([2.0, 1.6, 4.0])
    found = xi_limit(limits, 0.07, Channel.EE, ctau_nodes_mm=NODES)
    ctau = float(ctau_mm(0.07, found.xi, include_photons=False))
    assert found.ctau_mm == pytest.approx(ctau)
    assert found.xi**2 * cross_section_fb(0.07) == pytest.approx(interpolate_in_ctau(ctau, NODES, limits), rel=1e-8)


def test_limits_independent_of_the_lifetime_give_the_prompt_coupling() -> None:
    flat = xi_limit([3.0, 3.0, 3.0], 0.08, Channel.EE, ctau_nodes_mm=NODES)
    assert flat.status is CouplingStatus.CONVERGED
    assert flat.xi == pytest.approx(np.sqrt(3.0 / cross_section_fb(0.08)), rel=1e-8)


def test_lifetime_weakens_the_limit_above_a_tenth_of_a_gev() -> None:
    limits = np.array([2.0, 4.0, 10.0])
    published = xi_limit(limits, 0.15, Channel.EE, PUBLISHED, ctau_nodes_mm=NODES)
    aware = xi_limit(limits, 0.15, Channel.EE, LIFETIME_AWARE, ctau_nodes_mm=NODES)
    assert published.status is CouplingStatus.NOT_APPLICABLE
    assert aware.status is CouplingStatus.CONVERGED
    assert aware.xi > 1.3 * published.xi


def test_photons_weaken_the_limit_by_the_branching_fraction() -> None:
    with_photons = PUBLISHED.model_copy(update={"include_photons": True})
    ratio = xi_limit(1.0, 0.2, Channel.EE, with_photons).xi / xi_limit(1.0, 0.2, Channel.EE, PUBLISHED).xi
    assert ratio == pytest.approx(1 / np.sqrt(branching_fraction(0.2, Channel.EE)))


def test_lifetime_convention_without_lifetime_limits_has_no_limit() -> None:
    found = xi_limit(1.0, 0.05, Channel.EE)
    assert found.status is CouplingStatus.NO_LIFETIME_LIMITS
    assert found.xi is None


def test_too_long_a_lifetime_has_no_fixed_point() -> None:
    found = xi_limit([1e-3, 1e-3, 1e-3], 0.05, Channel.EE, ctau_nodes_mm=NODES)
    assert found.status is CouplingStatus.NO_FIXED_POINT


def test_a_limit_that_falls_with_the_lifetime_excludes_bands() -> None:
    """cτ·σ_UL(cτ) of straight lines by hand: up through the threshold, down through it, and up again."""
    theory = float(cross_section_fb(0.07))
    threshold = float(ctau_mm(0.07, include_photons=False)) * theory
    # σ_UL at 0, 10, 20, 40 mm: cτ·σ_UL is 0, 2, 0.5 and 4 times the threshold.
    nodes = np.array([0.0, 10.0, 20.0, 40.0])
    limits = threshold * np.array([0.1, 0.2, 0.025, 0.1])
    found = xi_limit(limits, 0.07, Channel.EE, PUBLISHED, ctau_nodes_mm=nodes)

    def excluded(xi: float) -> bool:
        ctau = float(ctau_mm(0.07, xi, include_photons=False))
        return xi**2 * theory > interpolate_in_ctau(ctau, nodes, limits)

    assert len(found.bands) == 1
    (band,) = found.bands
    assert band.low < band.high < found.xi
    for xi, expected in (
        (1.001 * found.xi, True),
        (0.999 * found.xi, False),
        (1.001 * band.high, False),
        (0.999 * band.high, True),
        (1.001 * band.low, True),
        (0.999 * band.low, False),
    ):
        assert excluded(xi) is expected
    assert not xi_limit([1.0, 1.5, 9.0], 0.07, Channel.EE, ctau_nodes_mm=NODES).bands


def test_logarithmic_interpolation_is_exact_for_powers() -> None:
    nodes = np.array([0.0, 1.0, 10.0, 100.0])
    limits = np.array([0.5, 1.0, 10.0, 100.0])
    assert interpolate_in_ctau(30.0, nodes, limits, logarithmic=True) == pytest.approx(30.0, rel=1e-12)
    assert interpolate_in_ctau(0.5, nodes, limits, logarithmic=True) == pytest.approx(0.75)


def test_conventions_have_names() -> None:
    assert ConventionName("published").convention is PUBLISHED
    assert ConventionName("lifetime_aware").convention is LIFETIME_AWARE


@pytest.mark.parametrize(
    ("limits", "nodes", "message"),
    [
        ([1.0, 2.0], NODES, "2 cross-section limits were given for 3"),
        ([1.0, np.nan, 2.0], NODES, "not a positive number"),
        ([1.0, 0.0, 2.0], NODES, "not a positive number"),
        ([1.0, 2.0], [10.0, 0.0], "increase from 0"),
        ([1.0], [10.0], "increase from 0"),
    ],
)
def test_unusable_limits_are_named_with_their_mass(limits, nodes, message: str) -> None:
    with pytest.raises(CouplingError, match=message) as error:
        xi_limit(limits, 0.05, Channel.EE, ctau_nodes_mm=nodes)
    assert "0.05 GeV" in str(error.value)


def test_closed_channel_and_impossible_mass_are_named() -> None:
    with pytest.raises(CouplingError, match="channel mumu"):
        xi_limit(1.0, 0.2, Channel.MUMU)
    with pytest.raises(MassRangeError):
        xi_limit(1.0, 8.0, Channel.MUMU)
