"""The simulation step: libraries of decays first, then every ntuple file, one task each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

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
    made, repeated = (sum(counts) for counts in zip(*produced, strict=True))
    if repeated:
        context.terminal.say(
            f"simulate: of {made} events, {repeated} of the pseudo-data are there more than once: their fluctuations "
            "are larger than those of data (production.data_generated_fraction)"
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


def _produce(task: ProductionTask, config: SimulationConfig, libraries: Path, ntuples: Path) -> tuple[int, int]:
    """Return the events of a file, and those of pseudo-data that are in it more than once."""
    made = produce(task, config, libraries, ntuples)
    return made.n_written, made.n_repeated
