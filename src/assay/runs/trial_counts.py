"""Count the looks at the judged bars that could have shaped a record.

A look is a score that was computed on returns of the judged bars. Identities are counted, not rows: all that one spec
scored with one code (candidates of its own searches, made before the bars of each test fold, included) is one look for
itself. Every other identity that scored these bars counts with each of its candidates and with its record, whatever
the candles were called. See docs/why/which-trials-count.md.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np

from assay.kernel.arrays import BoolArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ArtifactError, amount
from assay.kernel.instrument import markets_of
from assay.kernel.timeframe import Timeframe
from assay.runs.context import Context
from assay.runs.family import independent_looks
from assay.track import LedgerHead, Look, distinct_shifts, load_snapshot
from assay.validate import Thresholds

LEAST_SHARE = 0.05  # of the judged bars that an identity's scores must cover to be looks at them
_SNAPSHOTS = 5  # newest ones that are looked at for candles of before fingerprints were kept
UNKNOWN_HEAD = LedgerHead("")


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of the ledger whose candles are those that are judged.

    moved_ms: how much later its stamps lie than the judged ones; several where other candles had the name, too. None
    where no one shift says it: what was scored on it may have been any of the judged bars.
    known_by: ``name`` or ``candles``.
    """

    market_key: str
    moved_ms: tuple[int | None, ...] = (0,)
    known_by: str = "name"


@dataclass(frozen=True, slots=True)
class MarketLooks:
    """Looks of others at the judged bars in one chain of the ledger, 0 where it holds none.

    looks: configurations, `missing` ones included, whose rows are gone and which count on.   known_by, moved_ms: see
    `Chain`.
    """

    market_key: str
    looks: int
    known_by: str = "name"
    moved_ms: tuple[int | None, ...] = (0,)
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Looks:
    """What counts when a record is judged.

    n:           looks, that which is judged included.   effective: independent ones among them, by active returns.
    own:         looks of the identity itself: 1, and one for each time that it was judged on bars that do not continue.
    others:      those of other identities, by chain.   candidates: of the identity's own searches, which do not count.
    judged_before: records of this identity before this one.
    unknown_rows: rows of before identities were kept, each counted as a look of its own.
    missing:     looks whose rows are gone, as somebody accepted; they are among `others`.
    markets_tried: distinct markets on which this spec was scored.
    head:        what the ledger held.   counted: whether the record's own row is in it.   text: all of it in words.
    """

    n: int
    effective: float
    own: int
    others: tuple[MarketLooks, ...]
    candidates: int
    judged_before: int
    unknown_rows: int
    missing: int
    markets_tried: int
    head: LedgerHead
    counted: bool
    text: str = ""

    @property
    def document(self) -> dict[str, object]:
        """``looks`` of a run document."""
        names = (
            "n", "effective", "own", "candidates", "judged_before", "unknown_rows", "missing", "markets_tried", "text",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"markets": [asdict(each) for each in self.others]}


@dataclass(frozen=True, slots=True, eq=False)
class LookRequest:
    """What is judged.

    market_key, number: of its row in the ledger.   times: ``(n,)`` bar opens, ms.   bars: what was traded; empty: the
    candles are known by what was kept of the names in `market_key`.
    """

    market_key: str
    number: int
    times: IntArray
    bars: Collection[Bars]


@dataclass(frozen=True, slots=True)
class LookSource:
    """Where looks are counted: the ledger of today, or as a run of before was judged by it.

    chains: that hold the judged candles.   head: rows up to which count.   missing: looks of a chain whose rows are
    gone.   markets_tried: markets that the recipe of the judged row was tried on.   identity: of the judged run where
    its row is not among those counted.   counted: the run is counted although its row is not among them.
    """

    chains: Sequence[Chain]
    head: LedgerHead
    missing: Callable[[str], int]
    markets_tried: Callable[[Look | None], int]
    identity: str | None = None
    counted: bool = False


def count_looks(request: LookRequest, context: Context, *, walk: bool = True) -> Looks:
    """Count the looks at the judged bars: all rows that are committed now; of a reproduction those up to its head.

    walk: demand that the ledger holds; without, it is counted as it is.
    Raises StoreError ``STORE_CORRUPT`` for a ledger that does not hold, or holds less than what was judged by it.
    """
    return context.ports.ledger.looks(request, context, verified=walk)


def looks_from(source: LookSource, request: LookRequest, context: Context) -> Looks:
    """The looks that this source holds."""
    chains, head = source.chains, source.head
    rows = context.record.ledger.looks(
        (c.market_key for c in chains), {c.market_key: head.seq(c.market_key) for c in chains}
    )
    mine = next((r for r in rows if (r.market_key, r.seq) == (request.market_key, request.number)), None)
    own, others = _parted(rows, mine, source.identity)
    counting = _touching(others, request, {c.market_key: c.moved_ms for c in chains})
    markets = _by_chain(source, counting)
    own_looks = max(1, sum(_looks_of([row for row in own if row.is_record]).values()))
    n = own_looks + sum(each.looks for each in markets)
    alike = independent_looks(
        mine, [row for group in counting for row in group if row.is_record], request.times, context
    )
    result = Looks(
        n=n,
        effective=n - alike.returns_stored + alike.effective,
        own=own_looks,
        others=markets,
        candidates=sum(row.n_configs for row in own if not row.is_record),
        judged_before=sum(row.is_record and mine is not None and row.id < mine.id for row in own),
        unknown_rows=sum(row.identity is None for group in counting for row in group),
        missing=sum(each.missing for each in markets),
        markets_tried=source.markets_tried(mine),
        head=head,
        counted=mine is not None or source.counted,
    )
    return replace(result, text=_text(result, context))


def trials_before(market_key: str, bars: Collection[Bars], context: Context) -> int:
    """Configurations that the ledger holds of a market as a run begins, under every name of its candles.

    Of a run that is reproduced as many as it counted then.
    """
    return context.ports.ledger.trials_before(market_key, bars, context)


def until(looks: Looks, market_key: str, context: Context) -> int:
    """Number of the last row of a chain that was there when the looks were counted."""
    if looks.head.chain:
        return looks.head.seq(market_key)
    total, last = 0, 0
    for row in context.record.ledger.looks([market_key]):
        total += row.n_configs
        if total > looks.n:
            break
        last = row.seq
    return last


def find_chains(request: LookRequest, context: Context) -> list[Chain]:
    """Every chain that holds one of the judged markets, by its name or by its candles, alone or in a panel."""
    _learn_old_markets(context)
    names = {market[:2] for market in markets_of(request.market_key)}
    markets = context.record.markets
    alike = (
        markets.like(request.bars)
        if request.bars
        else markets.like_known("|".join(m) for m in markets_of(request.market_key))
    )
    result = []
    for key in context.record.ledger.chains():
        members = markets_of(key)
        moved = {ms for m in members for ms in alike.get("|".join(m), ())}
        if any(m[:2] in names for m in members):
            result.append(Chain(key, distinct_shifts(moved | {0})))  # candles may have been moved under their name
        elif moved:
            result.append(Chain(key, distinct_shifts(moved), "candles"))
    return result


def _learn_old_markets(context: Context) -> None:
    """Keep the fingerprints of series that were scored before they were kept, as far as snapshots are there."""
    ledger, available = context.record.ledger, set(context.record.markets.fingerprint_keys())
    strange = {"|".join(m) for key in ledger.chains() for m in markets_of(key)} - available
    if not strange:
        return
    for row in (row for name in sorted(strange) for row in context.record.datasets.recent(_SNAPSHOTS, name=name)):
        try:
            context.record.markets.keep(load_snapshot(row["data_hash"] or "", context.snapshots))
        except ArtifactError:  # its name alone tells of it
            continue


def _by_chain(source: LookSource, counting: Sequence[Sequence[Look]]) -> tuple[MarketLooks, ...]:
    total: Counter[str] = Counter()
    for group in counting:
        total.update(_looks_of(group))
    result = []
    for each in source.chains:
        lost = source.missing(each.market_key)
        result.append(MarketLooks(each.market_key, total[each.market_key] + lost, each.known_by, each.moved_ms, lost))
    return tuple(result)


def _parted(rows: Sequence[Look], mine: Look | None, identity: str | None) -> tuple[list[Look], list[list[Look]]]:
    """The rows of the judged identity, and those of every other one. A row without one is a look of its own."""
    identity = mine.identity if mine is not None else identity
    own: list[Look] = []
    others: dict[str, list[Look]] = defaultdict(list)
    for row in rows:
        is_mine = row is mine or (identity and row.identity == identity)
        (own if is_mine else others[row.identity or f"row {row.id}"]).append(row)
    return own, list(others.values())


def _touching(
    groups: Sequence[Sequence[Look]], request: LookRequest, moved: Mapping[str, tuple[int | None, ...]]
) -> list[Sequence[Look]]:  # fmt: skip
    """The identities whose scores are looks at the judged bars.

    Those whose scored stretches together cover at least `LEAST_SHARE` of the bars, those of which nobody knows what
    they scored, and all that cover less as soon as together they cover as much.
    """
    length = max(Timeframe(timeframe).ms for _, _, timeframe in markets_of(request.market_key))
    result, small = [], []
    together: BoolArray = np.zeros(len(request.times), np.bool_)
    for group in groups:
        if not any(row.intervals for row in group):
            result.append(group)
            continue
        covered = _covered(group, request.times, length, moved)
        if covered.mean() >= LEAST_SHARE:
            result.append(group)
        elif covered.any():
            small.append(group)
            together |= covered
    return [*result, *(small if together.mean() >= LEAST_SHARE else [])]


def _covered(
    group: Sequence[Look], times: IntArray, length: int, moved: Mapping[str, tuple[int | None, ...]]
) -> BoolArray:  # fmt: skip
    """``(n,)``: which of the judged bars, `length` ms long, the identity has scored; all, where stamps do not say."""
    if any(row.intervals and None in moved[row.market_key] for row in group):
        return np.ones(len(times), np.bool_)
    change = np.zeros(len(times) + 1, np.int64)
    for row in group:
        step = max(Timeframe(timeframe).ms for _, _, timeframe in markets_of(row.market_key))
        for (first, last), later in product(row.intervals, moved[row.market_key]):
            assert later is not None
            begin = int(np.searchsorted(times, first - later - length, "right"))
            end = int(np.searchsorted(times, last - later + step, "left"))
            if begin < end:
                change[begin] += 1
                change[end] -= 1
    return np.cumsum(change[:-1]) > 0


def _looks_of(group: Sequence[Look]) -> Counter[str]:
    """Looks of one identity by chain: each candidate, and its record once.

    A record that is scored again continues the one before if it ends later than all before it; on other bars, or with
    other returns on the same ones, it is another look.
    """
    result: Counter[str] = Counter()
    latest: dict[str, int] = {}
    for row in group:
        if not row.is_record or row.last is None:
            result[row.market_key] += row.n_configs
            continue
        if row.last <= latest.get(row.market_key, row.last):
            result[row.market_key] += 1
        latest[row.market_key] = max(row.last, latest.get(row.market_key, row.last))
    return result


def count_markets_tried(mine: Look | None, context: Context) -> int:
    """Different markets, by their candles, that the recipe of a row was tried on."""
    if mine is None or mine.recipe is None:
        return 1
    return max(1, context.record.markets.distinct(context.record.ledger.find_markets(mine.recipe)))


def _text(result: Looks, context: Context) -> str:
    """What is counted and where it comes from, for the check `ledger`."""
    parts = [f"{result.own:,} looks of its own" if result.own > 1 else "its own look"]
    for each in result.others:
        if each.looks:
            available = "" if each.known_by == "name" else "these candles as "
            late = ", moved in time" if any(ms != 0 for ms in each.moved_ms) else ""
            parts.append(f"{each.looks:,} under {available}{_spelled(each.market_key)}{late}")
    document = [", ".join(parts)]
    if result.judged_before:
        document.append(f"this was judged {_times(result.judged_before)} before")
    if result.candidates:
        document.append(
            f"not counted: {amount(result.candidates, 'candidate')} of its own searches, tried before these bars"
        )
    if result.unknown_rows:
        document.append(
            f"counted one by one, on the whole span of each: {amount(result.unknown_rows, 'row')} from before schema "
            "0004, of which neither identity nor scored intervals are stored"
        )
    if result.missing:
        document.append(f"counted although the rows are gone: {amount(result.missing, 'look')}")
    if result.markets_tried > 1:
        document.append(several_markets(result.markets_tried, error_of(context.limits)))
    return "; ".join(document)


def several_markets(markets: int, error: float) -> str:
    """What the accepted error amounts to for one spec that was tried on several markets, each judged by itself."""
    total = markets * error
    luck = (
        f"the chance that luck alone makes at least one of these {markets} GOLD is up to {total:.3g}"
        if total < 1
        else f"up to {total:.0f} of these {markets} would be GOLD by luck alone"
    )
    return f"this spec was tried on {markets} markets, and the accepted error of {error:g} adds up over them: {luck}"


def error_of(limits: Thresholds) -> float:
    """The chance that the gate calls skill-less records GOLD."""
    available = asdict(limits)
    return float(available["error"]) if "error" in available else 1.0 - float(available["confidence"])


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _spelled(market_key: str) -> str:
    return " + ".join(" ".join(market) for market in markets_of(market_key))
