"""A processor that does nothing: what is left is the cost of handing chunks out and results back."""

from __future__ import annotations

import awkward as ak
from coffea.processor import ProcessorABC


class NullProcessor(ProcessorABC):  # type: ignore[misc]  # coffea is untyped
    """Count the events of a chunk without reading any."""

    def process(self, events: ak.Array) -> dict[str, int]:
        """Return the number of events."""
        return {"n_events": len(events)}

    def postprocess(self, accumulator: dict[str, int]) -> dict[str, int]:
        """Return the sum as it is."""
        return accumulator
