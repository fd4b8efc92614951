"""Models that serve: published, verified, promoted, loaded, retired."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.kernel.errors import ConfigError
from assay.track.loading.model_paths import ModelPaths
from assay.track.model_files.signature import Keys
from assay.track.registry.aliases import ModelSlot
from assay.track.registry.integrity import Checked, verify_files
from assay.track.registry.promotion_rules import demand_there
from assay.track.registry.publish import publish
from assay.track.registry.retention import DAYS, KEEP_LAST
from assay.track.registry.retention_run import Pruned, prune_files
from assay.track.rows import Row, scalar
from assay.track.tracker.session import DEFAULT, TrackingClient, Where
from assay.track.tracker.validators import check_id, check_name, mapping

if TYPE_CHECKING:
    from assay.kernel.contracts import Model
    from assay.kernel.panel import Window

_METRICS = ("train_metric", "val_metric", "test_metric")


class Serving(TrackingClient):
    """The operations on models whose files Assay writes.

    artifacts, models: folders of the files; beside the record's own file when not given. A record on a server has no
    such place: there they are given, or an operation that reads files is ConfigError ``CONFIG_FIELD``.
    keys: that sign what is published and verify what is loaded; None for unsigned files.   store: address of one that
    the folders are shared through, ``s3://bucket/prefix``.
    """

    def __init__(
        self,
        db_path: Where = DEFAULT,
        *,
        artifacts: str | os.PathLike[str] | None = None,
        models: str | os.PathLike[str] | None = None,
        keys: Keys | None = None,
        store: str | None = None,
    ) -> None:
        super().__init__(db_path)
        self._folders = (artifacts, models)
        self._keys, self._store = keys, store

    @property
    def places(self) -> ModelPaths:
        """Where the files lie."""
        extras = self._shared.record.database.path
        result = []
        for name, value in zip(("artifacts", "models"), self._folders, strict=True):
            if value is None and not isinstance(extras, Path):
                raise ConfigError(f"a record on a server has no folder beside it: give {name}=", field=name)
            result.append(Path(extras).parent / name if value is None else Path(value))
        return ModelPaths(result[0].absolute(), result[1].absolute(), self._keys, self._store)

    def publish(
        self,
        experiment_id: int,
        model: "Model",
        history: "Window",
        *,
        strategy_type: str,
        warm_up: int = 0,
        train_metric: float | None = None,
        val_metric: float | None = None,
        test_metric: float | None = None,
        name: str | None = None,
        version: str | None = None,
        is_best: bool = False,
        hyperparameters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        created_at: int | None = None,
    ) -> int:
        """Write a model of one of Assay's trainers and make it known; its id.

        history:       stretch of one instrument that the model can decide on: names exchange, symbol, timeframe and
                       features, and gives the self-test rows that every later load asks again.
        strategy_type: what it competes with on that market, e.g. ``ensemble`` or a rule's name.
        warm_up:       rows that the features need before the model's own lookback.
        *_metric:      larger is better; without a finite validation or test metric a model is never promoted.
        created_at:    UTC ms, now when not given.

        Files first, each whole or not at all; then one transaction. A crash before it leaves files that no row points
        to. ArtifactError ``ARTIFACT_FORMAT`` for a model that Assay could not load again; StoreError
        ``STORE_NOT_FOUND`` for an unknown run, ``STORE_VALUE``, ``STORE_FULL``.
        """
        from assay.track.tracker.publishing import write_model

        record = self.record
        run = record.experiments.get(check_id(experiment_id, "experiment_id"))
        strategy = check_name(strategy_type, "strategy_type")
        fields: Row = dict(zip(_METRICS, (train_metric, val_metric, test_metric), strict=True))
        fields |= {
            key: check_name(value, key) for key, value in (("name", name), ("version", version)) if value is not None
        }
        fields |= {"is_best": scalar(is_best), "hyperparameters": mapping(hyperparameters, "hyperparameters")}
        fields |= {"metadata": mapping(metadata, "metadata")}
        files, kind = write_model(model, history, run, self.places, strategy=strategy, warm_up=warm_up, at=created_at)
        return int(publish(record, run["id"], [files], **fields, **kind)[0]["id"])

    def verify(self, models: Sequence[int | str] | None = None, *, every: bool = False) -> list[Checked]:
        """Read the files of models again and write down what was found; those with a fault have a ``why``.

        models: ids; None is all published ones, with `every` also those that were registered by a path.
        """
        from assay.track.loading.verification import check_files

        places = self.places
        return list(verify_files(self.record, lambda row: check_files(row, places), models, every=every))

    def champion(self, strategy_type: str, symbol: str, timeframe: str = "", exchange: str = "") -> Row | None:
        """The row of the model that serves; None while nothing was promoted."""
        holding = self.record.champions.of(ModelSlot(strategy_type, exchange, symbol, timeframe))
        return self.record.models.get(holding["champion"]["model_id"]) if "champion" in holding else None

    def promote(
        self,
        model_id: int | str,
        expected_version: int | None = None,
        by: str = "",
        *,
        override: str = "",
        strategy: Path | None = None,
    ) -> int:
        """Make a model champion of its strategy on its market; the alias's new version.

        The gate and the errors are those of `assay.track.registry.aliases.Champions.promote`; here files are read and
        self-test rows asked. override: why, where the verdict is not GOLD. strategy: the file of a user's own rule.
        """
        return self.record.champions.promote(
            self._model_key(model_id), by=by, works=self._works(strategy), expected_version=expected_version,
            override=override,
        )  # fmt: skip

    def rollback(
        self,
        strategy_type: str,
        symbol: str,
        timeframe: str = "",
        exchange: str = "",
        *,
        by: str,
        expected_version: int | None = None,
        strategy: Path | None = None,
    ) -> int:
        """Champion and previous change places; the alias's new version."""
        post = ModelSlot(strategy_type, exchange, symbol, timeframe)
        return self.record.champions.rollback(
            post, by=by, works=self._works(strategy), expected_version=expected_version
        )

    def load(self, model_id: int | str, *, strategy: Path | None = None) -> "Model":
        """The model, rebuilt from its checked bytes by our own code, its self-test asked; ``last_used_at`` is set.

        strategy: the file of a rule of the user's own. Errors as `assay.track.loading.load`: a model whose files are
        removed is ``ARTIFACT_GONE``, damaged ones ``ARTIFACT_CORRUPT``; no other model is loaded instead.
        """
        from assay.track.loading.loader import load_model

        row = self.get_model(model_id)
        demand_there(row)
        model = load_model(row, self.places, strategy=strategy)
        self.record.models.used(row["id"])
        return model

    def retain(self, days: int = DAYS, *, keep_last: int = KEEP_LAST, dry_run: bool = False, by: str = "") -> Pruned:
        """Remove old models' files, and files without a row; see `assay.track.registry.retention_run.prune_files`."""
        places = self.places
        return prune_files(
            self.record, artifacts=places.artifacts, models=places.models, shared=places.shared, days=days,
            keep_last=keep_last, dry_run=dry_run, by=by or "retention",
        )  # fmt: skip

    def get_model(self, model_id: int | str) -> Row:
        """The row by number or text id, with undefined metrics NaN; StoreError ``STORE_NOT_FOUND``."""
        return self.record.models.get(self._model_key(model_id))

    def _model_key(self, model_id: int | str) -> int | str:
        return model_id if isinstance(model_id, str) else check_id(model_id, "model_id")

    def _works(self, strategy: Path | None) -> Any:
        from assay.track.loading.loader import load_model

        places = self.places
        return lambda row: load_model(row, places, strategy=strategy)
