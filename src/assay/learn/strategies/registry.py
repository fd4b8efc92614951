"""Strategies by name, and strategies loaded from a user's file."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.user_source import refusal, run_user_code
from assay.learn.strategies.declaration import Strategy

NAMES = (
    "sma_cross",
    "liquidity_sweep",
    "capitulation_reversal",
    "failed_breakdown",
    "htf_sweep",
    "volume_breakout",
    "divergence_capitulation",
    "range_sweep",
)
NOT_BUILT = {
    "supply_shock": "Without time-stamped headlines (with a known_at) it cannot be tested honestly.",
}


def all_strategies() -> dict[str, Strategy]:
    """All of them by name, in the order of `NAMES`."""
    return {name: strategy_named(name) for name in NAMES}


@cache
def _built(name: str) -> Strategy:
    result: Strategy = getattr(import_module(f"assay.learn.strategies.{name}"), name)
    return result


def strategy_named(name: str) -> Strategy:
    """One of them. Raises ConfigError ``CONFIG_STRATEGY`` with the nearest names, or why it is not built."""
    if name in NAMES:
        return _built(name)
    if name in NOT_BUILT:
        raise ConfigError(
            f"strategy {printable(name)} is not built: it needs a news feed",
            code="CONFIG_STRATEGY",
            hint=NOT_BUILT[name],
        )
    near = did_you_mean(name, [*NAMES, *NOT_BUILT])
    raise ConfigError(
        f"strategy {printable(name)} is unknown; {near or 'Assay has ' + ', '.join(NAMES)}",
        code="CONFIG_STRATEGY",
        hint=near,
    )


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
