"""Health of serving models: their edge today, what they earned since training, drift, age."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl

from assay.features import FeatureFile, table, training_table
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError, DataError, TrainError, amount
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel, Window
from assay.kernel.parse import parse
from assay.kernel.seeding import integer
from assay.kernel.spec import TrainSpec
from assay.kernel.timeframe import DAY_MS, current_ms, iso
from assay.runs import run_inputs, run_outputs
from assay.runs.context import Context, identity_from_metadata
from assay.runs.run_artifacts import RunArtifacts, to_jsonable
from assay.runs.trial_counts import LookRequest, Looks, count_looks
from assay.runs.user_files import model_features
from assay.simulate import BacktestResult, performance_metrics
from assay.track import Look, Row, find_models, load_model, model_standings, read_verified, verdict_word
from assay.validate import (
    Finding,
    GateInput,
    Reason,
    age_finding,
    check_share,
    evaluate_gate,
    input_drift_finding,
    judge_model,
    monitor_performance,
    performance_finding,
    recommendation_of,
    verdict_of_states,
)


@dataclass(frozen=True, slots=True)
class Today:
    """word: of the verdict with the check `edge` as it is now.   edge: that check.   looks: that count by now."""

    verdict: str
    edge: Reason
    looks: Looks


def edge_today(row: Row, context: Context, *, walk: bool = True) -> Today | None:
    """The verdict of a model with today's looks; None where `edge` did not PASS, or the evidence is gone.

    More looks only take from an edge; what was not one when it was judged is none today.

    row: of the model.   walk: demand that the ledger holds; without, as lists ask, it is counted as it is.
    Raises StoreError ``STORE_CORRUPT`` as `count_looks`.
    """
    stored = row["verdict"] or {}
    passed = any((r.get("check"), r.get("state")) == ("edge", "PASS") for r in stored.get("reasons", []))
    evidence = _evidence(row, context) if passed else None
    if evidence is None:
        return None
    spec = parse(TrainSpec, evidence.document["spec"], path="spec")
    number = _number(row["experiment_id"], spec.market_key, evidence, context)
    times = evidence.account["timestamp"].to_numpy()
    looks = count_looks(LookRequest(spec.market_key, number, times, ()), context, walk=walk)
    edge = _edge(evidence, looks, context)
    states = {r["check"]: r["state"] for r in stored["reasons"]} | {"edge": edge.state}
    return Today(verdict_of_states(states.values())[0], edge, looks)


def _evidence(row: Row, context: Context) -> RunArtifacts | None:
    try:
        return run_outputs.evidence_of(row["experiment_id"], context)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        return None


def _number(run: int, market_key: str, evidence: RunArtifacts, context: Context) -> int:
    """Of the record's own row: the run's, or that of an identical run before it; 0 where there is none."""
    identity = identity_from_metadata(context.record.experiments.get(run)["metadata"]).identity
    last = int(evidence.account["timestamp"][-1])
    rows = [r for r in context.record.ledger.looks([market_key]) if r.is_record and r.last == last]
    own = [r for r in rows if r.run == run] or [r for r in rows if identity and r.identity == identity]
    return _last(own)


def _last(rows: list[Look]) -> int:
    return rows[-1].seq if rows else 0


def _edge(evidence: RunArtifacts, looks: Looks, context: Context) -> Reason:
    """The check alone, on the returns that the run left."""
    document, account = evidence.document, evidence.account
    available = {field.name for field in fields(GateInput)}
    values: dict[str, Any] = {
        "returns": account["return"].to_numpy(),
        "active_returns": _column(account, "active_return"),
        "stressed_returns": account["stressed_return"].to_numpy(),
        "bars_per_year": document["bars_per_year"],
        "n_trades": len(evidence.trades),
        "n_trials": looks.n,
        "effective_trials": looks.effective,
        "ledger_complete": True,
    }
    result = evaluate_gate(
        GateInput(**{name: value for name, value in values.items() if name in available}), context.limits
    )
    reason = result.reason("edge")
    return replace(reason, text=f"{reason.text}; {looks.text}")


def _column(account: pl.DataFrame, name: str) -> Any:
    return account[name].to_numpy() if name in account.columns else None


def fault_of(today: Today | None, stored: Mapping[str, Any] | None) -> str:
    """Why a model that was GOLD needs a person by now; empty where it does not."""
    if today is None or (stored or {}).get("word") != "GOLD" or today.verdict == "GOLD":
        return ""
    then = int(((stored or {}).get("looks") or {}).get("n", 0))
    more = f"{amount(today.looks.n, 'trial')} by now" + (f", {then:,} when it was judged" if then else "")
    return f"it was GOLD and is {today.verdict} with {more} ({today.edge.text})"


_NOTHING_NEW = ("DATA_NOT_FOUND", "DATA_LOCKED")  # the last is told by `holdout_findings`


@dataclass(frozen=True, slots=True)
class _Read:
    instruments: tuple[Instrument, ...]
    bars: int | None
    filter: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class Since:
    """A model's candles now. bars: from the first that it learnt from to the newest stored; `learnt`: its own."""

    spec: TrainSpec
    learnt: Bars
    bars: Bars

    @property
    def new(self) -> int:
        """Candles after the last that it learnt from."""
        return int((self.bars.timestamp > self.learnt.timestamp[-1]).sum())


def since_training(row: Row, context: Context) -> Since | Finding:
    """Its own candles where none is newer, or none that may be seen. A Finding says what is not kept."""
    run = context.record.experiments.get(row["experiment_id"])
    if not run["spec"]:
        return Finding("candles", "UNKNOWN", "its run says no spec: what it learnt from is not known")
    try:
        spec = parse(TrainSpec, run["spec"], path="spec")
        learnt = run_inputs.bars_of(run["id"], context)[row["symbol"]]
    except (ArtifactError, KeyError):
        return Finding("candles", "UNKNOWN", "the candles that it learnt from are not kept: nothing is newer than them")
    try:
        (bars,), _ = run_outputs.candles(_Read((learnt.instrument,), None, spec.filter), context)
    except DataError as error:
        if error.code not in _NOTHING_NEW:
            raise
        bars = learnt
    newer = bool(bars.timestamp[-1] > learnt.timestamp[-1])
    return Since(spec, learnt, bars[int(np.searchsorted(bars.timestamp, learnt.timestamp[0])) :] if newer else learnt)


def holdout_findings(since: Since, context: Context) -> Iterator[Finding]:
    """What nobody may look at is no new bar."""
    market = since.learnt.instrument
    lock = context.record.vault.of(market.exchange, market.symbol)
    if lock is not None:
        text = f"bars from {iso(lock.since)[:16]} on are locked away (assay vault): none of them was looked at"
        yield Finding("candles", "UNKNOWN", text)


def age(row: Row, since: Since) -> dict[str, object]:
    """Days by the clock and by the candles, and the bars that are missing after its last."""
    learnt_to, newest = (int(bars.known_at[-1]) for bars in (since.learnt, since.bars))
    return {
        "created": f"{row['created_at']:%Y-%m-%dT%H:%M:%SZ}",
        "learnt_to": iso(learnt_to),
        "newest": iso(newest),
        "days": (current_ms() - learnt_to) / DAY_MS,
        "days_of_candles": (newest - learnt_to) / DAY_MS,
        "gap_bars": _gap(since),
    }


def _gap(since: Since) -> int:
    """Bars that are missing between the last that it learnt from and the first newer one."""
    if not since.new:
        return 0
    last = int(since.learnt.known_at[-1])
    first = int(since.bars.timestamp[len(since.bars) - since.new])
    return max(0, (first - last) // since.bars.instrument.bar.ms)


CANDLE_COLUMNS = ("return_1", "price_range", "realized_vol_20")
"""Inputs that are looked at where a model reads candles and no features; ``volume_ratio_20`` beside where there is any.
"""
_OF_VOLUME = "volume_ratio_20"
SERVING = ("champion", "challenger")
_IDENTITY = ("id", "model_id", "strategy_type", "exchange", "symbol", "timeframe")
_MONTH = 30
_LOG = logging.getLogger(__name__)


def check_health(request: int | str, context: Context, *, false_alarms: float = 0.05) -> dict[str, object]:
    """One model: ``recommendation`` and the ``reasons`` for it, with every number they rest on. Nothing is written.

    ``open`` counts the reasons that are UNKNOWN: a model of which nothing is known is kept for want of a reason.

    false_alarms: probability of an input alarm where nothing changed. Raises StoreError ``STORE_NOT_FOUND``,
    ConfigError for a budget outside (0, 1). Cost: the model is loaded as for a bot; features and decisions are made of
    all its candles.
    """
    check_share("false_alarms", false_alarms)
    is_number = isinstance(request, str) and request.isdecimal() and len(request) < 19
    return _looked_at(context.record.models.get(int(request) if is_number else request), context, false_alarms)


def check_serving_models(context: Context, *, false_alarms: float = 0.05) -> list[dict[str, object]]:
    """`check_health` of every champion and challenger, newest first; of one that cannot be looked at, why."""
    check_share("false_alarms", false_alarms)
    rows = find_models(context.record, {}, serving=True, limit=10_000)
    standing = model_standings(context.record, [row["id"] for row in rows])
    serving = [row for row in rows if any(alias in SERVING for alias in standing[row["id"]].aliases)]
    return [_of_many(row, context, false_alarms) for row in serving]


def _of_many(row: Row, context: Context, false_alarms: float) -> dict[str, object]:
    """The others are looked at all the same."""
    try:
        return _looked_at(row, context, false_alarms)
    except (ArtifactError, DataError, TrainError) as error:
        _LOG.warning("model %d could not be looked at: %s", row["id"], error)
        why = Finding("candles", "UNKNOWN", f"it could not be looked at ({error.code}): {error.message}")
        return _closed(_opened(row, context), [_audit(row), _verdict(row), why])


def _opened(row: Row, context: Context) -> dict[str, object]:
    document: dict[str, object] = {name: row[name] for name in _IDENTITY}
    document |= {
        "aliases": list(model_standings(context.record, [row["id"]])[row["id"]].aliases),
        "verdict": verdict_word(row),
    }
    return document | {"new_bars": None, "record": None, "inputs": None, "age": None, "monitoring": None}


def _closed(document: dict[str, object], findings: Sequence[Finding]) -> dict[str, object]:
    document |= {
        "recommendation": recommendation_of(findings),
        "open": sum(each.state == "UNKNOWN" for each in findings),
    }
    return dict(to_jsonable(document | {"reasons": [asdict(each) for each in findings]}))


def _looked_at(row: Row, context: Context, false_alarms: float) -> dict[str, object]:
    document = _opened(row, context)
    model, files = _loaded(row, context)
    findings = [files, _audit(row), _verdict(row)]
    since = since_training(row, context)
    if isinstance(since, Finding):
        findings.append(since)
    else:
        evidence = _evidence(row, context)
        document |= {"new_bars": since.new, "age": age(row, since)}
        findings += holdout_findings(since, context)
        findings.append(age_finding(since.new, _longest(evidence)))
        if model is not None:
            findings += _judged(model, row, since, evidence, context, false_alarms, document)
    return _closed(document, findings)


def _loaded(row: Row, context: Context) -> tuple[Model | None, Finding]:
    """The model as a bot would load it, or why it cannot be."""
    if row["integrity"] in ("corrupt", "missing"):
        text = f"assay models verify found its files {row['integrity']}"
        return None, Finding("files", "FAIL", text, "retire")
    run = context.record.experiments.get(row["experiment_id"])
    try:
        with run_inputs.source_of(run["id"], run["spec"] or {}, context) as file:
            model = load_model(row, context.places, strategy=file)
    except ArtifactError as error:
        if error.code == "ARTIFACT_FORMAT":
            return None, Finding("files", "UNKNOWN", error.message)
        return None, Finding("files", "FAIL", f"it does not load ({error.code}): {error.message}", "retire")
    return model, Finding("files", "PASS", "its files are whole, and it decides as when it was published")


def _audit(row: Row) -> Finding:
    status = row["audit_status"]
    if status == "failed":
        return Finding("audit", "FAIL", "its causality audit failed: it knew the future", "retire")
    if status == "passed":
        return Finding("audit", "PASS", "its causality audit passed")
    ask = f"; assay audit {row['experiment_id']} asks all of it" if row["verdict"] else ""
    return Finding("audit", "UNKNOWN", f"its causality audit was not run to its end{ask}")


def _verdict(row: Row) -> Finding:
    result = verdict_word(row)
    if result == "PYRITE":
        return Finding("verdict", "FAIL", "its verdict was PYRITE", "retire")
    text = "it has no verdict" if result == "unknown" else f"its verdict was {result}"
    return Finding("verdict", "PASS" if result == "GOLD" else "UNKNOWN", text)


def _longest(evidence: RunArtifacts | None) -> int | None:
    """Bars that a model of the walk served; all of them where the first window's parameters were held."""
    if evidence is None:
        return None
    served = [int(fold["test_rows"]) for fold in evidence.document["folds"] if not fold["left_out"]]
    return (sum if evidence.document.get("mode") == "fixed" else max)(served) if served else None


def _judged(
    model: Model, row: Row, since: Since, evidence: RunArtifacts | None, context: Context, false_alarms: float,
    document: dict[str, object],
) -> Iterator[Finding]:  # fmt: skip
    """Record and inputs; their numbers go into `document`."""
    bytes_ = read_verified(row, context.places)
    manifest = bytes_.manifest
    with model_features(bytes_, f"model {row['model_id']}") as own:
        window = _window(since, tuple(manifest["features"]), own)
    if isinstance(window, Finding):
        yield window
        return
    warm_up = max(0, int(manifest["lookback"]) - model.lookback)
    record = _record(model, window[min(warm_up, len(window)) :], since)
    result, document["record"] = _of_record(record, since, evidence, row)
    yield result
    if record is not None and evidence is not None:
        document["monitoring"] = _monitoring(record, since, evidence)
    seen, document["inputs"] = _of_inputs(model, window, since, false_alarms, warm_up)
    yield seen


def _window(since: Since, names: tuple[str, ...], own: FeatureFile | None) -> Window | Finding:
    """Candles with the columns that the model reads, by its manifest; or which of them newer candles cannot give.

    own: the file of features that the model carries.
    """
    if not names:
        return Window.of_bars(since.bars)
    made = training_table(since.spec, since.bars, own)
    missing = [name for name in names if name not in made.names]
    if missing:
        why = "; ".join(f"{name}: {made.absent.get(name, 'no such column')}" for name in missing[:3])
        text = f"it cannot decide on the candles of today, {len(missing)} of its inputs are not there: {why}"
        return Finding("inputs", "FAIL", text, "retrain")
    return Window(since.bars, np.ascontiguousarray(made.values[:, [made.names.index(n) for n in names]]), names)


def _record(model: Model, window: Window, since: Since) -> BacktestResult | None:
    """The new bars traded as a test fold is: flat before the first, closed at the last. None without a new bar."""
    if not len(window):
        return None
    panel = Panel.of(window)
    rows = np.flatnonzero(panel.times > int(since.learnt.known_at[-1]))
    rows = rows[rows >= model.lookback]
    if not rows.size:
        return None
    (tested,) = judge_model(model, panel, rows, since.spec.costs).values()
    return tested.record


def _of_record(
    record: BacktestResult | None, since: Since, evidence: RunArtifacts | None, row: Row
) -> tuple[Finding, dict[str, object] | None]:
    if evidence is None:
        return Finding("record", "UNKNOWN", "its out-of-sample record is gone: there is no band"), None
    past = evidence.bars.filter(pl.col("symbol") == row["symbol"])["return"].to_numpy()
    now = np.empty(0) if record is None else record.returns
    trials = int(evidence.document["n_trials"])
    luck = float((evidence.document.get("evidence") or {}).get("effective_trials") or trials)  # as the gate deflates
    result, realised = performance_finding(past, now, n_trials=luck, seed=integer(since.spec.seed, "health"))
    if realised is None or record is None:
        return result, None
    numbers: dict[str, object] = {
        "bars": len(now),
        "trades": len(record.trades),
        "out_of_sample_bars": len(past),
        "n_trials": trials,
    }
    numbers["effective_trials"] = luck
    return result, numbers | asdict(realised)


def _of_inputs(
    model: Model, window: Window, since: Since, false_alarms: float, warm_up: int
) -> tuple[Finding, dict[str, object] | None]:
    """Of the columns that the model leans on; of a few simple ones where it reads candles."""
    values, names = window.features, window.names
    if not names:
        made = table(window.bars, CANDLE_COLUMNS if window.bars.volume is None else (*CANDLE_COLUMNS, _OF_VOLUME))
        values, names, warm_up = made.values, made.names, made.lookback
    used = _used(model, names)
    values = values[:, [names.index(name) for name in used]]
    new = window.bars.timestamp > since.learnt.timestamp[-1]
    train = values[warm_up:][~new[warm_up:]]
    result, drift = input_drift_finding(train, values[new], used, false_alarms=false_alarms)
    return result, None if drift is None else asdict(drift) | {"false_alarms": false_alarms}


def _used(model: Model, names: tuple[str, ...]) -> tuple[str, ...]:
    shares: Mapping[str, float] = getattr(model, "importance", dict)()
    return tuple(name for name in names if shares.get(name, 0.0) > 0) or names


def _monitoring(record: BacktestResult, since: Since, evidence: RunArtifacts) -> dict[str, object] | None:
    """Documented monitoring numbers, once there are thirty days."""
    if record.timestamp[-1] - record.timestamp[0] < _MONTH * DAY_MS:
        return None
    rolling = performance_metrics(record, bars_per_year=since.bars.bars_per_year)["rolling_30d_sharpe"]
    lifetime = evidence.document["metrics"].get("sharpe_annual")
    lifetime = float("nan") if lifetime is None else float(lifetime)
    degradation, stage = monitor_performance(rolling, lifetime)
    document = {"rolling_30d_sharpe": rolling, "lifetime_sharpe_ratio": lifetime}
    return document | {"performance_degradation": degradation, "documented_stage": stage}
