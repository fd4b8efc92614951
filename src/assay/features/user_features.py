"""Features of the user's own: a Python file of functions decorated with `assay.features.feature`, or an import."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import RLock
from types import CodeType, FunctionType

import numpy as np

from assay.features.compute import CLOCKS, NEEDS, FeatureContext, is_own_column, seek
from assay.features.registry import Feature, feature_registry, restore_features, unregister_feature
from assay.kernel.arrays import FloatArray
from assay.kernel.errors import AssayError, ConfigError, TrainError, printable
from assay.kernel.user_source import UserCode, own_line, read_user_code, refusal, run_user_code

FEATURE_FILE_CODE, RAISED, _KIND = "CONFIG_FEATURE_FILE", "TRAIN_FEATURE", "feature"
_LOADING = RLock()  # a file enters its columns in the one book of the process before they are taken out of it


@dataclass(frozen=True, slots=True, eq=False)
class FeatureFile:
    """The columns that a file of the user's own declares, and the source that declared them.

    name:     of the file, without folders; empty for columns that were imported (`assay.features.user_features`).
    path:     from where it was run.
    code:     the bytes that were run, with all modules of the user's that they load; None for imported columns.
    digest:   SHA-256 (hex) of `code`, by which a spec names it; of the functions' bytecode for imported columns.
    declared: what the file entered, as it entered it.
    columns:  the same by name for computing: what such a function raises, and a result that is no row of numbers, is
              refused with file and line, it gets copies of the columns that it reads, and NumPy's warnings are off.
    """

    name: str
    path: Path
    code: UserCode | None
    digest: str
    declared: tuple[Feature, ...]
    columns: Mapping[str, Feature] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", {each.name: _guarded(each, self) for each in self.declared})

    @property
    def title(self) -> str:
        """What a message calls it."""
        return printable(self.name)[1:-1] if self.name else "imported columns"

    def demand_unchanged(self) -> None:
        """Raise ConfigError ``CONFIG_FEATURE_FILE`` where the file, or a module of it, is another one by now."""
        if self.code is None:
            return
        try:
            now = read_user_code(self.path).digest
        except OSError:
            now = ""
        if now != self.digest:
            hint = "Leave the file as it is until the command has ended."
            raise refusal(self.path, "was changed while it ran", kind=_KIND, code=FEATURE_FILE_CODE, hint=hint)


def load_feature_file(path: Path) -> FeatureFile:
    """Run the file and take what it declares. The book of the process holds the same columns before and after.

    Raises ConfigError ``CONFIG_FEATURE_FILE``: it cannot be read or run (with the line that failed), or declares no
    feature; ``CONFIG_FEATURE`` and ``CONFIG_FEATURE_DUPLICATE`` with its line for a name that will not do, or is one of
    Assay's own columns.
    """
    with _LOADING, _imported_aside():
        declared, code = _declared(path)
        for each in declared:
            _demand_declared(path, each)
    return FeatureFile(path.name, path, code, code.digest, declared)


@contextmanager
def _imported_aside() -> Iterator[None]:
    """Columns that were imported into this process are not in the book inside the block."""
    imported = {name: entry for name, entry in feature_registry().items() if not of_assay(entry)}
    for name in imported:
        unregister_feature(name)
    try:
        yield
    finally:
        restore_features(imported)


def _declared(path: Path) -> tuple[tuple[Feature, ...], UserCode]:
    """What the file enters into the book, taken out of it again, and its source."""
    before = set(feature_registry())
    try:
        _, code = run_user_code(path, kind=_KIND, code=FEATURE_FILE_CODE)
        own = tuple(entry for name, entry in feature_registry().items() if name not in before)
    except ConfigError as error:
        line = own_line(error, str(path))
        if error.code == FEATURE_FILE_CODE or line is None:
            raise
        raise ConfigError(f"{path.name}:{line}: {error.message}", code=error.code, hint=error.hint) from error
    finally:
        for name in set(feature_registry()) - before:
            unregister_feature(name)
    if not own:
        hint = "Decorate a function of a study with @feature(lookback=…, unit=…)."
        raise refusal(path, "declares no feature", kind=_KIND, code=FEATURE_FILE_CODE, hint=hint)
    return own, code


def _demand_declared(path: Path, entry: Feature) -> None:
    if seek(entry.name) is not None:
        raise _at(path, entry, "is there already", "CONFIG_FEATURE_DUPLICATE")
    if type(entry.lookback) is not int:
        raise _at(path, entry, f"declares lookback {printable(entry.lookback)}, must be a whole number of bars")
    if entry.clock not in CLOCKS:
        raise _at(path, entry, f"declares clock {printable(entry.clock)}, must be one of {', '.join(CLOCKS)}")
    for need in entry.needs:
        if need.partition(":")[0] not in NEEDS:
            raise _at(path, entry, f"declares that it needs {printable(need)}, must be of {', '.join(NEEDS)}")


def _at(path: Path, entry: Feature, why: str, code: str = "CONFIG_FEATURE") -> ConfigError:
    line = getattr(getattr(entry.compute, "__code__", None), "co_firstlineno", 0)
    return ConfigError(
        f"{printable(path.name)[1:-1]}:{line}: feature {entry.name} {why}", code=code, feature=entry.name
    )


def of_assay(entry: Feature) -> bool:
    """Whether a column of the book is Assay's own, not one that somebody imported."""
    return str(getattr(entry.compute, "__module__", "")).startswith("assay.")


def _guarded(entry: Feature, own: FeatureFile) -> Feature:
    return replace(entry, compute=_computing(entry, own))


def _computing(entry: Feature, own: FeatureFile) -> Callable[[FeatureContext], FloatArray]:
    def compute(study: FeatureContext) -> FloatArray:
        with np.errstate(all="ignore"):  # a price that stands still divides by zero; what comes of it is looked at
            try:
                result = entry.compute(study.reader())
            except AssayError:
                raise
            except (Exception, SystemExit) as error:  # a function that exits must not end the command unheard
                raise _raised(entry, own, error) from error
        return _numbers(entry, own, result, len(study.bars))

    return compute


def _raised(entry: Feature, own: FeatureFile, error: BaseException) -> TrainError:
    line = own_line(error, str(own.path))
    where = own.title if line is None else f"{own.title}:{line}"
    return TrainError(
        f"{where}: feature {entry.name}: {type(error).__name__}: {error}",
        code=RAISED,
        hint="assay audit --features-file asks each feature by itself.",
        file=own.name,
        feature=entry.name,
    )


def _numbers(entry: Feature, own: FeatureFile, result: object, rows: int) -> FloatArray:
    try:
        values = np.array(result, np.float64)
    except (TypeError, ValueError) as error:
        raise _bad(entry, own, f"gives {printable(result)}, no array of numbers") from error
    if values.shape != (rows,):
        raise _bad(entry, own, f"gives shape {values.shape} for {rows} bars, must be ({rows},)")
    return values


def _bad(entry: Feature, own: FeatureFile, why: str) -> ConfigError:
    return ConfigError(
        f"{own.title}: feature {entry.name} {why}", code="CONFIG_FEATURE", file=own.name, feature=entry.name
    )


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


def _callable(function: Callable[..., object], seen: set[int]) -> bytes:
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
