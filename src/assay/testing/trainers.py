"""Contract tests of trainers, and the smallest trainer that passes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.contracts import Fold, Model, NullReport, Report, Trainer
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel, Window
from assay.kernel.seeding import generator
from assay.validate import Splitter

Check = Callable[[Trainer, Panel], None]
SEED = 7


class Cancelled(Exception):  # a wish, not a fault
    """What the contract's report raises to cancel a fit."""


class Listening(NullReport):
    """Remembers the shares it is told; cancels at the first one not below `cancel_at`."""

    def __init__(self, cancel_at: float = float("inf")) -> None:
        super().__init__()
        self.shares: list[float] = []
        self.cancel_at = cancel_at

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        """Remember, or cancel."""
        if share_done >= self.cancel_at:
            raise Cancelled
        self.shares.append(share_done)


def fit_panel(trainer: Trainer, panel: Panel, *, seed: int = SEED) -> Model:
    """The model of a panel, with a report that listens to nobody."""
    return trainer.fit(panel, seed=seed, report=NullReport())


def check_decides_for_every_row(trainer: Trainer, panel: Panel) -> None:
    """Decisions for each symbol, one a row, each of which `Decisions` has checked."""
    decided = fit_panel(trainer, panel).decide(_unlabelled(panel))
    assert set(decided) == set(panel.windows)
    for symbol, window in panel:
        assert isinstance(decided[symbol], Decisions)
        assert len(decided[symbol]) == len(window), symbol


def check_waits_for_its_lookback(trainer: Trainer, panel: Panel) -> None:
    """Rows before `lookback` are flat; a window that is no longer than that is all flat, and no error."""
    model = fit_panel(trainer, panel)
    assert isinstance(model.lookback, int)
    assert 0 <= model.lookback < 100_000
    for made in model.decide(_unlabelled(panel)).values():
        assert not made.target[: model.lookback].any()
    short = Panel({s: w[: max(1, min(model.lookback, len(w)))] for s, w in _unlabelled(panel)})
    for made in model.decide(short).values():
        assert not made.target[: model.lookback].any()


def check_lookback_is_enough(trainer: Trainer, panel: Panel) -> None:
    """With exactly `lookback` rows in front, a stretch is decided as in the whole history."""
    model = fit_panel(trainer, panel)
    whole = model.decide(_unlabelled(panel))
    for symbol, window in _unlabelled(panel):
        start = max(model.lookback, len(window) // 2)
        part = model.decide(Panel.of(window[start - model.lookback :]))[symbol]
        _same_decisions(part[model.lookback :], whole[symbol][start:], f"{symbol} from row {start}")


def check_does_not_see_the_future(trainer: Trainer, panel: Panel) -> None:
    """Cutting the future off changes no decision already taken."""
    model = fit_panel(trainer, panel)
    whole = model.decide(_unlabelled(panel))
    for symbol, window in _unlabelled(panel):
        for cut in (len(window) // 2, len(window) - 1):
            part = model.decide(Panel.of(window[:cut]))[symbol]
            _same_decisions(part, whole[symbol][:cut], f"{symbol} cut at {cut}")


def check_same_seed_same_model(trainer: Trainer, panel: Panel) -> None:
    """The same panel and seed give the same decisions and the same files."""
    first, second = fit_panel(trainer, panel), fit_panel(trainer, panel)
    for symbol, made in first.decide(_unlabelled(panel)).items():
        _same_decisions(made, second.decide(_unlabelled(panel))[symbol], symbol)
    assert save_and_load(first) == save_and_load(second), "the same seed wrote other files"


def check_leaves_its_input_alone(trainer: Trainer, panel: Panel) -> None:
    """Neither fit nor decide changes features, candles or labels."""
    before = [a.copy() for a in _arrays(panel)]
    fit_panel(trainer, panel).decide(panel)
    for was, now in zip(before, _arrays(panel), strict=True):
        np.testing.assert_array_equal(was, now)


def check_reports_to_the_end(trainer: Trainer, panel: Panel) -> None:
    """Shares never fall and end at 1."""
    report = Listening()
    trainer.fit(panel, seed=SEED, report=report)
    assert report.shares == sorted(report.shares)
    assert report.shares[-1] == 1.0


def check_can_be_cancelled(trainer: Trainer, panel: Panel) -> None:
    """What the report raises comes out of the fit unchanged."""
    try:
        trainer.fit(panel, seed=SEED, report=Listening(cancel_at=0.0))
    except Cancelled:
        return
    raise AssertionError("the fit went on when its report cancelled it")


def check_saves_no_pickle(trainer: Trainer, panel: Panel) -> None:
    """`save` writes at least one file, and none that is a pickle."""
    files = save_and_load(fit_panel(trainer, panel))
    assert files
    for name, data in files.items():
        assert not name.endswith((".pkl", ".pickle", ".joblib")), name
        assert not data.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")), f"{name} is a pickle"


TRAINER_CHECKS: tuple[Check, ...] = tuple(
    check for name, check in sorted(globals().items()) if name.startswith("check_")
)


def check_fit_sees_no_test_rows(
    trainer: Trainer | Callable[[Panel], Trainer], panel: Panel, plan: Splitter, *, folds: int = 3
) -> None:
    """Scrambling what is not learnt from, from a fold's first test row on, leaves the fitted model as it is.

    Asked of the plan's first folds, on saved bytes. trainer: or what makes one for the whole panel, for trainers that
    look at more than `fit` is given. Under a plan such as `PurgedKFold` the panel of a fit also holds test rows,
    without labels: they must not be learnt from either.
    """
    for number, fold in enumerate(plan.folds(panel.known_at, panel.times)):
        if number == folds:
            return
        other = _scrambled(panel, fold)
        first, second = (
            _made(trainer, p).fit(p.train_view(fold.train), seed=SEED, report=NullReport()) for p in (panel, other)
        )
        assert save_and_load(first) == save_and_load(second), (
            f"fold {number}: the fit changed with rows that it must not see"
        )


def save_and_load(model: Model) -> dict[str, bytes]:
    """The files that a model writes, by path."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def _made(trainer: Trainer | Callable[[Panel], Trainer], panel: Panel) -> Trainer:
    return trainer if isinstance(trainer, Trainer) else trainer(panel)


def _scrambled(panel: Panel, fold: Fold) -> Panel:
    chosen = np.zeros(len(panel.times), np.bool_)
    chosen[fold.train] = True
    first = panel.times[fold.test[0]]
    parts = {}
    for symbol, window in panel:
        available = window.bars.known_at
        unseen = (available >= first) & ~chosen[np.searchsorted(panel.times, available)]
        parts[symbol] = _noisy(window, unseen, symbol)
    return Panel(parts)


def _noisy(window: Window, rows: BoolArray, symbol: str) -> Window:
    """Other features, volumes and labels in these rows."""
    draw = generator(SEED, f"testing.noise/{symbol}")
    features = window.features.copy()
    features[rows] = 5 * draw.normal(size=(int(rows.sum()), features.shape[1])) + 3
    bars = window.bars
    if bars.volume is not None:
        bars = replace(bars, volume=np.where(rows, bars.volume * 3 + 1, bars.volume))
    labels = window.labels
    if labels is not None:
        labels = replace(labels, y=np.where(rows, draw.permutation(labels.y), labels.y))
    return replace(window, bars=bars, features=features, labels=labels)


def _unlabelled(panel: Panel) -> Panel:
    return Panel({symbol: window.without_labels() for symbol, window in panel})


def _same_decisions(one: Decisions, other: Decisions, where: str) -> None:
    for name in ("target", "stop", "take", "hold"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=f"{where}: {name}")


def _arrays(panel: Panel) -> list[FloatArray | IntArray]:
    out: list[FloatArray | IntArray] = []
    for _, window in panel:
        out += [window.features, window.bars.close, window.bars.open]
        out += [] if window.labels is None else [window.labels.y, window.labels.known_at, window.labels.end]
    return out


@dataclass(frozen=True, slots=True)
class TinyModel:
    """Long or short by the sign of a weighted sum of scaled features; flat where one is missing."""

    weight: FloatArray
    centre: FloatArray
    spread: FloatArray
    lookback: int = 0

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """See `Model`."""
        return {symbol: self._of(window) for symbol, window in panel}

    def save(self, folder: Path) -> None:
        """Write ``tiny.json``."""
        parts = {"weight": self.weight, "centre": self.centre, "spread": self.spread}
        (folder / "tiny.json").write_text(json.dumps({k: v.tolist() for k, v in parts.items()}), encoding="utf-8")

    def _of(self, window: Window) -> Decisions:
        score = ((window.features - self.centre) / self.spread) @ self.weight
        return Decisions.weights(np.where(np.isfinite(score), np.sign(score), 0.0))


@dataclass(frozen=True, slots=True)
class TinyTrainer:
    """Weights are the correlations of the best `keep` features with the label, on labelled rows."""

    name: ClassVar[str] = "tiny"
    keep: int = 2

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        """See `Trainer`."""
        report.progress(0.0, {})
        x, y = label_panel(train)
        model = tiny(x, *correlations(x, y), keep=self.keep)
        report.progress(1.0, {})
        return model


def label_panel(panel: Panel) -> tuple[FloatArray, FloatArray]:
    """Features ``(m, k)`` and labels ``(m,)`` of all rows that have both."""
    parts = [(w.features, w.labels.y) for _, w in panel if w.labels is not None]
    x, y = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    good = np.isfinite(y) & np.isfinite(x).all(axis=1)
    return x[good], y[good]


def correlations(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correlation of each column with y, twice: to choose by, and to weigh by."""
    result = np.array([np.corrcoef(column, y)[0, 1] if column.std() > 0 else 0.0 for column in x.T])
    return result, result


def tiny(x: FloatArray, choose_by: FloatArray, weight: FloatArray, *, keep: int) -> TinyModel:
    """Scale measured on x; the `keep` columns with the largest modulus of `choose_by` keep their weight."""
    chosen = np.zeros(len(weight), np.bool_)
    chosen[np.argsort(-np.abs(choose_by), kind="stable")[:keep]] = True
    spread = x.std(axis=0)
    return TinyModel(np.where(chosen, weight, 0.0), x.mean(axis=0), np.where(spread > 0, spread, 1.0))
