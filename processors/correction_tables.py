"""Tables of numbers as corrections in correctionlib's schema, and sets of them as files."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from correctionlib import schemav2
from numpy.typing import ArrayLike, NDArray

from processors.atomic_file import atomic_path
from processors.correction_sets import INPUTS, VARIATION_INPUT, CorrectionName, Variation

Flow = Literal["error", "clamp"]


class Table(NamedTuple):
    """A correction in bins of some of its inputs."""

    edges: Mapping[str, Sequence[float]]
    """Input → increasing edges; inputs that are not named do not matter. Empty for one number."""
    values: NDArray[np.float64]
    """Nominal value of each bin, one axis an input in the order of `edges`."""
    up: NDArray[np.float64]
    """One standard deviation up, same shape."""
    down: NDArray[np.float64]
    """One standard deviation down, same shape."""
    flow: Flow = "error"
    """Whether a value outside the edges is refused or takes the outermost bin."""

    @classmethod
    def symmetric(
        cls, edges: Mapping[str, Sequence[float]], values: ArrayLike, errors: ArrayLike, flow: Flow = "error"
    ) -> Table:
        """Return a table with the same uncertainty up and down; down does not go below zero."""
        nominal, error = np.broadcast_arrays(np.asarray(values, dtype=float), np.asarray(errors, dtype=float))
        return cls(edges, nominal, nominal + error, np.maximum(nominal - error, 0.0), flow)


def as_correction(name: CorrectionName, table: Table, description: str) -> schemav2.Correction:
    """Return a table as a correction.

    Examples
    --------
    >>> table = Table.symmetric({}, 1.0, 0.014)
    >>> as_correction(CorrectionName.LUMINOSITY, table, "Belle").data.content[1].value
    1.014
    """
    varied = {Variation.NOMINAL: table.values, Variation.UP: table.up, Variation.DOWN: table.down}
    return schemav2.Correction(
        name=name,
        description=description,
        version=1,
        inputs=[
            schemav2.Variable(name=VARIATION_INPUT, type="string", description="nominal, up or down"),
            *(schemav2.Variable(name=key, type="real") for key in INPUTS[name]),
        ],
        output=schemav2.Variable(name="factor", type="real"),
        data=schemav2.Category(
            nodetype="category",
            input=VARIATION_INPUT,
            content=[
                schemav2.CategoryItem(key=str(variation), value=_binned(table, values))
                for variation, values in varied.items()
            ],
        ),
    )


def write_correction_set(corrections: Sequence[schemav2.Correction], description: str, path: Path) -> None:
    """Write a set, gzipped if the name ends in `.gz`; the same content gives the same bytes."""
    content = schemav2.CorrectionSet(schema_version=2, description=description, corrections=list(corrections))
    text = content.model_dump_json(indent=1, exclude_unset=True).encode() + b"\n"
    with atomic_path(path) as partial:
        partial.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _binned(table: Table, values: NDArray[np.float64]) -> float | schemav2.MultiBinning:
    if not table.edges:
        return float(values)
    return schemav2.MultiBinning(
        nodetype="multibinning",
        inputs=list(table.edges),
        edges=[[float(edge) for edge in edges] for edges in table.edges.values()],
        content=[float(value) for value in np.ravel(values)],
        flow=table.flow,
    )
