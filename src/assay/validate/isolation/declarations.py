"""Declarations of user files and setups of strategies as messages between closed process and parent.

Nothing that is read here is trusted: a closed process runs the user's code, which may write what it likes.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, get_args

import numpy as np

from assay.features import Clock, Feature
from assay.kernel.errors import TrainError
from assay.learn import (
    LEVEL_NAMES,
    Above,
    Constraint,
    Crossing,
    Exit,
    Parameter,
    Range,
    Setups,
    Side,
    State,
    Strategy,
    Structural,
    Threshold,
    Value,
)
from assay.validate.isolation.messages import Array, Message

_PARAMETERS: Mapping[str, type[Parameter]] = {"structural": Structural, "threshold": Threshold, "exit": Exit}
_FLAGS = ("needs_volume", "two_sided", "state", "calendar")
_LONGEST_DOCS = 20_000


def strategy_document(rule: Strategy) -> dict[str, object]:
    """JSON-able: everything that a strategy declares except its functions."""
    return {
        "name": rule.name,
        "docs": rule.docs[:_LONGEST_DOCS],
        "parameters": [_parameter_document(name, each) for name, each in rule.parameters.items()],
        "constraints": [each.text for each in rule.constraints],
        "min_trades": rule.min_trades,
        **{name: getattr(rule, name) for name in _FLAGS},
    }


def strategy_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Strategy` from `strategy_document`; its functions, origin and source are the reader's.

    Raises KeyError, TypeError, ValueError or ConfigError for a document that no strategy could have written.
    """
    parameters = {str(each["name"]): _parameter(each) for each in document["parameters"]}
    docs = _typed(document["docs"], str)
    return {
        "name": _typed(document["name"], str),
        "summary": docs.split("\n")[0],
        "docs": docs,
        "parameters": parameters,
        "constraints": tuple(Constraint(_typed(text, str), parameters) for text in document["constraints"]),
        "min_trades": _typed(document["min_trades"], int),
        **{name: _typed(document[name], bool) for name in _FLAGS},
    }


def feature_document(entry: Feature) -> dict[str, object]:
    """JSON-able: everything that a feature declares except its function."""
    return {
        "name": entry.name,
        "group": entry.group,
        "lookback": entry.lookback,
        "unit": entry.unit,
        "windowed": entry.windowed,
        "needs": list(entry.needs),
        "level": entry.level,
        "clock": entry.clock,
        "calendar": entry.calendar,
    }


def feature_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Feature` from `feature_document`, without `compute`. Raises KeyError, TypeError, ValueError."""
    fields = {name: _typed(document[name], str) for name in ("name", "group", "unit", "clock")}
    if fields["clock"] not in get_args(Clock):
        raise ValueError(f"clock {fields['clock']!r}")
    lookback = _typed(document["lookback"], int)
    if lookback < 0:
        raise ValueError(f"lookback {lookback}")
    return {
        **fields,
        "lookback": lookback,
        "needs": tuple(_typed(each, str) for each in document["needs"]),
        **{name: _typed(document[name], bool) for name in ("windowed", "level", "calendar")},
    }


def setups_message(setups: Setups | State) -> Message:
    """What a rule gave for some bars, whole: all sides, columns and levels."""
    if isinstance(setups, Above):
        return Message({"form": "above", "equal": setups.equal}, {"upper": setups.upper, "lower": setups.lower})
    if isinstance(setups, State):
        return Message({"form": "state"}, {"side": setups.side})
    if isinstance(setups, Crossing):
        arrays = {"upper": setups.upper, "lower": setups.lower}
        facts = {"form": "crossing", "levels": list(setups.levels)}
        return Message(facts, arrays | _level_arrays("both", setups.levels))
    columns: dict[str, Array] = {}
    for sign, side in setups.sides.items():
        name = "long" if sign > 0 else "short"
        columns[f"{name}.hold"] = side.hold
        columns |= {f"{name}.column:{column}": values for column, values in side.columns.items()}
        columns |= _level_arrays(name, {level: getattr(side, level) for level in LEVEL_NAMES})
    return Message({"form": "setups", "edge": bool(setups.edge)}, columns)


def setups_of(message: Message, name: str) -> Setups | State:
    """Inverse of `setups_message`. Raises TrainError ``TRAIN_STRATEGY`` for a message that is none; name: of the rule.

    Lengths and types of the arrays are not checked here: see `Strategy.setups`.
    """
    facts, arrays = message.facts, message.arrays
    try:
        form = facts["form"]
        if form == "above":
            return Above(arrays["upper"], arrays["lower"], float(facts["equal"]))
        if form == "state":
            return State(arrays["side"])
        if form == "crossing":
            names = [level for level in LEVEL_NAMES if level in facts["levels"]]
            return Crossing(arrays["upper"], arrays["lower"], _levels(arrays, "both", names))
        if form == "setups":
            return Setups(_side(arrays, "long"), _side(arrays, "short"), bool(facts["edge"]))
    except (KeyError, TypeError, ValueError) as error:
        raise TrainError(f"strategy {name} gave no setups: {error}", code="TRAIN_STRATEGY") from error
    raise TrainError(f"strategy {name} gave no setups", code="TRAIN_STRATEGY")


def _side(arrays: Mapping[str, Array], name: str) -> Side | None:
    if f"{name}.hold" not in arrays:
        return None
    prefix = f"{name}.column:"
    columns = {each.removeprefix(prefix): values for each, values in arrays.items() if each.startswith(prefix)}
    return Side(arrays[f"{name}.hold"], columns, **_levels(arrays, name, LEVEL_NAMES))


def _level_arrays(side: str, levels: Mapping[str, object]) -> dict[str, Array]:
    """Levels by name; a number, which stands for a constant column, as an array of one."""
    arrays: dict[str, Array] = {}
    for level, values in levels.items():
        if isinstance(values, np.ndarray):
            arrays[f"{side}.{level}"] = values
        elif values is not None:
            arrays[f"{side}.number:{level}"] = np.array([values], np.float64)
    return arrays


def _levels(arrays: Mapping[str, Array], side: str, names: Iterable[str]) -> dict[str, Any]:
    levels: dict[str, object] = dict.fromkeys(names)
    for level in levels:
        if f"{side}.{level}" in arrays:
            levels[level] = arrays[f"{side}.{level}"]
        elif f"{side}.number:{level}" in arrays:
            levels[level] = float(arrays[f"{side}.number:{level}"][0])
    return levels


def _parameter_document(name: str, each: Parameter) -> dict[str, object]:
    search: dict[str, object] | None = None
    if isinstance(each.search, Range):
        search = {"range": [each.search.low, each.search.high, each.search.step], "log": each.search.log}
    elif each.search is not None:
        search = {"choices": list(each.search)}
    return {
        "name": name,
        "kind": next(kind for kind, type_ in _PARAMETERS.items() if isinstance(each, type_)),
        "default": each.default,
        "search": search,
        "unit": each.unit,
        "zero": each.zero,
        "most": each.most if each.most is not None and isfinite(each.most) else None,
        "options": list(each.options),
        "book": each.book,
        "holds": each.holds if isinstance(each, Threshold) else None,
    }


def _parameter(document: Mapping[str, Any]) -> Parameter:
    kind = _PARAMETERS[document["kind"]]
    search: Range | tuple[Value, ...] | None = None
    if document["search"] is not None and "range" in document["search"]:
        low, high, step = document["search"]["range"]
        search = Range(low, high, step, log=bool(document["search"]["log"]))
    elif document["search"] is not None:
        search = tuple(_typed(each, bool | int | float | str | None) for each in document["search"]["choices"])
    more: dict[str, object] = {} if document["holds"] is None else {"holds": _typed(document["holds"], str)}
    return kind(
        _typed(document["default"], bool | int | float | str | None),
        search=search,
        unit=_typed(document["unit"], str),
        zero=_typed(document["zero"], bool),
        most=_typed(document["most"], float | int | None),
        options=tuple(_typed(each, str) for each in document["options"]),
        book=_typed(document["book"], str),
        **more,
    )


def _typed(value: object, kind: Any) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r:.80} is no {kind}")
    return value
