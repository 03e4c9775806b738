"""The simulation step: libraries of decays first, then every ntuple file, one task each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scheduler.tasks import map_tasks
from simulation.configuration import SimulationConfig
from simulation.library_parts import make_library_part, save_libraries
from simulation.production import produce
from simulation.tasks import LibraryTask, ProductionTask, plan_production

if TYPE_CHECKING:
    from scheduler.steps.step import StepContext


def execute(context: StepContext) -> None:
    """Write the ntuples that an interrupted attempt has not written yet."""
    config = context.config.simulation
    plan = plan_production(config, context.config.seed)
    # What a killed attempt was writing; a file gets its name when it is complete.
    for fragment in context.output.ntuples.rglob(".*.root"):
        fragment.unlink()
    missing = [task for task in plan.files if not (context.output.ntuples / task.file_name).exists()]
    if not missing:
        return
    libraries = context.output.path / "libraries"
    libraries.mkdir(exist_ok=True)
    unmade = [task for task in plan.libraries if not (libraries / task.kind.file_name(task.role)).exists()]
    _make_libraries(unmade, libraries, context)
    produced = map_tasks(
        context.client(),
        partial(_produce, config=config, libraries=libraries, ntuples=context.output.ntuples),
        missing,
        describe=attrgetter("file_name"),
        label="simulate",
        unit="files",
        settings=context.config.tasks,
        terminal=context.terminal,
    )
    _report(missing, produced, context)


def _report(tasks: Sequence[ProductionTask], produced: Sequence[ProducedCounts], context: StepContext) -> None:
    """Say what each process cost, and whether pseudo-data hold events more than once."""
    for process in dict.fromkeys(task.process for task in tasks):
        own = [counts for task, counts in zip(tasks, produced, strict=True) if task.process is process]
        cpu_s, write_s, size = (sum(column) for column in list(zip(*own, strict=True))[2:])
        context.terminal.say(
            f"simulate: {process}: {len(own)} files, {sum(counts.n_written for counts in own)} events, "
            f"{size / 1e6:.1f} MB, {cpu_s / 60.0:.2f} core-minutes, {100.0 * write_s / cpu_s:.1f} % of it writing"
        )
    repeated = sum(counts.n_repeated for counts in produced)
    if repeated:
        context.terminal.say(
            f"simulate: {repeated} events of the pseudo-data are there more than once: their fluctuations are larger "
            "than those of data (production.data_generated_fraction)"
        )


def _make_libraries(tasks: Sequence[LibraryTask], folder: Path, context: StepContext) -> None:
    if not tasks:
        return
    parts = map_tasks(
        context.client(),
        partial(make_library_part, config=context.config.simulation),
        tasks,
        describe=attrgetter("name"),
        label="simulate: decays",
        unit="library parts",
        settings=context.config.tasks,
        terminal=context.terminal,
    )
    save_libraries(tasks, parts, folder)


class ProducedCounts(NamedTuple):
    """What became of one task."""

    n_written: int
    """Events in the file."""
    n_repeated: int
    """Of these, events of pseudo-data that are in it more than once."""
    cpu_s: float
    """Processor time in seconds."""
    write_s: float
    """Time of it spent in compressing and writing."""
    size_bytes: int
    """Size of the file."""


def _produce(task: ProductionTask, config: SimulationConfig, libraries: Path, ntuples: Path) -> ProducedCounts:
    made = produce(task, config, libraries, ntuples)
    return ProducedCounts(made.n_written, made.n_repeated, made.cpu_s, made.write_s, made.path.stat().st_size)
