"""The HTML page of the report: figures and tables under headings, one self-contained folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2


@dataclass(frozen=True)
class FigureEntry:
    """A figure on the page; `stem` is its file name without ending, in the folder ``figures``."""

    stem: str
    caption: str


@dataclass(frozen=True)
class TableEntry:
    """A table on the page, shown and offered as CSV under ``tables/<stem>.csv``."""

    stem: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """One heading with what belongs under it."""

    title: str
    text: str
    figures: tuple[FigureEntry, ...] = ()
    tables: tuple[TableEntry, ...] = ()

    @property
    def anchor(self) -> str:
        """Name that links within the page use."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class PageFacts:
    """What the head of the page says about the run."""

    run_name: str
    luminosity_fb: float
    simulated_data: bool
    blinding: str
    """One sentence: blinded, or who unblinded when and why."""
    code_version: str
    made_at: str
    downloads: tuple[tuple[str, str], ...]
    """(label, path relative to the page) of machine-readable results."""


def write_page(path: Path, facts: PageFacts, sections: Sequence[Section], formats: Sequence[str]) -> None:
    """Write ``index.html``; figures and tables are referred to by relative path."""
    template_text = resources.files("scheduler.report").joinpath("page.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(template_text).render(facts=facts, sections=sections, formats=formats)
    path.write_text(page, encoding="utf-8")
