"""Rows that cannot be true are set aside, counted under their code and shown."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import PRICES
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.timeframe import Timeframe
from assay.kernel.timestamps import iso
from assay.market.raw_rows import Faults, Rows

SHARE = 0.001


@dataclass(frozen=True, slots=True)
class SetAside:
    """One row that was not stored: why, where it stood, its time (ISO), its values and the reason in words."""

    code: str
    row: int
    time: str
    values: dict[str, float | None]
    text: str


Teller = Callable[[Rows, int], str]


def row_checks(rows: Rows, bar: Timeframe, *, negative: bool) -> list[tuple[str, BoolArray, Teller]]:
    """``(code, mask, teller)`` for each kind of row that is wrong by itself; untimed rows fit any grid."""
    stack = np.stack([rows.values[name] for name in PRICES])
    opened, high, low, close = stack
    nan: BoolArray = np.asarray(~np.isfinite(stack).all(axis=0))
    with np.errstate(invalid="ignore"):
        price: BoolArray = np.asarray(~nan & (stack <= 0).any(axis=0) & (not negative))
        shape = ~nan & ~price & ((high < np.maximum(opened, close)) | (low > np.minimum(opened, close)) | (high < low))
        volume = (rows.values["volume"] < 0) | np.isinf(rows.values["volume"])
    grid = (bar.floor(rows.timestamp) != rows.timestamp) & rows.timed

    def off_grid(_: Rows, at: int) -> str:
        return f"opens at {iso(int(rows.timestamp[at]))[11:]}, which is not on the {bar} grid"

    return [
        ("DATA_NAN", nan, _nan),
        ("DATA_PRICE", price, _price),
        ("DATA_OHLC", shape, _shape),
        ("DATA_VOLUME", volume, lambda r, at: f"volume is {r.values['volume'][at]:g}, must be >= 0 and finite"),
        ("DATA_OFF_GRID", grid, off_grid),
    ]


def set_aside(rows: Rows, code: str, mask: BoolArray, tell: Teller, total: int, faults: Faults) -> list[SetAside]:
    """The masked rows, told; a fault as well if there are more than one and more than 0.1 % of `total` rows."""
    places = np.flatnonzero(mask)
    if not len(places):
        return []
    if len(places) > max(1, int(SHARE * total)):
        at = int(places[0])
        faults.add(
            code,
            f"{len(places)} of {total} rows, more than 0.1 %; first {_row_text(rows, at, tell)}",
            row=int(rows.number[at]),
            count=len(places),
        )
        places = places[:10]
    return [
        SetAside(code, int(rows.number[at]), iso(int(rows.timestamp[at])), _values(rows, at), _row_text(rows, at, tell))
        for at in places.tolist()
    ]


def _row_text(rows: Rows, at: int, tell: Teller) -> str:
    when = f" at {iso(int(rows.timestamp[at]))}" if rows.timed else ""
    return f"row {rows.number[at]}{when}: {tell(rows, at)}"


def _values(rows: Rows, at: int) -> dict[str, float | None]:
    picked = {name: float(rows.values[name][at]) for name in (*PRICES, "volume")}
    return {name: value if np.isfinite(value) else None for name, value in picked.items()}


def _nan(rows: Rows, at: int) -> str:
    wrong = [name for name in PRICES if not np.isfinite(rows.values[name][at])]
    message = "infinite" if np.isinf(rows.values[wrong[0]][at]) else "NaN or missing"
    return f"{', '.join(wrong)} is {message}"


def _price(rows: Rows, at: int) -> str:
    wrong = [f"{name} is {rows.values[name][at]:g}" for name in PRICES if rows.values[name][at] <= 0]
    return f"{', '.join(wrong)}, prices must be > 0"


def _shape(rows: Rows, at: int) -> str:
    message = ", ".join(f"{name} {rows.values[name][at]:.12g}" for name in PRICES)
    return f"{message}: high must be the highest and low the lowest of the four"


OnConflict = Literal["refuse", "first", "last"]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows that share a time with an earlier row.

    equal: they say the same, one stays. conflicting: they do not. fields: how many of these differ, by column.
    resolved: which row stayed; empty when there was nothing to choose.
    """

    equal: int = 0
    conflicting: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    resolved: str = ""
    first: str = ""
    last: str = ""


def check_choice(on_conflict: str) -> None:
    """Raise ``CONFIG_FIELD`` unless the choice is refuse, first or last."""
    available = get_args(OnConflict)
    if on_conflict not in available:
        near = did_you_mean(on_conflict, available)
        text = f"--on-conflict {printable(on_conflict)} is unknown, use {', '.join(available)} {near}".strip()
        raise ConfigError(text, field="on_conflict")


def collapse(rows: Rows, on_conflict: str, faults: Faults) -> tuple[Rows, Duplicates]:
    """Rows sorted by time with each time once, and what was found. Equal times keep their order in the source.

    Faults: ``DATA_CONFLICT`` for rows of one time with other values unless a choice is made, and always when the rows
    look like two instruments.
    """
    again = np.flatnonzero(np.diff(rows.timestamp) == 0) + 1  # row i repeats row i-1
    if not len(again):
        return rows, Duplicates()
    differs = {name: _differs(column[again - 1], column[again]) for name, column in rows.values.items()}
    conflict = np.logical_or.reduce(list(differs.values()))
    choice = on_conflict if conflict.any() else ""
    result = Duplicates(
        equal=int((~conflict).sum()),
        conflicting=int(conflict.sum()),
        fields={name: int(mask.sum()) for name, mask in differs.items() if mask.any()},
        resolved="" if choice == "refuse" else choice,
        first=iso(int(rows.timestamp[again[0]])),
        last=iso(int(rows.timestamp[again[-1]])),
    )
    if conflict.any():
        _tell(rows, again[conflict], result, on_conflict, faults)
    keep = np.ones(len(rows), np.bool_)
    if on_conflict == "last":
        keep[again - 1] = False
    else:
        keep[again] = False
    return rows.take(keep), result


def _tell(rows: Rows, again: IntArray, result: Duplicates, on_conflict: str, faults: Faults) -> None:
    close = rows.values["close"]
    two = _two_instruments(close[again - 1], close[again], len(np.unique(rows.timestamp)))
    if on_conflict != "refuse" and not two:
        return
    apart = np.abs(close[again] - close[again - 1])
    at = int(again[np.argmax(apart)])
    counts = ", ".join(f"{name} in {count}" for name, count in result.fields.items())
    advice = (
        "the file seems to hold two instruments: add a symbol column or split the file"
        if two
        else "say which row stays with --on-conflict first or --on-conflict last"
    )
    faults.add(
        "DATA_CONFLICT",
        f"{result.conflicting} conflicting duplicates ({counts}; {result.equal} equal ones) from {result.first} to "
        f"{result.last}; rows {rows.number[at - 1]} and {rows.number[at]} at {iso(int(rows.timestamp[at]))} "
        f"have closes "
        f"{close[at - 1]:.12g} and {close[at]:.12g}; {advice}",
        hint="" if two else "--on-conflict last keeps the later row.",
        conflicting=result.conflicting,
        equal=result.equal,
        fields=result.fields,
        closes=[float(close[at - 1]), float(close[at])],
    )


def _two_instruments(one: FloatArray, other: FloatArray, times: int) -> bool:
    """Most bars stand twice and the closes are no two readings of one price; or the prices are simply elsewhere."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(np.abs(np.log(np.abs(other / one))), nan=0.0)
    many = len(one) >= 2 and len(one) > 0.3 * times and float(np.median(ratio)) > 0.01
    return bool(many or (len(one) >= 5 and float(np.median(ratio)) > np.log(1.5)))


def _differs(one: FloatArray, other: FloatArray) -> BoolArray:
    mask: BoolArray = (one != other) & ~(np.isnan(one) & np.isnan(other))
    return mask
