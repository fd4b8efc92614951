"""What the children of `tests.track.kill_loop` do until they are killed."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOWS = ("anywhere", "publishing", "point")
TRAIN_POINTS = ("staged", "renamed", "envelope", "row", "left", "committed")
RETAIN_POINTS = ("marked", "unlinked", "folder", "gone")
_PIECE = 512

Mark = Callable[[str], object]
Work = Callable[[int, Mark, str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """url: of the record.   home: the folder of the files.   hows: kinds of kill, in turn."""

    url: str
    home: str
    mode: str = "train"
    kills: int = 20
    seed: int = 1

    @property
    def hows(self) -> tuple[str, ...]:
        """Where only the writing is on trial, kills elsewhere would show nothing."""
        return HOWS if self.mode == "train" else HOWS[1:]

    @property
    def points(self) -> tuple[str, ...]:
        return RETAIN_POINTS if self.mode == "retain" else TRAIN_POINTS


def dies(point: str, here: str) -> None:
    if point == here:
        os.kill(os.getpid(), signal.SIGKILL)


def works(plan: Plan) -> Work:
    """The work of a plan: given a seed, what to say where it stands, and the point at which to die."""
    return _retains(plan) if plan.mode == "retain" else _trains(plan)


def _trains(plan: Plan) -> Work:
    import lightgbm  # noqa: F401

    import assay.learn.ensemble.model
    import assay.learn.ensemble.trainer  # noqa: F401
    from assay.kernel.spec import SplitSpec, TargetChoice, TrainSpec
    from assay.market.sources.synthetic import synthetic
    from assay.market.stores.base import MemoryStore
    from assay.runs import run_outputs
    from assay.runs._train import train
    from assay.runs.context import Context
    from assay.runs.provenance import code_digest
    from assay.track.environment import distributions

    distributions(), code_digest()  # both are kept for the life of a process
    bars = synthetic(bars=800, seed=3, ic=0.2, symbol="GOLD/USDT:USDT", exchange="test")
    settled = run_outputs.finish

    def work(seed: int, mark: Mark, point: str) -> None:
        context = Context(home=Path(plan.home), record_url=plan.url, candles_url="")
        store = MemoryStore()
        store.upsert(bars, source="synthetic")
        vars(context)["candles"] = store
        if plan.mode != "train":
            _row_first(plan)

        def finish(*given: Any, **named: Any) -> Any:
            mark("p")
            _fault_points(point)
            told = settled(*given, **named)
            if plan.mode != "train":
                dies(point, "committed")
                _files_later(plan)
            dies(point, "committed")
            mark("c")
            return told

        run_outputs.finish = finish
        spec = TrainSpec(
            exchange="test",
            symbols=("GOLD/USDT:USDT",),
            timeframe="1h",
            features="mini5",
            target=TargetChoice(name="direction", params={"horizon": 4}),
            folds=SplitSpec(train_share=0.6),
            params={"members": ["lightgbm"], "trees": 5},
            seed=seed,
        )
        train(spec, context)

    return work


def _fault_points(point: str) -> None:
    from assay.runs import run_outputs
    from assay.track.model_files.artifact_store import Blobs
    from assay.track.models import Models
    from assay.track.registry import publish

    settle, envelope, add, leave = Blobs.settle, publish._settle_envelope, Models.add, run_outputs.leave

    def settles(self: Blobs, stage: Path, name: str) -> Path:
        dies(point, "staged")
        final = settle(self, stage, name)
        dies(point, "renamed")
        return final

    Blobs.settle = settles  # type: ignore[method-assign]
    publish._settle_envelope = _then(point, "envelope", envelope)
    Models.add = _then(point, "row", add)  # type: ignore[method-assign]
    run_outputs.leave = _then(point, "left", leave)


def _row_first(plan: Plan) -> None:
    """The guard off: a model's files are laid aside, to be brought to their places after the transaction."""
    from assay.runs import run_outputs
    from assay.track.model_files.artifact_store import Blobs

    aside, write = Path(plan.home) / "aside", run_outputs.write_files
    _LATER.clear()

    def writes(parts: Path, facts: Any, *, artifacts: Blobs, models: Path, **named: Any) -> Any:
        made = write(parts, facts, artifacts=Blobs(aside / "artifacts"), models=aside / "models", **named)
        blob = made.manifest_sha256
        _LATER.append((aside / "artifacts" / blob, artifacts.folder / blob))
        _LATER.append((made.file, models / made.relative))
        return made

    run_outputs.write_files = writes


_LATER: list[tuple[Path, Path]] = []


def _files_later(plan: Plan) -> None:
    for source, target in _LATER:
        target.parent.mkdir(parents=True, exist_ok=True)
        if plan.mode == "in_place":
            _in_place(source, target)
            continue
        staged = target.parent / f".{target.name}"
        shutil.copytree(source, staged) if source.is_dir() else shutil.copy2(source, staged)
        staged.rename(target)


def _in_place(source: Path, target: Path) -> None:
    files = [p for p in sorted(source.rglob("*")) if p.is_file()] if source.is_dir() else [source]
    for path in files:
        to = target / path.relative_to(source) if source.is_dir() else target
        to.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        with to.open("wb", buffering=0) as file:
            for i in range(0, len(data), _PIECE):
                file.write(data[i : i + _PIECE])
            os.fsync(file.fileno())


def _retains(plan: Plan) -> Work:
    """Three old models are published, then one pass goes over the home; only the pass is killed."""
    from assay.kernel.panel import Window
    from assay.kernel.timeframe import current_ms
    from assay.track.loading.golden import golden_outputs
    from tests.track.shelf import DAY_MS, bars, publish, rule, shelf

    golden_outputs(rule(), Window.of_bars(bars()))  # compiled code is loaded once, here; it begins no thread

    def work(seed: int, mark: Mark, point: str) -> None:
        registry = shelf(plan.url, Path(plan.home))
        run = registry.record.experiments.start("stock", "rules").id
        for i in range(3):
            publish(registry, run, created_at=current_ms() - 90 * DAY_MS + seed % 100_000 * 1000 + i, fast=4 + i)
        registry.record.experiments.finish(run)
        registry.retain(dry_run=(Path(plan.home) / "artifacts" / ".retention").exists())  # the first is dry anyway
        _retention_points(point)
        mark("p")
        registry.retain()
        mark("c")

    return work


def _retention_points(point: str) -> None:
    from assay.track.registry import retention

    marked = retention.mark
    retention._take_file = _then(point, "unlinked", retention._take_file)
    retention.take_folder = _then(point, "folder", retention.take_folder)

    def mark(*given: Any, **named: Any) -> Any:
        told = marked(*given, **named)
        dies(point, "marked")
        retention._removal = _then(point, "gone", retention._removal)  # from here on it is asked when a row is gone
        return told

    retention.mark = mark


def _then(point: str, here: str, act: Callable[..., Any]) -> Callable[..., Any]:
    """The act, and death behind it where that is the point."""

    def acts(*given: Any, **named: Any) -> Any:
        told = act(*given, **named)
        dies(point, here)
        return told

    return acts
