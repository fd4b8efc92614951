"""Rows that cannot be true are set aside, counted under their code and shown."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import BoolArray
from assay.kernel.bars import PRICES
from assay.kernel.timeframe import Timeframe
from assay.kernel.timestamps import iso
from assay.market.problems import Faults
from assay.market.raw_rows import Rows

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
