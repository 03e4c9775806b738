"""RooStats on a pyhf workspace, where ROOT is installed: what `scan_throughput.py` compares with.

HistFactory has one set of Monte Carlo statistics a channel, so that the signal's become a shape uncertainty with a
Gaussian constraint; its interpolations are of sixth order, so that results differ by per cents where shapes matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

N_BURN_IN = 100
"""Accepted proposals that are thrown away; RooStats counts these, not steps."""
N_CHAIN_BINS = 100
PROPOSAL_DIVISOR = 10.0
"""Steps are a Gaussian of this part of a parameter's range, one parameter at a time."""


class RooStatsResult(NamedTuple):
    """Limits, and what they took."""

    seconds: dict[str, float]
    """Processor time by stage."""
    cls_observed: float
    cls_expected: float
    bayesian: float


def roostats_limits(workspace: Mapping[str, Any], upper: float, level: float, chain_steps: int) -> RooStatsResult:
    """Return limits of a one-channel workspace from RooStats.

    Parameters
    ----------
    workspace
        pyhf JSON specification.
    upper
        End of the scan and of the prior.
    level
        Confidence and credibility.
    chain_steps
        Length of the Markov chain.

    Raises
    ------
    ImportError
        If there is no ROOT.
    """
    import ROOT

    ROOT.gErrorIgnoreLevel = ROOT.kError
    ROOT.RooMsgService.instance().setGlobalKillBelow(ROOT.RooFit.FATAL)
    ROOT.RooRandom.randomGenerator().SetSeed(1)
    ROOT.Math.MinimizerOptions.SetDefaultPrintLevel(-1)
    seconds: dict[str, float] = {}

    def timed(stage: str, function: Callable[[], Any]) -> Any:
        start = time.process_time()
        value = function()
        seconds[stage] = time.process_time() - start
        return value

    measurement = _measurement(ROOT, workspace)
    factory = ROOT.RooStats.HistFactory.HistoToWorkspaceFactoryFast(measurement)
    made = timed("workspace", lambda: factory.MakeCombinedModel(measurement))
    config, data = made.obj("ModelConfig"), made.data("obsData")
    poi = config.GetParametersOfInterest().first()
    poi.setRange(0.0, upper)
    timed(
        "fit",
        lambda: config.GetPdf().fitTo(data, PrintLevel=-1, Save=True, GlobalObservables=config.GetGlobalObservables()),
    )
    config.SetSnapshot(ROOT.RooArgSet(poi))
    null = config.Clone("null")
    null.SetPdf(config.GetPdf())
    poi.setVal(0.0)
    null.SetSnapshot(ROOT.RooArgSet(poi))
    calculator = ROOT.RooStats.AsymptoticCalculator(data, null, config)
    calculator.SetOneSided(True)
    inverter = ROOT.RooStats.HypoTestInverter(calculator)
    inverter.SetConfidenceLevel(level)
    inverter.UseCLs(True)
    inverter.SetVerbose(-1)
    inverter.SetFixedScan(20, 0.0, upper)
    scan = timed("CLs", inverter.GetInterval)
    sampler = ROOT.RooStats.MCMCCalculator(data, config)
    # Its default, uniform over all ranges, accepts nothing in twenty dimensions.
    proposal = ROOT.RooStats.SequentialProposal(PROPOSAL_DIVISOR)
    sampler.SetProposalFunction(proposal)
    sampler.SetConfidenceLevel(level)
    sampler.SetNumIters(chain_steps)
    sampler.SetNumBurnInSteps(N_BURN_IN)
    sampler.SetNumBins(N_CHAIN_BINS)
    sampler.SetLeftSideTailFraction(0.0)
    interval = timed("Bayesian", sampler.GetInterval)
    return RooStatsResult(seconds, scan.UpperLimit(), scan.GetExpectedUpperLimit(0), interval.UpperLimit(poi))


def _measurement(root: Any, workspace: Mapping[str, Any]) -> Any:
    """Return the HistFactory measurement of a workspace."""
    factory = root.RooStats.HistFactory
    settings = workspace["measurements"][0]["config"]
    measurement = factory.Measurement("measurement", "measurement")
    measurement.AddPOI(settings["poi"])
    measurement.SetLumi(1.0)
    for parameter in settings["parameters"]:
        if parameter["name"] == "lumi":
            measurement.SetLumiRelErr(parameter["sigmas"][0])
    (channel_spec,) = workspace["channels"]
    observed = workspace["observations"][0]["data"]
    channel = factory.Channel("channel")
    channel.SetStatErrorConfig(0.0, "Gaussian")
    channel.SetData(_histogram(root, "data", observed))
    upper = next(p["bounds"][0][1] for p in settings["parameters"] if p["name"] == settings["poi"])
    for spec in channel_spec["samples"]:
        sample = factory.Sample(spec["name"])
        sample.SetHisto(_histogram(root, spec["name"], spec["data"]))
        kinds = {modifier["type"] for modifier in spec["modifiers"]}
        sample.SetNormalizeByTheory("lumi" in kinds)
        for modifier in spec["modifiers"]:
            _modify(root, sample, spec, modifier, upper=upper, is_signal="normfactor" in kinds)
        channel.AddSample(sample)
    measurement.AddChannel(channel)
    return measurement


def _modify(
    root: Any, sample: Any, spec: Mapping[str, Any], modifier: Mapping[str, Any], *, upper: float, is_signal: bool
) -> None:
    factory, name, data = root.RooStats.HistFactory, modifier["name"], modifier["data"]
    where = f"{spec['name']}_{name}"
    relative = (
        np.divide(data, spec["data"], out=np.zeros(len(spec["data"])), where=np.array(spec["data"]) > 0)
        if (modifier["type"] in ("staterror", "shapesys"))
        else None
    )
    match modifier["type"]:
        case "normfactor":
            sample.AddNormFactor(name, 1.0, 0.0, upper)
        case "normsys":
            sample.AddOverallSys(name, data["lo"], data["hi"])
        case "histosys":
            shape = factory.HistoSys()
            shape.SetName(name)
            shape.SetHistoLow(_histogram(root, f"{where}_low", data["lo_data"]))
            shape.SetHistoHigh(_histogram(root, f"{where}_high", data["hi_data"]))
            sample.AddHistoSys(shape)
        case "staterror" if not is_signal:
            sample.ActivateStatError()
            sample.GetStatError().SetErrorHist(_histogram(root, where, relative))
            sample.GetStatError().SetUseHisto(True)
        case "staterror" | "shapesys":
            shape = factory.ShapeSys()
            shape.SetName(name)
            shape.SetConstraintType(
                factory.Constraint.Gaussian if modifier["type"] == "staterror" else factory.Constraint.Poisson
            )
            shape.SetErrorHist(_histogram(root, where, relative))
            sample.AddShapeSys(shape)


def _histogram(root: Any, name: str, contents: Any) -> Any:
    histogram = root.TH1D(name, name, len(contents), 0.0, float(len(contents)))
    histogram.SetDirectory(root.nullptr)
    # whatever it is given to deletes it
    root.SetOwnership(histogram, False)
    for index, content in enumerate(contents):
        histogram.SetBinContent(index + 1, content)
    return histogram
