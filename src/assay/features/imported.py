"""Columns of the user's own that were imported into this process, and of which no file was given."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from assay.features.lookup import is_own_column
from assay.features.registry import Feature, feature_registry
from assay.features.user_features import FeatureFile, of_assay
from assay.kernel.user_source import read_user_code


def find_imported_features(names: Iterable[str]) -> FeatureFile | None:
    """The imported columns of this process, where `names` holds one of them, a lag or the relative form of one.

    Their `code` is None, so that nothing can be kept of them; their digest is that of the functions' code with the
    constants and the functions of their module that it reads, so that another body is another digest.
    """
    own = {name: entry for name, entry in feature_registry().items() if not of_assay(entry)}
    if not any(is_own_column(name, own) for name in names):
        return None
    entries = [own[name] for name in sorted(own)]
    return FeatureFile("", Path(), None, code_digest(entries), tuple(entries))


def find_imported_source(digest: str) -> Mapping[str, Feature]:
    """The imported columns of this process whose file, with the modules that it loads, has this SHA-256 (hex)."""
    return {
        name: entry
        for name, entry in feature_registry().items()
        if not of_assay(entry) and _file_digest(entry) == digest
    }


def code_digest(entries: Iterable[Feature]) -> str:
    """SHA-256 (hex) of what the columns declare and compute."""
    sha = hashlib.sha256()
    for each in entries:
        declared = (each.name, each.group, each.lookback, each.unit, each.windowed, each.needs, each.level, each.clock,
                    each.calendar)  # fmt: skip
        sha.update(repr(declared).encode() + b"\0" + _callable(each.compute, set()) + b"\0")
    return sha.hexdigest()


def _file_digest(entry: Feature) -> str:
    code = getattr(entry.compute, "__code__", None)
    try:
        return "" if code is None else read_user_code(Path(code.co_filename)).digest
    except OSError:  # a notebook's cell has a file name and no file
        return ""


def _callable(function: Callable[..., Any], seen: set[int]) -> bytes:
    if isinstance(function, partial):
        return _callable(function.func, seen) + repr((function.args, function.keywords)).encode()
    plain = getattr(function, "__wrapped__", None) or getattr(function, "py_func", function)
    if not isinstance(plain, FunctionType):
        return f"{getattr(plain, '__module__', '')}.{getattr(plain, '__qualname__', repr(plain))}".encode()
    if id(plain) in seen:
        return b"again"
    seen.add(id(plain))
    cells = [cell.cell_contents for cell in plain.__closure__ or ()]
    inputs = [plain.__defaults__, plain.__kwdefaults__, *cells]
    read = [plain.__globals__[name] for name in _names(plain.__code__) if name in plain.__globals__]
    return _code(plain.__code__) + b"".join(_value(each, plain, seen) for each in (*inputs, *read))


def _code(code: CodeType) -> bytes:
    constants = (_code(each) if isinstance(each, CodeType) else repr(each).encode() for each in code.co_consts)
    return code.co_code + repr((code.co_names, code.co_varnames)).encode() + b"\0".join(constants)


def _names(code: CodeType) -> list[str]:
    inner = [name for each in code.co_consts if isinstance(each, CodeType) for name in _names(each)]
    return sorted({*code.co_names, *inner})


def _value(value: object, reader: FunctionType, seen: set[int]) -> bytes:
    """What a function reads beside its arguments: arrays by their bytes, functions of its own module by their code."""
    if isinstance(value, np.ndarray):
        return str(value.dtype).encode() + value.tobytes()
    function = getattr(value, "py_func", value)  # of one that Numba compiled
    if isinstance(function, FunctionType):
        if function.__globals__ is reader.__globals__:
            return _callable(function, seen)
        return f"{function.__module__}.{function.__qualname__}".encode()
    return repr(getattr(value, "__name__", value)).encode()
