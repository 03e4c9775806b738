"""Bringing steps of a run folder up to date: unchanged ones are skipped, changed ones are done again."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from models.errors import UsageError
from scheduler.clusters import check_site, connect
from scheduler.configuration import AnalysisConfig, dump_configuration
from scheduler.provenance import environment, now, user, write_json
from scheduler.result_store import store_of
from scheduler.run_folder import RunFolder
from scheduler.steps.chain import HISTOGRAM, PROCESS, SCAN, steps_of
from scheduler.steps.step import Step, StepContext, StepRecord, execute, fingerprint, is_done, read_record

if TYPE_CHECKING:
    from distributed import Client

    from scheduler.progress import Terminal

_REPORTED: Final = frozenset({PROCESS.name, HISTOGRAM.name, SCAN.name})
_GRACE: Final = timedelta(days=1)


def bring_up_to_date(
    wanted: Sequence[str] | None,
    config: AnalysisConfig,
    run: RunFolder,
    *,
    site: str,
    terminal: Terminal,
    command: Sequence[str] = (),
) -> dict[str, StepRecord]:
    """Run the wanted steps that are not done, in order.

    Parameters
    ----------
    wanted
        Names of steps, None for the whole chain.
    config
        The analysis; written to the run folder.
    run
        Where it runs.
    site
        Where the workers are.
    terminal
        Where status and progress are shown.
    command
        What was typed, for the provenance.

    Returns
    -------
    dict of str to StepRecord
        The records of the steps that were run now.

    Raises
    ------
    UsageError
        If a step that a wanted one needs is not up to date, or the folder is in use.
    """
    check_site(site)
    executed: dict[str, StepRecord] = {}
    started = datetime.now(UTC)
    with _locked(run), ExitStack() as stack:
        run.configuration.write_text(dump_configuration(config), encoding="utf-8")

        @cache
        def client() -> Client:
            return stack.enter_context(connect(site, config.cluster, terminal, logs=run.logs))

        context = StepContext(config, run, run, client, terminal, store_of(config.results, run.results))
        fingerprints: dict[str, str] = {}
        for step in steps_of(config):
            fingerprints[step.name] = fingerprint(step, config, run, fingerprints)
            if wanted is not None and step.name not in wanted:
                continue
            _check_needs(step, config, run, fingerprints)
            if is_done(step, run, fingerprints[step.name]):
                terminal.say(f"{step.name}: up to date")
                continue
            terminal.say(f"{step.name}: {step.summary}")
            # Before there are workers to stop: libraries that are being imported may swallow the exception of a signal.
            step.load()
            with _performance_report(step, context):
                executed[step.name] = execute(step, context, fingerprints[step.name])
            terminal.say(f"{step.name}: done in {executed[step.name].wall_s:.1f} s")
            _write_provenance(config, run, command)
        if executed:
            _prune(context, started)
    return executed


def check_ready(wanted: Sequence[str] | None, config: AnalysisConfig, run: RunFolder, *, site: str) -> None:
    """Refuse what `bring_up_to_date` would refuse, before anything that cannot be taken back is done.

    Parameters
    ----------
    wanted, config, run, site
        As for `bring_up_to_date`.

    Raises
    ------
    UsageError
        If the site is of no known kind, or a step that a wanted one needs is not up to date.
    """
    check_site(site)
    fingerprints: dict[str, str] = {}
    for step in steps_of(config):
        fingerprints[step.name] = fingerprint(step, config, run, fingerprints)
        if wanted is not None and step.name in wanted:
            _check_needs(step, config, run, fingerprints)


def _check_needs(step: Step, config: AnalysisConfig, run: RunFolder, fingerprints: Mapping[str, str]) -> None:
    for needed in steps_of(config):
        if needed.name in step.needs and not is_done(needed, run, fingerprints[needed.name]):
            raise UsageError(
                f"'{step.name}' needs the step '{needed.name}', which is missing or out of date in {run.path}: "
                f"run `leptophile {needed.name} --out {run.path}`, or `leptophile run` for the whole chain."
            )


@contextmanager
def _performance_report(step: Step, context: StepContext) -> Iterator[None]:
    """Keep Dask's performance report of a step that succeeds, if it is one that is mapped over many tasks."""
    if step.name not in _REPORTED or not context.config.tasks.performance_report:
        yield
        return
    from distributed import performance_report

    path = context.run.performance(step.name)
    path.parent.mkdir(exist_ok=True)
    report = performance_report(filename=str(path))
    # Dask's report is about the current client
    with context.client().as_current():
        report.__enter__()
        yield
        # not after a failure: a scheduler that is gone cannot report
        report.__exit__(None, None, None)


def _prune(context: StepContext, started: datetime) -> None:
    """Remove results that nobody has used for long; a day's grace for other runs that share the store."""
    pruned = context.results.prune(context.config.results, keep_since=started - _GRACE)
    if pruned.n_results:
        context.terminal.say(f"{pruned.n_results} old results ({pruned.n_bytes / 1e6:.0f} MB) were removed")


def _write_provenance(config: AnalysisConfig, run: RunFolder, command: Sequence[str]) -> None:
    records = {step.name: read_record(step, run) for step in steps_of(config)}
    steps: dict[str, JsonValue] = {
        name: {
            "fingerprint": record.fingerprint,
            "started": record.started,
            "finished": record.finished,
            "wall_s": record.wall_s,
            "code_revision": record.code_revision,
            "inputs": record.inputs,
            "n_output_files": len(record.outputs),
        }
        for name, record in records.items()
        if record is not None
    }
    content: dict[str, JsonValue] = {
        "written": now(),
        "by": user(),
        "command": list(command),
        "environment": environment(),
        "configuration": config.model_dump(mode="json"),
        "steps": steps,
    }
    for record in records.values():
        if record is not None and record.sealed_truth:
            content["sealed_truth"] = dict(record.sealed_truth)
    if run.unblinding.exists():
        content["unblinding"] = json.loads(run.unblinding.read_text(encoding="utf-8"))
    if run.unsealing.exists():
        content["unsealing"] = json.loads(run.unsealing.read_text(encoding="utf-8"))
    write_json(run.provenance, content)


@contextmanager
def _locked(run: RunFolder) -> Iterator[None]:
    """Hold the run folder: two runs that write to the same one would mix their outputs."""
    run.path.mkdir(parents=True, exist_ok=True)
    with (run.path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"Another leptophile is running in {run.path}.") from None
        yield
