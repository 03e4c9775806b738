"""Every process through the whole pipeline: conservation laws, weights, and skims that drop what they say."""

import numpy as np
import pytest
from coffea.processor import IterativeExecutor, Runner

from models.search import BACKGROUNDS, Channel, Process, Search
from processors.belle_schema import BelleSchema
from processors.candidate_processor import CandidateProcessor
from processors.candidates import CandidateStore
from processors.configuration import CandidateSettings, TrackSettings
from processors.cutflow import Cut
from processors.fileset import build_fileset
from processors.ntuple_writer import write_ntuple
from processors.variations import Kinematics
from simulation.backgrounds import background_events
from simulation.beams import beam_four_momentum, to_laboratory
from simulation.configuration import HiddenSignal, PreselectionConfig, ProductionConfig, SimulationConfig, SkimConfig
from simulation.decay_library import DecayLibrary
from simulation.detector.response import identify_tracks, measure_neutrals, track
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling
from simulation.injection import injected_signal_events, signal_expectation
from simulation.libraries import DecayLibraries, LibraryKind, LibraryRole
from simulation.neutral_pion_decays import decay_neutral_pions
from simulation.pipeline import GeneratedSums, Survivors, simulate
from simulation.preselection import has_four_tracks, has_lepton_pairs, has_missing_mass
from simulation.production import event_columns, metadata
from simulation.pseudo_data import injected_signal, number_of_copies
from simulation.tasks import ProductionTask
from simulation.tau_library import TauDecayLibrary

BOOSTED = ImportanceSampling(pair_boost=10.0, identification_boost={Channel.EE: 10.0, Channel.MUMU: 10.0})
EVERYTHING = SkimConfig(enabled=False)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory, tau_library: TauDecayLibrary, b_library: DecayLibrary):
    folder = tmp_path_factory.mktemp("libraries")
    for role in LibraryRole:
        tau_library.save(folder / LibraryKind.TAU.file_name(role))
        b_library.save(folder / LibraryKind.B.file_name(role))
    return DecayLibraries(folder, LibraryRole.MONTE_CARLO)


def _config(importance: ImportanceSampling, skim: SkimConfig = EVERYTHING) -> SimulationConfig:
    production = ProductionConfig(importance=dict.fromkeys(Process, importance), batch_events=400)
    return SimulationConfig(production=production, skim=skim)


def _events(process: Process, n: int, libraries: DecayLibraries, config: SimulationConfig) -> list[GeneratedEvents]:
    rng = np.random.default_rng(21)
    if process is Process.SIGNAL:
        per_fb = signal_expectation(Channel.MUMU, 1.0, 1.0, 1.0).n_events
        expectation = signal_expectation(Channel.MUMU, 1.0, 1.0, n / per_fb)
        return list(injected_signal_events(expectation, libraries.tau, config, rng))
    return list(background_events(process, n, libraries, config, rng))


def _simulate(
    batches: list[GeneratedEvents], config: SimulationConfig, importance: ImportanceSampling, *, truth: bool = True
) -> tuple[GeneratedSums, list[Survivors]]:
    sums = GeneratedSums()
    generation, detection = (np.random.default_rng(seed) for seed in (31, 32))
    return sums, list(simulate(batches, config, importance, sums, generation, detection, truth=truth))


@pytest.mark.parametrize("process", [*BACKGROUNDS, Process.SIGNAL])
def test_generated_events_conserve_what_they_must(process, libraries, final_state_sums) -> None:
    config = _config(BOOSTED)
    batches = _events(process, 300, libraries, config)
    events = GeneratedEvents.concatenate(batches)
    decayed = decay_neutral_pions(events, config.neutral_pions, np.random.default_rng(1), BOOSTED)
    laboratory = to_laboratory(decayed, config.beams, np.random.default_rng(2)).events
    total, charge = final_state_sums(laboratory)
    beam = beam_four_momentum(config.beams)
    assert np.abs(total - beam).max() < 1e-9 * beam[3]
    assert np.abs(charge).max() < 1e-9
    assert np.all(np.isfinite(laboratory.weight))
    assert np.all(laboratory.weight > 0.0)


@pytest.mark.parametrize("process", [*BACKGROUNDS, Process.SIGNAL])
def test_weights_keep_their_sum(process, libraries) -> None:
    config = _config(BOOSTED)
    batches = _events(process, 400, libraries, config)
    sums, survivors = _simulate(batches, config, BOOSTED)
    weight = np.concatenate([part.weight for part in survivors])
    assert len(weight) == sums.n
    assert np.all(np.isfinite(weight))
    assert np.all(weight > 0.0)
    # Forced choices have weights of mean one: the sum is that of the generator within its own statistical error.
    error = np.sqrt(np.sum((weight - np.concatenate([batch.weight for batch in batches])) ** 2))
    assert abs(weight.sum() - sums.sum_weights) < 4.0 * error + 1e-9


@pytest.fixture(scope="module")
def selected(libraries, tmp_path_factory: pytest.TempPathFactory):
    """Reconstructed four-lepton events, and the numbers of those with candidates in any search, any kinematics."""
    config = _config(NATURAL)
    rng = np.random.default_rng(5)
    events = GeneratedEvents.concatenate(_events(Process.TAUTAULL, 1500, libraries, config))
    laboratory, point = to_laboratory(decay_neutral_pions(events, config.neutral_pions, rng), config.beams, rng)
    identified = identify_tracks(track(laboratory, rng, config.detector), point, rng, config.detector)
    detected = measure_neutrals(identified, point, rng, config.detector)
    folder = tmp_path_factory.mktemp("preselection")
    task = ProductionTask("tautaull", Process.TAUTAULL, 0, run=1, production=0, seed=1)
    n = events.n_events
    survivors = Survivors(detected.columns(), point, np.ones(n), np.arange(n))
    columns = event_columns(task, survivors, survivors.number, config) | survivors.columns
    write_ntuple(folder / task.file_name, columns, metadata(task, GeneratedSums(n, n, n), config))
    runner = Runner(executor=IterativeExecutor(status=False), schema=BelleSchema, metadata_cache={})
    summary = runner(build_fileset(folder).fileset, CandidateProcessor(CandidateSettings(), folder / "candidates"))
    store = CandidateStore(folder / "candidates")
    kept = [store.read(search, "tautaull", shift)["event"] for search in Search for shift in Kinematics]
    return identified, detected, point, summary["tautaull"], np.unique(np.concatenate(kept))


def test_preselection_drops_nothing_that_the_selection_takes(selected) -> None:
    identified, detected, point, summary, kept = selected
    config = PreselectionConfig(missing_mass_gev=(1.7, 6.3))
    tracked = identified.tracked
    four = has_four_tracks(tracked.tracks.helix, tracked.track_event, point, config)
    paired = has_lepton_pairs(identified, point, config)
    missing = has_missing_mass(detected, point, SimulationConfig().beams, config)
    assert len(kept) > 50
    for passed in (four, paired, missing):
        assert np.all(passed[kept])
        assert passed.mean() < 0.5
    # Neither does it keep more than it says: two searches in the ee channel differ in their tracks alone.
    cutflow = summary["cutflow"]
    loose, tight = (cutflow[search][Cut.NET_CHARGE_ZERO]["events"] for search in (Search.EE_DISPLACED, Search.EE))
    assert max(loose, tight) <= four.sum() <= loose + tight
    assert np.all(four[paired])
    assert np.all(four[missing])


def test_a_skim_tighter_than_the_selection_is_named() -> None:
    loose = PreselectionConfig(enabled=True, missing_mass_gev=(1.0, 7.0))
    assert loose.contradiction(CandidateSettings()) is None
    tight = loose.model_copy(update={"missing_mass_gev": (2.5, 7.0)})
    assert tight.contradiction(CandidateSettings()) == "missing_mass_gev"
    without_margin = loose.model_copy(update={"missing_mass_gev": (2.0, 6.0)})
    assert without_margin.contradiction(CandidateSettings()) == "missing_mass_gev"
    other = loose.model_copy(update={"tracks": TrackSettings(max_dr_mm=5.0)})
    assert other.contradiction(CandidateSettings()) == "tracks"


def test_what_is_dropped_is_counted(libraries) -> None:
    config = _config(NATURAL, SkimConfig(preselection=PreselectionConfig(enabled=True, missing_mass_gev=(1.0, 7.0))))
    sums, survivors = _simulate(_events(Process.TAUTAU, 2000, libraries, config), config, NATURAL)
    assert sums.n == sums.sum_weights == 2000
    assert 0 < sum(part.n_events for part in survivors) < 100


def test_copies_have_the_expectation_asked_for() -> None:
    rng = np.random.default_rng(8)
    copies = number_of_copies(np.full(100_000, 2.3), rng)
    assert set(copies) == {2, 3}
    assert copies.mean() == pytest.approx(2.3, abs=4.0 * np.sqrt(0.21 / 100_000))


def test_hidden_signals_lie_in_their_ranges_and_follow_the_seed() -> None:
    hidden = HiddenSignal(m_phi_gev={Channel.MUMU: (0.5, 2.0)}, xi=(3.0, 30.0))
    config = SimulationConfig(production=ProductionConfig(hidden_signal=hidden))
    drawn = [injected_signal(config, seed) for seed in range(50)]
    assert drawn[3] == injected_signal(config, 3)
    assert len({signal.m_phi_gev for signal in drawn}) == 50
    assert all(0.5 < s.m_phi_gev < 2.0 and 3.0 < s.xi < 30.0 and s.channel is Channel.MUMU for s in drawn)
