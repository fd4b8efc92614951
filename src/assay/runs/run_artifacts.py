"""Files of a run: its JSON document and Parquet tables, written, read and summed over symbols.

======================  ================================================================================================
``run.json``            spec, metrics, folds, importance, verdict, reasons, quality, environment; `runs.train`;
                        of a backtest ``kind``, no folds, no verdict; `runs.backtest`
``account.parquet``     one row a judged bar of all instruments together: timestamp, return, equity, stressed_return,
                        active_return (beyond holding the mean position; absent in runs of before)
``bars.parquet``        one row a judged bar of each instrument: symbol, timestamp, fold, return, equity, position,
                        exposure (after the open's fills; absent in runs of before)
``decisions.parquet``   symbol, timestamp, fold, target, stop, take, hold, y, and ``p_<class>`` for models that forecast
``trades.parquet``      closed trades, columns of the record's table ``trades``, and the regime each was decided in
``trials.parquet``      of a parameter search only: one row a trial: window, number, ``p_<parameter>``, score, valid,
                        reason, trades, and what it earned on that window's train bars; of a window of more than
                        `SHOWN_TRIALS` the `SHOWN_BEST` best and a random sample of the others
======================  ================================================================================================

``fold`` is null in a backtest. Times are int64 ms (bar opens), everything else is a fraction or quote currency as the
record says.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.arrays import FloatArray
from assay.kernel.decisions import Costs
from assay.kernel.panel import Labels
from assay.kernel.spec import canonical
from assay.runs.evaluation import OutOfSampleResult, Walked, at_entry, retrade
from assay.runs.run_inputs import History
from assay.simulate import EXIT_REASONS, BacktestResult
from assay.validate import (
    GATE_VERSION,
    FoldResult,
    GateInput,
    Reason,
    SymbolResult,
    Thresholds,
    Verdict,
    evaluate_gate,
    verdict_of_states,
)

TABLES = ("account", "bars", "decisions", "trades")
TRIALS = "trials"
VERDICT = (  # kept with its word
    "gate_version", "nature", "stage", "reasons", "bars_needed", "thresholds", "evidence", "information", "holdout",
    "looks", "head",
)  # fmt: skip
SHOWN_TRIALS, SHOWN_BEST = 5_000, 1_000


@dataclass(frozen=True, slots=True, eq=False)
class RunArtifacts:
    """The files of one run, opened. `document` is ``run.json``; the tables are as the module says.

    trials is None for a run that searched no parameters; then there is no such file.
    """

    document: Mapping[str, Any]
    account: pl.DataFrame
    bars: pl.DataFrame
    decisions: pl.DataFrame
    trades: pl.DataFrame
    trials: pl.DataFrame | None = None

    @property
    def tables(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame | None]:
        """All tables in the order of the constructor: those of `TABLES`, then the trials or None."""
        return self.account, self.bars, self.decisions, self.trades, self.trials

    @property
    def active_returns(self) -> FloatArray | None:
        """``(n,)`` returns beyond holding the mean position; None where the run was judged before they were kept."""
        return self.account["active_return"].to_numpy() if "active_return" in self.account.columns else None

    @property
    def is_search(self) -> bool:
        """Whether the parameters of a rule were searched, walked forward or over one split."""
        return self.document.get("kind") == "optimize"

    @property
    def is_backtest(self) -> bool:
        """Whether it is of a rule over a whole period: no folds, no verdict, nothing out of sample."""
        return self.document.get("kind") == "backtest"

    def write(self, folder: Path) -> None:
        """Write all files; equal evidence gives equal JSON and equal tables."""
        (folder / "run.json").write_text(canonical(to_jsonable(dict(self.document))) + "\n", encoding="utf-8")
        for name in TABLES:
            getattr(self, name).write_parquet(folder / f"{name}.parquet", compression="zstd")
        if self.trials is not None:
            self.trials.write_parquet(folder / f"{TRIALS}.parquet", compression="zstd")

    @classmethod
    def read(cls, folder: Path) -> "RunArtifacts":
        """Inverse of `write`; undefined numbers come back as None."""
        document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        account, bars, decisions, trades = (pl.read_parquet(folder / f"{name}.parquet") for name in TABLES)
        searched = folder / f"{TRIALS}.parquet"
        trials = pl.read_parquet(searched) if searched.exists() else None
        return cls(document, account, bars, decisions, trades, trials)


def audit_status(audit: Mapping[str, object] | None) -> str:
    """What the models table says of a document's ``audit``: ``pending`` for one that was not run or not finished."""
    if audit is None:
        return "pending"
    if audit["violations"]:
        return "failed"
    return "passed" if audit["complete"] else "pending"


def tables(
    result: OutOfSampleResult, outcomes: Sequence[FoldResult], past: History
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The four tables of a walk, in the order of `TABLES`."""
    stored = [o for o in outcomes if not o.left_out]
    decided = [_decided(s, t, o.number, past) for o in stored for s, t in o.tested.items()]
    bars = [_bars(s, r, stored) for s, r in result.records.items()]
    trades = [
        trades_table(r, _fold_of(r, b), at_entry(past.bars[s], r))
        for (s, r), b in zip(result.records.items(), bars, strict=True)
    ]
    return _account(result), pl.concat(bars), pl.concat(decided, how="diagonal"), pl.concat(trades)


def importance(outcomes: Sequence[FoldResult]) -> list[dict[str, object]]:
    """``{fold, shares: {feature: share of gain}}`` for each fold whose model can say."""
    result = []
    for outcome in outcomes:
        shares = getattr(outcome.model, "importance", None)
        if shares is not None:
            result.append({"fold": outcome.number, "shares": shares()})
    return result


def labels_summary(labels: Labels) -> dict[str, object]:
    """Name, horizon, rows, class shares and what was dropped, for the report."""
    available = labels.y[np.isfinite(labels.y)]
    shares = {f"{c:g}": float((available == c).mean()) for c in labels.classes} if available.size else {}
    return {
        "name": labels.name,
        "horizon": labels.horizon,
        "labelled": int(available.size),
        "shares": shares,
        "dropped": dict(labels.dropped),
        "classes": list(labels.classes),
        "side": labels.side,
    }


def verdict_summary(verdict: Verdict) -> dict[str, object]:
    """A verdict as documents carry it: ``verdict`` (the word), ``stage``, ``reasons``, ``bars_needed``, ``nature``.

    ``gate_version`` says which checks there were; documents without it were judged by the first version's eight.
    """
    return {
        "verdict": verdict.verdict,
        "stage": verdict.stage,
        "reasons": [to_jsonable(asdict(reason)) for reason in verdict.reasons],
        "bars_needed": verdict.bars_needed,
        "nature": verdict.nature,
        "gate_version": GATE_VERSION,
    }


def _account(result: OutOfSampleResult) -> pl.DataFrame:
    whole = result.whole
    return pl.DataFrame(
        {
            "timestamp": whole.timestamp,
            "return": whole.returns,
            "equity": whole.equity,
            "stressed_return": result.stressed,
            "active_return": result.active,
        }
    )


def _bars(symbol: str, record: BacktestResult, outcomes: Sequence[FoldResult]) -> pl.DataFrame:
    parts = [(o.number, len(o.tested[symbol].record)) for o in outcomes if symbol in o.tested]
    return pl.DataFrame(
        {
            "symbol": np.repeat(symbol, len(record)),
            "timestamp": record.timestamp,
            "fold": np.repeat([n for n, _ in parts], [k for _, k in parts]).astype(np.int32),
            "return": record.returns,
            "equity": record.equity,
            "position": record.position,
            "exposure": record.exposure,
        }
    )


def _decided(symbol: str, tested: SymbolResult, fold: int, past: History) -> pl.DataFrame:
    window = past.panel[symbol]
    rows = slice(*tested.rows)
    d = tested.decisions
    columns: dict[str, object] = {
        "symbol": np.repeat(symbol, len(d)),
        "timestamp": window.bars.timestamp[rows],
        "fold": np.full(len(d), fold, np.int32),
        "target": d.target,
        "stop": d.stop,
        "take": d.take,
        "hold": d.hold,
    }
    if window.labels is not None:
        columns["y"] = window.labels.y[rows]
        if tested.forecast is not None:
            columns |= {f"p_{c:g}": tested.forecast[:, j] for j, c in enumerate(window.labels.classes)}
    return pl.DataFrame(columns)


def _fold_of(record: BacktestResult, bars: pl.DataFrame) -> pl.Series:
    at = np.searchsorted(bars["timestamp"].to_numpy(), record.trades.entry_time)
    return bars["fold"].gather(at)


def trades_table(record: BacktestResult, fold: pl.Series, regime: Sequence[str | None]) -> pl.DataFrame:
    """Closed trades of one record. fold: int32, null for a record over a whole period; regime: see `at_entry`."""
    t = record.trades
    return pl.DataFrame(
        {
            "symbol": np.asarray(t.symbols)[t.symbol] if len(t) else np.empty(0, np.str_),
            "fold": fold,
            "side": np.where(t.side > 0, "LONG", "SHORT") if len(t) else np.empty(0, np.str_),
            "entry_time": t.entry_time,
            "exit_time": t.exit_time,
            "entry_price": t.entry_price,
            "exit_price": t.exit_price,
            "quantity": t.quantity,
            "pnl": t.pnl,
            "fees": t.fees,
            "slippage_cost": t.slippage_cost,
            "return_gross": t.return_gross,
            "return_net": t.return_net,
            "bars_held": t.bars_held,
            "exit_reason": np.asarray(EXIT_REASONS)[t.exit_reason] if len(t) else np.empty(0, np.str_),
            "regime": pl.Series(regime, dtype=pl.String),
        }
    )


def to_jsonable(value: object) -> Any:
    """NaN and infinities as None, numpy scalars as Python's, tuples as lists: what JSON can say."""
    if isinstance(value, Mapping):
        return {str(k): to_jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


CHECKS = ("profit", "cost", "fills", "data")


def member_reasons(
    result: OutOfSampleResult, past: History, outcomes: Sequence[FoldResult], costs: Costs, limits: Thresholds
) -> dict[str, list[dict[str, object]]]:
    """By symbol, the reasons of `CHECKS` about the instrument's own record, as JSON; empty for a panel of one.

    Cost: some 20 simulations an instrument.
    """
    if len(result.records) < 2:
        return {}
    stored = [each for each in outcomes if not each.left_out]
    return {
        symbol: [dict(to_jsonable(asdict(each))) for each in _reasons(symbol, record, stored, past, costs, limits)]
        for symbol, record in result.records.items()
    }


def member_columns(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By symbol, what its row of the models table has in place of the panel's, where its own record fails.

    document: of the run, with ``members``.   verdict: as the panel's rows have it.
    """
    columns = {}
    for symbol, reasons in (document.get("members") or {}).items():
        if all(each["state"] != "FAIL" for each in reasons):
            continue
        own = {each["check"]: each for each in reasons}
        whole = [own.get(each["check"], each) for each in verdict["reasons"]]
        label, stage = verdict_of_states(each["state"] for each in whole)
        lowered = {**verdict, "word": label, "stage": stage, "reasons": whole}
        columns[symbol] = {"verdict": lowered, "lifecycle_stage": stage}
    return columns


def _reasons(
    symbol: str, record: BacktestResult, outcomes: Sequence[FoldResult], past: History, costs: Costs, limits: Thresholds
) -> list[Reason]:
    own = [replace(each, tested={symbol: each.tested[symbol]}) for each in outcomes if symbol in each.tested]
    trading = retrade(Walked({symbol: record}, record, own, past), costs, limits)
    evidence = GateInput(
        returns=record.returns,
        bars_per_year=past.bars[symbol].bars_per_year,
        n_trades=len(record.trades),
        n_trials=1,
        effective_trials=1.0,
        ledger_complete=True,
        stressed_returns=trading.stressed,
        n_independent_trades=trading.independent_trades,
        shown_returns=trading.shown,
        cost_sides=trading.sides,
        break_even=trading.break_even,
        fills=trading.fills,
        data_problems=trading.data_problems,
    )
    verdict = evaluate_gate(evidence, limits)
    return [verdict.reason(check) for check in CHECKS]
