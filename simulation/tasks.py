"""What has to be simulated: a plan of independent tasks, one for each file.

Every task draws from random streams of its own, derived from the one seed, the sample's name and the number of the
file; so a file does not depend on which other samples are made, on the order of the tasks or on who runs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from math import ceil

import numpy as np

from models.lifetime import LifetimeMixture
from models.search import Channel, Process
from simulation.backgrounds import background_cross_section
from simulation.configuration import SimulationConfig
from simulation.libraries import LibraryKind, LibraryRole

DATA_SAMPLE = "data"


@dataclass(frozen=True)
class SignalPoint:
    """A signal hypothesis that a sample is generated for."""

    channel: Channel
    m_phi_gev: float
    lifetimes: LifetimeMixture
    """Distribution of the proper flight lengths."""

    @property
    def sample(self) -> str:
        """Name of the sample.

        >>> SignalPoint(Channel.EE, 0.05, LifetimeMixture.single(0.0)).sample
        'signal_ee_m0.050'
        """
        return f"signal_{self.channel}_m{self.m_phi_gev:.3f}"


@dataclass(frozen=True)
class LibraryTask:
    """One part of a library of decays."""

    kind: LibraryKind
    role: LibraryRole
    index: int
    n_decays: int
    seed: int

    @property
    def name(self) -> str:
        """What the task makes, in words."""
        return f"{self.kind} library {self.role}, part {self.index}"

    def rng(self) -> np.random.Generator:
        """Return the random stream of this part."""
        return np.random.default_rng(seed_sequence(self.seed, f"{self.kind}_library_{self.role}", self.index))


@dataclass(frozen=True)
class ProductionTask:
    """One ntuple file of one sample."""

    sample: str
    process: Process
    index: int
    """Number of the file within the sample."""
    run: int
    """Run number, unlike that of every other file of the production."""
    production: int
    """Number of the sample within the production."""
    seed: int
    """The seed of the whole production."""
    n_events: int | None = None
    """Events to generate; None for pseudo-data, whose numbers fluctuate."""
    luminosity_fb: float | None = None
    """Luminosity of the file; pseudo-data only."""
    signal: SignalPoint | None = None

    @property
    def file_name(self) -> str:
        """Path of the file below the folder of ntuples."""
        return f"{self.sample}/{self.sample}_{self.index:03d}.root"

    @property
    def library_role(self) -> LibraryRole:
        """The libraries that its decays come from."""
        return LibraryRole.PSEUDO_DATA if self.process is Process.DATA else LibraryRole.MONTE_CARLO

    def streams(self, n: int, part: str = "") -> list[np.random.Generator]:
        """Return `n` independent random streams that belong to this file, and this part of what is in it, alone."""
        name = f"{self.sample}/{part}" if part else self.sample
        return [np.random.default_rng(child) for child in seed_sequence(self.seed, name, self.index).spawn(n)]


@dataclass(frozen=True)
class ProductionPlan:
    """Everything a production has to do: first the libraries, then the files in any order."""

    libraries: tuple[LibraryTask, ...]
    files: tuple[ProductionTask, ...]


def plan_production(config: SimulationConfig, seed: int) -> ProductionPlan:
    """Return the tasks of a production.

    Parameters
    ----------
    config
        What to simulate.
    seed
        The one seed that everything derives from.
    """
    files: list[ProductionTask] = []
    for number, (sample, process, signal, sizes) in enumerate(_samples(config)):
        files += [
            ProductionTask(
                sample=sample,
                process=process,
                index=index,
                run=config.production.first_run + len(files) + index,
                production=number,
                seed=seed,
                n_events=None if process is Process.DATA else int(size),
                luminosity_fb=size if process is Process.DATA else None,
                signal=signal,
            )
            for index, size in enumerate(sizes)
        ]
    return ProductionPlan(tuple(_library_tasks(config, seed)), tuple(files))


def _samples(config: SimulationConfig) -> Iterator[tuple[str, Process, SignalPoint | None, list[float]]]:
    """Yield name, process, signal point and file sizes of each sample: events, or luminosity of pseudo-data."""
    production = config.production
    n_files = ceil(production.data_luminosity_fb / production.data_luminosity_per_file_fb)
    yield DATA_SAMPLE, Process.DATA, None, [production.data_luminosity_fb / n_files] * n_files
    for process, ratio in production.mc_luminosity_ratio.items():
        luminosity_fb = ratio * production.data_luminosity_fb
        n_events = ceil(luminosity_fb * background_cross_section(process, config).value_fb)
        per_file = production.events_per_file_of.get(process, production.events_per_file)
        yield process.value, process, None, _even_parts(n_events, per_file)
    for channel, grid in config.signal.items():
        for mass in grid.masses_gev:
            point = SignalPoint(channel, mass, grid.lifetimes)
            yield point.sample, Process.SIGNAL, point, _even_parts(grid.n_events, production.events_per_file)


def _library_tasks(config: SimulationConfig, seed: int) -> list[LibraryTask]:
    sizes = {
        LibraryKind.TAU: _even_parts(config.tau_library.n_decays, config.tau_library.decays_per_task),
        LibraryKind.B: _even_parts(config.upsilon.library.n_decays, config.upsilon.library.decays_per_task),
    }
    return [
        LibraryTask(kind, role, index, int(size), seed)
        for kind in LibraryKind
        for role in LibraryRole
        for index, size in enumerate(sizes[kind])
    ]


def _even_parts(total: int, largest: int) -> list[float]:
    """Split a number into as few nearly equal parts as `largest` allows."""
    n_parts = ceil(total / largest)
    return [(total + index) // n_parts for index in range(n_parts)]


def seed_sequence(seed: int, name: str, index: int) -> np.random.SeedSequence:
    """Return the root of random streams that belong to a name and a number alone."""
    digest = blake2b(name.encode(), digest_size=4).digest()
    return np.random.SeedSequence(seed, spawn_key=(int.from_bytes(digest, "big"), index))
