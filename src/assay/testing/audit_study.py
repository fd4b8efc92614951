"""Study of the audit: planted leaks that it must find, and sound pipelines that must pass."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from assay.features import table
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import PRICES, Bars
from assay.kernel.contracts import Model, NullReport, Trainer
from assay.kernel.panel import Labels, Panel, Window
from assay.kernel.spec import SplitSpec, TargetChoice, TrainSpec
from assay.market import synthetic
from assay.targets import MetaLabel, parse_target
from assay.testing import leaky_pipelines
from assay.testing.features import equipped_bars
from assay.testing.trainers import TinyTrainer
from assay.validate import PROBES, AuditReport, Columns, Features, Pipeline, WalkForward, audit_trainer, per_symbol

SEED = 11
_ROWS, _RULE_ROWS = 800, 900  # after warm-up, and of history that any rule needs: audits that must find nothing
_EDGE, _SHOWN = 0.3, 2_000  # strength of a planted edge, and rows to train on that are enough to show it
_HORIZON, _LAGS, _SYMBOLS = 4, (1, 2, 3, 5, 8, 13, 21), ("GOLD/USDT", "SILVER/USDT")
_LOWER = frozenset({"lower", "ltf_volume"})
_SPEC = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT",), timeframe="1h")
_TARGETS: Mapping[str, Mapping[str, object]] = {
    "forward_return": {"horizon": 6},
    "direction": {"horizon": 6},
    "profitable": {"horizon": 12},
    "triple_barrier": {"horizon": 12},
    "trend_scan": {},
    "pattern": {"window": 20, "std_dev": 2, "target_lag": 3, "target_type": "high_breakout"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One leak in an otherwise honest pipeline. probe, blamed: which question finds it, and the name that it gives."""

    name: str
    probe: str
    blamed: str
    pipeline: Pipeline
    trainer: Trainer | Callable[[Panel], Trainer] = field(default_factory=TinyTrainer)
    models: Sequence[Model] = ()

    def report(self, probes: Collection[str] = PROBES) -> AuditReport:
        """What an audit of it says."""
        return audit_trainer(self.trainer, _markets(), spec=self.pipeline, seed=SEED, probes=probes, models=self.models)

    def is_caught(self, probes: Collection[str] = PROBES) -> bool:
        """Whether an audit names it."""
        return any(v.name == self.blamed for v in self.report(probes).violations)


def planted_pipelines() -> tuple[Planted, ...]:
    """The twelve."""
    columns = [
        Planted(name=leak.__name__, probe="truncate", blamed=leak.__name__, pipeline=_honest(_with(leak)))
        for leak in leaky_pipelines.FEATURE_LEAKS
    ]
    renamed = _with(lambda bars: _label(bars).y, name="target_in_features")
    early = leaky_pipelines.too_short_lookback(_label)
    fits: Mapping[str, Callable[[Panel], Trainer]] = {
        "scaler_on_all": leaky_pipelines.ScalerOnAll, "selector_on_all": leaky_pipelines.SelectorOnAll,
        "early_stop_on_test": leaky_pipelines.StopsOnTest,
    }  # fmt: skip
    return (
        *columns,
        Planted(name="cross_symbol_shift", probe="symbols", blamed="cross_symbol_shift", pipeline=_honest(_stacked)),
        *(Planted(name=n, probe="fit", blamed=n, pipeline=_honest(), trainer=make) for n, make in fits.items()),
        Planted(name="target_in_features", probe="truncate", blamed="target_in_features", pipeline=_honest(renamed)),
        Planted(
            name="understated_horizon", probe="label", blamed=_label(_markets()[0]).name,
            pipeline=replace(_honest(), label=early),
        ),
        Planted(
            name="observation_next_bar", probe="decide", blamed="observation_next_bar", pipeline=_honest(),
            trainer=leaky_pipelines.ObservesNextBar(),
        ),
    )  # fmt: skip


def bars_needed() -> tuple[Planted, ...]:
    """A leak for each of the probes that none of the twelve needs alone: no probe may be left out."""
    early = leaky_pipelines.too_short_lookback(_label)
    return (
        Planted(
            name="complete_higher_open", probe="truncate", blamed="complete_higher_open",
            pipeline=_honest(_with(leaky_pipelines.complete_higher_open)),
        ),
        Planted(
            name="early_higher_open", probe="truncate", blamed="early_higher_open",
            pipeline=_honest(_with(leaky_pipelines.early_higher_open)),
        ),
        Planted(
            name="understated_behind_an_embargo", probe="label", blamed=_label(_markets()[0]).name,
            pipeline=replace(_honest(), label=early, plan=lambda panel: WalkForward(200, 80, embargo=_HORIZON + 2)),
        ),
        Planted(
            name="unit_by_range", probe="scramble", blamed="unit_by_range",
            pipeline=_honest(_with(leaky_pipelines.unit_by_range)),
        ),
        Planted(
            name="short_lookback", probe="warm-up", blamed="long_memory",
            pipeline=_honest(_with(leaky_pipelines.long_memory)),
        ),
        Planted(
            name="published_model_peeks", probe="decide", blamed="tiny, as fitted", pipeline=_honest(),
            models=(leaky_pipelines.NextBarModel(),),
        ),
        Planted(
            name="peeks_at_judged_length", probe="replay", blamed="peeks_at_judged_length", pipeline=_honest(),
            trainer=leaky_pipelines.PeeksAtJudgedLength(),
        ),
        Planted(
            name="second_call", probe="repeat", blamed="second_call",
            pipeline=_honest(_with(leaky_pipelines.SecondCall(), name="second_call")),
        ),
        Planted(
            name="hindsight_fills", probe="simulate", blamed="simulate",
            pipeline=replace(_honest(), simulate=leaky_pipelines.hindsight),
        ),
    )  # fmt: skip


def clean() -> Iterator[tuple[str, AuditReport]]:
    """Audits of what Assay ships, by what was asked: each must find nothing.

    All columns of the book and all named sets; all targets; all strategies; the trainers, a search among them.
    """
    from assay.features import FEATURE_SETS
    from assay.learn import RuleTrainer, all_strategies

    cross = RuleTrainer(all_strategies()["sma_cross"])
    for name in FEATURE_SETS:
        yield f"features {name}", _audited(cross, replace(_SPEC, features=name))
    for group, names in _book():
        yield f"features {group}", _audited(cross, replace(_SPEC, features=names))
    for name, params in _TARGETS.items():
        target = TargetChoice(name=name, params=params)
        yield f"target {name}", _audited(cross, replace(_SPEC, features="mini5", target=target))
    yield "target meta_label", _meta(cross)
    rules = replace(_SPEC, learner="rules", features=())
    for name, strategy in all_strategies().items():
        yield f"strategy {name}", _audited(RuleTrainer(strategy), rules)
    yield from _trainers(rules)


def _trainers(rules: TrainSpec) -> Iterator[tuple[str, AuditReport]]:
    from assay.learn import EnsembleParams, EnsembleTrainer, RuleTrainer, strategy_named

    yield "trainer tiny", audit_trainer(TinyTrainer(), _markets(), spec=_honest(), seed=SEED)
    yield "trainer rules", _audited(RuleTrainer(strategy_named("sma_cross")), rules)
    # On a market without an edge there would be no column to select.
    few, bars = EnsembleTrainer(EnsembleParams(trees=20, forest_trees=10, max_features=20)), _long(_EDGE)
    spec = replace(_SPEC, features="classic12", target=TargetChoice(name="direction", params={"horizon": 6}))
    rows = table(bars, spec.features).lookback + _SHOWN + _ROWS // 2
    spec = replace(spec, folds=SplitSpec(train_bars=_SHOWN, test_bars=100))
    yield "trainer ensemble", audit_trainer(few, bars[:rows], spec=spec, seed=SEED)


def _meta(rule: Trainer) -> AuditReport:
    """Labels of a rule's own signals, which are asked anew of every future."""

    def label(bars: Bars) -> Labels:
        model = rule.fit(Panel.of(Window.of_bars(bars)), seed=SEED, report=NullReport())
        (signals,) = model.decide(Panel.of(Window.of_bars(bars))).values()
        return MetaLabel(horizon=12, signals=signals).label(bars, _SPEC.costs)

    return audit_trainer(rule, _markets()[0], spec=replace(_honest(), label=label), seed=SEED)


def _audited(trainer: Trainer, spec: TrainSpec) -> AuditReport:
    history = table(_long(), spec.features).lookback if spec.features else _RULE_ROWS
    train = _RULE_ROWS if spec.learner == "rules" else _ROWS // 3
    spec = replace(spec, folds=SplitSpec(train_bars=train, test_bars=100))
    return audit_trainer(trainer, _long()[: history + _ROWS], spec=spec, seed=SEED)


def _book() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every column that stands in the book, by group."""
    from assay.features import feature_registry

    groups: dict[str, list[str]] = {}
    for name, entry in feature_registry().items():
        if _LOWER.intersection(entry.needs):  # of bars of a lower timeframe, which no training reads
            continue
        groups.setdefault(entry.group, []).append(name)
    for group, names in sorted(groups.items()):
        yield group, tuple(names)


@cache
def _markets() -> tuple[Bars, ...]:
    return tuple(synthetic(bars=600, seed=SEED + i, symbol=symbol) for i, symbol in enumerate(_SYMBOLS))


@cache
def _long(ic: float = 0.0) -> Bars:
    """With all further columns and series that a feature may ask for."""
    return replace(equipped_bars(6_000), **_candles(synthetic(bars=6_000, seed=SEED, ic=ic)))


def _candles(bars: Bars) -> dict[str, Any]:
    return {name: getattr(bars, name) for name in (*PRICES, "volume")}


def _label(bars: Bars) -> Labels:
    return parse_target("direction", horizon=_HORIZON).label(bars, _SPEC.costs)


def _honest(features: Features | None = None) -> Pipeline:
    return Pipeline(
        features=_with() if features is None else features, plan=lambda panel: WalkForward(200, 80), label=_label
    )


def _lags(bars: Bars) -> Columns:
    """The moves of the last rows: what every planted pipeline knows beside its leak."""
    n = len(bars)
    moves = [np.r_[np.full(min(lag, n), np.nan), bars.close[lag:] / bars.close[:-lag] - 1] for lag in _LAGS]
    return Columns(np.column_stack(moves), tuple(f"move_{lag}" for lag in _LAGS), max(_LAGS))


def _with(leak: Callable[[Bars], FloatArray] | None = None, *, name: str = "") -> Features:
    def columns(bars: Bars) -> Columns:
        honest = _lags(bars)
        if leak is None:
            return honest
        values = np.column_stack([honest.values, leak(bars)])
        return Columns(values, (*honest.names, name or leak.__name__), honest.lookback)

    return per_symbol(columns)


def _stacked(bars: Sequence[Bars]) -> Sequence[Columns]:
    shifted = leaky_pipelines.cross_symbol_shift(bars)
    return [
        Columns(np.column_stack([c.values, values / b.close]), (*c.names, "cross_symbol_shift"), c.lookback)
        for b, c, values in zip(bars, map(_lags, bars), shifted, strict=True)
    ]
