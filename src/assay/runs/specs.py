"""From a file, flags and ``key=value`` settings to a checked spec."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from assay.kernel.costs import Costs
from assay.kernel.errors import ConfigError, shown
from assay.kernel.names import did_you_mean
from assay.kernel.parse import parse
from assay.kernel.spec import FoldPlan, TrainSpec
from assay.runs.texts import typed

_LARGEST = 1024 * 1024
_PARTS = ("target", "folds", "sizing", "costs", "filter", "params")
_FREE = {"rules": ("fixed", "space")}  # tables inside a learner's own parameters
_OWN = {"target": {"name"}, "sizing": {"name"}}  # fields beside the free `params` of these parts


def build_spec(path: Path | None, flags: Mapping[str, Any], settings: Mapping[str, str]) -> TrainSpec:
    """The spec of a training: file first, flags over it, settings over both.

    flags:    dotted paths of the spec with values of the right type.
    settings: texts, read as TOML values (``0.1``, ``true``, ``[1, 2]``), else taken as text. A path with a dot
              addresses a part of the spec (``costs.fee``, ``target.horizon``), a bare name the trainer's parameter.

    Raises ConfigError naming the file, path or key, and the nearest known name.
    """
    document = {} if path is None else read_document(path)
    for name, value in flags.items():
        _put(document, name, value)
    document.setdefault("learner", "ensemble")
    if document["learner"] == "rules":
        document.setdefault("features", [])
    for name, text in settings.items():
        _put(document, _address(name, str(document["learner"])), typed(text))
    missing = [f"--{n}" for n, key in _NEEDED.items() if key not in document]
    if missing:
        raise ConfigError(
            f"a training needs {', '.join(missing)} (or a spec file that names them)", code="CONFIG_FIELD"
        )
    return parse(TrainSpec, document)


_NEEDED = {"exchange": "exchange", "symbol": "symbols", "timeframe": "timeframe"}


def read_document(path: Path) -> dict[str, Any]:
    """A TOML or JSON file as a dict. Raises ConfigError ``CONFIG_PATH``, ``CONFIG_TOO_LARGE``, ``CONFIG_JSON``."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)  # a pipe or a device has no size to ask for
    except OSError as error:
        raise ConfigError(f"spec {shown(str(path))}: {error.strerror}", code="CONFIG_PATH", field="spec") from error
    if len(data) > _LARGEST:
        raise ConfigError(f"spec {shown(str(path))} is larger than 1 MiB (size)", code="CONFIG_TOO_LARGE", field="spec")
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"spec {shown(str(path))} is nested too deep (depth)", code="CONFIG_TOO_LARGE") from error
    except ValueError as error:
        raise ConfigError(
            f"spec {shown(str(path))} cannot be read: {error}", code="CONFIG_JSON", field="spec"
        ) from error
    if not isinstance(document, dict):
        raise ConfigError(f"spec {shown(str(path))} must hold one table", code="CONFIG_JSON", field="spec")
    return document


def _address(name: str, learner: str) -> str:
    """Where a setting goes: ``target.horizon`` is ``target.params.horizon``, a bare name ``params.name``."""
    part, dot, key = name.partition(".")
    if not dot:
        known = parameter_names(learner)
        top = {f.name for f in fields(TrainSpec)} - set(_PARTS)
        if name in top:
            return name
        if name not in known:
            near = did_you_mean(name, [*known, *top, *_dotted()])
            raise ConfigError(
                f"unknown parameter {shown(name)} of {learner}; {near or 'known: ' + ', '.join(known)}",
                code="CONFIG_PARAMETER",
                hint=near,
                field=name[:64],
            )
        return f"params.{name}"
    if part in _FREE.get(learner, ()):
        return f"params.{name}"
    if part not in _PARTS:
        near = did_you_mean(name, _dotted()) or f"parts are {', '.join(_PARTS)}"
        raise ConfigError(f"unknown setting {shown(name)}; {near}", code="CONFIG_FIELD", hint=near, field=name[:64])
    if part in _OWN and key not in _OWN[part] and not key.startswith("params."):
        return f"{part}.params.{key}"
    return name


def _dotted() -> list[str]:
    return [f"{part}.{f.name}" for part, kind in (("costs", Costs), ("folds", FoldPlan)) for f in fields(kind)]


def _put(document: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        inner = document.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{name}: {parent} is {shown(inner)}, not a table", code="CONFIG_FIELD", field=name[:64])
        document = inner
    document[last] = value


def parameter_names(learner: str) -> tuple[str, ...]:
    """Names of a learner's own parameters; empty for an unknown learner, which `trainer_of` refuses."""
    if learner == "ensemble":
        from dataclasses import fields

        from assay.learn.ensemble.params import EnsembleParams

        return tuple(f.name for f in fields(EnsembleParams))
    if learner == "rules":
        from dataclasses import fields

        from assay.runs.rules import RuleParams

        return tuple(f.name for f in fields(RuleParams))
    return ()
