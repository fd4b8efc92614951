"""Rank columns on stored candles, measure how steady the ranking is, and write feature sets."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from assay.features import (
    Feature,
    FeatureContext,
    FeatureScore,
    ImportanceReport,
    PatternCandidate,
    Table,
    base_columns,
    base_values,
    find_feature,
    pattern_candidates,
    rank_features,
    set_columns,
    table,
)
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Trial
from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.instrument import Instrument
from assay.kernel.panel import Labels
from assay.kernel.spec import TargetChoice, TrainSpec
from assay.kernel.timeframe import iso
from assay.runs import run_outputs
from assay.runs.context import Context, identity_of
from assay.runs.provenance import code_digest
from assay.runs.run_artifacts import to_jsonable
from assay.runs.run_inputs import History, load_history
from assay.runs.user_files import with_features
from assay.targets import Pattern, uniqueness
from assay.validate import split_plan


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRanking:
    """A ranking and what it was made from."""

    spec: TrainSpec
    bars: int
    target: str
    report: ImportanceReport

    @property
    def document(self) -> dict[str, object]:
        """What ``assay features rank --json`` prints."""
        result = self.report
        return self._head() | {
            "columns": [to_jsonable(asdict(row)) for row in result.rows],
            "selected": list(result.recommended),
            "clusters": [[result.names[j] for j in group] for group in result.folds[-1].clusters],
            "candidates": [to_jsonable(asdict(each)) for each in result.candidates],
        }

    @property
    def steadiness(self) -> dict[str, object]:
        """What ``assay features stability --json`` prints."""
        result = self.report
        at = {name: j for j, name in enumerate(result.names)}
        return self._head() | {"columns": [self._by_fold(row, at[row.name]) for row in result.rows]}

    def _by_fold(self, row: FeatureScore, j: int) -> dict[str, object]:
        result = self.report
        document = {
            "name": row.name,
            "selection_frequency": row.selection_frequency,
            "psi_max": row.psi_max,
            "verdict": row.verdict,
            "rank": result.ranks[:, j].tolist(),
            "selected": result.selected[:, j].tolist(),
            "psi": result.psi[:, j].tolist(),
        }
        return dict(to_jsonable(document))

    def _head(self) -> dict[str, object]:
        result, spec = self.report, self.spec
        folds = [
            {
                "number": number,
                "train_from": iso(times.train_from),
                "train_to": iso(times.train_to),
                "test_from": iso(times.test_from),
                "test_to": iso(times.test_to),
                "train_rows": times.train_rows,
                "test_rows": times.test_rows,
                "clusters": len(fold.clusters),
                "selected": [result.names[j] for j in fold.selected],
                "warning": fold.warning,
            }
            for number, (times, fold) in enumerate(zip(result.times, result.folds, strict=True))
        ]
        return {
            "exchange": spec.exchange,
            "symbol": spec.symbols[0],
            "timeframe": spec.timeframe,
            "set": spec.features,
            "target": self.target,
            "bars": self.bars,
            "seed": spec.seed,
            "rank_corr": to_jsonable(result.rank_corr),
            "nogueira": to_jsonable(result.nogueira),
            "folds": folds,
            "warnings": list(result.warnings),
        }


def rank_spec_features(
    context: Context, spec: TrainSpec, *, max_features: int | None = None, features_file: Path | None = None
) -> FeatureRanking:
    """Rank a spec's feature columns for its target in its folds.

    features_file: of columns that are the user's own, ranked beside the spec's.
    Each column that is asked about is a look at the market: the ledger counts them before the ranking is given.
    Of one instrument. Base pattern columns are given along as candidates for y. Raises ConfigError ``CONFIG_SYMBOL``
    for several; what `load_history`, `split_plan` and `rank_features` raise.
    """
    if len(spec.symbols) != 1:
        raise ConfigError(f"one symbol is ranked at a time, {len(spec.symbols)} are given", code="CONFIG_SYMBOL")
    from assay.learn import fit_quick

    bars, _ = run_outputs.candles(spec, context)
    spec, own = with_features(spec, features_file)
    past = load_history(spec, bars, own)
    window, labels = past.panel.one, _labels(past)
    columns = [find_feature(name) if own is None else find_feature(name, own.columns) for name in window.names]
    study = FeatureContext(bars[0])
    base = base_columns()
    result = rank_features(
        np.column_stack([window.features, _base(study, past.warm_up)]),
        labels.y,
        _weigh(labels),
        split_plan(spec.folds, past.panel, horizon=past.horizon).folds(past.panel.known_at, past.panel.times),
        spec.seed,
        names=(*window.names, *(p.name for p in base)),
        fit=fit_quick,
        classes=labels.classes,
        lookbacks=[*(study.rows(c) for c in columns), *(p.lookback for p in base)],
        groups=[*(c.group for c in columns), *("pattern" for _ in base)],
        max_features=max_features,
        threads=context.workers,
    )
    _count(spec, bars[0], context, "rank", result.names, {"max_features": max_features})
    return FeatureRanking(spec, len(bars[0]), labels.name, result)


def rank_targets(context: Context, spec: TrainSpec, *, target_lag: int) -> dict[str, object]:
    """What may be learnt of the pattern columns so many bars ahead: how often each event is in the folds' train rows.

    Each event that is asked about is a look at the market, and the ledger counts it. Rates are of the labels that a
    training would see: the column `target_lag` rows later. Raises LeakError ``LEAK_TARGET_LAG``, and what
    `load_history` and `split_plan` raise.
    """
    widest = base_columns()[-1]
    choice = {
        "window": widest.window,
        "std_dev": str(widest.std_dev),
        "target_lag": target_lag,
        "target_type": widest.event,
    }
    request = replace(spec, features="mini5", target=TargetChoice(name="pattern", params=choice))
    bars, _ = run_outputs.candles(request, context)
    past = load_history(request, bars)
    folds = tuple(
        split_plan(request.folds, past.panel, horizon=past.horizon).folds(past.panel.known_at, past.panel.times)
    )
    values = np.full((len(past.panel.one), len(base_columns())), np.nan)
    values[:-target_lag] = _base(FeatureContext(bars[0]), past.warm_up + target_lag)
    result = pattern_candidates([p.name for p in base_columns()], values, folds)
    _count(request, bars[0], context, "targets", [p.name for p in base_columns()], {"target_lag": target_lag})
    return {
        "exchange": spec.exchange,
        "symbol": spec.symbols[0],
        "timeframe": spec.timeframe,
        "bars": len(bars[0]),
        "target_lag": target_lag,
        "folds": len(folds),
        "candidates": [_candidate_document(each, target_lag) for each in result],
    }


def _count(
    spec: TrainSpec, bars: Bars, context: Context, kind: str, columns: Sequence[str], request: Mapping[str, object]
) -> None:  # fmt: skip
    """A row of the ledger for who looks at columns outside a fit: as many configurations, on all bars used."""
    document = {"kind": f"features {kind}", "columns": list(columns)} | dict(request) | spec.as_dict()
    identity = identity_of(Looked(document), [bars], code_digest())
    context.record.markets.keep(bars)
    trial = Trial(
        market_key=spec.market_key,
        learner="features",
        strategy=kind,
        params=document,
        returns=np.empty(0),
        metrics={},
        objective="importance",
        window=(int(bars.timestamp[0]), int(bars.timestamp[-1])),
        seed=spec.seed,
        data_digest=run_outputs.data_digest([bars], spec),
        n_configs=len(columns),
        identity=identity.identity,
        recipe=identity.recipe,
    )
    context.record.ledger.append(trial)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was asked about columns, as a spec."""

    document: Mapping[str, Any]

    def as_dict(self) -> dict[str, object]:
        """See `TrainSpec`."""
        return dict(self.document)


def _labels(past: History) -> Labels:
    labels = past.panel.one.labels
    if labels is None:
        raise TypeError("a history for a target has labels")
    return labels


def _weigh(labels: Labels) -> Callable[[IntArray], FloatArray]:
    """Uniqueness among the rows of a fold alone."""

    def weights(rows: IntArray) -> FloatArray:
        chosen = np.zeros(len(labels), np.bool_)
        chosen[rows] = True
        return uniqueness(labels.only(chosen))[rows]

    return weights


def _base(study: FeatureContext, first: int) -> FloatArray:
    """``(n - first, 64)``: the flags of all base columns from that row on."""
    return np.column_stack([base_values(study, pattern)[first:] for pattern in base_columns()])


def _candidate_document(each: PatternCandidate, target_lag: int) -> dict[str, object]:
    target = Pattern(window=each.window, std_dev=each.std_dev, target_lag=target_lag, target_type=each.event)
    return dict(to_jsonable(asdict(each))) | {"target": str(target)}


def describe_set(name: str) -> list[dict[str, object]]:
    """Name, group, unit and lookback of each column of a set. Raises ConfigError ``CONFIG_FEATURE``."""
    from assay.features import find_feature

    return [_described(find_feature(column)) for column in set_columns(name)]


def compute_features(
    context: Context, exchange: str, symbol: str, timeframe: str, name: str, *, out: Path | None = None
) -> dict[str, object]:
    """A set on stored candles: share of finite values, mean, std and last value of each column.

    out: ``.parquet`` or ``.csv`` to write ``timestamp`` (ms, bar open) and all columns to. Raises ConfigError
    ``CONFIG_PATH`` for another ending, StoreError ``STORE_PATH``.
    """
    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"--out {printable(str(out))} must end in .parquet or .csv", code="CONFIG_PATH", field="out")
    bars = context.candles.read(Instrument(exchange, symbol, timeframe))
    result = table(bars, name)
    if out is not None:
        _write(result, bars.timestamp, out)
    return {
        "exchange": exchange,
        "symbol": symbol,
        "timeframe": timeframe,
        "set": name,
        "bars": len(bars),
        "lookback": result.lookback,
        "quality": float(np.isfinite(result.values[result.lookback :]).mean()) if len(bars) > result.lookback else None,
        "features": to_jsonable([_measured(n, result.column(n)) for n in result.names]),
        "absent": dict(result.absent),
        "out": None if out is None else str(out),
    }


def _described(feature: Feature) -> dict[str, object]:
    return {"name": feature.name, "group": feature.group, "unit": feature.unit, "lookback": feature.lookback}


def _measured(name: str, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without a value has no mean
        mean, std = np.nanmean(values), np.nanstd(values)
    last = values[-1] if len(values) else np.nan
    return {"name": name, "finite": float(np.isfinite(values).mean()), "mean": mean, "std": std, "last": last}


def _write(result: Table, timestamp: np.ndarray[tuple[int], np.dtype[np.int64]], out: Path) -> None:
    import polars as pl

    frame = pl.DataFrame({"timestamp": timestamp} | {n: result.column(n) for n in result.names})
    try:
        frame.write_parquet(out) if out.suffix == ".parquet" else frame.write_csv(out)
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror or error}", code="STORE_PATH") from error
