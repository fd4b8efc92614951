"""Two rows for one bar."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.errors import ConfigError, printable
from assay.kernel.suggestions import did_you_mean
from assay.kernel.timestamps import iso
from assay.market.problems import Faults
from assay.market.raw_rows import Rows

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
