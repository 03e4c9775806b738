"""Workspaces for tests: small ones written out in the style of pyhf's validation models, and random ones."""

from typing import Any

from hypothesis import strategies as st

Workspace = dict[str, Any]
MU = {"name": "mu", "type": "normfactor", "data": None}


def workspace(channels, observations, parameters=(), poi="mu") -> Workspace:
    """Return a workspace of channels {name: {sample: (data, modifiers)}}."""
    return {
        "channels": [
            {
                "name": channel,
                "samples": [
                    {"name": name, "data": list(data), "modifiers": list(modifiers)}
                    for name, (data, modifiers) in samples.items()
                ],
            }
            for channel, samples in channels.items()
        ],
        "observations": [{"name": name, "data": list(data)} for name, data in observations.items()],
        "measurements": [{"name": "measurement", "config": {"poi": poi, "parameters": list(parameters)}}],
        "version": "1.0.0",
    }


def normsys(name, low, high):
    return {"name": name, "type": "normsys", "data": {"lo": low, "hi": high}}


def histosys(name, low, high):
    return {"name": name, "type": "histosys", "data": {"lo_data": list(low), "hi_data": list(high)}}


def of_bins(kind, name, data=None):
    return {"name": name, "type": kind, "data": None if data is None else list(data)}


def lumi_parameter(sigma=0.05):
    return {"name": "lumi", "auxdata": [1.0], "inits": [1.0], "sigmas": [sigma], "bounds": [[0.5, 1.5]]}


LUMI = {"name": "lumi", "type": "lumi", "data": None}

WRITTEN: dict[str, Workspace] = {
    "uncorrelated background": workspace(
        {
            "singlechannel": {
                "signal": ([12.0, 11.0], [MU]),
                "background": ([50.0, 52.0], [of_bins("shapesys", "uncorr", [3.0, 7.0])]),
            }
        },
        {"singlechannel": [51.0, 48.0]},
    ),
    "correlated background": workspace(
        {
            "singlechannel": {
                "signal": ([5.0, 10.0], [MU]),
                "background": ([50.0, 60.0], [histosys("shape", [45.0, 63.0], [55.0, 58.0])]),
            }
        },
        {"singlechannel": [53.0, 71.0]},
    ),
    "normalisation with luminosity": workspace(
        {
            "sr": {
                "signal": ([20.0, 10.0], [MU, LUMI, normsys("acceptance", 0.95, 1.05)]),
                "background": (
                    [100.0, 0.5],
                    [LUMI, normsys("rate", 0.9, 1.15), of_bins("staterror", "stat", [5.0, 0.2])],
                ),
                "other": ([0.0, 100.0], [normsys("rate", 0.8, 1.3), of_bins("staterror", "stat", [0.0, 10.0])]),
            }
        },
        {"sr": [122.0, 112.0]},
        [lumi_parameter(0.1), {"name": "mu", "bounds": [[0.0, 10.0]], "inits": [1.0]}],
    ),
    "shapefactor from a control region": workspace(
        {
            "signal_region": {
                "signal": ([3.0, 6.0], [MU]),
                "multijet": ([20.0, 25.0], [of_bins("shapefactor", "data_driven")]),
            },
            "control_region": {"multijet": ([100.0, 130.0], [of_bins("shapefactor", "data_driven")])},
        },
        {"signal_region": [24.0, 30.0], "control_region": [110.0, 128.0]},
        [{"name": "mu", "bounds": [[0.0, 10.0]]}],
    ),
    "signal in two channels": workspace(
        {
            "b": {
                "signal": ([2.0], [MU, normsys("efficiency", 0.8, 1.25)]),
                "signal2": ([1.0], [MU]),
                "ttbar": ([9.0], [{"name": "k_ttbar", "type": "normfactor", "data": None}, normsys("jes", 0.9, 1.1)]),
            },
            "a": {
                "signal": ([1.0, 0.0, 4.0], [MU]),
                "ttbar": (
                    [30.0, 20.0, 10.0],
                    [
                        {"name": "k_ttbar", "type": "normfactor", "data": None},
                        normsys("jes", 1.1, 0.9),
                        histosys("jes", [28.0, 20.0, 12.0], [33.0, 20.0, 9.0]),
                        of_bins("staterror", "mc_a", [2.0, 1.0, 3.0]),
                    ],
                ),
                "fakes": ([5.0, 2.0, 1.0], [of_bins("shapesys", "fakes", [2.0, 0.0, 1.0])]),
            },
        },
        {"a": [38.0, 20.0, 15.0], "b": [13.0]},
        [{"name": "k_ttbar", "bounds": [[0.1, 5.0]], "inits": [1.1]}],
    ),
}


def _yields(n_bins, low=0.5, high=60.0):
    return st.lists(st.floats(low, high), min_size=n_bins, max_size=n_bins)


@st.composite
def workspaces(draw) -> Workspace:
    """Return a random workspace with every kind of modifier and one to three channels."""
    n_channels = draw(st.integers(1, 3))
    uses_lumi = draw(st.booleans())
    channels, observations = {}, {}
    staterror_in = draw(st.booleans())
    for c in range(n_channels):
        n_bins = draw(st.integers(1, 3))
        samples = {}
        for s in range(draw(st.integers(1, 3))):
            data = draw(_yields(n_bins))
            modifiers = [MU] if s == 0 else []
            modifiers += [LUMI] if uses_lumi and draw(st.booleans()) else []
            if draw(st.booleans()):
                modifiers.append({"name": f"k{draw(st.integers(0, 1))}", "type": "normfactor", "data": None})
            for alpha in draw(st.sets(st.integers(0, 2))):
                if draw(st.booleans()):
                    modifiers.append(normsys(f"alpha{alpha}", draw(st.floats(0.6, 1.2)), draw(st.floats(0.7, 1.5))))
                if draw(st.booleans()):
                    low, high = (
                        [x * f for x, f in zip(data, draw(_yields(n_bins, 0.85, 1.15)), strict=True)] for _ in "du"
                    )
                    modifiers.append(histosys(f"alpha{alpha}", low, high))
            if staterror_in and (s == 1 or draw(st.booleans())):
                modifiers.append(of_bins("staterror", f"stat{c}", [0.1 * x for x in data]))
            if draw(st.booleans()):
                modifiers.append(
                    of_bins("shapesys", f"shape{c}{s}", [x * draw(st.sampled_from([0.0, 0.1, 0.4])) for x in data])
                )
            if s > 0 and draw(st.booleans()):
                modifiers.append(of_bins("shapefactor", f"free{c}"))
            samples[f"s{s}"] = (data, modifiers)
        # Channels are written in another order than pyhf sorts them into.
        name = f"channel{n_channels - c}"
        channels[name] = samples
        observations[name] = [float(n) for n in draw(st.lists(st.integers(0, 150), min_size=n_bins, max_size=n_bins))]
    return workspace(channels, observations, [lumi_parameter()] if uses_lumi else [])
