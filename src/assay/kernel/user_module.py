"""Python files of the user's own. They are code: run only what you would run yourself."""

import sys
import traceback
from pathlib import Path
from types import ModuleType

from assay.kernel.errors import AssayError, ConfigError, printable
from assay.kernel.unread import unread_hint
from assay.kernel.user_source import UserCode, offer_modules, read_user_code


def execute(path: Path, *, kind: str, code: str) -> tuple[ModuleType, bytes]:
    """Run the file; its module and its source. kind: what it should declare, a word.   code: of the ConfigError.

    Modules that lie beside it or elsewhere outside of Python's own folders are loaded from the bytes that are read
    now. Raises ConfigError where it cannot be read or run, with the line that failed; an AssayError of its own as it
    is.
    """
    module, source = run_user_code(path, kind=kind, code=code)
    return module, source.main.text


def run_user_code(path: Path, *, kind: str, code: str) -> tuple[ModuleType, UserCode]:
    """As `execute`; with the source of all that the file can load."""
    try:
        source = read_user_code(path)
    except OSError as error:
        hint = unread_hint(path, error)
        raise refusal(path, f"cannot be read: {error.strerror}", kind=kind, code=code, hint=hint) from error
    offer_modules(source)
    module = ModuleType(f"assay_user_{kind}_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and Numba look their module up
    text, folders = source.main.text, list(sys.path)
    try:
        exec(compile(text, str(path), "exec"), vars(module))
    except AssayError:
        raise
    except SyntaxError as error:
        at = error.lineno or text[: text.find(b"\0") + 1].count(b"\n") + 1  # of a NUL no line is told
        hint = f"Correct line {at}; python -m py_compile {printable(path.name)} marks the place."
        raise refusal(path, f"line {at}: {error.msg}", kind=kind, code=code, hint=hint, line=at) from error
    except (Exception, SystemExit) as error:  # a file that exits must not end the command without a word
        line = own_line(error, str(path))
        where = f"line {line}: " if line else ""
        why = f"{where}{type(error).__name__}: {error}"
        raise refusal(path, why, kind=kind, code=code, hint=_raised_hint(path, error), line=line) from error
    finally:
        sys.path[:] = folders  # what it adds must not decide which modules belong to the next file
    return module, source


def _raised_hint(path: Path, error: BaseException) -> str:
    """What to do about an exception that a file raised while it was loaded."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = printable(error.name.partition(".")[0])[1:-1]
        return (
            f"Put {top}.py into the folder of {printable(path.name)} if it is yours; else install the package "
            f"that has it "
            f"into the environment of assay (often python -m pip install {top})."
        )
    return f"python {printable(path.name)} runs the file by itself and shows where it fails."


def refusal(path: Path, why: str, *, kind: str, code: str, hint: str = "", **facts: object) -> ConfigError:
    """The error that a file is refused with."""
    return ConfigError(f"{kind} file {printable(path.name)} {why}", code=code, hint=hint, file=path.name, **facts)


def own_line(error: BaseException, filename: str) -> int | None:
    """The innermost line of this file that an exception came through; None if it did not."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    return lines[-1] if lines else None
