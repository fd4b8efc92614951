"""Parse JSON or TOML documents into frozen dataclasses: strict types; unknown keys are named with their neighbours."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from math import inf, isfinite
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from assay.kernel.errors import ConfigError, did_you_mean, printable

T = TypeVar("T")
_DEPTH = 16
_KEYS = 10_000
_WORDS = {bool: "true or false", int: "an integer", float: "a finite number", str: "a text"}


def parse(kind: type[T], document: Mapping[str, object], *, path: str = "", code: str = "CONFIG_FIELD") -> T:
    """Build the dataclass `kind` from a mapping of its fields.

    Types are strict: no text for a number, no true for 1; an integer may stand for a float, a list for a tuple.
    Raises ConfigError `code` naming the field's path, the value and what would be right (``CONFIG_TOO_LARGE`` for a
    document that is nested or keyed beyond reason).
    """
    _measure(document)
    return _dataclass(kind, document, path, code)


def _dataclass(kind: type[T], document: object, path: str, code: str) -> T:
    if not isinstance(document, Mapping):
        raise ConfigError(f"{path or 'the document'} must be a table, is {printable(document)}", code=code, field=path)
    hints = get_type_hints(kind)
    available = {f.name: f for f in fields(cast(Any, kind))}
    for key in document:
        if key not in available:
            at = f"{path}.{key}" if path else str(key)
            near = did_you_mean(str(key), available)
            raise ConfigError(
                f"unknown key {printable(at)}; {near or 'known: ' + ', '.join(available)}",
                code=code,
                hint=near,
                field=at[:128],
            )
    missing = [
        n for n, f in available.items() if n not in document and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise ConfigError(f"{path or 'the document'} lacks {', '.join(missing)}", code=code, field=missing[0])
    values = {k: _value(hints[k], v, f"{path}.{k}" if path else k, code) for k, v in document.items()}
    return kind(**values)


def _value(hint: object, value: object, path: str, code: str) -> object:
    if get_origin(hint) in (Union, types.UnionType):
        return _union(hint, value, path, code)
    if is_dataclass(hint):
        return _dataclass(cast(Any, hint), value, path, code)
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{path} must be a list, is {printable(value)}", code=code, field=path)
        return tuple(_value(get_args(hint)[0], v, f"{path}[{i}]", code) for i, v in enumerate(value))
    if hint in _WORDS:
        return _plain(hint, value, path, code)
    if get_origin(hint) in (Mapping, dict) or get_origin(hint) is Mapping.__mro__[0]:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path} must be a table, is {printable(value)}", code=code, field=path)
        _plain_document(value, path, code)
        return dict(value)
    return _choice(hint, value, path, code)


def _union(hint: object, value: object, path: str, code: str) -> object:
    options = get_args(hint)
    if value is None and type(None) in options:
        return None
    options = tuple(o for o in options if o is not type(None))
    if len(options) == 1:
        return _value(options[0], value, path, code)
    for option in options:
        wants_list = get_origin(option) is tuple
        if wants_list == isinstance(value, list | tuple):
            return _value(option, value, path, code)
    raise ConfigError(f"{path} is {printable(value)}", code=code, field=path)


def _plain(hint: type, value: Any, path: str, code: str) -> object:
    right = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value, right = _as_float(value), True
    right = right and not (hint is str and not _is_text(value))
    if not right or (hint is float and not isfinite(value)):
        raise ConfigError(
            f"{path} must be {_WORDS[hint]}, is {printable(value)} ({type(value).__name__})", code=code, field=path
        )
    return value


def _choice(hint: object, value: object, path: str, code: str) -> object:
    allowed = get_args(hint)
    if value not in allowed or isinstance(value, bool) != any(isinstance(a, bool) for a in allowed):
        near = did_you_mean(str(value), [str(a) for a in allowed])
        raise ConfigError(
            f"{path} is {printable(value)}, must be one of {', '.join(map(str, allowed))}",
            code=code,
            hint=near,
            field=path,
        )
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf


def _is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: half a surrogate pair cannot be hashed or stored."""
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _plain_document(value: object, path: str, code: str) -> None:
    """What stands in free tables must be plain JSON: finite numbers, text, true, false, null, lists, tables."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not _is_text(key):
                raise ConfigError(f"{path} has key {printable(key)}, keys must be texts", code=code, field=path)
            _plain_document(inner, f"{path}.{key}", code)
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            _plain_document(inner, f"{path}[{i}]", code)
    elif isinstance(value, float) and not isfinite(value):
        raise ConfigError(f"{path} is {value}, must be finite", code=code, field=path)
    elif not (value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and _is_text(value))):
        raise ConfigError(
            f"{path} is {printable(value)} ({type(value).__name__}), must be a number, a text, true, false or null",
            code=code,
            field=path,
        )


def _measure(document: object) -> None:
    """Refuse documents nested deeper than 16 or with more than 10,000 keys, without recursion."""
    stack, keys = [(document, 1)], 0
    while stack:
        value, depth = stack.pop()
        if depth > _DEPTH:
            raise ConfigError(f"the document is nested deeper than {_DEPTH} (depth)", code="CONFIG_TOO_LARGE")
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        keys += len(inner)
        if keys > _KEYS:
            raise ConfigError(f"the document has more than {_KEYS:,} keys (size)", code="CONFIG_TOO_LARGE")
        stack.extend((v, depth + 1) for v in inner)


JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
JsonObject: TypeAlias = dict[str, JsonValue]
