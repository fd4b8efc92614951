"""Published models, small and whole: an ensemble and a rule, their rows and their places."""

import atexit
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from assay.kernel.contracts import Model, NullReport
from assay.kernel.panel import Panel
from assay.kernel.spec import SizingChoice
from assay.learn.rules import RuleTrainer
from assay.learn.strategies.registry import strategy_named
from assay.track.loading.formats import ModelPaths
from assay.track.loading.golden import golden_outputs
from assay.track.model_files.manifest import ModelFacts
from assay.track.registry.publish import publish, write_files
from assay.track.tracking_store import open_store
from tests.learn.markets import market, trainer

FORMATS = {"ensemble": "ensemble-parts", "tiny": "ensemble-parts", "rules": "rules-json"}


@dataclass(frozen=True)
class Published:
    """A model as its trainer gave it, the row that points to its files, and where they lie."""

    model: Model
    panel: Panel
    row: dict[str, Any]
    places: ModelPaths

    @property
    def file(self) -> Path:
        return self.places.models / str(self.row["checkpoint_path"])

    @property
    def folder(self) -> Path:
        return self.places.artifacts / str(self.row["manifest_sha256"])

    def copied(self, to: Path) -> "Published":
        """The same with files of its own, to be damaged."""
        shutil.copytree(self.places.artifacts.parent, to, dirs_exist_ok=True)
        return replace(self, places=replace(self.places, artifacts=to / "artifacts", models=to / "models"))


def fitted(kind: str) -> tuple[Model, Panel]:
    panel = market(1200)
    if kind == "tiny":
        return trainer(trees=3, forest_trees=2).fit(panel, seed=1, report=NullReport()), panel
    if kind == "ensemble":
        return trainer(SizingChoice(name="proportional")).fit(panel, seed=1, report=NullReport()), panel
    return RuleTrainer(strategy_named("sma_cross"), {"fast": 5, "slow": 20}).fit(
        panel, seed=1, report=NullReport()
    ), panel


@cache
def published(kind: str) -> Published:
    """A model of ``ensemble``, ``tiny`` (a smaller one) or ``rules``, once a process. Copy it before damaging it."""
    model, panel = fitted(kind)
    home = Path(mkdtemp(prefix="assay-published-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return publishing(model, panel, kind, home)


def publishing(model: Model, panel: Panel, kind: str, home: Path, **changes: Any) -> Published:
    places = ModelPaths(home / "artifacts", home / "models", changes.pop("keys", None), changes.pop("address", None))
    (symbol,) = panel.windows
    facts = ModelFacts(
        strategy_type=kind,
        exchange="synthetic",
        symbol=symbol,
        timeframe="1h",
        features=panel.one.names,
        lookback=model.lookback,
        spec_hash="1" * 64,
        data_digest="2" * 64,
        created_at=1_700_000_000_000,
        self_test=golden_outputs(model, panel.one),
    )
    with open_store(str(home / "record.db")) as record, places.blobs.staging() as parts:
        model.save(parts)
        written = write_files(
            parts,
            replace(facts, **changes),
            artifacts=places.blobs,
            models=places.models,
            keys=places.keys,
            shared=places.shared,
        )
        run = record.experiments.start("a training", kind).id
        (row,) = publish(record, run, [written], format=FORMATS[kind])
    return Published(model, panel, row, places)
