"""Search the parameters of a rule: as a spec names it, window by window, and judged on unseen bars."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from assay.features import FeatureFile
from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, NullReport, Report, Trainer
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.errors import ConfigError, TrainError, did_you_mean, printable
from assay.kernel.panel import Panel
from assay.kernel.parse import parse
from assay.kernel.seeding import generator
from assay.kernel.spec import SizingChoice, TargetChoice, TrainSpec
from assay.kernel.timeframe import iso
from assay.learn import ALLOW_SHORT, RuleTrainer, Strategy, check_regime, flat_decisions
from assay.runs.context import Context
from assay.runs.learners import may_short
from assay.runs.run_artifacts import SHOWN_BEST, SHOWN_TRIALS, to_jsonable
from assay.runs.run_inputs import bare, load_history
from assay.runs.strategies import load_strategy
from assay.simulate import performance_metrics
from assay.validate import (
    Bayesian,
    Categorical,
    FloatRange,
    FoldResult,
    Grid,
    IntRange,
    JudgedWalk,
    Method,
    Random,
    RuleSweep,
    Search,
    SearchOverfit,
    SearchResult,
    Space,
    first_changed_decision,
    judge_model,
    plateau_score,
    search_overfit,
    split_plan,
    walk_forward,
)

MethodName = Literal["grid", "random", "bayesian"]
METHODS: tuple[MethodName, ...] = ("grid", "random", "bayesian")
MODES = ("refit", "fixed")
SAMPLERS = ("tpe", "gp")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleParams:
    """The parameters of learner ``rules``: a strategy, and how its own parameters are searched in each window.

    method:     ``random`` (default), ``grid`` or ``bayesian`` with its sampler ``tpe`` or ``gp``.
    trials:     in each window; a grid has as many as it has points.   batch: see `Search`.
    space:      what is searched, by name; empty is what the strategy declares.
    fixed:      parameters that are not searched and differ from their defaults.
    min_trades: that a candidate needs; None is what the strategy declares.
    mode:       ``refit`` searches in each window afresh; ``fixed`` holds what the first window found over all of them.
    regime:     the only one in which a position may begin; empty is any.
    origin:     SHA-256 (hex) of the file of a strategy that is not Assay's own, else empty.
    max_points: of a grid; None is a million.
    """

    strategy: str
    method: str = "random"
    sampler: str = "tpe"
    trials: int = 100
    batch: int = 16
    space: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    objective: str = "sharpe_ratio"
    min_trades: int | None = None
    mode: str = "refit"
    regime: str = ""
    origin: str = ""
    max_points: int | None = None

    def __post_init__(self) -> None:
        check_regime(self.regime)
        for name, available, code in (
            ("method", METHODS, "CONFIG_METHOD"),
            ("sampler", SAMPLERS, "CONFIG_METHOD"),
            ("mode", MODES, "CONFIG_MODE"),
        ):
            value = getattr(self, name)
            if value not in available:
                near = did_you_mean(value, available)
                raise ConfigError(
                    f"{name} is {printable(value)}, must be one of {', '.join(available)}",
                    code=code,
                    hint=near,
                    field=name,
                )


class RuleSearch:
    """What a spec of learner ``rules`` asks for, resolved and checked.

    file: of a strategy that is the user's own. Raises ConfigError for each part that is wrong: ``CONFIG_STRATEGY``,
    ``CONFIG_SPACE``, ``CONFIG_PARAMETER``, ``CONFIG_OBJECTIVE``, ``CONFIG_METHOD``, ``CONFIG_SYMBOL`` for more than one
    instrument.
    """

    def __init__(self, spec: TrainSpec, file: Path | None = None) -> None:
        if len(spec.symbols) > 1:
            raise ConfigError(
                f"a rule is searched on one market at a time, {len(spec.symbols)} symbols are given",
                code="CONFIG_SYMBOL",
                field="symbols",
            )
        for name, empty in (("features", ()), ("target", TargetChoice()), ("sizing", SizingChoice())):
            if getattr(spec, name) != empty:
                raise ConfigError(f"rules read no {name}: leave it out of the spec", code="CONFIG_FIELD", field=name)
        self.spec = spec
        if "strategy" not in spec.params:
            raise ConfigError(
                "learner rules needs a strategy: params lacks one",
                code="CONFIG_FIELD",
                hint="Name it by --strategy, or as strategy in the spec's params; assay strategies list shows them.",
                field="strategy",
            )
        self.params = parse(RuleParams, spec.params, path="params")
        self.rule: Strategy = load_strategy(self.params.strategy, file)
        if self.rule.origin != self.params.origin:
            raise ConfigError(
                f"the spec names the strategy file with hash {printable(self.params.origin)}, "
                f"given is {printable(self.rule.origin)}",
                code="CONFIG_STRATEGY_FILE",
                field="origin",
            )
        self.base = self._base()
        self.space = self._space()

    @cached_property
    def min_trades(self) -> int:
        """Trades that a candidate needs on the bars it is scored on."""
        return self.rule.min_trades if self.params.min_trades is None else self.params.min_trades

    def method(self, journal: Path | None = None) -> Method:
        """How points are chosen. journal: of a bayesian search; the others are quicker done again."""
        if self.params.method == "grid":
            return Grid(self.params.max_points)
        if self.params.method == "random":
            return Random()
        return Bayesian(self.params.sampler, journal)  # type: ignore[arg-type]  # checked there

    def search(self, costs: Costs, *, counted: int, digest: str, journal: Path | None = None) -> Search:
        """The trainer. counted: trials in the ledger of the market; digest: of the candles."""
        p = self.params
        origin = {"origin": p.origin} if p.origin else {}
        return Search(
            make=lambda point: RuleTrainer(self.rule, {**self.base, **point}, regime=p.regime),
            space=self.space,
            costs=costs,
            sweep=RuleSweep(self.rule, self.base, p.regime),
            method=self.method(journal),
            trials=p.trials,
            objective=p.objective,
            min_trades=self.min_trades,
            batch=p.batch,
            strategy=self.rule.name,
            base={**self.base, **origin, "regime": p.regime},
            data_digest=digest,
            counted=counted,
        )

    def demand(self, bars: Bars) -> None:
        """Raise what `Strategy.demand` raises where these bars cannot serve the rule at all, or its order-book space;
        and what `Search` raises where no point could be asked for.
        """
        book = {n: _some(each.ends) for n, each in self.space.dimensions.items() if self.rule.parameters[n].book}
        self.rule.demand(bars, {**self.base, **book})
        self.search(self.spec.costs, counted=0, digest="")
        Random().start(self.space, trials=1, batch=1, seed=0, identity="").ask()

    def _base(self) -> dict[str, object]:
        value = dict(self.params.fixed)
        values = self.rule.resolve(value)
        if ALLOW_SHORT in values and ALLOW_SHORT not in value:
            values[ALLOW_SHORT] = may_short(self.spec)
        return values

    def _space(self) -> Space:
        values = dict(self.params.space)
        twice = sorted(set(values) & set(self.params.fixed))
        if twice:
            raise ConfigError(f"{twice[0]} is searched and set at once", code="CONFIG_SPACE", field=twice[0])
        if not values:
            values = declared_space(self.rule, self.params.fixed)
        # Draws follow the order of the dimensions: it may not depend on the order in which a spec happens to be written
        values = {name: values[name] for name in sorted(values, key=_place(self.rule))}
        space = Space.of_strategy(self.rule, values, values=self.base)
        for name, each in space.dimensions.items():
            for value in each.ends:
                self.rule.parameters[name].check(name, value)
        return space


def _place(rule: Strategy) -> Callable[[str], tuple[int, str]]:
    """Where the rule declares a parameter; unknown names come last."""
    places = {name: place for place, name in enumerate(rule.parameters)}
    return lambda name: (places.get(name, len(places)), name)


def _some(values: Sequence[object]) -> object:
    """A value that is not off."""
    return next((value for value in values if value is not None), None)


def declared_space(rule: Strategy, fixed: Mapping[str, object]) -> dict[str, object]:
    """What a rule declares to search but for what is fixed, as `dimension` takes it: choices are a list."""
    result = {name: search for name, search in rule.space.items() if name not in fixed}
    return {name: list(search) if isinstance(search, tuple) else search for name, search in result.items()}


def as_tables(space: Space) -> dict[str, dict[str, object]]:
    """The space as a document writes it."""
    return {name: _table(each) for name, each in space.dimensions.items()}


def _table(each: Categorical | IntRange | FloatRange) -> dict[str, object]:
    if isinstance(each, Categorical):
        return {"type": "choice", "values": list(each.values)}
    kind = "int" if isinstance(each, IntRange) else "float"
    result: dict[str, object] = {"type": kind, "low": each.low, "high": each.high}
    if each.log:
        result["log"] = True
    if each.points is not None:
        result["points"] = each.points
    return result


_CURVE, _LOOKED_AT, _LEAST_A_PARAMETER = 200, 50_000, 10
_MEASURED = ("sharpe", "sharpe_annual", "net_profit", "max_drawdown", "win_rate")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Idle:
    """What a window trades whose search found nothing valid: nothing. Implements `Model`; it is never published."""

    lookback: int = 0

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """Flat everywhere."""
        return {symbol: flat_decisions(len(window)) for symbol, window in panel}

    def save(self, folder: Path) -> None:
        """There is nothing to keep: TrainError ``TRAIN_NO_VALID_TRIAL``."""
        raise TrainError("no window found valid parameters", code="TRAIN_NO_VALID_TRIAL")


@dataclass
class Searching:
    """A search as the trainer of a walk. Remembers what each window found; one that finds nothing stays flat.

    found, refused: by first and last instant (ms) of the train window, which may grow from one start.
    fixed: hold what the first window found. Windows are then to be walked one after the other.
    """

    name: ClassVar[str] = "rules"
    search: Search
    fixed: bool = False
    result: dict[Span, SearchResult] = field(default_factory=dict)
    refused: dict[Span, TrainError] = field(default_factory=dict)
    _holding: Model | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fit(self, train: Panel, *, seed: int, report: Report) -> Model:
        """See `Trainer`: what `Search.fit` gives, or a model that stays flat where no candidate was valid."""
        if self.fixed and self._holding is not None:
            report.progress(1.0, {})
            return self._holding
        try:
            result = self.search.search(train, seed=seed, report=report)
        except TrainError as error:
            if error.code != "TRAIN_NO_VALID_TRIAL" or self.fixed:
                raise
            with self._lock:
                self.refused[train.learnt] = error
            return Idle()
        with self._lock:
            self.result[result.span] = result
        self._holding = self.search.best(result, train, seed=seed, report=report)
        return self._holding

    @property
    def engine_seconds(self) -> float:
        """Spent in the sweep, over all windows."""
        refused = (float(str(error.facts["engine_seconds"])) for error in self.refused.values())
        return sum(result.engine_seconds for result in self.result.values()) + sum(refused)

    def demand_some(self) -> None:
        """Raise the first window's TrainError ``TRAIN_NO_VALID_TRIAL`` where no window found anything."""
        if not self.result:
            raise self.refused[min(self.refused)]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The windows of a walk, oldest first.

    documents: see `assay.runs._optimize`.   trials: the fifth table of the evidence.   newest: the last that found
    some. fared: how the newest search's configurations did; None where it tried one.
    """

    documents: Sequence[Mapping[str, Any]]
    trials: pl.DataFrame
    newest: SearchResult
    model: Model
    fared: SearchOverfit | None


def windows(
    trainer: Searching, outcomes: Sequence[FoldResult], panel: Panel, tested: Sequence[Mapping[str, Any]], costs: Costs,
    *, seed: int,
) -> Windows:  # fmt: skip
    """What a walk of searches found. tested: a dict a window, with the ``performance_metrics`` of its test part."""
    documents, tables = [], []
    newest: tuple[SearchResult, Model] | None = None
    searched: IntArray | None = None
    holding: SearchResult | None = None
    for outcome, judged in zip(outcomes, tested, strict=True):
        times, fold = panel.times, outcome.fold
        span = int(times[fold.train[0]]), int(times[fold.train[-1]])
        result, refused = trainer.result.get(span), trainer.refused.get(span)
        holding = result or (holding if trainer.fixed else None)
        document = {
            "number": outcome.number,
            "train_from": iso(span[0]),
            "train_to": iso(span[1]),
            "test_from": iso(int(times[fold.test[0]])),
            "test_to": iso(int(times[fold.test[-1]])),
            "parameters": {}, "score": None, "trials": refused.facts["trials"] if refused else 0, "valid_trials": 0,
            "note": "", "plateau": None, "curve": [], "train": {}, "test": dict(judged["metrics"]),
        }  # fmt: skip
        if holding is None or outcome.model is None:
            document["note"] = refused.message if refused else outcome.left_out
            documents.append(document)
            continue
        newest = holding, outcome.model
        document |= {"parameters": holding.best_parameters, "score": holding.best_score}
        document["train"] = to_jsonable(_metrics(outcome.model, panel, fold.train, costs, seed))
        if result is not None:
            document |= _window_document(result, trainer.search.space)
            tables.append(_window_table(result, outcome.number))
            searched = fold.train
        documents.append(document)
    if newest is None or searched is None:
        raise trainer.refused[min(trainer.refused)]
    others = search_overfit(trainer.search, newest[0], panel.train_view(searched), seed=seed)
    return Windows(documents, pl.concat(tables, how="diagonal_relaxed"), *newest, others)


def _metrics(model: Model, panel: Panel, rows: IntArray, costs: Costs, seed: int) -> dict[str, float]:
    (tested,) = judge_model(model, panel, rows, costs).values()
    per_year = panel.one.bars[: rows[-1] + 1].bars_per_year  # as the search knew it
    return performance_metrics(tested.record, bars_per_year=per_year, seed=seed)


def _window_document(result: SearchResult, space: Space) -> dict[str, object]:
    curve = result.trials.best_so_far
    at = np.unique(np.linspace(0, len(curve) - 1, min(_CURVE, len(curve))).astype(np.int64))
    return {
        "trials": result.total_evaluations,
        "valid_trials": result.valid_evaluations,
        "note": result.note,
        "plateau": to_jsonable(_plateau(result, space)),
        "curve": to_jsonable(curve[at].tolist()),
    }


def _plateau(result: SearchResult, space: Space) -> float:
    """Undefined below ten valid trials a parameter: in 9 dimensions the nearest of 40 are nobody's neighbours."""
    trials, best = result.trials, result.best.number
    if result.valid_evaluations < _LEAST_A_PARAMETER * len(space.dimensions):
        return float("nan")
    rows = np.arange(len(trials))
    if len(rows) > _LOOKED_AT:
        rows = np.union1d(generator(result.seed, "plateau").choice(rows, _LOOKED_AT, replace=False), best)
    positions = space.positions({name: values[rows] for name, values in trials.parameters.items()})
    return plateau_score(positions, trials.score[rows], int(np.searchsorted(rows, best)))


def _window_table(result: SearchResult, number: int) -> pl.DataFrame:
    """The window's trials for people to look at: all, or the best and a sample of the others."""
    trials = result.trials
    rows = np.arange(len(trials))
    if len(rows) > SHOWN_TRIALS:
        ranked = np.argsort(np.where(trials.valid, -trials.score, np.inf), kind="stable")
        rest = generator(result.seed, f"shown {number}").choice(
            ranked[SHOWN_BEST:], SHOWN_TRIALS - SHOWN_BEST, replace=False
        )
        rows = np.sort(np.concatenate([ranked[:SHOWN_BEST], rest]))
    return trials.table(rows, _MEASURED).insert_column(0, pl.lit(number, pl.Int32).alias("window"))


RULES = "rules"  # the learner that reads candles alone


def walk_trainer(
    trainer: Trainer, spec: TrainSpec, bars: Sequence[Bars], context: Context, own: FeatureFile | None
) -> JudgedWalk:
    """Fit and judge every fold of a training again. own: the user's file of features that the spec names."""
    past = bare(bars) if spec.learner == RULES else load_history(spec, bars, own)
    folds = split_plan(spec.folds, past.panel, horizon=past.horizon)
    steps = walk_forward(
        trainer, past.panel, folds, costs=spec.costs, seed=spec.seed, report=NullReport(), workers=context.workers
    )  # fmt: skip
    return JudgedWalk(past.panel, list(steps))


def search_walked_again(
    spec: TrainSpec, file: Path | None, bars: Sequence[Bars], windows: Sequence[Mapping[str, Any]]
) -> JudgedWalk:
    """Judge every window of a parameter search again, at the parameters that it chose; nothing is searched.

    windows: as the run's document has them, with ``parameters``, empty for a window that traded nothing.
    """
    search, past = RuleSearch(spec, file), bare(bars)
    folds = list(split_plan(spec.folds, past.panel, horizon=past.horizon).folds(past.panel.known_at, past.panel.times))
    outcomes = []
    for number, (fold, window) in enumerate(zip(folds, windows, strict=True)):
        model = _chosen(search, window["parameters"], past.panel.train_view(fold.train))
        tested = judge_model(model, past.panel, fold.test, spec.costs)
        outcomes.append(FoldResult(number, fold, model, tested, 0.0))
    return JudgedWalk(past.panel, outcomes, refit=False)


def first_other_decision(walked: JudgedWalk, decisions: pl.DataFrame) -> str:
    """Where the walk decides otherwise than a run's table ``decisions`` says, as a sentence; empty where nowhere."""
    for outcome, symbol, tested in walked.judged:
        rows = decisions.filter((pl.col("symbol") == symbol) & (pl.col("fold") == outcome.number))
        if len(rows) != len(tested.decisions):
            return (
                f"fold {outcome.number} of {symbol} has {len(tested.decisions):,} decisions, {len(rows):,} are stored"
            )
        target, stop, take = (rows[name].to_numpy() for name in ("target", "stop", "take"))
        stored = Decisions(target, stop, take, rows["hold"].to_numpy().astype(np.int32))
        difference = first_changed_decision(stored, tested.decisions, tolerance=0.0)
        if difference is not None:
            return f"{difference.name} in row {difference.row} of fold {outcome.number} of {symbol} is another"
    return ""


def _chosen(search: RuleSearch, parameters: Mapping[str, Any], train: Panel) -> Model:
    if not parameters:
        return Idle()
    trainer = RuleTrainer(search.rule, {**search.base, **parameters}, regime=search.params.regime)
    return trainer.fit(train, seed=search.spec.seed, report=NullReport())
