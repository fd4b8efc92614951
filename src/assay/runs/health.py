"""Models that serve, looked at again: what they earned since training, what they see now, how old they are."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.features import table
from assay.kernel.bars import Bars
from assay.kernel.clock import iso, now_ms
from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError, DataError
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Panel, Window
from assay.kernel.parse import parse
from assay.kernel.seeds import integer
from assay.kernel.spec import TrainSpec
from assay.kernel.timeframe import DAY_MS
from assay.runs import inputs, keep
from assay.runs.context import Context
from assay.runs.evidence import RunEvidence, jsonable
from assay.simulate.metrics import metrics
from assay.simulate.record import Record
from assay.track.loading.checking import opened
from assay.track.loading.live import load
from assay.track.registry.gate import word
from assay.track.registry.standing import find, standings
from assay.track.rows import Row
from assay.validate.health import Finding, monitored, of_age, of_inputs, of_record, recommended
from assay.validate.walk import judge_model

CANDLE_COLUMNS = ("return_1", "price_range", "realized_vol_20")
"""Inputs that are looked at where a model reads candles and no features; ``volume_ratio_20`` beside where there is any.
"""
_OF_VOLUME = "volume_ratio_20"
SERVING = ("champion", "challenger")
_IDENTITY = ("id", "model_id", "strategy_type", "exchange", "symbol", "timeframe")
_MONTH = 30


@dataclass(frozen=True, slots=True)
class _Read:
    instruments: tuple[Instrument, ...]
    bars: int | None
    filter: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Since:
    """A model's candles now. bars: from the first that it learnt from to the newest stored; `learnt`: its own."""

    spec: TrainSpec
    learnt: Bars
    bars: Bars

    @property
    def new(self) -> int:
        """Candles after the last that it learnt from."""
        return int((self.bars.timestamp > self.learnt.timestamp[-1]).sum())


def health(asked: int | str, context: Context, *, false_alarms: float = 0.05) -> dict[str, Any]:
    """One model: ``recommendation`` and the ``reasons`` for it, with every number they rest on. Nothing is written.

    ``open`` counts the reasons that are UNKNOWN: a model of which nothing is known is kept for want of a reason.

    false_alarms: probability of an input alarm where nothing changed. Raises StoreError ``STORE_NOT_FOUND``,
    ConfigError for a budget outside (0, 1). Cost: the model is loaded as for a bot; features and decisions are made of
    all its candles.
    """
    is_number = isinstance(asked, str) and asked.isdecimal() and len(asked) < 19
    return _looked_at(context.record.models.get(int(asked) if is_number else asked), context, false_alarms)


def health_of_serving(context: Context, *, false_alarms: float = 0.05) -> list[dict[str, Any]]:
    """`health` of every champion and challenger, newest first."""
    rows = find(context.record, {}, serving=True, limit=10_000)
    standing = standings(context.record, [row["id"] for row in rows])
    serving = [row for row in rows if any(alias in SERVING for alias in standing[row["id"]].aliases)]
    return [_looked_at(row, context, false_alarms) for row in serving]


def _looked_at(row: Row, context: Context, false_alarms: float) -> dict[str, Any]:
    told: dict[str, Any] = {name: row[name] for name in _IDENTITY}
    told |= {"aliases": list(standings(context.record, [row["id"]])[row["id"]].aliases), "verdict": word(row)}
    told |= {"new_bars": None, "record": None, "inputs": None, "age": None, "monitoring": None}
    model, files = _loaded(row, context)
    findings = [files, _audit(row), _verdict(row)]
    since = _since(row, context)
    if isinstance(since, Finding):
        findings.append(since)
    else:
        evidence = _evidence(row, context)
        told |= {"new_bars": since.new, "age": _age(row, since)}
        findings += _locked(since, context)
        findings.append(of_age(since.new, _longest(evidence)))
        if model is not None:
            findings += _judged(model, row, since, evidence, context, false_alarms, told)
    told |= {"recommendation": recommended(findings), "open": sum(each.state == "UNKNOWN" for each in findings)}
    return dict(jsonable(told | {"reasons": [asdict(each) for each in findings]}))


def _loaded(row: Row, context: Context) -> tuple[Model | None, Finding]:
    """The model as a bot would load it, or why it cannot be."""
    if row["integrity"] in ("corrupt", "missing"):
        text = f"assay models verify found its files {row['integrity']}"
        return None, Finding("files", "FAIL", text, "retire")
    run = context.record.experiments.get(row["experiment_id"])
    try:
        with inputs.source_of(run["id"], run["spec"] or {}, context) as file:
            model = load(row, context.places, strategy=file)
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
    found = word(row)
    if found == "PYRITE":
        return Finding("verdict", "FAIL", "its verdict was PYRITE", "retire")
    text = "it has no verdict" if found == "unknown" else f"its verdict was {found}"
    return Finding("verdict", "PASS" if found == "GOLD" else "UNKNOWN", text)


def _since(row: Row, context: Context) -> _Since | Finding:
    run = context.record.experiments.get(row["experiment_id"])
    if not run["spec"]:
        return Finding("candles", "UNKNOWN", "its run says no spec: what it learnt from is not known")
    try:
        spec = parse(TrainSpec, run["spec"], path="spec")
        learnt = inputs.bars_of(run["id"], context)[row["symbol"]]
    except (ArtifactError, KeyError):
        return Finding("candles", "UNKNOWN", "the candles that it learnt from are not kept: nothing is newer than them")
    try:
        (bars,), _ = keep.candles(_Read((learnt.instrument,), None, spec.filter), context)
    except DataError as error:
        if error.code != "DATA_NOT_FOUND":
            raise
        bars = learnt
    newer = bool(bars.timestamp[-1] > learnt.timestamp[-1])
    return _Since(spec, learnt, bars[int(np.searchsorted(bars.timestamp, learnt.timestamp[0])) :] if newer else learnt)


def _locked(since: _Since, context: Context) -> Iterator[Finding]:
    """What nobody may look at is no new bar."""
    market = since.learnt.instrument
    lock = context.record.vault.of(market.exchange, market.symbol)
    if lock is not None:
        text = f"bars from {iso(lock.since)[:16]} on are locked away (assay vault): none of them was looked at"
        yield Finding("candles", "UNKNOWN", text)


def _evidence(row: Row, context: Context) -> RunEvidence | None:
    try:
        return keep.evidence_of(row["experiment_id"], context)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        return None


def _longest(evidence: RunEvidence | None) -> int | None:
    """Bars that a model of the walk served; all of them where the first window's parameters were held."""
    if evidence is None:
        return None
    served = [int(fold["test_rows"]) for fold in evidence.document["folds"] if not fold["left_out"]]
    return (sum if evidence.document.get("mode") == "fixed" else max)(served) if served else None


def _age(row: Row, since: _Since) -> dict[str, Any]:
    learnt_to, newest = (int(bars.known_at[-1]) for bars in (since.learnt, since.bars))
    return {
        "created": f"{row['created_at']:%Y-%m-%dT%H:%M:%SZ}",
        "learnt_to": iso(learnt_to),
        "newest": iso(newest),
        "days": (now_ms() - learnt_to) / DAY_MS,
        "days_of_candles": (newest - learnt_to) / DAY_MS,
        "gap_bars": _gap(since),
    }


def _gap(since: _Since) -> int:
    """Bars that are missing between the last that it learnt from and the first newer one."""
    if not since.new:
        return 0
    last = int(since.learnt.known_at[-1])
    first = int(since.bars.timestamp[len(since.bars) - since.new])
    return max(0, (first - last) // since.bars.instrument.bar.ms)


def _judged(
    model: Model, row: Row, since: _Since, evidence: RunEvidence | None, context: Context, false_alarms: float,
    told: dict[str, Any],
) -> Iterator[Finding]:  # fmt: skip
    """Record and inputs; their numbers go into `told`."""
    manifest = opened(row, context.places).manifest
    window = _window(since, tuple(manifest["features"]))
    if isinstance(window, Finding):
        yield window
        return
    warm_up = max(0, int(manifest["lookback"]) - model.lookback)
    record = _record(model, window[min(warm_up, len(window)) :], since)
    found, told["record"] = _of_record(record, since, evidence, row)
    yield found
    if record is not None and evidence is not None:
        told["monitoring"] = _monitoring(record, since, evidence)
    seen, told["inputs"] = _of_inputs(model, window, since, false_alarms, warm_up)
    yield seen


def _window(since: _Since, names: tuple[str, ...]) -> Window | Finding:
    """Candles with the columns that the model reads, by its manifest; or which of them newer candles cannot give."""
    if not names:
        return Window.of_bars(since.bars)
    made = table(since.bars, since.spec.features)
    missing = [name for name in names if name not in made.names]
    if missing:
        why = "; ".join(f"{name}: {made.absent.get(name, 'no such column')}" for name in missing[:3])
        text = f"it cannot decide on the candles of today, {len(missing)} of its inputs are not there: {why}"
        return Finding("inputs", "FAIL", text, "retrain")
    return Window(since.bars, np.ascontiguousarray(made.values[:, [made.names.index(n) for n in names]]), names)


def _record(model: Model, window: Window, since: _Since) -> Record | None:
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
    record: Record | None, since: _Since, evidence: RunEvidence | None, row: Row
) -> tuple[Finding, dict[str, Any] | None]:
    if evidence is None:
        return Finding("record", "UNKNOWN", "its out-of-sample record is gone: there is no band"), None
    past = evidence.bars.filter(pl.col("symbol") == row["symbol"])["return"].to_numpy()
    now = np.empty(0) if record is None else record.returns
    trials = int(evidence.document["n_trials"])
    found, realised = of_record(past, now, n_trials=trials, seed=integer(since.spec.seed, "health"))
    if realised is None or record is None:
        return found, None
    numbers = {"bars": len(now), "trades": len(record.trades), "out_of_sample_bars": len(past), "n_trials": trials}
    return found, numbers | asdict(realised)


def _of_inputs(
    model: Model, window: Window, since: _Since, false_alarms: float, warm_up: int
) -> tuple[Finding, dict[str, Any] | None]:
    """Of the columns that the model leans on; of a few simple ones where it reads candles."""
    values, names = window.features, window.names
    if not names:
        made = table(window.bars, CANDLE_COLUMNS if window.bars.volume is None else (*CANDLE_COLUMNS, _OF_VOLUME))
        values, names, warm_up = made.values, made.names, made.lookback
    used = _used(model, names)
    values = values[:, [names.index(name) for name in used]]
    new = window.bars.timestamp > since.learnt.timestamp[-1]
    train = values[warm_up:][~new[warm_up:]]
    found, drift = of_inputs(train, values[new], used, false_alarms=false_alarms)
    return found, None if drift is None else asdict(drift) | {"false_alarms": false_alarms}


def _used(model: Model, names: tuple[str, ...]) -> tuple[str, ...]:
    shares: Mapping[str, float] = getattr(model, "importance", dict)()
    return tuple(name for name in names if shares.get(name, 0.0) > 0) or names


def _monitoring(record: Record, since: _Since, evidence: RunEvidence) -> dict[str, Any] | None:
    """Documented monitoring numbers, once there are thirty days."""
    if record.timestamp[-1] - record.timestamp[0] < _MONTH * DAY_MS:
        return None
    rolling = metrics(record, bars_per_year=since.bars.bars_per_year)["rolling_30d_sharpe"]
    lifetime = evidence.document["metrics"].get("sharpe_annual")
    lifetime = float("nan") if lifetime is None else float(lifetime)
    degradation, stage = monitored(rolling, lifetime)
    told = {"rolling_30d_sharpe": rolling, "lifetime_sharpe_ratio": lifetime}
    return told | {"performance_degradation": degradation, "documented_stage": stage}
