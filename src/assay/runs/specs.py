"""Build a checked spec of a training or a search from a file, flags and ``key=value`` settings."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, did_you_mean, printable, unread_hint
from assay.kernel.parse import parse
from assay.kernel.spec import SplitSpec, TrainSpec
from assay.learn import Strategy
from assay.runs.learners import LEARNERS, demand_files, demand_learner, parameter_names
from assay.runs.rule_search import as_tables, declared_space
from assay.runs.strategies import load_strategy, parse_value, split_settings
from assay.validate import Space, parse_space_text

_LARGEST = 1024 * 1024
_PARTS = ("target", "folds", "sizing", "costs", "filter", "params")
_FREE = {"rules": ("fixed", "space")}  # tables inside a learner's own parameters
_OWN = {"target": {"name"}, "sizing": {"name"}}  # fields beside the free `params` of these parts


def build_spec(
    path: Path | None, flags: Mapping[str, object], settings: Mapping[str, str], *, strategy_file: Path | None = None,
    features_file: Path | None = None,
) -> TrainSpec:  # fmt: skip
    """The spec of a training: file first, flags over it, settings over both.

    flags:    dotted paths of the spec with values of the right type.
    settings: texts, read as TOML values (``0.1``, ``true``, ``[1, 2]``), else taken as text. A path with a dot
              addresses a part of the spec (``costs.fee``, ``target.horizon``), a bare name the trainer's parameter.
    strategy_file, features_file: the user's own, given with the spec.

    Raises ConfigError naming the file, path or key, and the nearest known name. What does not go with the learner at
    all is said before what is wrong with a single setting.
    """
    document = {} if path is None else read_document(path)
    for name, value in flags.items():
        _put(document, name, value)
    document.setdefault("learner", "ensemble")
    if isinstance(document["learner"], str):
        demand_learner(document["learner"])
        demand_files(document["learner"], strategy_file, features_file)
        _demand_no_strategy(document["learner"], flags)
        if not LEARNERS[document["learner"]].uses_features:
            document.setdefault("features", [])
    for name, text in settings.items():
        _put(document, _address(name, str(document["learner"])), parse_value(text))
    missing = [f"--{n}" for n, key in _NEEDED.items() if key not in document]
    if missing:
        raise ConfigError(
            f"a training needs {', '.join(missing)} (or a spec file that names them)", code="CONFIG_FIELD"
        )
    return parse(TrainSpec, document)


_NEEDED = {"exchange": "exchange", "symbol": "symbols", "timeframe": "timeframe"}


def read_document(path: Path) -> dict[str, object]:
    """A TOML or JSON file as a dict. Raises ConfigError ``CONFIG_PATH``, ``CONFIG_TOO_LARGE``, ``CONFIG_JSON``."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)  # a pipe or a device has no size to ask for
    except OSError as error:
        text = f"spec {printable(str(path))} cannot be read: {error.strerror}"
        raise ConfigError(text, code="CONFIG_PATH", hint=unread_hint(path, error), field="spec") from error
    if len(data) > _LARGEST:
        raise ConfigError(
            f"spec {printable(str(path))} is larger than 1 MiB (size)", code="CONFIG_TOO_LARGE", field="spec"
        )
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_once) if path.suffix == ".json" else tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"spec {printable(str(path))} is nested too deep (depth)", code="CONFIG_TOO_LARGE") from error
    except ValueError as error:
        raise ConfigError(
            f"spec {printable(str(path))} cannot be read: {error}",
            code="CONFIG_JSON",
            hint="A name that ends in .json is read as JSON, any other as TOML: texts in quotes, lists in brackets.",
            field="spec",
        ) from error
    if not isinstance(document, dict):
        raise ConfigError(f"spec {printable(str(path))} must hold one table", code="CONFIG_JSON", field="spec")
    return document


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A table of JSON; ValueError for a key that stands twice in it, of which JSON would take the last."""
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"key {printable(twice)} stands twice")
    return dict(pairs)


def _address(name: str, learner: str) -> str:
    """Where a setting goes: ``target.horizon`` is ``target.params.horizon``, a bare name ``params.name``."""
    part, dot, key = name.partition(".")
    if not dot:
        available = parameter_names(learner)
        top = {f.name for f in fields(TrainSpec)} - set(_PARTS)
        if name in top:
            return name
        if name not in available:
            raise _unknown_parameter(name, learner, [*available, *top, *_dotted()])
        return f"params.{name}"
    if part in _FREE.get(learner, ()):
        return f"params.{name}"
    if part not in _PARTS:
        near = did_you_mean(name, _dotted()) or f"parts are {', '.join(_PARTS)}"
        raise ConfigError(f"unknown setting {printable(name)}; {near}", code="CONFIG_FIELD", hint=near, field=name[:64])
    if part in _OWN and key not in _OWN[part] and not key.startswith("params."):
        return f"{part}.params.{key}"
    return name


def _unknown_parameter(name: str, learner: str, names: list[str]) -> ConfigError:
    """Of a name that another learner has, which; else the nearest, or all of the learner."""
    others = [each for each in LEARNERS if each != learner and name in parameter_names(each)]
    if others:
        text = f"{printable(name)} is a parameter of learner {others[0]}, not of {learner}"
        hint = f"Leave it out, or train {others[0]}."
    else:
        hint = did_you_mean(name, names)
        text = f"unknown parameter {printable(name)} of {learner}; "
        text += hint or "known: " + ", ".join(parameter_names(learner))
    return ConfigError(text, code="CONFIG_PARAMETER", hint=hint, field=name[:64])


def _demand_no_strategy(learner: str, flags: Mapping[str, object]) -> None:
    name = flags.get("params.strategy")
    if learner != "rules" and name is not None:
        raise ConfigError(
            f"learner {learner} learns from features and trades no strategy; --strategy is {printable(name)}",
            code="CONFIG_PARAMETER",
            hint="Leave --strategy out, or trade the strategy: assay train rules --strategy NAME.",
            field="strategy",
        )


def _dotted() -> list[str]:
    return [f"{part}.{f.name}" for part, kind in (("costs", Costs), ("folds", SplitSpec)) for f in fields(kind)]


def _put(document: dict[str, object], name: str, value: object) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        inner = document.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{name}: {parent} is {printable(inner)}, not a table", code="CONFIG_FIELD", field=name[:64]
            )
        document = inner
    document[last] = value


TRAIN_SHARE = 0.7
PRESETS = {"standard": (60.0, 30.0, 7.0), "long": (90.0, 30.0, 7.0)}
SPLIT = "split"


def optimize_spec(
    strategy: str,
    exchange: str,
    symbol: str,
    timeframe: str,
    settings: Mapping[str, str],
    space: Sequence[str],
    walk_forward: str,
    *,
    file: Path | None,
    bars: int | None,
    seed: int,
    **params: object,
) -> TrainSpec:
    """The spec of a search, complete: the space that the strategy declares stands in it.

    settings: texts, see `split_settings`; a bare name is a parameter that is not searched.   space: ``k=…`` texts.
    params:   fields of `RuleParams`.

    Raises ConfigError naming option, value and the nearest known name.
    """
    rule = load_strategy(strategy, file)
    fixed, costs, filtered = split_settings(rule, settings)
    return TrainSpec(
        exchange=exchange,
        symbols=(symbol,),
        timeframe=timeframe,
        learner="rules",
        features=(),
        folds=windows_of(walk_forward),
        costs=parse(Costs, costs, path="costs"),
        bars=bars,
        filter=filtered,
        seed=seed,
        params={
            **params,
            "strategy": rule.name,
            "origin": rule.origin,
            "fixed": fixed,
            "space": _space(rule, fixed, space),
        },
    )


def _space(rule: Strategy, fixed: Mapping[str, object], texts: Sequence[str]) -> dict[str, Any]:
    """What is searched, as the spec writes it: what the texts say, or else what the strategy declares."""
    value: dict[str, object] = {}
    for text in texts:
        name, values = parse_space_text(text)
        if name in value:
            raise ConfigError(f"--space names {printable(name)} twice", code="CONFIG_SPACE", field=name[:128])
        value[name] = values
    if not value:
        value = declared_space(rule, fixed)
    return as_tables(Space.of_strategy(rule, value))


def windows_of(text: str) -> SplitSpec:
    """The windows that ``--walk-forward`` names: ``split``, a preset, or days ``train/test/gap``.

    Raises ConfigError ``CONFIG_FOLDS`` with the nearest name.
    """
    if text == SPLIT:
        return SplitSpec(train_share=TRAIN_SHARE)
    days = PRESETS.get(text)
    if days is None:
        try:
            train, test, gap = (_finite(part) for part in text.split("/"))
        except ValueError as error:
            near = did_you_mean(text, (SPLIT, *PRESETS)) or "60/30/7 means 60 train, 30 test and 7 gap days"
            raise ConfigError(
                f"--walk-forward is {printable(text)}, must be split, standard, long or three numbers of days; {near}",
                code="CONFIG_FOLDS",
                hint=near,
                field="walk_forward",
            ) from error
        days = train, test, gap
    return SplitSpec(train_days=days[0], test_days=days[1], gap_days=days[2])


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


def plan_name(folds: SplitSpec) -> str:
    """What `windows_of` would call these windows; ``bars`` for windows that are cut by rows."""
    if folds.train_share is not None:
        return SPLIT
    if folds.train_days is None or folds.test_days is None:
        return "bars"
    days = (folds.train_days, folds.test_days, folds.gap_days)
    return next((name for name, preset in PRESETS.items() if preset == days), "/".join(f"{d:g}" for d in days))
