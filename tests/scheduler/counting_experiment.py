"""The smallest pyhf workspace: one bin, a signal of two events, a known background of five."""

from typing import Any


def counting_experiment(counts: float, *, poi: str = "mu") -> dict[str, Any]:
    """Return the workspace of an observation."""
    samples = [
        {"name": "signal", "data": [2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "background", "data": [5.0], "modifiers": []},
    ]
    return {
        "channels": [{"name": "bin", "samples": samples}],
        "observations": [{"name": "bin", "data": [counts]}],
        "measurements": [{"name": "any", "config": {"poi": poi, "parameters": []}}],
        "version": "1.0.0",
    }
