"""Views of the trial ledger."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ArtifactError, StoreError, did_you_mean, printable
from assay.kernel.instrument import Instrument, markets_of
from assay.kernel.parse import JsonObject
from assay.runs.context import Context
from assay.runs.run_views import iso_or_none
from assay.track import Blobs, BrokenChain, LedgerRow, Row, describe_old_trials


@dataclass(frozen=True, slots=True)
class SharpeSummary:
    """Sharpe ratios per bar: best and median of the `count` trials that have one; None where none has."""

    best: float | None
    median: float | None
    count: int

    @property
    def document(self) -> JsonObject:
        """The summary as JSON, the count under ``known``."""
        return {"best": self.best, "median": self.median, "known": self.count}


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """What some rows of the ledger count; see `list_trials`."""

    trials: int
    rows: int
    old: int
    identities: int
    by_learner: dict[str, int]
    by_state: dict[str, int]
    sharpe: SharpeSummary
    unread: int

    @property
    def document(self) -> JsonObject:
        """The counts as JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"sharpe": self.sharpe.document}


@dataclass(frozen=True, slots=True)
class MissingLooks:
    """Rows of a chain that somebody accepted to be missing, and the looks in them; time in ISO 8601."""

    market_key: str
    rows: int
    looks: int
    reason: str | None
    by: str | None
    time: str | None

    @property
    def document(self) -> JsonObject:
        """The entry as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ChainState:
    """Whether a market's chain is whole; `rows` of a whole one, of a broken one the first broken number and why."""

    state: Literal["whole", "broken"]
    rows: int | None
    first_broken: int | None
    text: str = ""

    @property
    def document(self) -> JsonObject:
        """The state as JSON, with ``text`` of a broken chain alone."""
        document: JsonObject = {"state": self.state, "rows": self.rows, "first_broken": self.first_broken}
        return document if self.state == "whole" else document | {"text": self.text}


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One row of the ledger: `trials` configurations that a run scored on a market; times in ISO 8601.

    sharpe: per bar, the best of the row.   start, end: of the window that was scored.
    """

    market_key: str
    seq: int
    time: str | None
    run: int | None
    learner: str
    identity: str | None
    strategy: str
    method: str
    trials: int
    state: str
    sharpe: float | None
    score: float | None
    objective: str | None
    start: str | None
    end: str | None

    @property
    def document(self) -> JsonObject:
        """The row as JSON, the window under ``from`` and ``to``."""
        renamed = {"start": "from", "end": "to"}
        return {renamed.get(each.name, each.name): getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class TrialsView:
    """The ledger of a market or of a run; see `list_trials`.

    scope: of a run its number and the run that it reproduces, of a market its name and the chains on the same candles.
    """

    scope: JsonObject
    counts: TrialCounts
    old_text: str | None
    missing: tuple[MissingLooks, ...]
    chains: dict[str, ChainState]
    latest: tuple[TrialRow, ...]

    @property
    def document(self) -> JsonObject:
        """The view as JSON, scope and counts among its own keys."""
        return self.scope | self.counts.document | {
            "old_text": self.old_text,
            "missing": [each.document for each in self.missing],
            "chains": {key: chain.document for key, chain in self.chains.items()},
            "latest": [each.document for each in self.latest],
        }  # fmt: skip


def list_tried_markets(context: Context, *, limit: int) -> list[Row]:
    """Every market that was tried, the latest first: ``market_key trials rows runs missing old first last``.

    missing: looks whose rows are gone, as somebody accepted; they are counted, and not among `trials`.   old: rows of
    before identities were stored. Markets of which every row is gone come last, with the times None.
    """
    ledger = context.record.ledger
    lost = _missing(context)
    there = [
        row
        | {
            "missing": lost.pop(row["market_key"], 0),
            "first": iso_or_none(row["first"]),
            "last": iso_or_none(row["last"]),
        }
        for row in ledger.markets()
    ]
    gone = {"trials": 0, "rows": 0, "runs": 0, "old": 0, "first": None, "last": None}
    return [*there, *({"market_key": key, "missing": looks, **gone} for key, looks in lost.items() if looks)][:limit]


def _missing(context: Context) -> dict[str, int]:
    """Looks of each chain whose rows are gone, as somebody accepted."""
    total: Counter[str] = Counter()
    for epoch in context.record.ledger.epochs():
        total[epoch["market_key"]] += epoch["missing_configs"]
    return dict(sorted(total.items()))


def list_trials(
    context: Context, *, market: Instrument | None = None, run: int | str | None = None, limit: int = 20
) -> TrialsView:
    """What the ledger holds of a market, panels that it was part of included, or of a run.

    trials, by_learner, by_state: configurations, those of sweeps one by one.   sharpe: per bar, of all that have one:
    ``best median known``.   chains: by market ``rows`` and ``state``, whole or broken, with the first broken number.
    identities: what was judged, repeated trainings as one; rows of before identities were kept one by one.
    also: trials on the same candles in other chains, by market key.
    missing: each time that rows of these chains were accepted to be missing, with ``market_key rows looks reason by
    time``; these looks count on, and are not among `trials`.   old: rows of before identities were stored, and
    old_text: what they cannot tell.
    unread: rows whose block is gone or damaged; of their trials the ledger knows how many and the best,
    but no state: ``by_state`` has them as ``unread``.   latest: the newest rows.

    Raises StoreError ``STORE_NOT_FOUND`` for an unknown run, or a market of which the ledger holds nothing.
    """
    if run is not None:
        row = context.record.experiments.get(run)
        scope: JsonObject = {"run": row["id"], "reproduces": row["reproduces_id"]}
        epochs = []
        result = _rows(context, experiment_id=row["id"])
    else:
        keys = _keys(context, market)
        epochs = [each for each in context.record.ledger.epochs() if each["market_key"] in keys]
        also = {} if market is None else _alike(market, set(keys), context)
        scope = {"market": None if market is None else asdict(market), "also": {**also}}
        result = [each for key in keys for each in _rows(context, market_key=key)]
    result.sort(key=lambda each: each.row["id"])
    counted = _counted(result)
    return TrialsView(
        scope,
        counted,
        old_text=describe_old_trials(counted.old) if counted.old else None,
        missing=tuple(_gone(each) for each in epochs),
        chains={key: _chain(key, context) for key in sorted({each.row["market_key"] for each in result})},
        latest=tuple(_line(each) for each in result[: -limit - 1 : -1]),
    )


def _gone(epoch: Row) -> MissingLooks:
    return MissingLooks(
        epoch["market_key"], rows=epoch["missing_rows"], looks=epoch["missing_configs"], reason=epoch["reason"],
        by=epoch["accepted_by"], time=iso_or_none(epoch["created_at"]),
    )  # fmt: skip


def _rows(context: Context, market_key: str | None = None, experiment_id: int | None = None) -> list[LedgerRow]:
    blobs = Blobs(context.artifacts)
    return list(context.record.ledger.trials(market_key, experiment_id=experiment_id, blobs=blobs))


def _keys(context: Context, market: Instrument | None) -> list[str]:
    lines = context.record.ledger.chains()
    if market is None or not lines:
        return lines
    keys = [key for key in lines if market.key in key.split("+")]
    if not keys:
        near = did_you_mean(market.key, lines) or f"it holds {', '.join(lines[:5])}"
        raise StoreError(
            f"the ledger holds no trial of {printable(market.key)}; {near}", code="STORE_NOT_FOUND", hint=near
        )
    return keys


def _alike(market: Instrument, keys: set[str], context: Context) -> dict[str, int]:
    """Configurations in other chains whose candles are this market's, by market key."""
    alike = context.record.markets.like_known([market.key])
    chains = (key for key in context.record.ledger.chains() if key not in keys)
    result = (key for key in chains if any("|".join(m) in alike for m in markets_of(key)))
    return {key: context.record.ledger.count(key) for key in result}


def _counted(result: Sequence[LedgerRow]) -> TrialCounts:
    learners: Counter[str] = Counter()
    states: Counter[str] = Counter()
    sharpes, unread = [np.empty(0)], 0
    for each in result:
        learners[each.row["learner"]] += len(each)
        try:
            columns = each.columns(("failed", "sharpe"))
        except ArtifactError:
            unread += 1
            states["unread"] += len(each)
            sharpes.append(np.array([_nan(each.row["sharpe"])]))
            continue
        failed = int(columns["failed"].sum()) if "failed" in columns else 0
        if each.row["block_sha256"] is None:
            states[each.row["state"]] += len(each)
        else:
            states.update({"failed": failed, "complete": len(each) - failed})
        sharpes.append(columns.get("sharpe", np.array([_nan(each.row["sharpe"])])).astype(np.float64))
    return TrialCounts(
        trials=sum(len(each) for each in result),
        rows=len(result),
        old=sum(each.row["identity"] is None for each in result),
        identities=len({each.row["identity"] or f"row {each.row['id']}" for each in result}),
        by_learner=dict(sorted(learners.items())),
        by_state={state: n for state, n in sorted(states.items()) if n},
        sharpe=_sharpe(sharpes),
        unread=unread,
    )


def _sharpe(parts: Iterable[FloatArray]) -> SharpeSummary:
    values = np.concatenate(list(parts))
    values = values[np.isfinite(values)]
    best, median = (float(values.max()), float(np.median(values))) if values.size else (None, None)
    return SharpeSummary(best, median, int(values.size))


def _chain(market_key: str, context: Context) -> ChainState:
    try:
        return ChainState("whole", context.record.ledger.check(market_key), None)
    except BrokenChain as error:
        seq = error.facts.get("seq")
        return ChainState("broken", None, seq if isinstance(seq, int) else None, error.message)


def _line(each: LedgerRow) -> TrialRow:
    row = each.row
    return TrialRow(
        market_key=row["market_key"],
        seq=row["seq"],
        time=iso_or_none(row["created_at"]),
        run=row["experiment_id"],
        learner=row["learner"],
        identity=row["identity"],
        strategy=row["strategy_name"],
        method=row["tuning_method"],
        trials=len(each),
        state=row["state"],
        sharpe=row["sharpe"],
        score=row["score"],
        objective=row["objective"],
        start=iso_or_none(row["window_start"]),
        end=iso_or_none(row["window_end"]),
    )


def _nan(value: float | None) -> float:
    return np.nan if value is None else value
