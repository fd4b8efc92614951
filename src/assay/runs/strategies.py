"""Strategies by name or from a user's file, and their checks."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, DataError, TrainError, did_you_mean, printable
from assay.kernel.spec import TrainSpec
from assay.kernel.timeframe import Timeframe
from assay.learn import (
    Exit,
    Parameter,
    Range,
    Strategy,
    Structural,
    Threshold,
    all_strategies,
    check_honest,
    strategy_named,
)
from assay.runs.user_files import check_probe, own_strategy, probe_rule


def parse_value(text: str) -> object:
    """A setting's text as a TOML value; what is none is text. ``none`` is null."""
    if text == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


_KINDS = ((Structural, "structural"), (Threshold, "threshold"), (Exit, "exit"))
PROBED = 1_000
ASKED_ABOUT = 200  # bars after the lookback that a check needs to mean anything


def load_strategy(name: str, file: Path | None = None) -> Strategy:
    """The strategy of this name; with `file` the one that it declares, whose name `name` must be unless it is empty.

    Raises ConfigError ``CONFIG_STRATEGY`` with the nearest name, ``CONFIG_STRATEGY_FILE``.
    """
    if file is None and not name:
        raise ConfigError(
            "no strategy is named", code="CONFIG_STRATEGY", hint="name one of assay strategies list, or give a file"
        )
    if file is None:
        return strategy_named(name)
    own = own_strategy(file)
    if name and name != own.name:
        raise ConfigError(
            f"{printable(file.name)} declares strategy {printable(own.name)}, asked for is {printable(name)}",
            code="CONFIG_STRATEGY",
            hint=did_you_mean(name, [own.name]),
        )
    return own


def split_settings(
    rule: Strategy, settings: Mapping[str, str]
) -> tuple[dict[str, object], dict[str, object], dict[str, object] | None]:
    """Settings by what they set: a bare name a parameter, ``costs.fee`` a cost, ``filter.action`` the data filter.

    The filter is None where nothing speaks of it. Raises ConfigError ``CONFIG_PARAMETER`` naming an unknown parameter
    and the nearest known name.
    """
    result: dict[str, dict[str, object]] = {"": {}, "costs": {}, "filter": {}}
    for name, text in settings.items():
        part, dot, key = name.partition(".")
        if dot and part in result:
            result[part][key] = parse_value(text)
        else:
            _demand_known(rule, name)
            result[""][name] = parse_value(text)
    return result[""], result["costs"], result["filter"] or None


def _demand_known(rule: Strategy, name: str) -> None:
    if name not in rule.parameters:
        near = did_you_mean(name, [*rule.parameters, *(f"costs.{f.name}" for f in fields(Costs))])
        raise ConfigError(
            f"{rule.name} has no parameter {printable(name)}; {near or 'it has ' + ', '.join(rule.parameters)}",
            code="CONFIG_PARAMETER",
            hint=near,
            field=name[:128],
        )


def with_origin(spec: TrainSpec, file: Path | None) -> TrainSpec:
    """The spec of a rule with the hash of the user's file in it, where it names none."""
    if file is None or spec.params.get("origin"):
        return spec
    own = own_strategy(file)
    return replace(
        spec, params={**spec.params, "strategy": spec.params.get("strategy") or own.name, "origin": own.origin}
    )


@contextmanager
def name_user_line(file: Path | None) -> Iterator[None]:
    """What goes wrong inside a user's file names the file and its line, ``my.py:7``."""
    try:
        yield
    except TrainError as error:
        line = error.facts.get("line")
        if file is None or line is None:
            raise
        raise _at(file, line, error) from error


def _at(file: Path, line: object, error: TrainError) -> TrainError:
    facts = error.facts | {"file": file.name}
    message = error.message.replace(f" failed in line {line}:", " failed:")
    place = f"{printable(file.name)[1:-1]}:{line}: "
    return TrainError(place + message.removeprefix(place), code=error.code, hint=error.hint, **facts)


def count_signals(rule: Strategy, bars: Bars) -> int:
    """How often it speaks at its defaults: orders, or of a state rule changes of the weight."""
    target = rule.decisions(bars, rule.defaults).target
    message = target[np.isfinite(target)]
    return int(np.count_nonzero(np.diff(message, prepend=0.0) if rule.state else message))


def demand_honest(rule: Strategy, bars: Bars, values: Mapping[str, object], *, closed: bool = True) -> None:
    """Raise where a strategy of the user's own peeks, draws lots, remembers, reaches out or writes into the bars.

    First in this process, on the first `PROBED` bars after its lookback: LeakError ``LEAK_STRATEGY`` with the bar at
    which it peeked, TrainError ``TRAIN_STRATEGY``. Then, if `closed`, on all of these bars in closed processes:
    LeakError ``LEAK_OUTSIDE``, ``LEAK_STATE``, ``LEAK_CALENDAR``, ``LEAK_STRATEGY``. Assay's own are held to this by
    tests. Cost: some hundred evaluations of the rule on the first bars, some 90 on all, and three processes.
    """
    if not rule.origin:
        return
    first = bars[: rule.lookback(values, bars.instrument.timeframe) + PROBED]
    check_honest(rule, first, values)
    if closed:
        check_probe(probe_rule(rule, bars, values))


def check_enough_bars(rule: Strategy, bars: Bars) -> None:
    """Raise DataError ``DATA_TOO_FEW`` where a check on these bars could ask about fewer than 200 of them."""
    lookback = rule.lookback(rule.defaults, bars.instrument.timeframe)
    need = lookback + ASKED_ABOUT
    if len(bars) < need:
        raise DataError(
            f"{bars.instrument}: a check of {rule.name} needs {need} bars, a lookback of {lookback} and {ASKED_ABOUT} "
            f"to ask about; there are {len(bars)}",
            code="DATA_TOO_FEW",
            have=len(bars),
            need=need,
        )


def list_strategies() -> list[dict[str, object]]:
    """Name, summary and needs of every strategy that Assay has."""
    return [_facts(rule) for rule in all_strategies().values()]


def describe_strategy(rule: Strategy, timeframe: str) -> dict[str, object]:
    """All that a strategy declares; `lookback` in bars of this length at the defaults, None where it reads none such.

    parameters: name, kind (structural, threshold or exit), default, unit, search (``low high step log``, a list of
    choices, or null), and the order-book column that one speaks of.
    """
    return _facts(rule) | {
        "what": rule.docs,
        "timeframe": timeframe,
        "lookback": _lookback(rule, timeframe),
        "constraints": [each.text for each in rule.constraints],
        "parameters": [_parameter(name, each) for name, each in rule.parameters.items()],
    }


def _facts(rule: Strategy) -> dict[str, object]:
    return {
        "strategy": rule.name,
        "summary": rule.summary,
        "two_sided": rule.two_sided,
        "state": rule.state,
        "needs_volume": rule.needs_volume,
        "min_trades": rule.min_trades,
        "origin": rule.origin or None,
    }


def _lookback(rule: Strategy, timeframe: str) -> int | None:
    Timeframe(timeframe)
    try:
        return rule.lookback(rule.defaults, timeframe)
    except ConfigError as error:
        if error.code != "CONFIG_TIMEFRAME":
            raise
        return None


def _parameter(name: str, each: Parameter) -> dict[str, object]:
    search: object = each.search
    if isinstance(search, Range):
        search = {"low": search.low, "high": search.high, "step": search.step, "log": search.log}
    return {
        "name": name,
        "kind": next(verdict for kind, verdict in _KINDS if isinstance(each, kind)),
        "default": each.default,
        "unit": each.unit,
        "search": list(search) if isinstance(search, tuple) else search,
        "options": list(each.options),
        "book": each.book or None,
    }
