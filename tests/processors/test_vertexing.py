"""The vertex fit against simulated truth, an independent minimiser, symmetries, and input that defines no vertex."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import approx_fprime, least_squares

from models.constants import CURVATURE_PER_TESLA_GEV_PER_MM, ELECTRON_MASS_GEV, MUON_MASS_GEV
from models.helix import Helix, helix_from_vertex
from models.kinematics import boost_from_rest_frame, two_body_momentum, unit_vector, with_mass
from processors.configuration import VertexFitSettings
from processors.vertex_kernel import perigee
from processors.vertex_start import vertex_starts
from processors.vertexing import VertexStatus, fit_vertices

FIELD_TESLA = 1.5
CORRELATION = np.eye(5)
for row, column, value in ((0, 1, -0.8), (0, 2, 0.3), (1, 2, -0.5), (3, 4, -0.7)):
    CORRELATION[row, column] = CORRELATION[column, row] = value


def track_covariance(momentum):
    """Resolutions like those of the silicon detector and drift chamber, with correlations of their size."""
    pt, p = np.hypot(momentum[:, 0], momentum[:, 1]), np.linalg.norm(momentum, axis=1)
    sine = pt / p
    sigma = np.stack(
        [
            np.hypot(0.0219, 0.0355 / (p * sine**1.5)),
            np.hypot(0.4e-3, 0.8e-3 / (p * sine**0.5)),
            CURVATURE_PER_TESLA_GEV_PER_MM * FIELD_TESLA / pt * np.hypot(0.0019 * pt, 0.003),
            np.hypot(0.0278, 0.0319 / (p * sine**2.5)),
            np.hypot(0.5e-3, 1e-3 / (p * sine**0.5)) / sine**2,
        ],
        axis=-1,
    )
    return sigma[:, :, np.newaxis] * CORRELATION * sigma[:, np.newaxis, :]


class Pairs:
    """Pairs of oppositely charged tracks from decays of a particle, smeared with the covariance they carry."""

    def __init__(self, n_pairs, mass_gev, lepton_mass_gev, longest_flight_mm, seed):
        rng = np.random.default_rng(seed)
        parent = rng.uniform(0.5, 5.0, n_pairs)[:, np.newaxis] * unit_vector(
            rng.uniform(-0.8, 0.8, n_pairs), rng.uniform(-np.pi, np.pi, n_pairs)
        )
        recoil = two_body_momentum(mass_gev, lepton_mass_gev, lepton_mass_gev) * unit_vector(
            rng.uniform(-1.0, 1.0, n_pairs), rng.uniform(-np.pi, np.pi, n_pairs)
        )
        four_momentum = with_mass(parent, mass_gev)
        momenta = [
            boost_from_rest_frame(with_mass(sign * recoil, lepton_mass_gev), four_momentum)[:, :3] for sign in (1, -1)
        ]
        beam_spot = rng.normal(size=(n_pairs, 3)) * [0.1, 0.005, 4.0]
        flight = parent / np.linalg.norm(parent, axis=1)[:, np.newaxis]
        vertex = beam_spot + rng.uniform(0.0, longest_flight_mm, n_pairs)[:, np.newaxis] * flight
        found = np.all([np.hypot(p[:, 0], p[:, 1]) > 0.1 for p in momenta], axis=0)
        self.mass_gev, self.lepton_mass_gev = mass_gev, lepton_mass_gev
        self.vertex = vertex[found]
        self.momentum = np.stack([p[found] for p in momenta], axis=1)
        self.true_helix = [
            helix_from_vertex(self.vertex, self.momentum[:, track], charge, FIELD_TESLA)
            for track, charge in enumerate((-1, 1))
        ]
        self.covariance = [track_covariance(self.momentum[:, track]) for track in range(2)]
        self.helix = [
            Helix.from_parameters(
                helix.parameters()
                + np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), rng.normal(size=(len(covariance), 5)))
            )
            for helix, covariance in zip(self.true_helix, self.covariance, strict=True)
        ]

    def fit(self, helix=None, **settings):
        a, b = helix or self.helix
        return fit_vertices(
            a,
            self.covariance[0],
            b,
            self.covariance[1],
            self.lepton_mass_gev,
            FIELD_TESLA,
            VertexFitSettings(**settings),
        )


@pytest.fixture(scope="module")
def pairs():
    return Pairs(300, 0.3, MUON_MASS_GEV, 20.0, seed=4)


@pytest.mark.parametrize("longest_flight_mm", [0.0, 50.0])
@pytest.mark.parametrize(
    ("mass_gev", "lepton_mass_gev"),
    [
        (0.04, ELECTRON_MASS_GEV),
        (0.1, ELECTRON_MASS_GEV),
        (0.2, ELECTRON_MASS_GEV),
        (0.225, MUON_MASS_GEV),
        (1.0, MUON_MASS_GEV),
        (6.0, MUON_MASS_GEV),
    ],
)
def test_pulls_are_unit_gaussians_and_chi2_probability_is_flat(mass_gev, lepton_mass_gev, longest_flight_mm):
    pairs = Pairs(6000, mass_gev, lepton_mass_gev, longest_flight_mm, seed=7)
    fit = pairs.fit()
    assert np.mean(fit.converged) > 0.998
    good = fit.converged
    difference = np.concatenate(
        [fit.position_mm - pairs.vertex, (fit.momentum_gev - pairs.momentum).reshape(-1, 6)], axis=1
    )[good]
    covariance = fit.covariance[good]
    distance2 = np.einsum("ni,nij,nj->n", difference[:, :3], np.linalg.inv(covariance[:, :3, :3]), difference[:, :3])
    # Tracks that cross twice may leave their true vertex for the other crossing: rare, and far away in the error
    # ellipsoid. χ² of three degrees of freedom is beyond 30 once in 700 000.
    wrong_crossing = distance2 > 30.0
    assert np.mean(wrong_crossing) < 0.015
    core = ~wrong_crossing
    pulls = difference[core] / np.sqrt(np.diagonal(covariance[core], axis1=1, axis2=2))
    # 6000 pairs measure a width to 0.9 % and a mean to 0.013; the linear error of nearly parallel pairs, whose
    # vertex is uncertain by centimetres on a curved path, is off by another 2 %.
    assert_allclose(pulls.std(axis=0), 1.0, atol=0.05)
    assert_allclose(pulls.mean(axis=0), 0.0, atol=0.06)
    mass_pull = ((fit.mass_gev - mass_gev) / fit.mass_error_gev)[good]
    assert_allclose(mass_pull.std(), 1.0, atol=0.035)
    # The mass grows with the square of the opening angle: at 0.04 GeV its bias is 5 % of its 2 MeV error.
    assert_allclose(mass_pull.mean(), 0.0, atol=0.1)
    assert stats.kstest(stats.chi2.sf(fit.chi2[good], 1), "uniform").pvalue > 0.003


def test_exact_tracks_give_exact_vertices(pairs):
    fit = pairs.fit(pairs.true_helix)
    assert np.all(fit.converged)
    assert np.all(fit.chi2 < 1e-9)
    near = np.linalg.norm(fit.position_mm - pairs.vertex, axis=1) < 1e-4
    # Pairs whose other crossing is nearer to the beams fit exactly only in the transverse plane; few fit in z too.
    assert np.mean(near) > 0.98
    assert_allclose(fit.momentum_gev[near], pairs.momentum[near], rtol=1e-5, atol=1e-6)
    assert_allclose(fit.mass_gev[near], pairs.mass_gev, rtol=1e-6)


def test_agrees_with_an_independent_minimiser(pairs):
    """Minimise the same χ² with `scipy` and `models.helix`, in Cartesian momenta, from the true values."""
    fit = pairs.fit()

    def residuals(x, pair):
        return np.concatenate(
            [
                np.linalg.solve(
                    np.linalg.cholesky(pairs.covariance[track][pair]),
                    pairs.helix[track].parameters()[pair]
                    - helix_from_vertex(x[:3], x[3 + 3 * track : 6 + 3 * track], charge, FIELD_TESLA).parameters(),
                )
                for track, charge in enumerate((-1, 1))
            ]
        )

    for pair in range(5):
        start = np.concatenate([pairs.vertex[pair], pairs.momentum[pair].ravel()])
        other = least_squares(residuals, start, args=(pair,), x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15)
        # Differences are measured in errors, whose largest is some millimetres along the flight.
        sigma = np.sqrt(np.diag(fit.covariance[pair]))
        fitted = np.concatenate([fit.position_mm[pair], fit.momentum_gev[pair].ravel()])
        assert_allclose((fitted - other.x) / sigma, 0.0, atol=1e-6)
        assert_allclose(fit.chi2[pair], 2.0 * other.cost, rtol=1e-6, atol=1e-6)
        assert_allclose(
            fit.covariance[pair] / np.outer(sigma, sigma),
            np.linalg.inv(other.jac.T @ other.jac) / np.outer(sigma, sigma),
            atol=1e-4,
        )


@given(
    st.tuples(*[st.floats(-60.0, 60.0)] * 3),
    st.floats(-3.0, 3.0),
    st.sampled_from([-1.0, 1.0]),
    st.floats(5e-5, 5e-3),
    st.floats(-2.0, 3.0),
)
def test_kernel_has_the_helix_of_models_and_its_derivatives(vertex, phi, charge, curvature, tan_lambda):
    def helix_of(parameters):
        helix, slopes = np.empty(5), np.empty((5, 6))
        perigee(np.array(parameters[:3]), np.array(parameters[3:]), helix, slopes)
        return helix, slopes

    parameters = np.array([*vertex, phi, charge * curvature, tan_lambda])
    helix, slopes = helix_of(parameters)
    transverse = FIELD_TESLA * CURVATURE_PER_TESLA_GEV_PER_MM / curvature
    momentum = transverse * np.array([np.cos(phi), np.sin(phi), tan_lambda])
    expected = helix_from_vertex(vertex, momentum, charge, FIELD_TESLA).parameters()
    turns = np.round((helix[1] - expected[1]) / (2.0 * np.pi))
    assert_allclose(helix - [0.0, 2.0 * np.pi * turns, 0.0, 0.0, 0.0], expected, rtol=1e-9, atol=1e-9)
    # Steps of 1e-5 of each parameter's scale: truncation and rounding of one-sided differences reach 1e-4.
    scales = np.array([10.0, 10.0, 10.0, 0.1, curvature, 1.0])
    numerical = approx_fprime(np.zeros(6), lambda shift: helix_of(parameters + shift * scales)[0], 1e-6)
    size = np.array([10.0, 0.1, curvature, 10.0, 1.0])[:, np.newaxis]
    assert_allclose(slopes * scales / size, numerical / size, rtol=2e-3, atol=2e-3)


def test_starts_lie_on_both_tracks(pairs):
    starts = vertex_starts(*pairs.true_helix)
    nearest = np.min(np.linalg.norm(starts[:, :, :2] - pairs.vertex[:, np.newaxis, :2], axis=2), axis=1)
    assert_allclose(nearest, 0.0, atol=1e-3)
    assert np.all(np.diff(np.hypot(starts[:, :, 0], starts[:, :, 1]), axis=1) >= 0.0)


def test_rotation_about_the_beam_rotates_the_vertex(pairs):
    angle = 2.2
    rotated = [helix._replace(phi0=helix.phi0 + angle) for helix in pairs.helix]
    fit, turned = pairs.fit(), pairs.fit(rotated)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    assert_allclose(turned.position_mm, fit.position_mm @ rotation.T, atol=1e-4)
    assert_allclose(turned.chi2, fit.chi2, rtol=1e-6, atol=1e-8)
    assert_allclose(turned.mass_gev, fit.mass_gev, rtol=1e-7)


def test_order_of_the_tracks_does_not_matter(pairs):
    fit = pairs.fit()
    swapped = fit_vertices(
        pairs.helix[1], pairs.covariance[1], pairs.helix[0], pairs.covariance[0], pairs.lepton_mass_gev, FIELD_TESLA
    )
    assert_allclose(swapped.position_mm, fit.position_mm, atol=1e-4)
    assert_allclose(swapped.momentum_gev[:, ::-1], fit.momentum_gev, rtol=1e-5, atol=1e-7)
    assert_allclose(swapped.mass_error_gev, fit.mass_error_gev, rtol=1e-5)


def test_a_pair_is_fitted_alike_in_any_company(pairs):
    fit = pairs.fit()
    for part in (slice(0, 1), slice(7, 200)):
        alone = fit_vertices(
            *(
                argument
                for track in range(2)
                for argument in (Helix(*(p[part] for p in pairs.helix[track])), pairs.covariance[track][part])
            ),
            pairs.lepton_mass_gev,
            FIELD_TESLA,
        )
        assert_array_equal(alone.position_mm, fit.position_mm[part])
        assert_array_equal(alone.covariance, fit.covariance[part])


def test_mass_error_scales_with_track_errors(pairs):
    wide = [4.0 * covariance for covariance in pairs.covariance]
    a, b = pairs.true_helix
    narrow_fit = pairs.fit(pairs.true_helix)
    wide_fit = fit_vertices(a, wide[0], b, wide[1], pairs.lepton_mass_gev, FIELD_TESLA)
    assert_allclose(wide_fit.mass_error_gev, 2.0 * narrow_fit.mass_error_gev, rtol=1e-3)


def finite(fit):
    fields = (fit.position_mm, fit.momentum_gev, fit.covariance, fit.mass_gev)
    return not any(np.isnan(field).any() for field in (*fields, fit.chi2, fit.mass_error_gev)) and all(
        np.isfinite(field).all() for field in fields
    )


def test_identical_tracks_are_degenerate(pairs):
    same = pairs.helix[0]
    fit = fit_vertices(same, pairs.covariance[0], same, pairs.covariance[0], ELECTRON_MASS_GEV, FIELD_TESLA)
    assert np.all(fit.status == VertexStatus.DEGENERATE)
    assert finite(fit)
    assert_allclose(fit.mass_gev, 2.0 * ELECTRON_MASS_GEV, rtol=1e-3)


@pytest.mark.parametrize("offset_mm", [0.0, 0.01, 3.0, 50.0])
def test_parallel_tracks_give_no_nan(pairs, offset_mm):
    beside = pairs.helix[0]._replace(d0=pairs.helix[0].d0 + offset_mm)
    fit = fit_vertices(pairs.helix[0], pairs.covariance[0], beside, pairs.covariance[0], MUON_MASS_GEV, FIELD_TESLA)
    assert finite(fit)


def test_pairs_at_threshold_converge_or_are_flagged():
    """Opening angles of milliradians, as of photon conversions: the tracks touch rather than cross."""
    pairs = Pairs(1500, 0.002, ELECTRON_MASS_GEV, 50.0, seed=2)
    fit = pairs.fit()
    assert finite(fit)
    assert np.mean(fit.converged) > 0.97
    assert set(np.unique(fit.status[~fit.converged])) <= {VertexStatus.DEGENERATE, VertexStatus.NOT_CONVERGED}
    # The error of these masses is several times the mass itself; the fit must not make the pairs heavy.
    assert np.quantile(fit.mass_gev[fit.converged], 0.99) < 0.1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: 0.0 * c,
        lambda c: -c,
        lambda c: c * np.nan,
        lambda c: c * np.inf,
        lambda c: c * np.where(np.eye(5) > 0.0, 1.0, 3.0),
        lambda c: c * 1e-320,
    ],
)
def test_covariance_that_is_none_is_flagged(pairs, spoil):
    bad = pairs.covariance[1].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's remarks on making infinities on purpose
        bad[::2] = spoil(bad[::2])
    fit = fit_vertices(pairs.helix[0], pairs.covariance[0], pairs.helix[1], bad, MUON_MASS_GEV, FIELD_TESLA)
    assert np.all(fit.status[::2] == VertexStatus.BAD_COVARIANCE)
    assert np.all(fit.status[1::2] == VertexStatus.CONVERGED)
    assert finite(fit)
    assert np.all(np.isinf(fit.chi2[::2]))


@pytest.mark.parametrize("scale", [1e-60, 1e60, 1e280])
def test_absurd_covariances_give_no_nan(pairs, scale):
    fit = fit_vertices(
        pairs.helix[0], pairs.covariance[0], pairs.helix[1], pairs.covariance[1] * scale, MUON_MASS_GEV, FIELD_TESLA
    )
    assert finite(fit)


@pytest.mark.parametrize(("parameter", "value"), [("d0", np.nan), ("phi0", np.inf), ("omega", 0.0), ("z0", -np.inf)])
def test_helix_that_is_none_is_flagged(pairs, parameter, value):
    column = getattr(pairs.helix[0], parameter).copy()
    column[::3] = value
    fit = pairs.fit([pairs.helix[0]._replace(**{parameter: column}), pairs.helix[1]])
    assert np.all(fit.status[::3] == VertexStatus.BAD_HELIX)
    assert np.all(fit.status[1::3] == VertexStatus.CONVERGED)
    assert finite(fit)


def test_no_pairs_give_no_fits(pairs):
    nothing = Helix(*(parameter[:0] for parameter in pairs.helix[0]))
    fit = fit_vertices(nothing, np.empty((0, 5, 5)), nothing, np.empty((0, 5, 5)), MUON_MASS_GEV, FIELD_TESLA)
    assert fit.position_mm.shape == (0, 3)
    assert fit.position_covariance_mm2.shape == (0, 3, 3)


def test_fits_that_run_out_of_steps_say_so(pairs):
    fit = pairs.fit(max_iterations=1)
    assert np.all(fit.status == VertexStatus.NOT_CONVERGED)
    assert finite(fit)
