"""Views of the trial ledger."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from assay.kernel.errors import ArtifactError, StoreError, did_you_mean, printable
from assay.kernel.instrument import Instrument, markets_of
from assay.runs.context import Context
from assay.runs.run_views import iso_or_none
from assay.track import Blobs, BrokenChain, LedgerRow, describe_old_trials


def list_tried_markets(context: Context, *, limit: int) -> list[dict[str, Any]]:
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
) -> dict[str, Any]:
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
        document: dict[str, Any] = {"run": row["id"], "reproduces": row["reproduces_id"]}
        epochs = []
        result = _rows(context, experiment_id=row["id"])
    else:
        keys = _keys(context, market)
        epochs = [each for each in context.record.ledger.epochs() if each["market_key"] in keys]
        also = {} if market is None else _alike(market, set(keys), context)
        document = {"market": None if market is None else asdict(market), "also": also}
        result = [each for key in keys for each in _rows(context, market_key=key)]
    result.sort(key=lambda each: each.row["id"])
    counted = _counted(result)
    return document | counted | {
        "old_text": describe_old_trials(counted["old"]) if counted["old"] else None,
        "missing": [_gone(each) for each in epochs],
        "chains": {key: _chain(key, context) for key in sorted({each.row["market_key"] for each in result})},
        "latest": [_line(each) for each in result[: -limit - 1 : -1]],
    }  # fmt: skip


def _gone(epoch: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "market_key": epoch["market_key"], "rows": epoch["missing_rows"], "looks": epoch["missing_configs"],
        "reason": epoch["reason"], "by": epoch["accepted_by"], "time": iso_or_none(epoch["created_at"]),
    }  # fmt: skip


def _rows(context: Context, **which: Any) -> list[LedgerRow]:
    return list(context.record.ledger.trials(blobs=Blobs(context.artifacts), **which))


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


def _counted(result: Sequence[LedgerRow]) -> dict[str, Any]:
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
    return {
        "trials": sum(len(each) for each in result),
        "rows": len(result),
        "old": sum(each.row["identity"] is None for each in result),
        "identities": len({each.row["identity"] or f"row {each.row['id']}" for each in result}),
        "by_learner": dict(sorted(learners.items())),
        "by_state": {state: n for state, n in sorted(states.items()) if n},
        "sharpe": _sharpe(sharpes),
        "unread": unread,
    }


def _sharpe(parts: Iterable[np.ndarray[Any, np.dtype[np.float64]]]) -> dict[str, Any]:
    values = np.concatenate(list(parts))
    values = values[np.isfinite(values)]
    best, median = (float(values.max()), float(np.median(values))) if values.size else (None, None)
    return {"best": best, "median": median, "known": int(values.size)}


def _chain(market_key: str, context: Context) -> dict[str, Any]:
    try:
        return {"state": "whole", "rows": context.record.ledger.check(market_key), "first_broken": None}
    except BrokenChain as error:
        return {"state": "broken", "rows": None, "first_broken": error.facts.get("seq"), "text": error.message}


def _line(each: LedgerRow) -> dict[str, Any]:
    row = each.row
    return {
        "market_key": row["market_key"],
        "seq": row["seq"],
        "time": iso_or_none(row["created_at"]),
        "run": row["experiment_id"],
        "learner": row["learner"],
        "identity": row["identity"],
        "strategy": row["strategy_name"],
        "method": row["tuning_method"],
        "trials": len(each),
        "state": row["state"],
        "sharpe": row["sharpe"],
        "score": row["score"],
        "objective": row["objective"],
        "from": iso_or_none(row["window_start"]),
        "to": iso_or_none(row["window_end"]),
    }


def _nan(value: float | None) -> float:
    return np.nan if value is None else value
