"""A rule with searched parameters, as a spec names it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.errors import ConfigError, printable
from assay.kernel.parse import parse
from assay.kernel.spec import SizingChoice, TargetChoice, TrainSpec
from assay.kernel.suggestions import did_you_mean
from assay.learn import ALLOW_SHORT, RuleTrainer, Strategy, check_regime
from assay.runs.strategies import load_strategy
from assay.runs.trainers import may_short
from assay.validate import Bayesian, Categorical, FloatRange, Grid, IntRange, Method, Random, RuleSweep, Search, Space

MethodName = Literal["grid", "random", "bayesian"]
METHODS: tuple[MethodName, ...] = ("grid", "random", "bayesian")
MODES = ("refit", "fixed")
SAMPLERS = ("tpe", "gp")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleParams:
    """The parameters of learner ``rules``: a strategy, and how its own parameters are searched in each window.

    method:     ``random`` (default), ``grid`` or ``bayesian`` with its sampler ``tpe`` or ``gp``.
    trials:     in each window; a grid has as many as it has points.   batch: see `Search`.
    space:      what is searched, by name; empty is what the strategy declares.
    fixed:      parameters that are not searched and differ from their defaults.
    min_trades: that a candidate needs; None is what the strategy declares.
    mode:       ``refit`` searches in each window afresh; ``fixed`` holds what the first window found over all of them.
    regime:     the only one in which a position may begin; empty is any.
    origin:     SHA-256 (hex) of the file of a strategy that is not Assay's own, else empty.
    max_points: of a grid; None is a million.
    """

    strategy: str
    method: str = "random"
    sampler: str = "tpe"
    trials: int = 100
    batch: int = 16
    space: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    objective: str = "sharpe_ratio"
    min_trades: int | None = None
    mode: str = "refit"
    regime: str = ""
    origin: str = ""
    max_points: int | None = None

    def __post_init__(self) -> None:
        check_regime(self.regime)
        for name, available, code in (
            ("method", METHODS, "CONFIG_METHOD"),
            ("sampler", SAMPLERS, "CONFIG_METHOD"),
            ("mode", MODES, "CONFIG_MODE"),
        ):
            value = getattr(self, name)
            if value not in available:
                near = did_you_mean(value, available)
                raise ConfigError(
                    f"{name} is {printable(value)}, must be one of {', '.join(available)}",
                    code=code,
                    hint=near,
                    field=name,
                )


class RuleSearch:
    """What a spec of learner ``rules`` asks for, resolved and checked.

    file: of a strategy that is the user's own. Raises ConfigError for each part that is wrong: ``CONFIG_STRATEGY``,
    ``CONFIG_SPACE``, ``CONFIG_PARAMETER``, ``CONFIG_OBJECTIVE``, ``CONFIG_METHOD``, ``CONFIG_SYMBOL`` for more than one
    instrument.
    """

    def __init__(self, spec: TrainSpec, file: Path | None = None) -> None:
        if len(spec.symbols) > 1:
            raise ConfigError(
                f"a rule is searched on one market at a time, {len(spec.symbols)} symbols are given",
                code="CONFIG_SYMBOL",
                field="symbols",
            )
        for name, empty in (("features", ()), ("target", TargetChoice()), ("sizing", SizingChoice())):
            if getattr(spec, name) != empty:
                raise ConfigError(f"rules read no {name}: leave it out of the spec", code="CONFIG_FIELD", field=name)
        self.spec = spec
        if "strategy" not in spec.params:
            raise ConfigError(
                "learner rules needs a strategy: params lacks one",
                code="CONFIG_FIELD",
                hint="Name it by --strategy, or as strategy in the spec's params; assay strategies list shows them.",
                field="strategy",
            )
        self.params = parse(RuleParams, spec.params, path="params")
        self.rule: Strategy = load_strategy(self.params.strategy, file)
        if self.rule.origin != self.params.origin:
            raise ConfigError(
                f"the spec names the strategy file with hash {printable(self.params.origin)}, "
                f"given is {printable(self.rule.origin)}",
                code="CONFIG_STRATEGY_FILE",
                field="origin",
            )
        self.base = self._base()
        self.space = self._space()

    @cached_property
    def min_trades(self) -> int:
        """Trades that a candidate needs on the bars it is scored on."""
        return self.rule.min_trades if self.params.min_trades is None else self.params.min_trades

    def method(self, journal: Path | None = None) -> Method:
        """How points are chosen. journal: of a bayesian search; the others are quicker done again."""
        if self.params.method == "grid":
            return Grid(self.params.max_points)
        if self.params.method == "random":
            return Random()
        return Bayesian(self.params.sampler, journal)  # type: ignore[arg-type]  # checked there

    def search(self, costs: Costs, *, counted: int, digest: str, journal: Path | None = None) -> Search:
        """The trainer. counted: trials in the ledger of the market; digest: of the candles."""
        p = self.params
        origin = {"origin": p.origin} if p.origin else {}
        return Search(
            make=lambda point: RuleTrainer(self.rule, {**self.base, **point}, regime=p.regime),
            space=self.space,
            costs=costs,
            sweep=RuleSweep(self.rule, self.base, p.regime),
            method=self.method(journal),
            trials=p.trials,
            objective=p.objective,
            min_trades=self.min_trades,
            batch=p.batch,
            strategy=self.rule.name,
            base={**self.base, **origin, "regime": p.regime},
            data_digest=digest,
            counted=counted,
        )

    def demand(self, bars: Bars) -> None:
        """Raise what `Strategy.demand` raises where these bars cannot serve the rule at all, or its order-book space;
        and what `Search` raises where no point could be asked for.
        """
        book = {n: _some(each.ends) for n, each in self.space.dimensions.items() if self.rule.parameters[n].book}
        self.rule.demand(bars, {**self.base, **book})
        self.search(self.spec.costs, counted=0, digest="")
        Random().start(self.space, trials=1, batch=1, seed=0, identity="").ask()

    def _base(self) -> dict[str, Any]:
        value = dict(self.params.fixed)
        values = self.rule.resolve(value)
        if ALLOW_SHORT in values and ALLOW_SHORT not in value:
            values[ALLOW_SHORT] = may_short(self.spec)
        return values

    def _space(self) -> Space:
        values = dict(self.params.space)
        twice = sorted(set(values) & set(self.params.fixed))
        if twice:
            raise ConfigError(f"{twice[0]} is searched and set at once", code="CONFIG_SPACE", field=twice[0])
        if not values:
            values = declared_space(self.rule, self.params.fixed)
        # Draws follow the order of the dimensions: it may not depend on the order in which a spec happens to be written
        values = {name: values[name] for name in sorted(values, key=_place(self.rule))}
        space = Space.of_strategy(self.rule, values, values=self.base)
        for name, each in space.dimensions.items():
            for value in each.ends:
                self.rule.parameters[name].check(name, value)
        return space


def _place(rule: Strategy) -> Callable[[str], tuple[int, str]]:
    """Where the rule declares a parameter; unknown names come last."""
    places = {name: place for place, name in enumerate(rule.parameters)}
    return lambda name: (places.get(name, len(places)), name)


def _some(values: Sequence[Any]) -> Any:
    """A value that is not off."""
    return next((value for value in values if value is not None), None)


def declared_space(rule: Strategy, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule declares to search but for what is fixed, as `dimension` takes it: choices are a list."""
    result = {name: search for name, search in rule.space.items() if name not in fixed}
    return {name: list(search) if isinstance(search, tuple) else search for name, search in result.items()}


def as_tables(space: Space) -> dict[str, dict[str, Any]]:
    """The space as a document writes it."""
    return {name: _table(each) for name, each in space.dimensions.items()}


def _table(each: Categorical | IntRange | FloatRange) -> dict[str, Any]:
    if isinstance(each, Categorical):
        return {"type": "choice", "values": list(each.values)}
    kind = "int" if isinstance(each, IntRange) else "float"
    result: dict[str, Any] = {"type": kind, "low": each.low, "high": each.high}
    if each.log:
        result["log"] = True
    if each.points is not None:
        result["points"] = each.points
    return result
