"""The validation page: a table of verdicts, each with a link to its figure."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from models.settings import Settings
from scheduler.report.tables import Cell, table


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    ATTENTION = "attention"
    """Unlikely by chance, or not possible with so few events: somebody has to look."""
    FAILED = "failed"


class CheckResult(Settings):
    """One check in words and numbers."""

    name: str
    verdict: Verdict
    sentence: str
    """What was found and what the verdict follows from."""
    numbers: dict[str, float]
    """Key figures."""
    figure: str | None
    """File of its figure, relative to the page."""
    table: str | None = None
    """CSV file with everything it looked at, relative to the page."""

    @property
    def summary(self) -> str:
        """The check in one line."""
        return f"{self.verdict:<10} {self.name}: {self.sentence}"


class CheckTable(NamedTuple):
    """Everything that a check looked at."""

    header: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Check:
    """A check with its figure."""

    name: str
    verdict: Verdict
    sentence: str
    numbers: dict[str, float]
    figure: Figure | None
    table: CheckTable | None = None


def verdict_of_p_value(p_value: float, n_tests: int = 1) -> Verdict:
    """Return the verdict on the smallest of some p-values, corrected for their number.

    >>> [str(verdict_of_p_value(p, 10)) for p in (0.01, 1e-3, 1e-6)]
    ['passed', 'attention', 'failed']
    """
    corrected = min(1.0, n_tests * p_value)
    if corrected > _UNLIKELY:
        return Verdict.PASSED
    return Verdict.ATTENTION if corrected > _IMPOSSIBLE else Verdict.FAILED


_UNLIKELY = 0.05
_IMPOSSIBLE = 1e-3


def write_validation_page(checks: Sequence[Check], folder: Path, title: str) -> list[CheckResult]:
    """Write figures, tables, `checks.json` and `index.html` of a validation; returns what was written.

    Parameters
    ----------
    checks
        In the order of the page.
    folder
        Made if needed.
    title
        Heading.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for check in checks:
        stem = "_".join(check.name.lower().replace("/", " ").split())
        if check.figure is not None:
            check.figure.savefig(folder / f"{stem}.png", dpi=110)
            plt.close(check.figure)
        if check.table is not None:
            table(stem, check.name, *check.table, folder)
        results.append(
            CheckResult(
                name=check.name,
                verdict=check.verdict,
                sentence=check.sentence,
                numbers=check.numbers,
                figure=None if check.figure is None else f"{stem}.png",
                table=None if check.table is None else f"{stem}.csv",
            )
        )
    content = [result.model_dump(mode="json") for result in results]
    (folder / "checks.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "index.html").write_text(_page(results, title), encoding="utf-8")
    return results


_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1080px;margin:24px auto;padding:0 16px;color:#1d2329}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:6px 12px 6px 0;
border-bottom:1px solid #dfe3e7}.passed{color:#1b6e3c}.attention{color:#9a6700}.failed{color:#b3261e;font-weight:600}
img{max-width:100%;height:auto}"""


def _page(results: Sequence[CheckResult], title: str) -> str:
    rows, figures = [], []
    for number, result in enumerate(results):
        name, sentence = html.escape(result.name), html.escape(result.sentence)
        links = [f'<a href="#check-{number}">figure</a>'] if result.figure else []
        links += [f'<a href="{result.table}">table</a>'] if result.table else []
        link = "<br>".join(links) or "–"
        verdict = f'<td class="{result.verdict}">{result.verdict}</td>'
        rows.append(f"<tr><td>{name}</td>{verdict}<td>{sentence}</td><td>{link}</td></tr>")
        if result.figure:
            figures.append(
                f'<section id="check-{number}"><h2>{name}: <span class="{result.verdict}">{result.verdict}</span></h2>'
                f'<p>{sentence}</p><a href="{result.figure}"><img src="{result.figure}" alt="{name}"></a></section>'
            )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1><table>"
        f"<tr><th>check</th><th>verdict</th><th>what was found</th><th></th></tr>{''.join(rows)}</table>"
        f"{''.join(figures)}</body></html>\n"
    )
