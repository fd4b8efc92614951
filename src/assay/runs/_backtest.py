"""A backtest: one rule at one set of parameters over a whole stretch of candles. Nothing is fitted or judged."""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.contracts import Trial
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.instrument import Instrument
from assay.kernel.parse import parse
from assay.kernel.spec import canonical, demand_bars
from assay.kernel.timeframe import current_ms, iso
from assay.learn import ALLOW_SHORT, RuleModel, Strategy, check_regime
from assay.runs import run_outputs
from assay.runs.context import Context, Recording
from assay.runs.documents import funding_notes
from assay.runs.evaluation import at_entry, split_by_regime
from assay.runs.provenance import code_digest, describe_environment
from assay.runs.run_artifacts import RunArtifacts, to_jsonable, trades_table
from assay.runs.run_inputs import describe_flat
from assay.runs.strategies import demand_honest, load_strategy, name_user_line, split_settings
from assay.runs.trial_counts import LookRequest, count_looks
from assay.simulate import BacktestResult, performance_metrics
from assay.simulate import simulate as simulate
from assay.validate import Thresholds, mask_filtered_bars

KIND = "backtest"
_LOG = logging.getLogger(__name__)
_FOR_THE_PAGE = {"by_symbol", "folds", "importance", "labels", "absent", "model_id"}  # empty, or said twice
_UNTOLD = ("symbol", "fold")  # columns of the trades that are the same in each of them


@dataclass(frozen=True, kw_only=True)
class BacktestSpec:
    """Everything that decides what a backtest gives, but for the candles and the code.

    params: all parameters of the strategy, as `Strategy.resolve` gives them.
    bars:   only the newest this many closed bars; None is all.
    short:  whether positions may be short.
    regime: the only one in which a position may begin; empty is any.
    filter: data filter, `assay.market.data_filter`; None leaves it off.
    origin: SHA-256 (hex) of the file of a strategy that is not Assay's own, else empty.
    seed:   of the resampling behind ``monte_carlo_var``.
    """

    strategy: str
    exchange: str
    symbols: tuple[str, ...]
    timeframe: str
    params: Mapping[str, Any]
    costs: Costs
    short: bool
    bars: int | None = None
    regime: str = ""
    filter: Mapping[str, Any] | None = None
    origin: str = ""
    seed: int = 42
    learner: str = "rules"

    def __post_init__(self) -> None:
        demand_bars(self.bars)

    @property
    def instrument(self) -> Instrument:
        """The series of candles."""
        return Instrument(self.exchange, self.symbols[0], self.timeframe)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The same, as other specs name theirs."""
        return (self.instrument,)

    def as_dict(self) -> dict[str, object]:
        """Plain JSON-able dict of every field, and what kind of spec it is."""
        return {"kind": KIND} | asdict(self) | {"symbols": list(self.symbols), "params": dict(self.params)}

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return hashlib.sha256(canonical(self.as_dict()).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class BacktestRun:
    """What a backtest came to. `document` is what ``assay backtest --json`` prints."""

    document: Mapping[str, Any]
    existing: bool = False


def build_backtest(
    rule: Strategy,
    instrument: Instrument,
    settings: Mapping[str, str],
    *,
    bars: int | None = None,
    regime: str = "",
) -> BacktestSpec:
    """The spec of a backtest; settings are texts, see `split_settings`.

    Where the symbol names no settle currency (spot), ``allow_short`` is false unless it is set.

    Raises ConfigError ``CONFIG_PARAMETER`` and ``CONFIG_FIELD`` naming key, value and the nearest known name.
    """
    value, costs, filtered = split_settings(rule, settings)
    derivative = ":" in instrument.symbol
    values = rule.resolve(value)
    if ALLOW_SHORT in values and ALLOW_SHORT not in value:
        values[ALLOW_SHORT] = derivative
    return BacktestSpec(
        strategy=rule.name,
        exchange=instrument.exchange,
        symbols=(instrument.symbol,),
        timeframe=instrument.timeframe,
        params=values,
        costs=parse(Costs, costs, path="costs"),
        short=bool(values.get(ALLOW_SHORT, derivative)),
        bars=bars,
        regime=check_regime(regime),
        filter=filtered,
        origin=rule.origin,
    )


def backtest(
    name: str,
    instrument: Instrument,
    settings: Mapping[str, str],
    context: Context,
    *,
    file: Path | None = None,
    bars: int | None = None,
    regime: str = "",
    force: bool = False,
) -> BacktestRun:
    """Trade a strategy over stored candles and remember all of it.

    The same spec on the same candles with the same code gives the existing completed run, unless `force`. It counts as
    one trial of the market before its score is known to anybody. A strategy that fails leaves no run.

    Raises what `load_strategy`, `build_backtest` and `Strategy.demand` raise; TrainError ``TRAIN_STRATEGY`` with file
    and line of a user's own strategy that fails.
    """
    with name_user_line(file):
        rule = load_strategy(name, file)
        spec = build_backtest(rule, instrument, settings, bars=bars, regime=regime)
    return run_backtest(spec, rule, context, file=file, force=force)


def run_backtest(
    spec: BacktestSpec, rule: Strategy, context: Context, *, file: Path | None = None, force: bool = False
) -> BacktestRun:
    """`backtest`, of a spec that is made.   rule: the strategy that it names; of a user's own, `file` declares it."""
    began = time.monotonic()
    with name_user_line(file):
        (candles,), filtered = run_outputs.candles(spec, context)
        digest = candles.digest()
        rule.demand(candles, spec.params)
        if flat := describe_flat(candles):
            _LOG.warning("%s", flat)
        demand_honest(rule, candles, spec.params)
        if not force and (available := _existing(spec, digest, context)) is not None:
            return BacktestRun(available, existing=True)
        model = RuleModel(rule, {**spec.params, ALLOW_SHORT: spec.short}, spec.timeframe, spec.regime)
        decided = mask_filtered_bars(model.decisions(candles), candles)
    with run_outputs.track_run(spec, digest, [candles], context, by=rule.name, kind=KIND, file=file) as run:
        record = simulate(candles, decided, spec.costs)
        measured = performance_metrics(record, bars_per_year=candles.bars_per_year, seed=spec.seed)
        seconds = time.monotonic() - began
        number = Recording(context, run.id, "counting").trial(_trial(spec, record, measured, digest, seconds))
        request = LookRequest(spec.instrument.key, number, record.timestamp, [candles])
        looks = count_looks(request, context, walk=False)  # nothing is judged by it
        document = _document(spec, candles, record, measured) | {
            "run_id": run.run_id,
            "experiment_id": run.id,
            "data_digest": digest,
            "n_trials": looks.n,
            "looks": looks.document,
            "head": looks.head.document,
            "seconds": seconds,
            "warm_up": model.lookback,
            "filter": to_jsonable(filtered),
            "environment": describe_environment(workers=1),
        }
        evidence = RunArtifacts(document, *_tables(spec, candles, decided, record))
        run_outputs.leave(spec, context, run, evidence, by=rule.name)
    return BacktestRun(_backtest_document(evidence))


def _existing(spec: BacktestSpec, digest: str, context: Context) -> dict[str, object] | None:
    result = run_outputs.find_existing(spec, digest, context)
    evidence = None if result is None else run_outputs.evidence_of(result["experiment_id"], context)
    return None if evidence is None else _backtest_document(evidence)


def _backtest_document(evidence: RunArtifacts) -> dict[str, object]:
    """The run's document with its trades in it, times in ISO."""
    columns = evidence.trades.drop(_UNTOLD).to_dicts()
    trades = [t | {"entry_time": iso(t["entry_time"]), "exit_time": iso(t["exit_time"])} for t in columns]
    document = {name: value for name, value in evidence.document.items() if name not in _FOR_THE_PAGE}
    return to_jsonable(document | {"trades": trades})


def _trial(
    spec: BacktestSpec, record: BacktestResult, measured: Mapping[str, float], digest: str, seconds: float
) -> Trial:
    own: dict[str, object] = {"origin": spec.origin} if spec.origin else {}
    own |= {"regime": spec.regime} if spec.regime else {}
    own |= {"filter": dict(spec.filter)} if spec.filter is not None else {}
    return Trial(
        market_key=spec.instrument.key,
        learner=spec.learner,
        strategy=spec.strategy,
        params=dict(spec.params) | own,
        returns=record.returns,
        metrics=measured,
        score=measured["sharpe"],
        total_trades=len(record.trades),
        window=(int(record.timestamp[0]), int(record.timestamp[-1])),
        tuning_method="manual",
        seed=spec.seed,
        data_digest=digest,
        duration_seconds=seconds,
        extra={"costs": asdict(spec.costs)},
    )


def _document(
    spec: BacktestSpec, candles: Bars, record: BacktestResult, measured: Mapping[str, float]
) -> dict[str, object]:
    from assay.market import examine_quality

    symbol = spec.symbols[0]
    values = to_jsonable(measured)
    return {
        "format_version": 1,
        "kind": KIND,
        "name": f"{spec.strategy} on {symbol} {spec.timeframe}",
        "created": iso(current_ms()),
        "exchange": spec.exchange,
        "symbol": symbol,
        "timeframe": spec.timeframe,
        "strategy": spec.strategy,
        "parameters": dict(spec.params),
        "short": spec.short,
        "regime_filter": spec.regime or None,
        "from": iso(int(candles.timestamp[0])),
        "to": iso(int(candles.timestamp[-1])),
        "bars": len(candles),
        "spec": spec.as_dict(),
        "spec_hash": spec.hash,
        "code_digest": code_digest(),
        "bars_per_year": candles.bars_per_year,
        "metrics": values,
        "by_symbol": {symbol: values},
        "by_regime": to_jsonable(split_by_regime(candles, record)),
        "equity_start": record.initial,
        "equity_end": float(record.equity[-1]),
        "trades": len(record.trades),
        "quality": {symbol: to_jsonable(examine_quality(candles).as_dict())},
        "snapshots": {symbol: candles.digest()},
        "model_id": None,
        "folds": [],
        "importance": [],
        "labels": {},
        "absent": funding_notes([candles]),
    }


def _tables(
    spec: BacktestSpec, candles: Bars, decided: Decisions, record: BacktestResult
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The four tables of `RunArtifacts`; ``fold`` is null, for the whole period is one account."""
    stressed = simulate(candles, decided, spec.costs.times(Thresholds().cost_factor))
    bar = {
        "symbol": np.repeat(spec.symbols[0], len(record)),
        "timestamp": record.timestamp,
        "fold": _no_fold(len(record)),
    }
    curve = {"return": record.returns, "equity": record.equity}
    orders = {name: getattr(decided, name) for name in ("target", "stop", "take", "hold")}
    return (
        pl.DataFrame({"timestamp": record.timestamp} | curve | {"stressed_return": stressed.returns}),
        pl.DataFrame(bar | curve | {"position": record.position}),
        pl.DataFrame(bar | orders),
        trades_table(record, _no_fold(len(record.trades)), at_entry(candles, record)),
    )


def _no_fold(n: int) -> pl.Series:
    return pl.Series("fold", [None], pl.Int32).new_from_index(0, n)
