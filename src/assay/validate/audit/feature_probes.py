"""Do columns and labels know the future, another instrument, or more history than they declare?"""

from dataclasses import replace

import numpy as np

from assay.validate.audit.perturbations import CUT_OFF, Difference, first_change, perturb
from assay.validate.audit.pipeline import Columns, Seen
from assay.validate.audit.state import AuditState, size

FORGOTTEN = 1e-5  # of the column's scale: what a recursion still remembers from before its lookback
_HISTORIES = (1, 2)  # times the lookback


def columns_probe(ground: AuditState, instant: int, how: str, other: Seen) -> None:
    """Rows known at `instant` (ms) are the same from the candles of `other`, whose future is another."""
    probe = "truncate" if how == CUT_OFF else "scramble"
    if not ground.ask(probe):
        return
    for symbol, (was, now) in enumerate(zip(ground.seen.columns, other.columns, strict=True)):
        cut = ground.cut_of(symbol, instant)
        if was.names != now.names:
            text = f"the features are {len(now.names)} instead of {len(was.names)} when bars after {cut} were {how}"
            ground.blame(probe, "names", text, symbol=symbol, cut=cut, row=cut, change=float("nan"))
            continue
        for result in _between(was, now, cut + 1):
            text = f"feature '{result.name}' at row {result.row} {size(result.change)} when bars after {cut} were {how}"
            ground.blame(
                probe, result.name, text, symbol=symbol, cut=cut, row=result.row, change=result.change,
                remark=result.remark,
            )  # fmt: skip


def _between(was: Columns, now: Columns, rows: int) -> list[Difference]:
    part = slice(0, max(0, rows))
    return first_change(was.names, was.values[part], now.values[part], tolerance=0.0)  # the same candles, the same bits


def label_probe(ground: AuditState, instant: int, how: str, other: Seen) -> None:
    """A label that is known at `instant` is the same; one that is not may change, and over all cuts one must."""
    if ground.pipeline.label is None or not ground.ask("label"):
        return
    for symbol, (was, now) in enumerate(zip(ground.seen.labels, other.labels, strict=True)):
        assert was is not None and now is not None  # both walks were labelled
        cut = ground.cut_of(symbol, instant)
        there = np.isfinite(was.y), np.isfinite(now.y)
        available = (there[0] & (was.known_at <= instant)) | (there[1] & (now.known_at <= instant))
        differs = ~((was.y == now.y) | ~(there[0] | there[1])) | (was.known_at != now.known_at)
        decided = ground.bars[symbol].known_at <= instant
        ground.label_moved |= bool((differs & ~available & decided).any())
        if not (available & differs).any():
            continue
        row = int(np.argmax(available & differs))
        change = float(abs(was.y[row] - now.y[row]))
        text = (
            f"label '{was.name}' at row {row} says that it is known at row {cut} or before, but {size(change)} "
            f"when bars after {cut} were {how}: its horizon is understated"
        )
        ground.blame("label", was.name, text, symbol=symbol, cut=cut, row=row, change=change)


def symbols_probe(ground: AuditState, symbol: int, how: str) -> None:
    """One instrument's columns are the same when all others are other candles from their second row on."""
    if len(ground.bars) < 2 or not ground.pipeline.alone or not ground.ask("symbols"):
        return
    others = [
        each if i == symbol else perturb([each], int(each.known_at[0]), how, seed=ground.seed)[0]
        for i, each in enumerate(ground.bars)
    ]
    now = ground.pipeline.view(others, labelled=False).columns[symbol]
    was, last = ground.seen.columns[symbol], len(ground.bars[symbol]) - 1
    for result in _between(was, now, last + 1):
        text = f"feature '{result.name}' at row {result.row} {size(result.change)} when all other symbols were {how}"
        ground.blame("symbols", result.name, text, symbol=symbol, cut=last, row=result.row, change=result.change)


def history_probe(ground: AuditState, symbol: int, row: int) -> None:
    """A row is the same from `lookback` rows of history, and from twice as many, as from all."""
    lookback = ground.seen.columns[symbol].lookback
    if not ground.seen.columns[symbol].names or row < lookback or not ground.ask("warm-up"):
        return
    for times in _HISTORIES:
        for result in _from(ground, symbol, row, times * lookback):
            text = (
                f"LEAK_WARMUP: feature '{result.name}' at row {row} {size(result.change)} when history began "
                f"{times * lookback} rows before; {_enough(ground, symbol, row, result.name, times * lookback)}"
            )
            ground.blame("warm-up", result.name, text, symbol=symbol, cut=row, row=row, change=result.change)


def _from(ground: AuditState, symbol: int, row: int, rows: int) -> list[Difference]:
    """Columns whose value in `row` is another when only so many rows stand before it."""
    first = int(ground.bars[symbol].known_at[max(0, row - rows)])
    bars = [each[int(np.searchsorted(each.known_at, first)) :] for each in ground.bars]  # the future stays as it is
    now, was = ground.pipeline.view(bars, labelled=False).columns[symbol], ground.seen.columns[symbol]
    if now.names != was.names:
        return [Difference("names", row, float("nan"))]
    at = row - max(0, row - rows)
    one, other = was.values[row : row + 1], now.values[at : at + 1]
    result = first_change(was.names, one, other, tolerance=FORGOTTEN, scale=ground.scales[symbol])
    return [replace(each, row=row) for each in result]


def _enough(ground: AuditState, symbol: int, row: int, name: str, rows: int) -> str:
    tried = max(1, rows)
    while tried < row:
        tried *= 2
        if all(result.name != name for result in _from(ground, symbol, row, tried)):
            return f"{min(tried, row)} rows would do"
    return "no number of rows would do"
