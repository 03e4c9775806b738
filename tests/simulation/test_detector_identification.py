import numpy as np
import pytest
from pydantic import ValidationError

from simulation.detector.configuration import IdentificationConfig
from simulation.detector.identification import decay_in_flight_probability, identify, pass_probability
from simulation.detector.species import CHARGED_SPECIES

IDENTIFICATION = IdentificationConfig()
N = 200_000


def response(pdg, low_gev, high_gev, seed=1, *, theta_deg=(35.0, 125.0)):
    rng = np.random.default_rng(seed)
    momentum = rng.uniform(low_gev, high_gev, N)
    theta = np.arccos(rng.uniform(*np.cos(np.deg2rad(theta_deg[::-1])), N))
    return identify(np.full(N, pdg, dtype=np.int32), momentum, theta, rng, IDENTIFICATION).ratios


# Published averages; the tolerance covers what the choice of momentum spectrum changes.
@pytest.mark.parametrize(
    ("pdg", "score", "cut", "expected", "tolerance"),
    [
        (11, "electron_id", 0.9, 0.92, 0.01),
        (211, "electron_id", 0.9, 0.0025, 0.0005),
        (13, "muon_id", 0.9, 0.90, 0.01),
        (-211, "muon_id", 0.9, 0.015, 0.002),
        (321, "kaon_pion_id", 0.6, 0.88, 0.02),
        (-211, "kaon_pion_id", 0.6, 0.085, 0.01),
    ],
)
def test_published_rates_above_one_gev(pdg, score, cut, expected, tolerance):
    scores = getattr(response(pdg, 1.0, 3.0), score)
    assert np.mean(scores > cut) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("theta_deg", [25.0, 90.0, 140.0])
@pytest.mark.parametrize("momentum", [0.15, 0.4, 0.9, 2.0])
@pytest.mark.parametrize("code", CHARGED_SPECIES)
def test_rates_at_the_working_point_are_those_of_the_tables(code, momentum, theta_deg):
    n = 50_000
    rng = np.random.default_rng(code)
    theta = np.full(n, np.deg2rad(theta_deg))
    scores = identify(np.full(n, code, dtype=np.int32), np.full(n, momentum), theta, rng, IDENTIFICATION).ratios
    species = np.array([CHARGED_SPECIES.index(code)])
    for score, ratio in (
        (scores.electron_id, IDENTIFICATION.electron),
        (scores.kaon_pion_id, IDENTIFICATION.kaon),
    ):
        expected = pass_probability(species, np.array([momentum]), theta[:1], ratio)[0]
        # 4.5σ of a binomial: 120 comparisons, the seed is fixed.
        assert np.mean(score > ratio.cut) == pytest.approx(expected, abs=4.5 * np.sqrt(expected * (1 - expected) / n))


@pytest.mark.parametrize("code", [*CHARGED_SPECIES, -11, -13, -211, -321, -2212])
def test_likelihood_ratios_are_ratios(code):
    scores = response(code, 0.05, 6.0, theta_deg=(17.0, 150.0))
    for score in scores:
        assert np.all((score >= 0.0) & (score <= 1.0))


def test_no_muon_likelihood_below_its_momentum():
    scores = response(13, 0.1, 0.59)
    assert np.all(scores.muon_id == 0.0)
    assert np.all(scores.muon_quality == 0.0)
    assert np.all(response(13, 0.61, 3.0).muon_quality == 1.0)


def test_electron_efficiency_rises_with_momentum():
    efficiencies = [np.mean(response(11, p, 1.01 * p).electron_id > 0.9) for p in (0.1, 0.3, 0.4, 0.6, 0.8, 2.0)]
    assert np.all(np.diff(efficiencies) > 0.0)


def test_decays_in_flight():
    pion, kaon, muon = (np.array([CHARGED_SPECIES.index(code)]) for code in (211, 321, 13))
    p, theta = np.array([1.0]), np.array([np.pi / 2])
    assert decay_in_flight_probability(pion, p, theta, 1100.0)[0] == pytest.approx(
        1 - np.exp(-1100.0 * 0.13957 / 7804.5), rel=1e-4
    )
    assert decay_in_flight_probability(kaon, p, theta, 1100.0)[0] == pytest.approx(
        1 - np.exp(-1100.0 * 0.493677 / 3711.0), rel=1e-4
    )
    assert decay_in_flight_probability(muon, p, theta, 1100.0)[0] == 0.0
    no_decays = IDENTIFICATION.model_copy(update={"pion_decay_like_muon": 0.0})
    n = 200_000
    codes = np.full(n, 211, dtype=np.int32)
    with_decays, without = (
        np.mean(
            identify(codes, np.full(n, 1.0), np.full(n, 1.5), np.random.default_rng(3), config).ratios.muon_id > 0.9
        )
        for config in (IDENTIFICATION, no_decays)
    )
    assert with_decays > without + 0.003


def test_tables_must_fit_their_bins():
    with pytest.raises(ValidationError, match="pion needs one fraction"):
        IDENTIFICATION.electron.model_validate({**IDENTIFICATION.electron.model_dump(), "pion": ((0.1, 0.1, 0.1),)})
