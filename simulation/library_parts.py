"""Making the libraries of decays, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simulation.b_library import make_b_library_part
from simulation.configuration import SimulationConfig
from simulation.decay_library import DecayLibrary
from simulation.libraries import LibraryKind
from simulation.tasks import LibraryTask
from simulation.tau_library import make_tau_decay_library


def make_library_part(task: LibraryTask, config: SimulationConfig) -> DecayLibrary:
    """Make one part of a library of decays."""
    match task.kind:
        case LibraryKind.TAU:
            return make_tau_decay_library(task.n_decays, config.tau_library, task.rng())
        case LibraryKind.B:
            return make_b_library_part(task.n_decays, config.upsilon, task.rng())


def save_libraries(tasks: Sequence[LibraryTask], parts: Sequence[DecayLibrary], folder: Path) -> list[Path]:
    """Join the parts of each library and write it where `DecayLibraries` looks for it; return the paths."""
    paths = []
    made = list(zip(tasks, parts, strict=True))
    for kind, role in dict.fromkeys((task.kind, task.role) for task in tasks):
        own = [part for task, part in made if (task.kind, task.role) == (kind, role)]
        path = folder / kind.file_name(role)
        type(own[0]).concatenate(own).save(path)
        paths.append(path)
    return paths
