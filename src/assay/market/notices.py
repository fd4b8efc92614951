"""A quality report in sentences."""

from collections.abc import Iterable

from assay.kernel.timeframe import Timeframe
from assay.market.anomalies import Event
from assay.market.quality import FLAT_RUN, Notice, Quality

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
