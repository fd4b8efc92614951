"""Candles with known faults, for trying the door on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, did_you_mean
from assay.kernel.seeding import generator

_MARGIN = 50  # rows at the start and between faults that stay whole
_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Defect:
    """One planted fault.

    kind:  a name of `KINDS`.
    code:  what the door calls it; empty where it says nothing or only reports.
    first: time of the first bar concerned (ms), as it was before it was damaged.
    last:  time of the last one.
    bars:  how many bars.
    row:   position of the first of them in the table; of a gap, the row after the hole.
    """

    kind: str
    code: str
    first: int
    last: int
    bars: int
    row: int


@dataclass(slots=True)
class _Draft:
    """Columns in the making; `place` orders the rows at the end, `kept` says which stay."""

    columns: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]
    place: list[float]
    intact: list[bool]
    timestamp: list[int]
    added: list[tuple[float, int, dict[str, float]]] = field(default_factory=list)

    def copy_of(self, row: int, **changed: float) -> None:
        self.added.append(
            (row + 0.5, self.timestamp[row], {n: float(c[row]) for n, c in self.columns.items()} | changed)
        )


def _gap(draft: _Draft, row: int, bars: int) -> None:
    draft.intact[row : row + bars] = [False] * bars


def _duplicate(draft: _Draft, row: int, bars: int) -> None:
    draft.copy_of(row)


def _conflict(draft: _Draft, row: int, bars: int) -> None:
    other = float(draft.columns["close"][row]) * 1.01
    draft.copy_of(row, close=other, high=max(other, float(draft.columns["high"][row])))


def _zero_volume(draft: _Draft, row: int, bars: int) -> None:
    draft.columns["volume"][row : row + bars] = 0.0


def _flat(draft: _Draft, row: int, bars: int) -> None:
    for name in ("open", "high", "low", "close"):
        draft.columns[name][row : row + bars] = draft.columns["close"][row - 1]


def _spike(draft: _Draft, row: int, bars: int) -> None:
    for name in ("open", "high", "low", "close"):
        draft.columns[name][row] *= 10_000.0


def _crossed(draft: _Draft, row: int, bars: int) -> None:
    high, low = draft.columns["high"], draft.columns["low"]
    high[row], low[row] = float(low[row]) * 0.99, float(high[row]) * 1.01


def _negative(draft: _Draft, row: int, bars: int) -> None:
    draft.columns["low"][row] = draft.columns["close"][row] = -1.0


def _nan(draft: _Draft, row: int, bars: int) -> None:
    draft.columns["close"][row] = np.nan


def _off_grid(draft: _Draft, row: int, bars: int) -> None:
    draft.timestamp[row] += (draft.timestamp[row + 1] - draft.timestamp[row]) * 47 // 100


def _unordered(draft: _Draft, row: int, bars: int) -> None:
    draft.place[row], draft.place[row + 1] = draft.place[row + 1], draft.place[row]


# kind: how, the door's code, fewest and most bars
KINDS: dict[str, tuple[Callable[[_Draft, int, int], None], str, int, int]] = {
    "gap": (_gap, "", 1, 60),
    "duplicate": (_duplicate, "", 1, 1),
    "conflict": (_conflict, "DATA_CONFLICT", 1, 1),
    "zero_volume": (_zero_volume, "", 1, 20),
    "flat": (_flat, "DATA_FLAT", 500, 500),
    "spike": (_spike, "DATA_JUMP", 1, 1),
    "crossed": (_crossed, "DATA_OHLC", 1, 1),
    "negative": (_negative, "DATA_PRICE", 1, 1),
    "nan": (_nan, "DATA_NAN", 1, 1),
    "off_grid": (_off_grid, "DATA_OFF_GRID", 1, 1),
    "unordered": (_unordered, "", 2, 2),
}


def with_defects(bars: Bars, seed: int, kinds: Sequence[str] | None = None) -> tuple[pl.DataFrame, tuple[Defect, ...]]:
    """The bars as a table with one fault of each of `kinds` (all when None), and the truth about them in row order.

    Columns: exchange, symbol, timeframe, timestamp (int64 ms), open, high, low, close, volume. A kind that is named
    twice is planted twice. Faults lie apart, whole rows between them and at both ends, so that each can be told alone.
    Raises ConfigError ``CONFIG_FIELD`` for an unknown kind, and for too few bars to hold all of them.
    """
    wanted = list(KINDS) if kinds is None else list(kinds)
    for kind in wanted:
        if kind not in KINDS:
            raise ConfigError(
                f"defect {kind!r} is unknown; there are {', '.join(KINDS)}; {did_you_mean(kind, KINDS)}",
                code="CONFIG_FIELD",
            )
    draft = _draft(bars)
    placed = _placed(len(bars), wanted, generator(seed, "defects"))
    opens = bars.timestamp.tolist()
    for kind, row, count in placed:
        KINDS[kind][0](draft, row, count)
    table, position = _table(bars, draft)
    return table, tuple(
        Defect(kind, KINDS[kind][1], opens[row], opens[row + count - 1], count, position(kind, row, count))
        for kind, row, count in placed
    )


def _placed(n: int, kinds: list[str], random: np.random.Generator) -> list[tuple[str, int, int]]:
    """Kind, first row and bars of each fault, in row order, the free rows shared out by chance."""
    order = [kinds[i] for i in random.permutation(len(kinds))]
    counts = [int(random.integers(KINDS[k][2], KINDS[k][3] + 1)) for k in order]
    free = n - sum(counts) - _MARGIN * (len(order) + 1)
    if free < 0:
        raise ConfigError(
            f"{n} bars are too few for {len(order)} defects, {n - free} are needed",
            code="CONFIG_FIELD",
            needed=n - free,
        )
    before = np.sort(random.integers(0, free + 1, len(order)))
    placed, used = [], 0
    for i, (kind, count) in enumerate(zip(order, counts, strict=True)):
        placed.append((kind, int(before[i]) + used + _MARGIN * (i + 1), count))
        used += count
    return placed


def _draft(bars: Bars) -> _Draft:
    volume = np.full(len(bars), np.nan) if bars.volume is None else bars.volume
    columns = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close, "volume": volume}
    n = len(bars)
    return _Draft(
        {name: column.copy() for name, column in columns.items()},
        [float(i) for i in range(n)],
        [True] * n,
        bars.timestamp.tolist(),
    )


def _table(bars: Bars, draft: _Draft) -> tuple[pl.DataFrame, Callable[[str, int, int], int]]:
    stay = [i for i, stored in enumerate(draft.intact) if stored]
    place = np.array([draft.place[i] for i in stay] + [at for at, _, _ in draft.added])
    order = np.argsort(place, kind="stable")
    times = np.array([draft.timestamp[i] for i in stay] + [time for _, time, _ in draft.added], np.int64)[order]
    values = {
        name: np.concatenate([column[stay], [extra[name] for _, _, extra in draft.added]])[order]
        for name, column in draft.columns.items()
    }
    key = bars.instrument
    named = {"exchange": key.exchange, "symbol": key.symbol, "timeframe": key.timeframe}
    table = pl.DataFrame({"timestamp": times, **values}).with_columns(
        pl.lit(text).alias(name) for name, text in named.items()
    )
    ordered = place[order]

    def position(kind: str, row: int, count: int) -> int:
        return int(np.searchsorted(ordered, row + count if kind == "gap" else row))

    return table.select([*named, *_COLUMNS]), position
