"""Strategies of the user's own: a Python file with one decorated function."""

from dataclasses import replace
from pathlib import Path

from assay.kernel.errors import ConfigError, printable
from assay.kernel.user_module import refusal, run_user_code
from assay.learn.strategies.declaration import Strategy
from assay.learn.strategies.registry import NAMES, NOT_BUILT

_CODE, _KIND = "CONFIG_STRATEGY_FILE", "strategy"


def load_strategy_file(path: Path) -> Strategy:
    """Run the file and give the strategy that it declares. It is code: run only what you would run yourself.

    Raises ConfigError ``CONFIG_STRATEGY_FILE``: it cannot be read or run (with the line that failed), declares no
    strategy or several, or takes the name of one of Assay's.
    """
    module, source = run_user_code(path, kind=_KIND, code=_CODE)
    result = {id(value): value for value in vars(module).values() if isinstance(value, Strategy)}
    own = [
        each for each in result.values() if getattr(each.rule, "__module__", "") == module.__name__
    ]  # others are imported
    if not own:
        raise _refused(path, "declares no strategy", hint="decorate one function with @strategy(...)")
    if len(own) > 1:
        raise _refused(path, f"declares {len(own)} strategies ({', '.join(s.name for s in own)}); one a file is needed")
    if own[0].name in (*NAMES, *NOT_BUILT):
        raise _refused(
            path, f"names its strategy {printable(own[0].name)}, which Assay has already; choose another name"
        )
    return replace(own[0], origin=source.digest, source=source)


def _refused(path: Path, why: str, *, hint: str = "") -> ConfigError:
    return refusal(path, why, kind=_KIND, code=_CODE, hint=hint)
