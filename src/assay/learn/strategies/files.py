"""Strategies of the user's own: a Python file with one decorated function."""

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from assay.kernel.errors import AssayError, ConfigError, shown
from assay.learn.strategies.declare import Strategy, own_line
from assay.learn.strategies.registry import NAMES, NOT_BUILT


def load_strategy_file(path: Path) -> Strategy:
    """Run the file and give the strategy that it declares. It is code: run only what you would run yourself.

    Raises ConfigError ``CONFIG_STRATEGY_FILE``: it cannot be read or run (with the line that failed), declares no
    strategy or several, or takes the name of one of Assay's.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    module = _executed(path, source)
    found = {id(value): value for value in vars(module).values() if isinstance(value, Strategy)}
    own = [
        each for each in found.values() if getattr(each.rule, "__module__", "") == module.__name__
    ]  # others are imported
    if not own:
        raise _refused(path, "declares no strategy", hint="decorate one function with @strategy(...)")
    if len(own) > 1:
        raise _refused(path, f"declares {len(own)} strategies ({', '.join(s.name for s in own)}); one a file is needed")
    if own[0].name in (*NAMES, *NOT_BUILT):
        raise _refused(path, f"names its strategy {shown(own[0].name)}, which Assay has already; choose another name")
    return replace(own[0], origin=sha256(source).hexdigest())


def _executed(path: Path, source: bytes) -> ModuleType:
    module = ModuleType(f"assay_user_strategy_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and Numba look their module up
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except AssayError:
        raise
    except SyntaxError as error:
        raise _refused(path, f"line {error.lineno}: {error.msg}", line=error.lineno) from error
    except (Exception, SystemExit) as error:  # a file that exits must not end the search without a word
        line = own_line(error, str(path))
        where = f"line {line}: " if line else ""
        raise _refused(path, f"{where}{type(error).__name__}: {error}", line=line) from error
    return module


def _refused(path: Path, why: str, *, hint: str = "", **facts: object) -> ConfigError:
    return ConfigError(
        f"strategy file {shown(path.name)} {why}", code="CONFIG_STRATEGY_FILE", hint=hint, file=path.name, **facts
    )
