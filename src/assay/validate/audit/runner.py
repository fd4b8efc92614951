"""Run the causality audit of a trainer."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, NullReport, Trainer
from assay.kernel.errors import AssayError, ConfigError, did_you_mean, printable
from assay.kernel.seeding import generator
from assay.kernel.spec import TrainSpec
from assay.validate._walk_forward import walk_forward
from assay.validate.audit.feature_probes import columns_probe, history_probe, label_probe, symbols_probe
from assay.validate.audit.model_probes import (
    Acting,
    Fits,
    Fitted,
    Making,
    action_rows,
    decide_probe,
    for_audit,
    simulate_probe,
    warmth_probe,
)
from assay.validate.audit.perturbations import CUT_OFF, SCRAMBLES, perturb
from assay.validate.audit.pipeline import AuditReport, Pipeline
from assay.validate.audit.replay import (
    OUTSIDE,
    PROBE,
    PROBES,
    AuditState,
    JudgedWalk,
    ReplaySources,
    choose_rows,
    coverage,
    repeat_probe,
    replay_probe,
)

if TYPE_CHECKING:
    from assay.features import FeatureFile

_MIDDLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """How much an audit asks. Neither the clock nor the load decides it.

    cuts:       instants at which the future is taken away, and made another.   warm_ups: rows with less history.
    refits:     fits with another future.   replays: judged rows that are decided again from bars that end there.
    recomputed: of these, rows for which the columns are computed again, too; all rows where columns are the user's own.
    """

    cuts: int = 20
    warm_ups: int = 5
    refits: int = 4
    replays: int = 1_000
    recomputed: int = 100

    def __post_init__(self) -> None:
        limits = {"cuts": (1, 10_000), "warm_ups": (0, 10_000), "refits": (1, 1_000), "replays": (0, 1_000_000)}
        for name, (low, high) in (limits | {"recomputed": (0, 1_000_000)}).items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}, must be in {low}..{high:,}", code="CONFIG_AUDIT", field=name)


QUICK = Questions(cuts=6, warm_ups=3, refits=1, replays=200, recomputed=20)
FULL = Questions()


def audit_trainer(
    trainer: Trainer | Making,
    bars: Bars | Sequence[Bars],
    *,
    spec: TrainSpec | Pipeline,
    seed: int,
    questions: Questions = FULL,
    scrambles: int = 3,
    probes: Collection[str] = PROBES,
    models: Sequence[Model] = (),
    walked: JudgedWalk | None = None,
    own: "FeatureFile | None" = None,
    online: ReplaySources | None = None,
) -> AuditReport:
    """Ask each step from candles to equity whether it knows the future.

    trainer:   or a function that makes one for a whole panel, for trainers that are prepared on one.
    spec:      of the training, or the steps themselves.   questions: how many.   scrambles: kinds of other futures, 1
               to 3: shuffled, ten times as wild, still.
    probes:    those that are on; all but in tests of the audit itself.
    models:    that were fitted elsewhere on these steps, such as a published one; decide beside the audit's own.
    walked:    the walk whose decisions are judged; None: the audit walks the trainer itself.
    own:       the user's file of features that the spec names.   online: who answers in the replay; see there.

    A fit that does not repeat itself ends the questions about it: ``LEAK_UNREPEATABLE`` in `notes`, not `complete`.
    Cost: two tables of features and labels a cut, a decision of a fold a replay, and the fits. Raises ConfigError
    ``CONFIG_AUDIT`` for numbers out of range and unknown probes, and whatever the steps raise on the candles.
    """
    _demand(scrambles, probes)
    series = [bars] if isinstance(bars, Bars) else list(bars)
    ground = AuditState.of(_steps(spec, own), series, seed, probes)
    walked = walked if walked is not None else _walk(ground, trainer)
    fits = Fits(ground.apart(), trainer)
    first = _first(fits, walked)
    ground.trainer = first.acting.name
    hows = SCRAMBLES[:scrambles]
    acting = first.acting
    actings = [acting, *(replace(acting, model=model, name=f"{acting.name}, as fitted") for model in models)]
    repeat_probe(ground, walked)
    with ThreadPoolExecutor(1, thread_name_prefix="audit") as pool:
        refits = pool.submit(_ask_fits, fits, first, questions.refits, hows)
        _ask_replays(ground, walked, questions, online)
        _ask_cuts(ground, first, actings, questions, hows)
        for symbol in range(len(ground.bars)):
            symbols_probe(ground, symbol, hows[0])
        refits.result()
    ground.absorb(fits.ground)
    if ground.pipeline.label is not None and ground.checks["label"] and not ground.label_moved:
        ground.notes.append("no label changed with a bar before its known_at: the horizon is overstated, which is safe")
    return ground.report()


def _walk(ground: AuditState, trainer: Trainer | Making) -> JudgedWalk:
    """Walk the trainer, or its smaller self, over the audit's own panel with the audit's seed."""
    plan = ground.pipeline.plan(ground.panel)
    costs = ground.pipeline.costs
    outcomes = list(
        walk_forward(
            for_audit(trainer, ground.panel), ground.panel, plan, costs=costs, seed=ground.seed, report=NullReport()
        )
    )
    return JudgedWalk(ground.panel, outcomes)


def _first(fits: Fits, walked: JudgedWalk) -> Fitted:
    """The fit of the middle fold: that of the walk, where the walk fitted as the audit does."""
    there = [o for o in walked.outcomes if o.model is not None]
    middle = there[len(there) // _MIDDLE] if there else None
    fitted = fits.of_walk(middle, walked.panel) if walked.refit and middle is not None else None
    number = len(fits.ground.folds) // _MIDDLE if middle is None else middle.number
    return fits.fit(number, fits.ground.panel) if fitted is None else fitted


def _ask_replays(ground: AuditState, walked: JudgedWalk, questions: Questions, online: ReplaySources | None) -> None:
    if PROBE not in ground.questions:
        return
    most = questions.replays if online is None else max(questions.replays, FULL.replays)
    chosen = choose_rows(walked, most=most, seed=ground.seed)
    few = set(generator(ground.seed, "audit columns").permutation(len(chosen))[: questions.recomputed].tolist())
    try:
        for place, question in enumerate(chosen):
            replay_probe(ground, walked, question, recompute=ground.pipeline.own or place in few, online=online)
    except AssayError:
        if online is None or not online.attempts():
            raise
    for name, text in () if online is None else online.attempts():
        ground.blame(OUTSIDE, name, text, symbol=0, cut=-1, row=-1, change=float("nan"))
    ground.coverage = coverage(walked, chosen)


def _ask_cuts(
    ground: AuditState, first: Fitted, actings: Sequence[Acting], questions: Questions, hows: Sequence[str]
) -> None:
    for i, instant in enumerate(_instants(ground, first, questions.cuts)):
        _cut(ground, actings, instant, hows[i % len(hows)])
        if i < questions.warm_ups:
            _warm(ground, actings, instant)


def _cut(ground: AuditState, actings: Sequence[Acting], instant: int, scramble: str) -> None:
    """The candles after an instant cut off, and once more made others."""
    for how in (CUT_OFF, scramble):
        bars = perturb(ground.bars, instant, how, seed=ground.seed)
        other = ground.pipeline.view(bars, labelled=how != CUT_OFF)
        columns_probe(ground, instant, how, other)
        if how != CUT_OFF:
            label_probe(ground, instant, how, other)
        for acting in actings:
            decide_probe(ground, acting, instant, how, other)
    simulate_probe(ground, actings[0], instant)


def _warm(ground: AuditState, actings: Sequence[Acting], instant: int) -> None:
    for symbol in range(len(ground.bars)):
        history_probe(ground, symbol, ground.cut_of(symbol, instant))
    for acting in actings:
        warmth_probe(ground, acting, instant)


def _ask_fits(fits: Fits, first: Fitted, refits: int, hows: Sequence[str]) -> None:
    """Another future for the first fit; then for the newest fold's as well, in turn, as far as they go."""
    if "fit" not in fits.ground.questions:
        return
    newest = len(fits.ground.folds) - 1
    second = fits.fit(newest, fits.ground.panel) if newest != first.fold and refits > 1 else None
    for i in range(refits):
        fits.probe(first if second is None or i % 2 == 0 else second, hows[i % len(hows)])


def _instants(ground: AuditState, first: Fitted, cuts: int) -> list[int]:
    """Spread evenly over the rows after warm-up, one drawn from each stretch; two are the ends of a test run.

    In every second stretch a row on which the model acts, if there is one: a rule that speaks rarely would hide else.
    """
    times, test = ground.panel.times, ground.folds[first.fold].test
    draw, last = generator(ground.seed, "audit cuts"), len(times) - 2
    ends = [int(test[0]), min(last, int(test[-1]))][:cuts]
    edges = np.linspace(0, max(1, last), cuts - len(ends) + 1)
    acts = action_rows(ground, first.acting)
    drawn = []
    for i, (a, b) in enumerate(pairwise(int(edge) for edge in edges)):
        there = acts[(acts >= a) & (acts < b)] if i % 2 else acts[:0]
        drawn.append(int(draw.choice(there)) if there.size else int(draw.integers(a, max(a + 1, b))))
    chosen = np.unique([*ends, *drawn])
    return [int(times[row]) for row in draw.permutation(chosen)]


def _steps(spec: TrainSpec | Pipeline, own: "FeatureFile | None") -> Pipeline:
    if isinstance(spec, Pipeline):
        return spec
    from assay.validate.audit.pipeline import pipeline_of

    return pipeline_of(spec, own)


def _demand(scrambles: int, probes: Collection[str]) -> None:
    if not 1 <= scrambles <= len(SCRAMBLES):
        raise ConfigError(f"scrambles is {scrambles}, must be in 1..3", code="CONFIG_AUDIT", field="scrambles")
    unknown = sorted(set(probes) - set(PROBES))
    if unknown:
        near = did_you_mean(unknown[0], PROBES) or f"there are {', '.join(PROBES)}"
        raise ConfigError(f"probe {printable(unknown[0])} is unknown; {near}", code="CONFIG_AUDIT", hint=near)
