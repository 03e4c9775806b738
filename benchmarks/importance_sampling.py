"""What importance sampling gains: effective luminosity per core-hour after four tracks and a lepton pair, in one run.

Each process is generated, detected and skimmed twice: as in nature, and with a configuration's importance sampling.
The effective luminosity is N/σ_vis with N = (Σw)²/Σw² and the visible cross-section σ_vis = σ·Σw/Σw_generated. What
came of the same generated event by repeats counts as one weight. Writing is not included; time is that of one core.

    python benchmarks/importance_sampling.py [--config FILE] [--seconds 10] [--process tautau …]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from models.helix import Helix
from models.search import Channel, Process
from processors.ntuple import HELIX_PARAMETERS
from simulation.backgrounds import background_cross_section, background_events
from simulation.configuration import PreselectionConfig, SimulationConfig
from simulation.detector.four_tracks import neutral_four_tracks
from simulation.generated import GeneratedEvents
from simulation.importance import NATURAL, ImportanceSampling
from simulation.libraries import DecayLibraries, LibraryRole
from simulation.library_parts import make_library_part, save_libraries
from simulation.pipeline import GeneratedSums, Survivors, simulate
from simulation.tasks import plan_production

PROFILE = Path(__file__).parents[1] / "scheduler" / "profiles" / "full.yml"
PROCESSES = (Process.TAUTAU, Process.TAUTAULL, Process.QQBAR, Process.BBBAR)
SEED = 2022
BATCH_EVENTS = 20_000
ENDLESS = 10**12


def passes(survivors: Survivors, channel: Channel) -> NDArray[np.bool_]:
    """Return which events have an identified pair of a channel among their four good tracks."""
    columns, settings = survivors.columns, PreselectionConfig()
    helix = Helix(*(columns[f"Track_{name}"].astype(np.float64) for name in HELIX_PARAMETERS))
    event = np.repeat(np.arange(survivors.n_events), columns["nTrack"])
    four = neutral_four_tracks(helix, event, survivors.interaction_point_mm, settings.tracks)
    score, cut = (
        (columns["Track_eID"], settings.identification.min_electron_likelihood)
        if channel is Channel.EE
        else (columns["Track_muID"], settings.identification.min_muon_likelihood)
    )
    selected = np.zeros(survivors.n_events, dtype=bool)
    selected[four.event] = (score[four.track] >= cut).any(axis=2).all(axis=1)
    return selected


def until(batches: Iterator[GeneratedEvents], seconds: float) -> Iterator[GeneratedEvents]:
    """Yield batches for a time; the first, with which the generator is set up and kernels are compiled, is dropped."""
    next(batches)
    start = time.process_time()
    while time.process_time() - start < seconds:
        yield next(batches)


def effective_luminosity(
    process: Process, config: SimulationConfig, libraries: DecayLibraries, seconds: float
) -> tuple[float, dict[Channel, tuple[float, int]]]:
    """Return generated events per second, and fb⁻¹ per core-hour with the number of stored events of each channel."""
    importance = config.production.importance_of(process)
    sums = GeneratedSums()
    streams = [np.random.default_rng(seed) for seed in np.random.SeedSequence(SEED).spawn(3)]
    batches = background_events(process, ENDLESS, libraries, config, streams[0])
    weights: dict[Channel, list[NDArray[np.float64]]] = {channel: [] for channel in Channel}
    used = -time.process_time()
    for survivors in simulate(until(batches, seconds), config, importance, sums, streams[1], streams[2], truth=True):
        used += time.process_time()
        for channel, found in weights.items():
            selected = passes(survivors, channel)
            found.append(np.column_stack([survivors.number // importance.copies_max, survivors.weight])[selected])
        used -= time.process_time()
    used += time.process_time()
    cross_section_fb = background_cross_section(process, config).value_fb
    result = {}
    for channel, parts in weights.items():
        number, weight = np.concatenate(parts).T
        _, generated_event = np.unique(number, return_inverse=True)
        together = np.bincount(generated_event, weight)
        luminosity_fb = weight.sum() / np.sum(together**2) * sums.sum_weights / cross_section_fb if len(weight) else 0.0
        result[channel] = (luminosity_fb * 3600.0 / used, len(weight))
    return sums.n / used, result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=PROFILE, help="YAML with a simulation section")
    parser.add_argument("--seconds", type=float, default=10.0, help="processor time of each measurement")
    parser.add_argument("--process", type=Process, nargs="+", default=PROCESSES)
    parser.add_argument("--libraries", type=Path, help="folder of decay libraries, made there if missing")
    arguments = parser.parse_args()
    settings = yaml.safe_load(arguments.config.read_text())["simulation"]
    config = SimulationConfig.model_validate(settings)
    config = config.model_copy(
        update={
            "skim": config.skim.model_copy(
                update={"preselection": PreselectionConfig(enabled=True, lepton_pair=True, missing_mass_gev=None)}
            ),
            "production": config.production.model_copy(update={"batch_events": BATCH_EVENTS}),
        }
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.libraries or Path(temporary)
        if not any(folder.glob("*.npz")):
            folder.mkdir(exist_ok=True)
            small = SimulationConfig()
            parts = [task for task in plan_production(small, SEED).libraries if task.role is LibraryRole.MONTE_CARLO]
            save_libraries(parts, [make_library_part(part, small) for part in parts], folder)
        libraries = DecayLibraries(folder, LibraryRole.MONTE_CARLO)
        print(
            f"{'process':10} {'sampling':10} {'generated/s':>12}" + "".join(f"{c:>14} fb⁻¹/h  stored" for c in Channel)
        )
        for process in arguments.process:
            chosen = config.production.importance_of(process)
            for name, importance in (("natural", NATURAL), ("importance", chosen)):
                print_line(process, name, _with(config, process, importance), libraries, arguments.seconds)


def _with(config: SimulationConfig, process: Process, importance: ImportanceSampling) -> SimulationConfig:
    production = config.production.model_copy(update={"importance": {process: importance}})
    return config.model_copy(update={"production": production})


def print_line(
    process: Process, name: str, config: SimulationConfig, libraries: DecayLibraries, seconds: float
) -> None:
    """Measure and print one line of the table."""
    rate, channels = effective_luminosity(process, config, libraries, seconds)
    cells = "".join(f"{luminosity:14.1f} {'':6} {stored:7d}" for luminosity, stored in channels.values())
    print(f"{process:10} {name:10} {rate:12.0f}" + cells, flush=True)


if __name__ == "__main__":
    main()
