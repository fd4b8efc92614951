"""The causality audit: does anything that was said at or before t depend on bars after t?"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, Trainer
from assay.kernel.errors import ConfigError, shown
from assay.kernel.names import did_you_mean
from assay.kernel.seeds import generator
from assay.kernel.spec import TrainSpec
from assay.validate.audit.acts import Acting, acting_rows, decide_probe, simulate_probe, warmth_probe
from assay.validate.audit.columns import columns_probe, history_probe, label_probe, symbols_probe
from assay.validate.audit.fits import Fits, Fitted, Making
from assay.validate.audit.futures import CUT_OFF, SCRAMBLES, changed
from assay.validate.audit.ground import PROBES, Ground
from assay.validate.audit.pipeline import Pipeline
from assay.validate.audit.report import AuditReport

if TYPE_CHECKING:
    from assay.features.files import FeatureFile

LEAST_BUDGET = 10.0  # seconds
_SHARE = 0.5  # of the run's own fit time
_LEAST_REFITS = 3  # a fit, the same again, the same with another future
_WARM_CUTS = 5


def audit(
    trainer: Trainer | Making,
    bars: Bars | Sequence[Bars],
    *,
    spec: TrainSpec | Pipeline,
    seed: int,
    cuts: int = 20,
    refits: int = 6,
    scrambles: int = 3,
    budget_s: float | None = None,
    probes: Collection[str] = PROBES,
    models: Sequence[Model] = (),
    own: "FeatureFile | None" = None,
) -> AuditReport:
    """Ask each step from candles to equity whether it knows the future.

    trainer:   or a function that makes one for a whole panel, for trainers that are prepared on one.
    spec:      of the training, or the steps themselves.   cuts: instants at which the future is taken away.
    refits:    most fits; three at least.   scrambles: kinds of other futures, 1 to 3: shuffled, ten times as wild,
               still.
    budget_s:  after which no further question is begun, once each kind was asked once; None is the larger of 10 s and
               half of what the fits of all folds would take. What it cut off stands in `notes`.
    probes:    those that are on; all but in tests of the audit itself.
    models:    that were fitted elsewhere on these steps, such as a published one; decide beside the audit's own.
    own:       the user's file of features that the spec names.

    A fit that does not repeat itself ends the questions about it: ``LEAK_UNREPEATABLE`` in `notes`, not `complete`.
    Cost: two tables of features and labels a cut, and the fits. Raises ConfigError ``CONFIG_AUDIT`` for numbers out of
    range and unknown probes, and whatever the steps raise on the candles as they are.
    """
    _demand(cuts, refits, scrambles, probes)
    series = [bars] if isinstance(bars, Bars) else list(bars)
    began = time.monotonic()
    ground = Ground.of(_steps(spec, own), series, seed, probes)
    fits = Fits(ground, trainer)
    first = fits.fit(len(ground.folds) // 2, ground.panel)
    taken = time.monotonic() - began
    budget = max(LEAST_BUDGET, _SHARE * taken * len(ground.folds)) if budget_s is None else budget_s
    hows = SCRAMBLES[:scrambles]
    acting = first.acting
    actings = [acting, *(replace(acting, model=model, name=f"{acting.name}, as fitted") for model in models)]
    questions = [
        *_of_cuts(ground, first, actings, cuts, hows),
        *_of_fits(fits, first, refits, hows),
        *_of_symbols(ground, hows),
    ]
    _ask(ground, sorted(questions, key=lambda q: not q.needed), began + budget, budget)
    if ground.pipeline.label is not None and ground.checks["label"] and not ground.label_moved:
        ground.notes.append("no label changed with a bar before its known_at: the horizon is overstated, which is safe")
    return ground.report()


@dataclass(frozen=True, slots=True)
class _Question:
    """Something to ask. kind: what is counted where it is cut off.   needed: asked whatever the budget."""

    kind: str
    ask: Callable[[], None]
    needed: bool = False


def _ask(ground: Ground, questions: Sequence[_Question], ends: float, budget: float) -> None:
    left: dict[str, int] = {}
    for question in questions:
        if question.needed or time.monotonic() < ends:
            question.ask()
        else:
            left[question.kind] = left.get(question.kind, 0) + 1
    if left:
        ground.complete = False
        told = ", ".join(f"{n} {kind}" for kind, n in left.items())
        ground.notes.append(f"the budget of {budget:.0f} s cut off {told}")


def _of_cuts(
    ground: Ground, first: Fitted, actings: Sequence[Acting], cuts: int, hows: Sequence[str]
) -> Iterator[_Question]:
    for i, instant in enumerate(_instants(ground, first, cuts)):
        yield _Question("cuts", partial(_cut, ground, actings, instant, hows[i % len(hows)]), needed=not i)
        if i < _WARM_CUTS:
            yield _Question("warm-ups", partial(_warm, ground, actings, instant), needed=not i)


def _cut(ground: Ground, actings: Sequence[Acting], instant: int, scramble: str) -> None:
    """The candles after an instant cut off, and once more made others."""
    for how in (CUT_OFF, scramble):
        bars = changed(ground.bars, instant, how, seed=ground.seed)
        other = ground.pipeline.seen(bars, labelled=how != CUT_OFF)
        columns_probe(ground, instant, how, other)
        if how != CUT_OFF:
            label_probe(ground, instant, how, other)
        for acting in actings:
            decide_probe(ground, acting, instant, how, other)
    simulate_probe(ground, actings[0], instant)


def _warm(ground: Ground, actings: Sequence[Acting], instant: int) -> None:
    for symbol in range(len(ground.bars)):
        history_probe(ground, symbol, ground.cut_of(symbol, instant))
    for acting in actings:
        warmth_probe(ground, acting, instant)


def _of_fits(fits: Fits, first: Fitted, refits: int, hows: Sequence[str]) -> Iterator[_Question]:
    """The same fit twice, then under another future; then the newest fold and the other futures, as far as they go."""
    if "fit" not in fits.ground.asked:
        return
    state = {"repeats": True}

    def again() -> None:
        state["repeats"] = fits.repeats(first)

    def probe(of: Callable[[], Fitted], how: str) -> None:
        if state["repeats"]:
            fits.probe(of(), how)

    yield _Question("refits", again, needed=True)
    yield _Question("refits", partial(probe, lambda: first, hows[0]), needed=True)
    newest, spent = len(fits.ground.folds) - 1, _LEAST_REFITS
    second = cache(lambda: fits.fit(newest, fits.ground.panel)) if newest != first.fold and refits > spent + 1 else None
    spent += second is not None
    for i in range(refits - spent):
        of = (lambda: first) if second is None or i % 2 else second
        yield _Question("refits", partial(probe, of, hows[(i + 1) % len(hows)]))


def _of_symbols(ground: Ground, hows: Sequence[str]) -> Iterator[_Question]:
    for symbol in range(len(ground.bars)):
        yield _Question("symbols", partial(symbols_probe, ground, symbol, hows[0]), needed=not symbol)


def _instants(ground: Ground, first: Fitted, cuts: int) -> list[int]:
    """Spread evenly over the rows after warm-up, one drawn from each stretch; two are the ends of a test run.

    In every second stretch a row on which the model acts, if there is one: a rule that speaks rarely would hide else.
    """
    times, test = ground.panel.times, ground.folds[first.fold].test
    draw, last = generator(ground.seed, "audit cuts"), len(times) - 2
    ends = [int(test[0]), min(last, int(test[-1]))][:cuts]
    edges = np.linspace(0, max(1, last), cuts - len(ends) + 1)
    acts = acting_rows(ground, first.acting)
    drawn = []
    for i, (a, b) in enumerate(pairwise(int(edge) for edge in edges)):
        there = acts[(acts >= a) & (acts < b)] if i % 2 else acts[:0]
        drawn.append(int(draw.choice(there)) if there.size else int(draw.integers(a, max(a + 1, b))))
    chosen = np.unique([*ends, *drawn])
    return [int(times[row]) for row in draw.permutation(chosen)]


def _steps(spec: TrainSpec | Pipeline, own: "FeatureFile | None") -> Pipeline:
    if isinstance(spec, Pipeline):
        return spec
    from assay.validate.audit.asked import pipeline_of

    return pipeline_of(spec, own)


def _demand(cuts: int, refits: int, scrambles: int, probes: Collection[str]) -> None:
    named = {"cuts": (cuts, 1, 10_000), "refits": (refits, _LEAST_REFITS, 1_000), "scrambles": (scrambles, 1, 3)}
    for name, (value, low, high) in named.items():
        if not low <= value <= high:
            raise ConfigError(f"{name} is {value}, must be in {low}..{high:,}", code="CONFIG_AUDIT", field=name)
    unknown = sorted(set(probes) - set(PROBES))
    if unknown:
        near = did_you_mean(unknown[0], PROBES) or f"there are {', '.join(PROBES)}"
        raise ConfigError(f"probe {shown(unknown[0])} is unknown; {near}", code="CONFIG_AUDIT", hint=near)
