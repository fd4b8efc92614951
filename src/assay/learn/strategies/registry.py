"""The rules that Assay has, by name."""

from functools import cache
from importlib import import_module

from assay.kernel.errors import ConfigError, printable
from assay.kernel.suggestions import did_you_mean
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
    """All of them by name, in the order of the documents."""
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
