"""Data quality of candles: notices about holes, duplicates and breaks, and rows put into quarantine."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import PRICES, Bars
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.timeframe import Timeframe, iso
from assay.market import anomalies
from assay.market.anomalies import Event
from assay.market.raw_rows import Faults, Rows

SHARE = 0.001
ROUNDING = 1e-9  # of a price


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
        ("DATA_PRICE", price, _quarantined_price),
        ("DATA_OHLC", shape, _shape),
        ("DATA_VOLUME", volume, lambda r, at: f"volume is {r.values['volume'][at]:g}, must be >= 0 and finite"),
        ("DATA_OFF_GRID", grid, off_grid),
    ]


def widen_roundings(rows: Rows) -> tuple[Rows, int]:
    """Rows whose high or low misses open or close by a rounding, widened to them; and how many these are.

    Adjusted prices are products: their last digits differ. A rounding is `ROUNDING` of the price at most.
    """
    opened, high, low, close = (rows.values[name] for name in PRICES)
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    with np.errstate(invalid="ignore"):
        over = (high < top) & (top - high <= ROUNDING * np.abs(top))
        under = (low > bottom) & (low - bottom <= ROUNDING * np.abs(bottom))
    if not (over | under).any():
        return rows, 0
    values = {**rows.values, "high": np.where(over, top, high), "low": np.where(under, bottom, low)}
    return replace(rows, values=values), int((over | under).sum())


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


def _quarantined_price(rows: Rows, at: int) -> str:
    wrong = [f"{name} is {rows.values[name][at]:g}" for name in PRICES if rows.values[name][at] <= 0]
    return f"{', '.join(wrong)}, prices must be > 0"


def _shape(rows: Rows, at: int) -> str:
    values = [float(rows.values[name][at]) for name in PRICES]
    plain = [f"{value:.12g}" for value in values]
    exact = plain if len(set(plain)) == len(set(values)) else [repr(value) for value in values]
    message = ", ".join(f"{name} {value}" for name, value in zip(PRICES, exact, strict=True))
    return f"{message}: high must be the highest and low the lowest of the four"


OnConflict = Literal["refuse", "first", "last"]
Suspects = Literal["set-aside", "keep", "refuse"]


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


def check_suspects(suspects: str) -> None:
    """Raise ``CONFIG_FIELD`` unless the choice is set-aside, keep or refuse."""
    available = get_args(Suspects)
    if suspects not in available:
        near = did_you_mean(suspects, available)
        text = f"--suspects {printable(suspects)} is unknown, use {', '.join(available)} {near}".strip()
        raise ConfigError(text, field="suspects")


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


FLAT_RUN = 20  # equal closes in a row from which on it is said


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole: the bars on either side, how many are missing on an unbroken grid, first and last of those (ISO)."""

    after: str
    before: str
    missing: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Run:
    """Bars of one kind: how many, the first (ISO, empty if none), the longest row of them and where that begins."""

    count: int = 0
    first: str = ""
    longest: int = 0
    longest_from: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning for people; `code` is the catalogue's word, or a plain one where it has none."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The report on one series of bars.

    gaps:          every hole, against an unbroken 24x7 grid: nights and weekends count.
    zero_volume:   bars with volume 0. flat: open, high, low and close are equal. equal_closes: close as the one before.
    null_volume:   bars without a volume; equal to `bars` where the market has none.
    jumps, splits, spikes, odd_prices, volume_units: see `assay.market.anomalies`; empty where prices are not positive.
    duplicates, unsorted, set_aside, open_until: what the door saw; nothing for bars that were already stored.
    """

    instrument: str
    bars: int
    first: str
    last: str
    gaps: tuple[Gap, ...] = ()
    zero_volume: Run = field(default_factory=Run)
    flat: Run = field(default_factory=Run)
    equal_closes: Run = field(default_factory=Run)
    null_volume: int = 0
    jumps: tuple[Event, ...] = ()
    splits: tuple[Event, ...] = ()
    spikes: tuple[Event, ...] = ()
    odd_prices: tuple[Event, ...] = ()
    volume_units: tuple[Event, ...] = ()
    duplicates: Duplicates = field(default_factory=Duplicates)
    unsorted: int = 0
    set_aside: tuple[SetAside, ...] = ()
    open_until: str = ""
    warnings: tuple[Notice, ...] = ()

    @property
    def missing_bars(self) -> int:
        """Bars missing in all holes."""
        return sum(gap.missing for gap in self.gaps)

    @property
    def longest_gap(self) -> int:
        """Bars missing in the longest hole."""
        return max((gap.missing for gap in self.gaps), default=0)

    @property
    def flat_share(self) -> float:
        """Share of bars whose close equals the one before; training refuses more than half."""
        return self.equal_closes.count / self.bars if self.bars else float("nan")

    @property
    def quarantined(self) -> dict[str, int]:
        """Rows that were set aside, counted by code."""
        codes = [row.code for row in self.set_aside]
        return {code: codes.count(code) for code in dict.fromkeys(codes)}

    def as_dict(self) -> dict[str, object]:
        """Everything as JSON-able values; NaN is None."""
        sums = {"missing_bars": self.missing_bars, "longest_gap": self.longest_gap, "holes": len(self.gaps)}
        shares = {"quarantined": self.quarantined, "flat_share": self.flat_share if self.bars else None}
        plain: dict[str, object] = _plain({**asdict(self), **sums, **shares})
        return plain


def _plain(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def examine_quality(bars: Bars) -> Quality:
    """The report on stored bars, warnings included. O(n); 1M bars take about half a second."""
    n = len(bars)
    times = bars.timestamp
    volume = bars.volume
    flat = (bars.high == bars.low) & (bars.open == bars.close) & (bars.high == bars.close)
    positive = n > 1 and min(a.min() for a in (bars.open, bars.high, bars.low, bars.close)) > 0
    return Quality(
        instrument=str(bars.instrument),
        bars=n,
        first=iso(int(times[0])) if n else "",
        last=iso(int(times[-1])) if n else "",
        gaps=gaps(bars),
        zero_volume=_run(times, np.zeros(n, np.bool_) if volume is None else volume == 0),
        flat=_run(times, flat),
        equal_closes=_run(times, np.r_[False, bars.close[1:] == bars.close[:-1]][:n], one_more=True),
        null_volume=n if volume is None else int(np.isnan(volume).sum()),
        jumps=tuple(anomalies.jumps(bars)) if positive else (),
        splits=tuple(anomalies.splits(bars)) if positive else (),
        spikes=tuple(anomalies.spikes(bars)) if positive else (),
        odd_prices=tuple(anomalies.odd_prices(bars)) if positive else (),
        volume_units=tuple(anomalies.volume_units(bars)) if positive else (),
    )


def gaps(bars: Bars) -> tuple[Gap, ...]:
    """Every hole against an unbroken 24x7 grid, months by the calendar. O(n)."""
    if len(bars) < 2:
        return ()
    times, bar = bars.timestamp, bars.instrument.bar
    if bar.name == "1M":
        months = times.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
        missing = np.diff(months) - 1
    else:
        missing = np.diff(times) // bar.ms - 1
    places = np.flatnonzero(missing > 0)
    first, last = bar.close(times[places]), bar.floor(times[places + 1] - 1)
    columns = (times[places], times[places + 1], missing[places], first, last)
    return tuple(
        Gap(iso(after), iso(before), count, iso(start), iso(end))
        for after, before, count, start, end in zip(*(column.tolist() for column in columns), strict=True)
    )


def _run(times: IntArray, mask: BoolArray, *, one_more: bool = False) -> Run:
    """`one_more`: the mask compares with the bar before, so that a row of k marks stands for k + 1 bars."""
    if not mask.any():
        return Run()
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False]))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    at = int(np.argmax(lengths))
    first, longest = int(starts[0]) - one_more, int(starts[at]) - one_more
    return Run(int(mask.sum()), iso(int(times[first])), int(lengths[at]) + one_more, iso(int(times[longest])))


_NAMED = 5


def notices(q: Quality) -> tuple[Notice, ...]:
    """All that a reader of this report should know, most pressing first; numbers are complete, lists name five."""
    document = [*_door(q), *_volume(q), *_dead(q), *_breaks(q), *_gaps(q)]
    return tuple(Notice(code, text) for code, text in document)


def _door(q: Quality) -> Iterable[tuple[str, str]]:
    for code, count in q.quarantined.items():
        rows = [row.text for row in q.set_aside if row.code == code]
        yield code, f"{count} row{'s' * (count > 1)} set aside: {_some(rows)}"
    result = q.duplicates
    if result.equal:
        yield "duplicates", f"{result.equal} duplicate{'s' * (result.equal > 1)} with equal values collapsed"
    if result.conflicting:
        fields = ", ".join(f"{name} in {count}" for name, count in result.fields.items())
        yield (
            "DATA_CONFLICT",
            f"{result.conflicting} conflicting duplicates ({fields}) from {result.first} to {result.last}; "
            f"the {result.resolved or 'first'} row of each stays",
        )
    if q.unsorted:
        yield "sorted", f"rows were out of order and have been sorted: {q.unsorted} stood before an earlier one"
    if q.open_until:
        yield "open", f"the last candle is open until {q.open_until} and was not stored"


def _volume(q: Quality) -> Iterable[tuple[str, str]]:
    if q.bars and q.null_volume == q.bars:
        yield "volume", f"{q.instrument} has no volume: stored as null, volume features are absent"
    elif q.null_volume:
        yield "volume", f"volume is missing in {q.null_volume} of {q.bars} bars"
    if q.volume_units:
        steps = [f"{e.time} (x{e.seen['factor']:.3g}{_price(e)})" for e in q.volume_units]
        yield "volume_unit", f"the unit of volume changes {len(steps)} times: {_some(steps)}"


def _price(event: Event) -> str:
    return ", about the price: base against quote units" if event.seen["like_price"] == "yes" else ""


def _dead(q: Quality) -> Iterable[tuple[str, str]]:
    run = q.equal_closes
    if run.longest >= FLAT_RUN:
        yield (
            "DATA_FLAT",
            f"{run.longest} equal closes in a row from {run.longest_from} ({q.flat_share:.1%} of all bars)",
        )
    for name, run in (("zero-volume", q.zero_volume), ("flat", q.flat)):
        if run.count:
            plural = "bar" if run.count == 1 else "bars"
            text = f"{run.count} {name} {plural}, first {run.first}, longest row {run.longest} from {run.longest_from}"
            yield name.replace("-", "_"), text


def _breaks(q: Quality) -> Iterable[tuple[str, str]]:
    if q.splits:
        yield "split", f"{len(q.splits)} split suspects: {_some([_split(e) for e in q.splits])}"
    if q.odd_prices:
        yield "odd_price", f"{len(q.odd_prices)} bars with a price far from all closes: {_some(_each(q.odd_prices))}"
    if q.spikes:
        yield "spike", f"{len(q.spikes)} closes leave the level and return: {_some(_each(q.spikes))}"
    if q.jumps:
        largest = sorted(q.jumps, key=lambda e: -abs(float(e.seen["log_return"])))
        moves = [f"{e.time} {float(e.seen['change']):+.1%}" for e in largest]
        yield "jump", f"{len(q.jumps)} jumps: {_some(moves)}"


def _split(event: Event) -> str:
    return f"{event.time} {event.seen['split']} ({event.seen['verdict']})"


def _each(events: Iterable[Event]) -> list[str]:
    return [f"{e.time} ({', '.join(f'{k} {v:.10g}' for k, v in e.seen.items())})" for e in events]


def _gaps(q: Quality) -> Iterable[tuple[str, str]]:
    if not q.gaps:
        return
    largest = sorted(q.gaps, key=lambda gap: -gap.missing)
    document = [f"{gap.missing} missing from {gap.first} to {gap.last}" for gap in largest]
    bar = Timeframe(q.instrument.rsplit(" ", 1)[1])
    yield (
        "gap",
        f"{len(q.gaps)} gap{'s' * (len(q.gaps) > 1)} on the unbroken {bar} grid, {q.missing_bars} bars in all, "
        f"the longest {q.longest_gap}: {_some(document)}; never filled",
    )


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
