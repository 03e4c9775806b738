"""Forced Dalitz decays, conversions and identification against brute force, in yields, spectra and sums of weights."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit, ndtr, ndtri

from models.kinematics import mass_of, with_mass
from models.search import Channel
from simulation.configuration import NeutralPionDecayConfig, SkimConfig
from simulation.detector.configuration import DetectorConfig, IdentificationConfig
from simulation.detector.four_tracks import neutral_four_tracks
from simulation.detector.identification import WeightedFourTracks, draw_likelihood_ratio, identify
from simulation.detector.lepton_pairs import force_lepton_pairs
from simulation.detector.material import convert_photons
from simulation.detector.response import identify_tracks, measure_neutrals, reconstruct, track
from simulation.detector.tracking import in_acceptance, track_efficiency
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling, SplittingSettings
from simulation.neutral_pion_decays import decay_neutral_pions
from simulation.skim import passes_skim
from simulation.splitting import split, track_chances

SPLIT = ImportanceSampling(
    splitting=SplittingSettings(copies={Channel.EE: 20.0, Channel.MUMU: 20.0}),
    identification_boost={Channel.EE: 10.0, Channel.MUMU: 10.0},
)
FORCED = ImportanceSampling(pair_boost=8.0, identification_boost={Channel.EE: 15.0, Channel.MUMU: 15.0})


def _fakes_are_common() -> DetectorConfig:
    """A detector that takes pions for electrons often enough for brute force to see them."""
    identification = IdentificationConfig()
    tables = identification.electron.model_dump() | {"pion": ((0.1, 0.1, 0.1),) * 6}
    electron = type(identification.electron).model_validate(tables)
    return DetectorConfig(identification=identification.model_copy(update={"electron": electron}))


DETECTOR = _fakes_are_common()
# Two charged pions and two neutral ones; four pions; an electron, a muon, two pions and a neutral one.
KINDS = ((211, -211, 111, 111), (211, -211, 211, -211), (11, -13, 211, -211, 111))
MASSES = {11: 0.000511, 13: 0.105658, 211: 0.139570, 111: 0.134977}


def _toys(n: int, rng: np.random.Generator) -> GeneratedEvents:
    """Events of the three kinds, more of the first."""
    parts = []
    for codes, size in zip(KINDS, (n // 2, n // 4, n - n // 2 - n // 4), strict=True):
        pdg = np.tile(np.array(codes, dtype=np.int32), (size, 1))
        mass = np.array([MASSES[abs(code)] for code in codes])
        parts.append(GeneratedEvents.from_table(pdg, with_mass(rng.normal(0.0, 0.7, (*pdg.shape, 3)), mass)))
    return GeneratedEvents.concatenate(parts)


class Yields:
    """Weights of the selected events by channel, truth category and mass bin, and the sums after each step."""

    def __init__(self, n: int, importance: ImportanceSampling, seed: int, cut: float = 0.9) -> None:
        rng = np.random.default_rng(seed)
        skim, settings = SkimConfig(n_charged_max=20), NeutralPionDecayConfig()
        self.n = n
        self.sums: list[np.ndarray] = []
        self.bins: dict[tuple[Channel, str, int], list[float]] = {}
        for _ in range(n // 50_000):
            events, source = _toys(50_000, rng), None
            if importance.splitting.copies:
                copies = split(events, importance, settings, DETECTOR, skim, rng)
                events, source = events.take(copies.event).reweighted(copies.weight), copies.source
                assert copies.copy.max() < importance.copies_max
            events = decay_neutral_pions(events, settings, rng, importance, source)
            converted = convert_photons(events, rng, DETECTOR.material, importance, skim, source)
            self.sums += [events.weight, converted.weight]
            kept = converted.select(passes_skim(converted, skim) & (converted.weight > 0.0))
            ip = np.zeros((kept.n_events, 3))
            identified = identify_tracks(track(kept, rng, DETECTOR), ip, rng, DETECTOR, importance)
            tracked = identified.tracked
            events = tracked.events
            assert np.all(np.isfinite(events.weight))
            assert np.all(events.weight > 0.0)
            four = neutral_four_tracks(tracked.tracks.helix, tracked.track_event, ip)
            ratios = identified.identification
            for channel, score in ((Channel.EE, ratios.electron_id), (Channel.MUMU, ratios.muon_id)):
                self._select(channel, score[four.track] > cut, four, tracked)

    def _select(self, channel, passes, four, tracked) -> None:
        events = tracked.events
        selected = np.flatnonzero(passes.any(axis=2).all(axis=1))
        first = four.track[selected[:, None], [0, 1], passes[selected].argmax(axis=2)]
        particle = tracked.tracks.particle[first]
        event = four.event[selected]
        mother = events.mother[particle]
        mother_pdg = np.where(mother < 0, 0, events.pdg[events.offsets[event][:, None] + np.maximum(mother, 0)])
        true = np.abs(events.pdg[particle]) == channel.lepton_pdg
        category = np.where(
            ~true, "fake", np.select([mother_pdg == 22, mother_pdg == 111], ["conversion", "dalitz"], "true")
        )
        momentum = with_mass(tracked.tracks.momentum_gev[first], channel.lepton_mass_gev)
        mass_bin = np.searchsorted([0.05, 0.3, 1.0], mass_of(momentum.sum(axis=1)))
        for weight, names, number in zip(events.weight[event], category, mass_bin, strict=True):
            self.bins.setdefault((channel, "+".join(sorted(names)), int(number)), []).append(weight)

    def rate(self, key) -> tuple[float, float, int]:
        """Rate of a bin, its variance and the number of events in it."""
        weight = np.array(self.bins.get(key, []))
        return weight.sum() / self.n, np.sum(weight**2) / self.n**2, len(weight)


@pytest.fixture(scope="module")
def natural() -> Yields:
    return Yields(300_000, NATURAL, 1)


@pytest.fixture(scope="module")
def forced() -> Yields:
    return Yields(150_000, FORCED, 2)


def _assert_same_rates(first: Yields, second: Yields) -> list:
    """χ² of the bins in which both samples have enough events to be Gaussian; the rest is compared in sum."""
    compared, rest = [], []
    for key in sorted(set(first.bins) | set(second.bins)):
        (compared if first.rate(key)[2] >= 15 and second.rate(key)[2] >= 15 else rest).append(key)
    pulls = []
    for keys in [*([key] for key in compared), rest]:
        one, two = (np.sum([sample.rate(key)[:2] for key in keys], axis=0) for sample in (first, second))
        if keys:
            pulls.append((one[0] - two[0]) / np.sqrt(one[1] + two[1]))
    # The seeds are fixed; 10⁻³ for about 40 bins together.
    assert stats.chi2.sf(np.sum(np.square(pulls)), len(pulls)) > 1e-3, dict(zip(compared, pulls, strict=False))
    return compared


def test_yields_by_truth_and_mass_agree_with_brute_force(natural, forced):
    compared = _assert_same_rates(natural, forced)
    categories = {(channel, category) for channel, category, _ in compared}
    wanted = {"conversion+conversion", "dalitz+dalitz", "fake+fake", "fake+true"}
    assert {category for channel, category in categories if channel is Channel.EE} >= wanted
    assert {category for channel, category in categories if channel is Channel.MUMU} >= {"fake+true"}


def test_split_events_agree_with_brute_force(natural):
    """Every kind of event followed as often as it is worth; all categories of pairs, in all bins of mass."""
    split_events = Yields(100_000, SPLIT, 11)
    compared = _assert_same_rates(natural, split_events)
    wanted = {"conversion+conversion", "dalitz+dalitz", "fake+fake", "fake+true"}
    assert {category for channel, category, _ in compared if channel is Channel.EE} >= wanted
    for category in ("conversion+conversion", "dalitz+dalitz"):
        keys = [key for key in natural.bins if key[:2] == (Channel.EE, category)]
        (rate, variance, _), (other, other_variance, _) = (
            np.sum([sample.rate(key) for key in keys], axis=0) for sample in (natural, split_events)
        )
        assert other / other_variance / split_events.n > 3.0 * rate / variance / natural.n


def test_track_chances_are_those_of_enumeration():
    """Toys of four pions: probabilities of the numbers found and of a lepton, against all outcomes."""
    rng = np.random.default_rng(12)
    events = GeneratedEvents.from_table(
        np.tile(np.array([211, -211, 211, -211], dtype=np.int32), (50, 1)),
        with_mass(rng.normal(0.0, 0.7, (50, 4, 3)), np.full(4, MASSES[211])),
    )
    chances = track_chances(events, DETECTOR)
    transverse = np.hypot(events.px, events.py)
    efficiency = track_efficiency(transverse, np.zeros_like(transverse), DETECTOR.tracking)
    efficiency = np.where(in_acceptance(events, DETECTOR.tracking), efficiency, 0.0).reshape(50, 4)
    for side, columns in enumerate(([1, 3], [0, 2])):
        first, second = efficiency[:, columns].T
        none = (1.0 - first) * (1.0 - second)
        expected = np.column_stack([none, first + second - 2.0 * first * second, first * second])
        np.testing.assert_allclose(chances.found[:, side], expected, atol=1e-12)
    assert np.all((chances.lepton >= 0.0) & (chances.lepton <= 1.0))


def test_what_cannot_be_selected_is_not_followed():
    neutral = GeneratedEvents.from_table(
        np.full((100, 2), 111, dtype=np.int32), with_mass(np.full((100, 2, 3), 0.5), np.full(2, MASSES[111]))
    )
    copies = split(neutral, SPLIT, NeutralPionDecayConfig(), DETECTOR, SkimConfig(), np.random.default_rng(13))
    assert len(copies.event) == 0


def test_weights_close(forced):
    weights = np.concatenate(forced.sums)
    assert np.mean(weights) == pytest.approx(1.0, abs=4.0 * np.std(weights) / np.sqrt(len(weights)))
    assert np.std(weights) < 5.0


def test_forcing_gains(natural, forced):
    """A forced sample is worth more per generated event, in each category that was forced."""
    for category in ("conversion+conversion", "dalitz+dalitz", "fake+fake"):
        keys = [key for key in natural.bins if key[:2] == (Channel.EE, category)]
        value = []
        for sample in (natural, forced):
            rate, variance, _ = np.sum([sample.rate(key) for key in keys], axis=0)
            value.append(rate / variance / sample.n)
        assert value[1] > 2.0 * value[0], category


def test_a_selection_at_another_cut_keeps_its_expectation():
    _assert_same_rates(Yields(100_000, NATURAL, 3, cut=0.97), Yields(50_000, FORCED, 4, cut=0.97))


@pytest.mark.parametrize(
    ("probability", "boost"), [((0.1, 0.3, 0.05, 0.2), 8.0), ((0.0, 0.3, 0.9, 0.0), 1.5), ((0.9, 0.8, 0.7, 0.95), 3.0)]
)
def test_every_outcome_of_four_tracks(probability, boost):
    n = 200_000
    flags, factor = force_lepton_pairs(
        np.tile(np.reshape(probability, (2, 2)), (n, 1, 1)), np.ones(n), boost, 0.5, np.random.default_rng(5)
    )
    outcome = flags.reshape(n, 4) @ np.array([8, 4, 2, 1])
    for number, bits in enumerate(product([0, 1], repeat=4)):
        expected = np.prod(np.where(bits, probability, 1.0 - np.array(probability)))
        weight = factor[outcome == number]
        # Weighted frequencies of 16 outcomes; 4.5σ, the seed is fixed.
        assert weight.sum() / n == pytest.approx(expected, abs=4.5 * np.sqrt(np.sum(weight**2) + 1e-9) / n + 1e-12)
    pair = flags.any(axis=2).all(axis=1)
    assert len(set(factor[pair].round(12))) <= 1
    assert len(set(factor[~pair].round(12))) <= 1


def test_pairs_that_cannot_be_are_not_made():
    flags, factor = force_lepton_pairs(
        np.tile([[0.5, 0.5], [0.0, 0.0]], (1000, 1, 1)), np.ones(1000), 50.0, 0.5, np.random.default_rng(6)
    )
    assert not flags[:, 1].any()
    assert np.all(factor == 1.0)


@pytest.mark.parametrize("probability", [0.9, 0.3, 0.002])
def test_likelihood_ratios_are_the_same_gaussian_on_either_side_of_the_cut(probability):
    """Drawing the flag first and the ratio given the flag is one Gaussian log-likelihood difference."""
    n, cut, spread = 100_000, 0.9, 3.0
    rng = np.random.default_rng(7)
    passes = rng.random(n) < probability
    score = draw_likelihood_ratio(np.full(n, probability), passes, cut=cut, spread=spread, rng=rng)
    assert np.array_equal(score > cut, passes)
    # The unsaturated scores tell the whole Gaussian; beyond, 1 − score rounds.
    pull = (logit(np.clip(score, 1e-300, 1 - 1e-16)) - logit(cut)) / spread - ndtri(probability)
    inside = np.abs(logit(np.clip(score, 1e-300, 1 - 1e-16))) < 30.0
    edges = np.linspace(-4.0, 4.0, 30)
    edges = edges[np.abs(logit(cut) + spread * (edges + ndtri(probability))) < 29.0]
    observed = np.histogram(pull[inside], edges)[0]
    expected = n * np.diff(ndtr(edges))
    enough = expected > 10.0
    chi2 = np.sum((observed - expected)[enough] ** 2 / expected[enough])
    assert stats.chi2.sf(chi2, np.count_nonzero(enough)) > 1e-3


def test_ratios_given_the_flag_do_not_depend_on_forcing():
    """Scores of pions that pass or fail, with decays in flight, are as in nature in forced events."""
    n = 40_000
    rng = np.random.default_rng(8)
    momentum = np.full(4 * n, 1.0)
    four = WeightedFourTracks(np.arange(4 * n).reshape(n, 2, 2), np.ones(n))
    draw = partial(
        identify, np.full(4 * n, 211, dtype=np.int32), momentum, np.full(4 * n, 1.5), rng, IdentificationConfig()
    )
    natural = draw().ratios.muon_id
    result = draw(ImportanceSampling(identification_boost={Channel.MUMU: 100.0}), four)
    forced = result.ratios.muon_id
    assert np.mean(forced > 0.9) > 3.0 * np.mean(natural > 0.9)
    for passed in (True, False):
        one, two = (score[(score > 0.9) == passed] for score in (natural, forced))
        assert stats.ks_2samp(one, two).pvalue > 1e-3
    mean = np.mean(result.weight)
    assert mean == pytest.approx(1.0, abs=4.0 * np.std(result.weight) / np.sqrt(n))


def test_weights_reach_the_detected_events_and_the_steps_are_the_whole():
    rng = np.random.default_rng(9)
    events = convert_photons(
        decay_neutral_pions(_toys(2000, rng), NeutralPionDecayConfig(), rng), rng, DETECTOR.material
    )
    ip = np.zeros((events.n_events, 3))
    detected = reconstruct(events, ip, np.random.default_rng(1), DETECTOR, FORCED)
    steps = np.random.default_rng(1)
    identified = identify_tracks(track(events, steps, DETECTOR), ip, steps, DETECTOR, FORCED)
    again = measure_neutrals(identified, ip, steps, DETECTOR)
    assert np.array_equal(detected.generated.weight, again.generated.weight)
    assert np.unique(detected.generated.weight).size > 10
    columns, others = detected.columns(), again.columns()
    assert all(np.array_equal(columns[name], others[name]) for name in columns)


def test_selected_events_keep_their_tracks_and_photons():
    """Dropping events between the steps changes nothing of the others but random numbers."""
    rng = np.random.default_rng(10)
    events = convert_photons(_toys(2000, rng), rng, DETECTOR.material)
    ip = np.zeros((events.n_events, 3))
    identified = identify_tracks(track(events, rng, DETECTOR), ip, rng, DETECTOR)
    mask = rng.random(events.n_events) < 0.3
    fewer = identified.select(mask)
    whole, part = (
        measure_neutrals(one, ip[: one.tracked.events.n_events], rng, DETECTOR).columns() for one in (identified, fewer)
    )
    tracks = np.repeat(mask, whole["nTrack"])
    for name in ("Track_px", "Track_d0", "Track_cov00", "Track_eID", "Track_pdg", "Track_mother_pdg", "Track_gen"):
        assert np.array_equal(part[name], whole[name][tracks]), name
    assert np.array_equal(part["nGen"], whole["nGen"][mask])
