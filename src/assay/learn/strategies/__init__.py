"""Rules: one file each, a pure function of bars with a declared space."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.learn.strategies.declaration import Strategy as Strategy
    from assay.learn.strategies.declaration import strategy as strategy
    from assay.learn.strategies.parameters import AT_LEAST as AT_LEAST
    from assay.learn.strategies.parameters import AT_MOST as AT_MOST
    from assay.learn.strategies.parameters import Exit as Exit
    from assay.learn.strategies.parameters import Range as Range
    from assay.learn.strategies.parameters import Structural as Structural
    from assay.learn.strategies.parameters import Threshold as Threshold
    from assay.learn.strategies.registry import all_strategies as all_strategies
    from assay.learn.strategies.registry import load_strategy_file as load_strategy_file
    from assay.learn.strategies.registry import strategy_named as strategy_named
    from assay.learn.strategies.setups import Entries as Entries
    from assay.learn.strategies.setups import Setups as Setups
    from assay.learn.strategies.setups import Side as Side
    from assay.learn.strategies.setups import State as State

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "declaration": ("Strategy", "strategy"),
        "parameters": ("AT_LEAST", "AT_MOST", "Exit", "Range", "Structural", "Threshold"),
        "registry": ("all_strategies", "load_strategy_file", "strategy_named"),
        "setups": ("Entries", "Setups", "Side", "State"),
    },
)  # fmt: skip
