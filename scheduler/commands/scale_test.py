"""``leptophile scale-test``: how much faster with more workers, and what the limit is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scheduler.commands.options import JsonOption, run_folder


def scale_test(
    out: Annotated[Path, typer.Option("--out", help="Folder for JSON, figure and performance reports.")],
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder whose ntuples are processed; simulated in --out otherwise.")
    ] = None,
    sample: Annotated[
        list[str] | None, typer.Option("--sample", help="Only this sample of it; may be repeated. All by default.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", help="Where the workers are; may be repeated. local by default.")
    ] = None,
    workers: Annotated[
        list[int] | None, typer.Option("--workers", min=1, help="Numbers of workers; 1 and one per core by default.")
    ] = None,
    chunk_size: Annotated[
        list[int] | None, typer.Option("--chunk-size", min=1, help="Entries of a chunk; 5000 and 20000 by default.")
    ] = None,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Times that each run with work is done; the fastest counts.")
    ] = 1,
    null_chunks: Annotated[
        int, typer.Option("--null-chunks", min=1, help="Chunks of the run without work, which measures overheads.")
    ] = 1000,
    model_workers: Annotated[
        int, typer.Option("--model-workers", min=1, help="Workers of the modelled cluster.")
    ] = 1000,
    model_chunks: Annotated[int, typer.Option("--model-chunks", min=1, help="Chunks of the modelled run.")] = 100_000,
    json_output: JsonOption = False,
) -> None:
    """Measure strong and weak scaling, throughput and overheads, and model a larger cluster with them."""
    import psutil

    from scheduler.progress import Terminal
    from scheduler.scaling.scale_test import ScaleTest

    cores = psutil.cpu_count() or 1
    test = ScaleTest(
        out=run_folder(out).path,
        run=None if run is None else run_folder(run),
        samples=tuple(sample or ()),
        sites=tuple(site or ["local"]),
        workers=tuple(sorted(set(workers or [1, cores]))),
        chunk_entries=tuple(sorted(set(chunk_size or [5_000, 20_000]))),
        repeats=repeats,
        null_chunks=null_chunks,
        model_workers=model_workers,
        model_chunks=model_chunks,
        terminal=Terminal(),
    )
    report = test.execute()
    if json_output:
        typer.echo(report.model_dump_json())
