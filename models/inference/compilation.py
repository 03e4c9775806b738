"""From a pyhf model to the flat arrays that compiled kernels read.

pyhf stays the specification: it has parsed the workspace and applied the measurement's settings; what is read here are
its parameter sets, its numbering and the templates. A difference to pyhf's density is a defect, and a property-based
test looks for one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from models.inference.compiled_model import CompiledModel, Constraint, Floats, Indices, ModelNames, offsets
from models.inference.interpolation import polynomial_coefficients
from models.inference.results import InferenceError

NORM_CODES: Final = {"code1": 1, "code4": 4}
SHIFT_CODES: Final = {"code0": 0, "code2": 2, "code4p": 4}
LINEAR_TYPES: Final = ("normfactor", "lumi")
SCALE_TYPES: Final = ("staterror", "shapesys", "shapefactor")

Modifier = Mapping[str, Any]


class UnsupportedModelError(InferenceError):
    """The model has content that the compiled engine cannot represent; pyhf itself may."""


def compile_model(model: Any) -> tuple[CompiledModel, ModelNames]:
    """Compile a pyhf model.

    Parameters
    ----------
    model
        A `pyhf.Model` with a parameter of interest that is a normfactor.

    Raises
    ------
    UnsupportedModelError
        If it has a modifier or interpolation that has no compiled form; the message names it.
    InferenceError
        If there is no parameter of interest or it is not a normfactor.
    """
    config = model.config
    poi = _poi_index(model)
    if model.main_model.clip_sample_data is not None or model.main_model.clip_bin_data is not None:
        raise UnsupportedModelError("The model clips its expected events, which has no derivative where it does.")
    modifier_settings = config.modifier_settings
    norm_code = _code(modifier_settings, "normsys", "code1", NORM_CODES)
    shift_code = _code(modifier_settings, "histosys", "code0", SHIFT_CODES)
    terms = _Terms(config, _staterror_channels(model.spec))
    samples = {(c["name"], s["name"]): s for c in model.spec["channels"] for s in c["samples"]}
    for channel in config.channels:
        for name in config.samples:
            if (channel, name) in samples:
                terms.append(channel, samples[channel, name])
    return terms.assemble(poi, norm_code, shift_code), terms.names()


def _poi_index(model: Any) -> int:
    config = model.config
    if config.poi_index is None:
        raise InferenceError("The workspace's measurement names no parameter of interest.")
    kinds = {
        modifier["type"]
        for channel in model.spec["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
        if modifier["name"] == config.poi_name
    }
    if kinds != {"normfactor"}:
        raise InferenceError(
            f"The parameter of interest {config.poi_name} is a {'/'.join(sorted(kinds))}; "
            "only a normalisation factor is a cross-section."
        )
    return int(config.poi_index)


def _staterror_channels(spec: Mapping[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                if modifier["type"] == "staterror":
                    found.setdefault(modifier["name"], set()).add(channel["name"])
    return found


def _code(chosen: Mapping[str, Any], kind: str, default: str, known: Mapping[str, int]) -> int:
    code = chosen.get(kind, {}).get("interpcode", default)
    if code not in known:
        raise UnsupportedModelError(f"The interpolation {code} of {kind} has no compiled form.")
    return known[code]


@dataclass
class _Terms:
    """Terms collected so far, as lists that become arrays at the end."""

    config: Any
    staterror_channels: Mapping[str, set[str]]
    """Channels of every staterror; its parameters are numbered through all of their bins."""
    term_sample: list[str] = field(default_factory=list)
    first_bin: list[int] = field(default_factory=list)
    is_signal: list[bool] = field(default_factory=list)
    nominal: list[Floats] = field(default_factory=list)
    linear: list[list[int]] = field(default_factory=list)
    norm: list[list[int]] = field(default_factory=list)
    norm_factors: list[tuple[float, float]] = field(default_factory=list)
    shift: list[list[int]] = field(default_factory=list)
    shifts: list[tuple[Floats, Floats]] = field(default_factory=list)
    scale: list[list[int]] = field(default_factory=list)
    """Parameters of every cell."""

    def append(self, channel: str, sample: Mapping[str, Any]) -> None:
        """Add one sample of a channel."""
        config = self.config
        where = f"sample {sample['name']} of channel {channel}"
        nominal = np.array(sample["data"], dtype=np.float64)
        # Where pyhf finds a type and name twice in a sample, the last one counts.
        modifiers = {(modifier["type"], modifier["name"]): modifier for modifier in sample["modifiers"]}.values()
        by_type: dict[str, list[Modifier]] = {}
        for modifier in modifiers:
            by_type.setdefault(modifier["type"], []).append(modifier)
        unknown = set(by_type) - {*LINEAR_TYPES, *SCALE_TYPES, "normsys", "histosys"}
        if unknown:
            raise UnsupportedModelError(f"The modifier {min(unknown)} of {where} has no compiled form.")
        linear = [m["name"] for kind in LINEAR_TYPES for m in by_type.get(kind, [])]
        self.term_sample.append(sample["name"])
        self.first_bin.append(config.channel_slices[channel].start)
        self.is_signal.append(config.poi_name in linear)
        self.nominal.append(nominal)
        self.linear.append([self._start(name) for name in linear if name != config.poi_name])
        self.norm.append([self._start(m["name"]) for m in by_type.get("normsys", [])])
        for m in by_type.get("normsys", []):
            up, down = m["data"]["hi"], m["data"]["lo"]
            if not (up > 0 and down > 0):
                raise UnsupportedModelError(
                    f"The normsys {m['name']} of {where} has factors {down:g} and {up:g}; its exponential "
                    "interpolation needs positive ones."
                )
            self.norm_factors.append((up, down))
        self.shift.append([self._start(m["name"]) for m in by_type.get("histosys", [])])
        self.shifts += [
            (np.asarray(m["data"]["hi_data"]) - nominal, nominal - np.asarray(m["data"]["lo_data"]))
            for m in by_type.get("histosys", [])
        ]
        scales = [
            self._start(m["name"]) + self._rank(m, channel) for kind in SCALE_TYPES for m in by_type.get(kind, [])
        ]
        self.scale += [[parameter + cell for parameter in scales] for cell in range(nominal.size)]

    def _start(self, name: str) -> int:
        return int(self.config.par_slice(name).start)

    def _rank(self, modifier: Modifier, channel: str) -> int:
        """Return the number of a modifier's parameters that belong to channels before this one."""
        if modifier["type"] != "staterror":
            return 0
        channels = self.config.channels
        earlier = self.staterror_channels[modifier["name"]].intersection(channels[: channels.index(channel)])
        return sum(self.config.channel_nbins[name] for name in earlier)

    def assemble(self, poi: int, norm_code: int, shift_code: int) -> CompiledModel:
        """Return everything as arrays."""
        config = self.config
        n_bins, n_parameters = int(config.nmaindata), int(config.npars)
        sizes = [nominal.size for nominal in self.nominal]
        cell_bin = np.concatenate([start + np.arange(n) for start, n in zip(self.first_bin, sizes, strict=True)])
        home = self._home_bins(cell_bin, n_parameters, poi)
        global_parameter = np.flatnonzero(home < 0)
        slot = np.full(n_parameters, -1, dtype=np.int64)
        slot[global_parameter] = np.arange(global_parameter.size)
        local_parameter = np.flatnonzero(home >= 0)
        local_parameter = local_parameter[np.argsort(home[local_parameter], kind="stable")]
        up, down = (np.array([pair[side] for pair in self.norm_factors], dtype=np.float64) for side in (0, 1))
        shift_sizes = [pair[0].size for pair in self.shifts]
        constraint, width, factor, auxiliary, auxiliary_parameter = _constraints(config)
        bounds = np.array(config.suggested_bounds(), dtype=np.float64)
        return CompiledModel(
            poi=poi,
            n_bins=n_bins,
            n_globals=global_parameter.size,
            term_first_bin=_integers(self.first_bin),
            term_start=offsets(sizes),
            term_is_signal=np.array(self.is_signal, dtype=np.bool_),
            nominal=np.concatenate(self.nominal),
            linear_start=offsets([len(p) for p in self.linear]),
            linear_parameter=_flat(self.linear),
            norm_start=offsets([len(p) for p in self.norm]),
            norm_parameter=_flat(self.norm),
            norm_log_up=np.log(up),
            norm_log_down=np.log(down),
            norm_polynomial=polynomial_coefficients(up, down),
            norm_code=norm_code,
            shift_start=offsets([len(p) for p in self.shift]),
            shift_parameter=_flat(self.shift),
            shift_offset=offsets(shift_sizes)[:-1],
            shift_up=np.concatenate([pair[0] for pair in self.shifts] or [np.empty(0)]),
            shift_down=np.concatenate([pair[1] for pair in self.shifts] or [np.empty(0)]),
            shift_code=shift_code,
            scale_start=offsets([len(p) for p in self.scale]),
            scale_parameter=_flat(self.scale),
            slot=slot,
            global_parameter=global_parameter.astype(np.int64),
            local_start=offsets(np.bincount(home[local_parameter], minlength=n_bins)),
            local_parameter=local_parameter.astype(np.int64),
            constraint=constraint,
            width=width,
            factor=factor,
            auxiliary=auxiliary,
            auxiliary_parameter=auxiliary_parameter,
            initial=np.array(config.suggested_init(), dtype=np.float64),
            lower=np.ascontiguousarray(bounds[:, 0]),
            upper=np.ascontiguousarray(bounds[:, 1]),
            fixed=np.array(config.suggested_fixed(), dtype=np.bool_),
        )

    def _home_bins(self, cell_bin: Indices, n_parameters: int, poi: int) -> Indices:
        """Return the bin of each local parameter, −1 for global ones."""
        home = np.full(n_parameters, -1, dtype=np.int64)
        elsewhere = np.zeros(n_parameters, dtype=bool)
        for cell, parameters in enumerate(self.scale):
            for parameter in parameters:
                elsewhere[parameter] |= home[parameter] not in (-1, cell_bin[cell])
                home[parameter] = cell_bin[cell]
        scalar = [poi, *(p for group in (self.linear, self.norm, self.shift) for term in group for p in term)]
        elsewhere[scalar] = True
        home[elsewhere] = -1
        return home

    def names(self) -> ModelNames:
        """Return what the numbers stand for."""
        config = self.config
        starts = [config.channel_slices[channel].start for channel in config.channels]
        return ModelNames(
            parameters=tuple(config.par_names),
            samples=tuple(config.samples),
            term_sample=tuple(self.term_sample),
            channels=tuple(config.channels),
            channel_start=(*starts, int(config.nmaindata)),
        )


def _constraints(config: Any) -> tuple[Indices, Floats, Floats, Floats, Indices]:
    constraint = np.full(config.npars, Constraint.NONE, dtype=np.int64)
    width, factor, auxiliary = np.ones(config.npars), np.ones(config.npars), np.zeros(config.npars)
    order: list[int] = []
    for name in config.auxdata_order:
        parameters, where = config.param_set(name), config.par_slice(name)
        auxiliary[where] = config.auxdata[len(order) : len(order) + parameters.n_parameters]
        order += range(where.start, where.stop)
        width[where] = parameters.width()
        if parameters.pdf_type == "normal":
            constraint[where] = Constraint.NORMAL
        else:
            constraint[where] = Constraint.POISSON
            factor[where] = parameters.factors
    return constraint, width, factor, auxiliary, _integers(order)


def _flat(groups: Sequence[Sequence[int]]) -> Indices:
    return _integers([entry for group in groups for entry in group])


def _integers(values: Sequence[int]) -> Indices:
    return np.array(values, dtype=np.int64)
