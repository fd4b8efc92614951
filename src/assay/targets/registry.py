"""Targets by name."""

import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.panel import Labels
from assay.targets.forward_returns import Direction, ForwardReturn, Profitable
from assay.targets.pattern import Pattern
from assay.targets.trend_scanning import TrendScan
from assay.targets.triple_barrier import MetaLabel, TripleBarrier


class Target(Protocol):
    """A function of bars with a declared horizon; its text is its name in the record."""

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """One label a row, NaN where the row's future is not complete."""
        ...


class Choice(Protocol):
    """A target as it stands in a spec."""

    @property
    def name(self) -> str:
        """The target's name."""
        ...

    @property
    def params(self) -> Mapping[str, object]:
        """Its parameters."""
        ...


TARGETS: Mapping[str, type] = types.MappingProxyType(
    {
        "forward_return": ForwardReturn,
        "direction": Direction,
        "profitable": Profitable,
        "triple_barrier": TripleBarrier,
        "meta_label": MetaLabel,
        "trend_scan": TrendScan,
        "pattern": Pattern,
    }
)
HORIZON = 24
"""Bars that `profitable` looks ahead where nobody says: the default of ``assay train``."""


def parse_target(name: str, params: Mapping[str, object] | None = None, /, **more: object) -> Target:
    """The target of that name. ``parse_target("profitable", horizon=24, side="both")`` or with a mapping of parameters.

    Raises ConfigError ``CONFIG_TARGET_UNKNOWN`` for a name, ``CONFIG_PARAMETER`` for a parameter, both with the nearest
    names; LeakError ``LEAK_TARGET_LAG`` for a horizon or lag below 1.
    """
    if name not in TARGETS:
        near = did_you_mean(name, TARGETS) or f"there are {', '.join(TARGETS)}"
        raise ConfigError(f"target {printable(name)} is unknown; {near}", code="CONFIG_TARGET_UNKNOWN", hint=near)
    kind = TARGETS[name]
    value = {**(params or {}), **more}
    available = [f.name for f in fields(kind)]
    for key in value:
        if key not in available:
            near = did_you_mean(str(key), available) or f"it has {', '.join(available)}"
            raise ConfigError(
                f"target {name} has no parameter {printable(str(key))}; {near}",
                code="CONFIG_PARAMETER",
                hint=near,
                field=str(key)[:64],
            )
    if name == "profitable":
        value.setdefault("horizon", HORIZON)
    lacking = [f for f in require(kind) if f not in value]
    if lacking:
        raise ConfigError(f"target {name} needs {', '.join(lacking)}", code="CONFIG_PARAMETER", field=lacking[0])
    target: Target = kind(**value)
    return target


def require(kind: type) -> list[str]:
    """Parameters without a default."""
    from dataclasses import MISSING

    return [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]


def label_bars(bars: Bars, target: Target | Choice, *, costs: Costs) -> Labels:
    """Labels of one instrument, ``n`` rows; rows whose future is not complete have none and are counted in `dropped`.

    target: what `parse_target` gives, or anything with a name and parameters. Errors as `parse_target` and the target
    itself.
    """
    chosen = target if hasattr(target, "label") else parse_target(target.name, target.params)
    return chosen.label(bars, costs)
