"""B pairs from the library: kinematics, mixing, and importance sampling without bias, against Pythia's own events."""

import numpy as np
import pytest
from scipy.stats import chi2

from simulation.b_library import make_b_library_part
from simulation.b_pairs import BPairGenerator
from simulation.configuration import BLibraryConfig, UpsilonConfig
from simulation.decay_library import DecayLibrary
from simulation.detector.species import CHARGED_SPECIES, ELECTRON, KAON, MUON, is_one_of
from simulation.generated import FINAL_STATE, GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling
from simulation.pythia_processes import HardProcesses, continued_events

SQRT_S = 10.58
N = 20_000
_N_DECAYS = 14_000
CONFIG = UpsilonConfig()
BIASED = ImportanceSampling(low_multiplicity_enrichment=20.0, semileptonic_boost=3.0)


def _events(library: DecayLibrary, importance: ImportanceSampling, n: int = N, seed: int = 1) -> GeneratedEvents:
    return BPairGenerator.prepare(library, CONFIG, importance).events(n, SQRT_S, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def whole_library() -> DecayLibrary:
    """A library that nothing was left out of: its decays are worth their number."""
    everything = UpsilonConfig(library=BLibraryConfig(kept_fraction=(1.0,), kept_without_leptons=1.0))
    return make_b_library_part(_N_DECAYS, everything, np.random.default_rng(13))


@pytest.fixture(scope="module")
def natural(whole_library: DecayLibrary) -> GeneratedEvents:
    return _events(whole_library, NATURAL)


@pytest.fixture(scope="module")
def biased(whole_library: DecayLibrary) -> GeneratedEvents:
    return _events(whole_library, BIASED, seed=2)


@pytest.fixture(scope="module")
def direct() -> GeneratedEvents:
    """Pairs of which Pythia decays every B on its own, in the proportion of the library's."""
    rng = np.random.default_rng(6)
    n = 3000
    charged = rng.random(n) < CONFIG.charged_fraction
    code = np.where(charged, 521, 511)
    mass = np.where(charged, CONFIG.charged_mass_gev, CONFIG.neutral_mass_gev)
    momentum = np.zeros((n, 2, 4))
    along = np.sqrt((0.5 * SQRT_S) ** 2 - mass**2)
    momentum[:, 0, 0], momentum[:, 1, 0], momentum[:, :, 3] = along, -along, 0.5 * SQRT_S
    processes = HardProcesses(
        pdg=np.stack([code, -code], axis=1),
        momentum=momentum,
        mass_gev=np.stack([mass, mass], axis=1),
        colour=np.zeros((n, 2, 2), dtype=np.int64),
    )
    masses = (f"521:m0 = {CONFIG.charged_mass_gev}", f"511:m0 = {CONFIG.neutral_mass_gev}")
    return GeneratedEvents.concatenate(list(continued_events(processes, 1000, SQRT_S, rng, "test", masses)))


def _number(events: GeneratedEvents, codes: tuple[int, ...], least_gev: float = 0.0) -> np.ndarray:
    momentum = np.sqrt(events.px**2 + events.py**2 + events.pz**2)
    chosen = is_one_of(events.pdg, codes) & (events.status == FINAL_STATE) & (momentum >= least_gev)
    return np.bincount(events.event_index[chosen], minlength=events.n_events)


def _shape(events: GeneratedEvents) -> np.ndarray:
    """Second Fox–Wolfram moment over the zeroth, from the tensor Σ p_a p_b/|p|."""
    vector = np.stack([events.px, events.py, events.pz])
    size = np.sqrt(np.sum(vector**2, axis=0))
    final = (events.status == FINAL_STATE) & (size > 1e-9)
    event, n = events.event_index[final], events.n_events
    tensor = np.array(
        [[np.bincount(event, (a * b / size)[final], n) for a in vector] for b in vector],
    )
    total = np.bincount(event, size[final], n)
    moment: np.ndarray = 0.5 * (3.0 * np.sum(tensor**2, axis=(0, 1)) / total**2 - 1.0)
    return moment


OBSERVABLES = {
    "charged particles": lambda events: _number(events, CHARGED_SPECIES),
    "fast charged particles": lambda events: _number(events, CHARGED_SPECIES, 0.8),
    "neutral pions": lambda events: _number(events, (111,)),
    "kaons": lambda events: _number(events, (KAON,)),
    "electrons": lambda events: _number(events, (ELECTRON,)),
    "fast electrons": lambda events: _number(events, (ELECTRON,), 1.2),
    "muons": lambda events: _number(events, (MUON,)),
    "fast muons": lambda events: _number(events, (MUON,), 1.2),
    "R2": _shape,
}


@pytest.mark.parametrize("name", OBSERVABLES)
@pytest.mark.parametrize("sample", ["natural", "biased"])
def test_distributions_are_those_of_direct_decays(
    name: str, sample: str, direct: GeneratedEvents, request: pytest.FixtureRequest
) -> None:
    """χ² of the weighted histograms, with the errors of the direct pairs, of the library and of drawing from it."""
    events: GeneratedEvents = request.getfixturevalue(sample)
    reference, values = OBSERVABLES[name](direct), OBSERVABLES[name](events)
    edges = np.unique(np.quantile(reference, np.linspace(0.0, 1.0, 9)))[1:-1]
    n_bins = len(edges) + 1
    of_reference = np.bincount(np.searchsorted(edges, reference, side="right"), minlength=n_bins) / len(reference)
    bins = np.searchsorted(edges, values, side="right")
    mine = np.bincount(bins, events.weight, n_bins) / events.n_events
    # A mean over pairs of n decays varies as one over n/2 direct pairs, if not less.
    variance = of_reference * (1.0 / len(reference) + 2.0 / _N_DECAYS)
    variance += np.bincount(bins, events.weight**2, n_bins) / events.n_events**2
    filled = of_reference > 0.0
    value = np.sum((mine - of_reference)[filled] ** 2 / variance[filled])
    assert chi2.sf(value, max(n_bins - 1, 1)) > 1e-3


@pytest.mark.parametrize("sample", ["natural", "biased"])
def test_conservation_and_weights(sample: str, request: pytest.FixtureRequest, final_state_sums) -> None:
    events: GeneratedEvents = request.getfixturevalue(sample)
    total, charge = final_state_sums(events)
    np.testing.assert_allclose(total, np.tile([0.0, 0.0, 0.0, SQRT_S], (N, 1)), atol=1e-9 * SQRT_S)
    assert np.all(charge == 0)
    assert np.all((events.weight > 0.0) & np.isfinite(events.weight))
    assert events.weight.mean() == pytest.approx(1.0, abs=max(1e-12, 5 * events.weight.std() / np.sqrt(N)))
    if sample == "natural":
        np.testing.assert_allclose(events.weight, 1.0, rtol=1e-12)


def test_what_was_asked_for_comes_more_often(natural: GeneratedEvents, biased: GeneratedEvents) -> None:
    four, of_biased = (np.mean(_number(events, CHARGED_SPECIES) == 4) for events in (natural, biased))
    assert of_biased > 3.0 * four
    pairs, pairs_of_biased = (np.mean(_number(events, (MUON,)) >= 2) for events in (natural, biased))
    assert pairs_of_biased > 2.0 * pairs


def test_neutral_mesons_mix_coherently(natural: GeneratedEvents) -> None:
    """χ_d = x²/(2(1 + x²)) over all times; at equal times the flavours are opposite, whatever the times."""
    first = natural.offsets[:-1]
    one, two = natural.pdg[first], natural.pdg[first + 1]
    neutral = np.abs(one) == 511
    assert np.all(np.abs(one) == np.abs(two))
    assert np.all(one[~neutral] == -two[~neutral])
    same = (one == two)[neutral]
    x2 = CONFIG.mixing_x**2
    assert same.mean() == pytest.approx(x2 / (2.0 * (1.0 + x2)), abs=5 * 0.39 / np.sqrt(len(same)))

    daughters = natural.mother + first[natural.event_index]
    decay_time = np.zeros((natural.n_events, 2))
    for side in range(2):
        rows = (natural.mother >= 0) & (daughters == first[natural.event_index] + side)
        decay_time[natural.event_index[rows], side] = natural.vt[rows]
    boost = natural.E[first] / CONFIG.neutral_mass_gev
    apart = np.abs(decay_time[:, 0] - decay_time[:, 1])[neutral] / boost[neutral] / CONFIG.neutral_ctau_mm
    together = apart < 0.3
    # ⟨(1 − cos(xΔt))/2⟩ ≤ (0.3 x)²/4 = 1.3 %
    assert same[together].mean() < 0.025
    late = (apart > 3.2) & (apart < 5.0)
    assert same[late].mean() > 0.75


def test_lifetimes_and_angles(natural: GeneratedEvents) -> None:
    first = natural.offsets[:-1]
    charged = np.abs(natural.pdg[first]) == 521
    assert charged.mean() == pytest.approx(CONFIG.charged_fraction, abs=5 * 0.5 / np.sqrt(N))
    daughter = first + 2
    ctau = natural.vt[daughter] * CONFIG.charged_mass_gev / natural.E[first]
    for chosen, expected in ((charged, CONFIG.charged_ctau_mm), (~charged, CONFIG.neutral_ctau_mm)):
        assert ctau[chosen].mean() == pytest.approx(expected, rel=5 / np.sqrt(np.count_nonzero(chosen)))
    # Isotropic decays: a product's direction in the rest frame knows nothing of the beam's. ⟨cos²⟩ = 1/3 at most
    # changed by the boost of β = 0.06.
    leptons = is_one_of(natural.pdg, (MUON,)) & (natural.status == FINAL_STATE)
    size = np.sqrt(natural.px**2 + natural.py**2 + natural.pz**2)[leptons]
    cosine2 = (natural.pz[leptons] / size) ** 2
    assert cosine2.mean() == pytest.approx(1 / 3, abs=5 * 0.298 / np.sqrt(len(cosine2)) + 0.004)


def test_same_stream_same_events(b_library: DecayLibrary) -> None:
    first, again, other = (_events(b_library, BIASED, 100, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.E, again.E)
    np.testing.assert_array_equal(first.weight, again.weight)
    assert not np.array_equal(first.weight, other.weight)
