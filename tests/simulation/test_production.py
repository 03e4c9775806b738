"""From a plan to files: identities, reproducibility, skim, pseudo-data."""

from pathlib import Path

import numpy as np
import pytest
import uproot
from pydantic import ValidationError

from models.errors import BadInputError
from models.lifetime import LifetimeMixture
from models.search import BACKGROUNDS, Channel, Process
from processors.configuration import NtupleWriterSettings
from processors.ntuple import TREE_NAME
from processors.ntuple_writer import NtupleWriter
from processors.sample import read_sample_metadata
from simulation.beams import beam_four_momentum, to_laboratory
from simulation.configuration import (
    BLibraryConfig,
    InjectedSignal,
    ProductionConfig,
    SignalGrid,
    SimulationConfig,
    SkimConfig,
    TauLibraryConfig,
    UpsilonConfig,
)
from simulation.decay_library import DecayLibrary
from simulation.detector.material import convert_photons
from simulation.libraries import LibraryKind, LibraryRole
from simulation.library_parts import make_library_part
from simulation.production import produce
from simulation.sealed_truth import sealed_file_name, unseal
from simulation.skim import may_pass_skim, passes_skim
from simulation.tasks import ProductionTask, plan_production
from simulation.tau_library import TauDecayLibrary
from simulation.tau_pairs import tau_pair_events

CONFIG = SimulationConfig(
    tau_library=TauLibraryConfig(n_decays=300, decays_per_task=200),
    upsilon=UpsilonConfig(library=BLibraryConfig(n_decays=400, decays_per_task=200)),
    signal={Channel.EE: SignalGrid(masses_gev=(0.05, 0.1), lifetimes=LifetimeMixture.single(10.0), n_events=300)},
    production=ProductionConfig(
        data_luminosity_fb=0.0004,
        data_luminosity_per_file_fb=0.0003,
        mc_luminosity_ratio={Process.TAUTAU: 2.0, Process.BBBAR: 0.5},
        events_per_file=500,
        batch_events=300,
    ),
)
SEED = 3


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory, tau_library: TauDecayLibrary, b_library: DecayLibrary) -> Path:
    folder = tmp_path_factory.mktemp("libraries")
    for role in LibraryRole:
        tau_library.save(folder / LibraryKind.TAU.file_name(role))
        b_library.save(folder / LibraryKind.B.file_name(role))
    return folder


def _task(sample: str, config: SimulationConfig = CONFIG, seed: int = SEED) -> ProductionTask:
    return next(task for task in plan_production(config, seed).files if task.sample == sample)


def _branches(path: Path) -> dict[str, np.ndarray]:
    with uproot.open(path) as file:
        arrays = file[TREE_NAME].arrays(library="np")
    return {name: np.concatenate([np.ravel(entry) for entry in array]) for name, array in arrays.items()}


def test_plan_names_every_sample_once() -> None:
    plan = plan_production(CONFIG, SEED)
    assert sorted({task.sample for task in plan.files}) == [
        "bbbar",
        "data",
        "signal_ee_m0.050",
        "signal_ee_m0.100",
        "tautau",
    ]
    assert len({task.run for task in plan.files}) == len(plan.files) == len({task.file_name for task in plan.files})
    tautau = [task.n_events for task in plan.files if task.sample == "tautau"]
    # 0.919 nb · 0.0008 fb⁻¹ = 735.2 events, of which a part is generated whole
    assert tautau == [368, 368]
    data = [task.luminosity_fb for task in plan.files if task.sample == "data"]
    assert sum(data) == pytest.approx(0.0004)
    for role in LibraryRole:
        tasks = [task for task in plan.libraries if task.role is role]
        assert sum(task.n_decays for task in tasks if task.kind is LibraryKind.TAU) == 300
        assert sum(task.n_decays for task in tasks if task.kind is LibraryKind.B) == 400


def test_streams_belong_to_seed_sample_and_file_alone() -> None:
    plan = plan_production(CONFIG, SEED)
    draws = [task.streams(1)[0].random() for task in plan.files] + [task.rng().random() for task in plan.libraries]
    draws += [task.streams(1)[0].random() for task in plan_production(CONFIG, SEED + 1).files]
    assert len(set(draws)) == len(draws)
    fewer = CONFIG.model_copy(update={"signal": {}})
    assert _task("tautau", fewer).streams(1)[0].random() == _task("tautau").streams(1)[0].random()


def test_round_trip_of_a_background_file(libraries: Path, tmp_path: Path) -> None:
    task = _task("tautau")
    produced = produce(task, CONFIG, libraries, tmp_path)
    assert produced.path == tmp_path / "tautau/tautau_000.root"
    metadata = read_sample_metadata(produced.path)
    assert metadata == produced.metadata
    assert metadata.process is Process.TAUTAU
    assert metadata.n_generated == metadata.sum_weights == metadata.sum_weights2 == task.n_events
    assert metadata.equivalent_luminosity_fb == pytest.approx(task.n_events / 0.919e6)
    branches = _branches(produced.path)
    assert 0 < produced.n_written == len(branches["event"]) < task.n_events
    # Event numbers are those of the generated events.
    assert np.all(np.diff(branches["event"]) > 0)
    assert branches["event"][-1] < task.n_events
    assert set(branches["run"]) == {task.run}
    assert not branches["is_data"].any()
    assert branches["beam_E"] == pytest.approx(beam_four_momentum(CONFIG.beams)[3])
    assert produced.path.stat().st_size < 3000 * produced.n_written + 200_000
    assert set(np.abs(branches["Gen_pdg"])) >= {15, 16, 22}


def test_same_task_same_file_and_another_seed_another(libraries: Path, tmp_path: Path) -> None:
    first, again = (
        _branches(produce(_task("signal_ee_m0.050"), CONFIG, libraries, tmp_path / name).path)
        for name in ("first", "again")
    )
    assert first.keys() == again.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    other = produce(_task("signal_ee_m0.050", seed=SEED + 1), CONFIG, libraries, tmp_path / "other")
    assert not np.array_equal(_branches(other.path)["Track_px"], first["Track_px"])


def test_signal_file_says_what_it_is(libraries: Path, tmp_path: Path) -> None:
    metadata = produce(_task("signal_ee_m0.050"), CONFIG, libraries, tmp_path).metadata
    assert (metadata.channel, metadata.m_phi_gev) == (Channel.EE, 0.05)
    assert metadata.lifetimes == LifetimeMixture.single(10.0)
    assert metadata.cross_section_fb is None
    assert metadata.n_generated == 300


def test_pseudo_data_are_an_unweighted_mixture_without_truth(libraries: Path, tmp_path: Path) -> None:
    produced = produce(_task("data"), CONFIG, libraries, tmp_path)
    assert produced.metadata.is_data
    assert produced.metadata.cross_section_fb is None
    assert produced.metadata.equivalent_luminosity_fb == pytest.approx(0.0002)
    # About 41 nb are generated: 8200 ± 91 events.
    assert produced.metadata.n_generated == pytest.approx(8200, abs=500)
    branches = _branches(produced.path)
    assert not any(name.startswith(("Gen", "nGen", "Track_pdg", "Track_gen", "Track_mother")) for name in branches)
    assert branches["is_data"].all()
    assert set(branches["weight"]) == {1.0}


def test_numbers_of_pseudo_data_fluctuate(libraries: Path, tmp_path: Path) -> None:
    files = [task for task in plan_production(CONFIG, SEED).files if task.sample == "data"]
    generated = [produce(task, CONFIG, libraries, tmp_path).metadata.n_generated for task in files]
    assert generated[0] != generated[1]


def test_skim_drops_only_what_it_says(tau_library: TauDecayLibrary) -> None:
    rng = np.random.default_rng(5)
    generated = tau_pair_events(3000, 10.58, tau_library, rng, CONFIG.radiation)
    laboratory = to_laboratory(generated, CONFIG.beams, rng).events
    converted = convert_photons(laboratory, rng, CONFIG.detector.material)
    passed = passes_skim(converted, CONFIG.skim)
    assert 0.1 < passed.mean() < 0.5
    # The filter before conversion never drops an event that passes after it.
    assert np.all(may_pass_skim(laboratory, CONFIG.skim)[passed])
    everything = SkimConfig(n_charged_min=0, n_charged_max=1000)
    assert np.all(passes_skim(converted, everything))


def test_skim_can_be_switched_off(libraries: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"skim": SkimConfig(enabled=False)})
    produced = produce(_task("tautau", config), config, libraries, tmp_path)
    assert produced.n_written == produced.metadata.n_generated


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"tau_library_mc\.npz"):
        produce(_task("tautau"), CONFIG, tmp_path, tmp_path)


def test_library_parts_are_reproducible_and_differ() -> None:
    plan = plan_production(CONFIG, SEED)
    parts = [make_library_part(task, CONFIG) for task in plan.libraries[:2]]
    again = make_library_part(plan.libraries[0], CONFIG)
    np.testing.assert_array_equal(parts[0].momentum, again.momentum)
    assert not np.array_equal(parts[0].momentum[:10], parts[1].momentum[:10])


def test_pseudo_data_draw_on_a_library_of_their_own() -> None:
    assert _task("data").library_role is LibraryRole.PSEUDO_DATA
    assert all(
        task.library_role is LibraryRole.MONTE_CARLO
        for task in plan_production(CONFIG, SEED).files
        if task.process is not Process.DATA
    )


@pytest.mark.parametrize("process", [Process.DATA, Process.SIGNAL])
def test_only_backgrounds_have_a_luminosity_ratio(process: Process) -> None:
    with pytest.raises(ValidationError, match="not a background"):
        ProductionConfig(mc_luminosity_ratio={process: 1.0})


def test_every_background_is_generated_by_default() -> None:
    assert set(ProductionConfig().mc_luminosity_ratio) == set(BACKGROUNDS)


def test_a_killed_task_leaves_no_file_and_is_made_again_the_same(libraries: Path, tmp_path: Path) -> None:
    task = _task("tautau")
    whole = _branches(produce(task, CONFIG, libraries, tmp_path / "whole").path)
    with pytest.MonkeyPatch.context() as patch:
        batches = []

        def killed(*arguments: object) -> None:
            batches.append(1)
            if len(batches) == 2:
                raise KeyboardInterrupt

        patch.setattr(NtupleWriter, "extend", killed)
        with pytest.raises(KeyboardInterrupt):
            produce(task, CONFIG, libraries, tmp_path / "killed")
    assert not list((tmp_path / "killed").rglob("*.root"))
    again = _branches(produce(task, CONFIG, libraries, tmp_path / "killed").path)
    for name in whole:
        np.testing.assert_array_equal(again[name], whole[name])


def test_clusters_change_the_layout_and_nothing_else(libraries: Path, tmp_path: Path) -> None:
    small = CONFIG.model_copy(update={"ntuples": NtupleWriterSettings(events_per_cluster=10)})
    for sample in ("tautau", "data"):
        one, other = (
            _branches(produce(_task(sample, config), config, libraries, tmp_path / name).path)
            for name, config in (("default", CONFIG), ("small", small))
        )
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_the_truth_about_pseudo_data_is_sealed_apart(libraries: Path, tmp_path: Path) -> None:
    signal = InjectedSignal(channel=Channel.MUMU, m_phi_gev=1.0, xi=2000.0)
    production = CONFIG.production.model_copy(update={"injected_signal": signal})
    config = CONFIG.model_copy(update={"production": production})
    produced = produce(_task("data", config), config, libraries, tmp_path)
    truth = unseal(tmp_path / sealed_file_name("data/data_000.root"))
    assert truth.signal == signal
    assert len(truth.process) == produced.n_written
    assert truth.duplicated_fraction == 0.0
    n_signal = np.count_nonzero(truth.process == truth.processes.index("signal"))
    # 1.53 fb · ξ² · 0.0002 fb⁻¹ = 1226 produced, of which most have four tracks in the acceptance.
    assert 300 < n_signal < 1226 + 150
