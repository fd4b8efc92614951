"""Contract checks of a strategy on bars, Assay's own and the user's."""

from collections.abc import Iterator, Mapping

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import PRICES, Bars
from assay.kernel.errors import ConfigError, LeakError, TrainError
from assay.kernel.timeframe import iso
from assay.learn.strategies.declaration import Strategy
from assay.learn.strategies.parameters import Range, Structural
from assay.learn.strategies.setups import LEVEL_NAMES, Setups, State
from assay.market import scramble_future

FORGOTTEN = 1e-9  # share that a running sum may still remember from before the lookback
ROWS_ASKED = 24  # bars with a setup at which the future is cut off, and as many without
Rows = Mapping[str, FloatArray]


def check_honest(strategy: Strategy, bars: Bars, values: Mapping[str, object]) -> None:
    """What a search or a backtest asks of a user's strategy first: no future, an honest lookback, deterministic.

    Raises as `check_strategy` does. Some hundred evaluations of the rule on these bars.
    """
    check_leaves_its_input_alone(strategy, bars, values)
    check_is_deterministic(strategy, bars, values)
    if len(bars) > strategy.lookback(values, bars.instrument.timeframe) + 1:
        check_knows_no_later_bar(strategy, bars, values)
        check_lookback_is_enough(strategy, bars, values)


def check_strategy(strategy: Strategy, bars: Bars, values: Mapping[str, object] | None = None) -> int:
    """Hold a strategy to its declaration on these bars; gives the number of bars that it was asked about.

    No future, honest lookback, both ends of its search space can be computed, deterministic, input untouched. values:
    parameters that differ from the defaults. The bars should be at least some hundred longer than the lookback.

    Raises LeakError ``LEAK_STRATEGY`` with the bar at which it peeked; ConfigError ``CONFIG_STRATEGY`` for a lookback
    that is too short, with the bar; TrainError ``TRAIN_STRATEGY`` where it fails, draws lots or writes into the bars.
    """
    chosen = strategy.resolve(values)
    strategy.demand(bars, chosen)
    check_leaves_its_input_alone(strategy, bars, chosen)
    check_is_deterministic(strategy, bars, chosen)
    count = check_knows_no_later_bar(strategy, bars, chosen)
    check_lookback_is_enough(strategy, bars, chosen)
    check_space_can_be_computed(strategy, bars, chosen)
    return count


def check_leaves_its_input_alone(strategy: Strategy, bars: Bars, values: Mapping[str, object]) -> None:
    """The rule writes into no array of the bars."""
    named = {name: getattr(bars, name) for name in (*PRICES, "timestamp", "volume")} | dict(bars.columns)
    before = {name: array.copy() for name, array in named.items() if array is not None}
    strategy.setups(bars, values)
    for name, was in before.items():
        if not np.array_equal(was, named[name], equal_nan=True):
            row = int(np.argmax((was != named[name]) & ~(np.isnan(was) & np.isnan(named[name]))))
            raise TrainError(
                f"strategy {strategy.name} wrote into {name} of the bars, row {row}", code="TRAIN_STRATEGY", row=row
            )


def check_is_deterministic(strategy: Strategy, bars: Bars, values: Mapping[str, object]) -> None:
    """The same bars and parameters give the same setups."""
    first, second = (setup_columns(strategy.setups(bars, values)) for _ in range(2))
    result = _difference(first, second, 0, len(bars))
    if result is not None:
        raise TrainError(
            f"strategy {strategy.name} gave two answers to the same bars: {result[1]} in row {result[0]}",
            code="TRAIN_STRATEGY",
            row=result[0],
        )


def check_knows_no_later_bar(strategy: Strategy, bars: Bars, values: Mapping[str, object]) -> int:
    """Cutting off or scrambling the bars after row c changes nothing up to c. Gives how many rows c it asked about."""
    lookback = strategy.lookback(values, bars.instrument.timeframe)
    whole = setup_columns(strategy.setups(bars, values))
    request = _check_rows(whole, lookback, len(bars))
    for cut in request:
        for what, other in _futures(bars, cut):
            result = _difference(whole, setup_columns(strategy.setups(other, values)), lookback, cut + 1)
            if result is not None:
                row, name = result
                when = iso(int(bars.timestamp[row]))
                raise LeakError(
                    f"strategy {strategy.name} peeks: {name} in row {row} (bar of {when}) changed when the bars "
                    f"after row {cut} were {what}",
                    code="LEAK_STRATEGY",
                    hint="use rows up to t only: no negative shift, no statistic of the whole series",
                    row=row,
                    timestamp=int(bars.timestamp[row]),
                )
    return len(request)


def check_lookback_is_enough(strategy: Strategy, bars: Bars, values: Mapping[str, object]) -> None:
    """With exactly `lookback` rows in front, a row is answered as in the whole history: its signal and its levels."""
    lookback = strategy.lookback(values, bars.instrument.timeframe)
    whole = signals(strategy, bars, values)
    loose = setup_columns(strategy.setups(bars, values))
    for row in _check_rows(loose, lookback, len(bars)):
        part = signals(strategy, bars[row - lookback : row + 1], values)
        before = {n: a[row - lookback : row + 1] for n, a in whole.items()}
        result = _difference(before, part, lookback, lookback + 1, tolerance=FORGOTTEN)
        if result is not None:
            raise ConfigError(
                f"strategy {strategy.name} reads more than its lookback of {lookback} rows: {result[1]} in row {row} "
                "is another when no more history is there",
                code="CONFIG_STRATEGY",
                row=row,
                lookback=lookback,
            )


def check_space_can_be_computed(strategy: Strategy, bars: Bars, values: Mapping[str, object]) -> None:
    """Each structural parameter at the first and last value of its search, where the constraints allow it."""
    for name, parameter in strategy.of_kind(Structural).items():
        ends: tuple[object, ...] = ()
        if isinstance(parameter.search, Range):
            ends = (parameter.search.low, parameter.search.high)
        elif parameter.search and not parameter.book:
            ends = (parameter.search[0], parameter.search[-1])
        for end in ends if not parameter.book else ():
            tried = {**values, name: parameter.check(name, end)}
            if all(constraint(tried) for constraint in strategy.constraints):
                strategy.lookback(tried, bars.instrument.timeframe)
                strategy.setups(bars, tried)


def setup_columns(result: Setups | State) -> Rows:
    """All that a rule says, ``(n,)`` float64 by name; NaN where a row has no setup on that side."""
    if isinstance(result, State):
        return {"side": result.side}
    out: dict[str, FloatArray] = {}
    for sign, side in result.sides.items():
        verdict = "long" if sign > 0 else "short"
        out[verdict] = side.hold.astype(np.float64)
        levels = {name: getattr(side, name) for name in LEVEL_NAMES}
        for name, column in {**side.columns, **levels}.items():
            if column is not None:
                out[f"{verdict} {name}"] = np.where(side.hold, column, np.nan)
    return out


def signals(strategy: Strategy, bars: Bars, values: Mapping[str, object]) -> Rows:
    """The decisions at these values, ``(n,)`` float64 by field."""
    made = strategy.decisions(bars, values)
    return {"target": made.target, "stop": made.stop, "take": made.take, "hold": made.hold.astype(np.float64)}


def _check_rows(whole: Rows, lookback: int, n: int) -> list[int]:
    """Rows from the lookback on: some with a setup, some that follow one, some by the clock."""
    active = [name for name in ("long", "short", "side") if name in whole]
    rows = np.flatnonzero(np.any([whole[name] > 0 for name in active], axis=0))
    rows = rows[(rows >= lookback) & (rows < n - 1)]
    if len(rows) > ROWS_ASKED:
        rows = rows[np.linspace(0, len(rows) - 1, ROWS_ASKED).astype(int)]
    clock = np.linspace(lookback, n - 2, ROWS_ASKED // 2).astype(int)
    return sorted({int(r) for r in (*rows, *(rows - 1), *clock) if lookback <= r <= n - 2})


def _futures(bars: Bars, cut: int) -> Iterator[tuple[str, Bars]]:
    yield "cut off", bars[: cut + 1]
    yield "scrambled", scramble_future(bars, cut + 1, seed=cut, factor=3.0)


def _difference(
    one: Rows, other: Rows, first: int, stop: int, *, tolerance: float = 0.0
) -> tuple[int, str] | None:  # fmt: skip
    """First row in first..stop-1 in which the two differ by more than this share, and what."""
    result: tuple[int, str] | None = None
    for name in one:
        a, b = one[name][first:stop], other[name][first:stop]
        wrong = ~((a == b) | (np.isnan(a) & np.isnan(b)))
        if tolerance:
            wrong &= ~(np.abs(a - b) <= tolerance * np.maximum(np.abs(a), np.abs(b)))
        if wrong.any():
            row = first + int(np.argmax(wrong))
            if result is None or row < result[0]:
                result = (row, name)
    return result
