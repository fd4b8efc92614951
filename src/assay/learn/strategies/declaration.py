"""`Strategy`: a pure function of bars and the declaration of its parameters."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.kernel.bars import PRICES, Bars
from assay.kernel.decisions import Decisions
from assay.kernel.errors import AssayError, ConfigError, DataError, TrainError, did_you_mean, printable
from assay.kernel.timeframe import Timeframe
from assay.kernel.user_source import UserCode, own_line
from assay.learn.strategies.parameters import (
    EXITS,
    SIZINGS,
    Constraint,
    Exit,
    Parameter,
    Structural,
    Threshold,
    sizing_parameters,
)
from assay.learn.strategies.setups import Entries, Setups, State, demand_shapes, exit_decisions, flat_decisions, weights

Values = Mapping[str, Any]
RuleOutput = Setups | State | Entries
Lookback = Callable[[Values, Timeframe], int]
ALLOW_SHORT = "allow_short"


@dataclass(frozen=True, slots=True, eq=False)
class Strategy:
    """A rule with its declared space; made by `strategy`.

    name:         by which it is asked for.   summary: one line.
    rule:         ``rule(bars, **structural)``: causal, pure, the same length as the bars.
    parameters:   all parameters by name, in declared order, with `allow_short` and the sizing keys.
    constraints:  conditions that values given by hand and candidates of a search must satisfy.
    needs_volume: whether bars without any volume are refused.
    two_sided:    whether it takes short positions.   state: whether it gives weights instead of entries.
    min_trades:   trades that a candidate of a search needs to count.
    origin:       SHA-256 (hex) of the file of a strategy that is not Assay's own, else empty; with modules of the
                  user's that it loads, of all of them (`assay.kernel.user_source.UserCode.digest`).
    calendar:     whether it may hold dates: then other years may be decided otherwise.
    source:       the file and its modules, of a strategy that is not Assay's own.
    """

    name: str
    summary: str
    rule: Callable[..., RuleOutput]
    parameters: Mapping[str, Parameter]
    reads: Lookback
    constraints: tuple[Constraint, ...] = ()
    needs_volume: bool = True
    two_sided: bool = False
    state: bool = False
    min_trades: int = 10
    origin: str = ""
    calendar: bool = False
    source: UserCode | None = field(default=None, repr=False)
    docs: str = field(default="", repr=False)

    def of_kind(self, kind: type[Parameter]) -> dict[str, Parameter]:
        """The parameters of one kind: `Structural`, `Threshold` or `Exit`."""
        return {name: p for name, p in self.parameters.items() if isinstance(p, kind)}

    @property
    def thresholds(self) -> dict[str, Threshold]:
        """The thresholds by name."""
        return {name: p for name, p in self.parameters.items() if isinstance(p, Threshold)}

    @property
    def defaults(self) -> dict[str, object]:
        """Default values of all parameters."""
        return {name: p.default for name, p in self.parameters.items()}

    @property
    def space(self) -> dict[str, object]:
        """What is searched by default: `Range` or tuple of choices by name; parameters of absent columns left out."""
        return {name: p.search for name, p in self.parameters.items() if p.search is not None and not p.book}

    def resolve(self, inputs: Values | None = None) -> dict[str, object]:
        """All parameters: those given, checked, and defaults for the others.

        Raises ConfigError ``CONFIG_PARAMETER`` for an unknown name (with the nearest), a value of the wrong type or
        range, and a broken constraint. Search ranges do not bound what is given by hand.
        """
        values = self.defaults
        for name, value in (inputs or {}).items():
            if name not in self.parameters:
                near = did_you_mean(str(name), self.parameters)
                raise ConfigError(
                    f"{self.name} has no parameter {printable(name)}; {near or 'it has ' + ', '.join(self.parameters)}",
                    code="CONFIG_PARAMETER",
                    hint=near,
                    field=str(name)[:128],
                )
            values[name] = self.parameters[name].check(name, value)
        for constraint in self.constraints:
            if not constraint(values):
                message = ", ".join(f"{n} is {printable(values[n])}" for n in constraint.names)
                raise ConfigError(
                    f"{self.name} needs {constraint.text}: {message}",
                    code="CONFIG_PARAMETER",
                    field=constraint.names[0],
                )
        return values

    def lookback(self, values: Values, timeframe: str) -> int:
        """Rows strictly before t that a decision at t may read. values: as `resolve` gives them.

        Raises ConfigError ``CONFIG_TIMEFRAME`` where the rule cannot read bars of this length, ``CONFIG_STRATEGY``
        where it declares no count.
        """
        rows = self.reads(values, Timeframe(timeframe))
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
            raise ConfigError(
                f"strategy {self.name}: its lookback is {printable(rows)}, must be an integer >= 0",
                code="CONFIG_STRATEGY",
            )
        return rows

    def demand(self, bars: Bars, values: Values) -> None:
        """Raise where these bars cannot serve these values.

        DataError ``DATA_VOLUME_MISSING``, ``DATA_TOO_FEW`` (have and need); ConfigError ``CONFIG_BOOK_DATA``,
        ``CONFIG_TIMEFRAME``.
        """
        _demand_book(self, bars, values)
        if self.needs_volume and (bars.volume is None or np.isnan(bars.volume).all()):
            raise DataError(
                f"{bars.instrument}: {self.name} needs volume, these bars have none", code="DATA_VOLUME_MISSING"
            )
        need = self.lookback(values, bars.instrument.timeframe) + 1
        if len(bars) < need:
            raise DataError(
                f"{bars.instrument}: {self.name} needs {need} bars, there are {len(bars)}",
                code="DATA_TOO_FEW",
                have=len(bars),
                need=need,
            )

    def setups(self, bars: Bars, values: Values) -> Setups | State:
        """The rule at the structural ones among these values. Neither thresholds nor exits touch it.

        Raises TrainError ``TRAIN_STRATEGY`` where the rule fails, with its own line, or gives another shape than it
        declared; an error of Assay's passes unchanged.
        """
        # the user's own code never holds the arrays that are traded on; one in a process of its own cannot
        runs_here = bool(self.origin) and not getattr(self.rule, "isolated", False)
        value = bars.copy() if runs_here else bars
        try:
            result = self.rule(value, **{name: values[name] for name in self.of_kind(Structural)})
        except AssayError:
            raise
        except (
            Exception,
            SystemExit,
            GeneratorExit,
        ) as error:  # a rule that exits must not end a search without a word
            raise _failed(self, error) from error
        if runs_here:
            _demand_unwritten(self, bars, value)
        whole = Setups.of(result) if isinstance(result, Entries) else result
        demand_shapes(whole, len(bars), self.thresholds, self.name)
        return whole

    def entries(self, bars: Bars, values: Values) -> Entries:
        """Signals at these values; rows before the lookback have none. A state rule has no entries: TypeError."""
        result = self.setups(bars, values)
        if isinstance(result, State):
            raise TypeError(f"{self.name} is a state rule: it has weights, no entries")
        return self.select_entries(result, values, lookback=self.lookback(values, bars.instrument.timeframe))

    def select_entries(self, result: Setups, values: Values, *, lookback: int) -> Entries:
        """What is left of setups at these thresholds, without the short side where `allow_short` is false."""
        allowed = result if values.get(ALLOW_SHORT, True) else result.without_shorts()
        return allowed.entries(self.thresholds, values).without(slice(0, lookback))

    def decisions(self, bars: Bars, values: Values) -> Decisions:
        """Decisions at these values; rows before the lookback are flat. No error for few bars: all of them are flat."""
        lookback = self.lookback(values, bars.instrument.timeframe)
        if len(bars) <= lookback:
            return flat_decisions(len(bars))
        result = self.setups(bars, values)
        if isinstance(result, State):
            return weights(result, values, lookback=lookback, short=bool(values.get(ALLOW_SHORT, True)))
        return exit_decisions(
            self.select_entries(result, values, lookback=lookback), bars.close, values, lookback=lookback
        )


def strategy(
    name: str,
    parameters: Mapping[str, Parameter],
    *,
    lookback: int | Callable[..., int],
    constraints: tuple[str, ...] = (),
    needs_volume: bool = True,
    two_sided: bool = False,
    state: bool = False,
    sizing: str = "risk",
    min_trades: int = 10,
    calendar: bool = False,
) -> Callable[[Callable[..., RuleOutput]], Strategy]:
    """Declare the function below as a rule; what stands in its place then is a `Strategy`.

    The function gets the bars and every structural parameter by keyword: its signature and the space must agree. It
    returns `Setups` with a column for each threshold, or `State`, or `Entries` where no parameter is a threshold.

    lookback:  rows before t that it may read: a number, or a function ``(values, timeframe) -> int``.
    two_sided: adds the parameter ``allow_short``.   sizing: default size, ``risk`` for rules with a stop or ``fixed``.
    calendar:  the rule holds dates (a halving, an expiry): it may decide otherwise when the same bars are moved by 28
               years. An audit says so instead of raising an alarm.

    Raises ConfigError ``CONFIG_STRATEGY`` for a declaration that contradicts itself.
    """

    def declared(rule: Callable[..., RuleOutput]) -> Strategy:
        _demand_declaration(name, parameters, rule, sizing)
        every = dict(parameters)
        if two_sided:
            every[ALLOW_SHORT] = Exit(True)
        every |= sizing_parameters(sizing) if not state else {"share": sizing_parameters(sizing)["share"]}
        docs = inspect.getdoc(rule) or ""
        return Strategy(
            name=name,
            summary=docs.split("\n")[0],
            rule=rule,
            parameters=every,
            reads=(lambda values, timeframe: lookback) if isinstance(lookback, int) else lookback,
            constraints=tuple(Constraint(text, every) for text in constraints),
            needs_volume=needs_volume,
            two_sided=two_sided,
            state=state,
            min_trades=min_trades,
            calendar=calendar,
            docs=docs,
        )

    return declared


def _demand_declaration(
    name: str, parameters: Mapping[str, Parameter], rule: Callable[..., RuleOutput], sizing: str
) -> None:
    first, *others = [*inspect.signature(rule).parameters] or [""]
    takes = set(others)
    wanted = {n for n, p in parameters.items() if isinstance(p, Structural)}
    odd = [n for n, p in parameters.items() if isinstance(p, Exit) and n not in EXITS]
    reserved = [n for n in (*sizing_parameters("fixed"), ALLOW_SHORT) if n in parameters]
    problem = ""
    if not name.isidentifier() or not name.islower():
        problem = "its name must be small letters, digits and underscores"
    elif not first or takes != wanted:
        problem = (
            f"it takes {sorted(takes) or 'nothing'} after the bars, its structural parameters are {sorted(wanted)}"
        )
    elif odd or reserved:
        problem = f"{(odd or reserved)[0]} is no exit that can be declared; these can: {', '.join(EXITS)}"
    elif sizing not in SIZINGS:
        problem = f"sizing {printable(sizing)} must be one of {', '.join(SIZINGS)}"
    if problem:
        raise ConfigError(f"strategy {printable(name)}: {problem}", code="CONFIG_STRATEGY", strategy=name[:64])
    for each, parameter in parameters.items():
        if parameter.default is not None:
            parameter.check(each, parameter.default)


def _demand_unwritten(rule: Strategy, bars: Bars, value: Bars) -> None:
    """Raise TrainError ``TRAIN_STRATEGY`` where the rule wrote into the copy that it was given."""
    arrays = {name: (getattr(bars, name), getattr(value, name)) for name in (*PRICES, "timestamp", "volume")}
    arrays |= {name: (column, value.columns[name]) for name, column in bars.columns.items()}
    for name, (was, now) in arrays.items():
        if was is not None and not np.array_equal(was, now, equal_nan=True):
            row = int(np.argmax((was != now) & ~(np.isnan(was) & np.isnan(now))))
            raise TrainError(
                f"strategy {rule.name} wrote into {name} of the bars, row {row}", code="TRAIN_STRATEGY", row=row
            )


def _failed(rule: Strategy, error: BaseException) -> TrainError:
    code = getattr(inspect.unwrap(rule.rule), "__code__", None)
    line = None if code is None else own_line(error, code.co_filename)
    return TrainError(
        f"strategy {rule.name} failed{f' in line {line}' if line else ''}: {type(error).__name__}: {error}",
        code="TRAIN_STRATEGY",
        strategy=rule.name,
        line=line,
    )


def _demand_book(rule: Strategy, bars: Bars, values: Values) -> None:
    for name, parameter in rule.parameters.items():
        if parameter.book and values[name] is not None and parameter.book not in bars.columns:
            raise ConfigError(
                f"{bars.instrument}: {name} speaks of the order book, these bars have no column {parameter.book}",
                code="CONFIG_BOOK_DATA",
                field=name,
            )
