"""Model registry of the tracking API: register, publish, promote, load, retain."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError, ConfigError, StoreError
from assay.kernel.panel import Window
from assay.kernel.timeframe import current_ms
from assay.track.artifacts import file_sha256
from assay.track.database import Row, nan_for_null, rows, scalar
from assay.track.environment import versions
from assay.track.loading.formats import FORMATS, ModelPaths
from assay.track.loading.golden import golden_outputs
from assay.track.model_files.manifest import Keys, ModelFacts
from assay.track.registry.integrity import Checked, verify_files
from assay.track.registry.promotion import ModelSlot, demand_there
from assay.track.registry.publish import Written, publish, write_files
from assay.track.registry.retention import DAYS, KEEP_LAST, Pruned, prune_files
from assay.track.schema.tables import MODELS
from assay.track.tracker.shared import DEFAULT, TrackingClient, Where
from assay.track.tracker.validators import among, check_id, check_name, check_page, mapping, path_text, refusal, whole
from assay.track.tracking_store import TrackingStore
from assay.validate import Thresholds

if TYPE_CHECKING:
    from assay.kernel.contracts import Model
    from assay.kernel.panel import Window


def write_model(
    model: Model, history: Window, run: Row, places: ModelPaths, *, strategy: str, warm_up: int, at: int | None
) -> tuple[Written, Row]:
    """The files, which no row points to yet, and the columns that tell their kind.

    ArtifactError ``ARTIFACT_FORMAT`` for a model that saves itself as nothing that Assay loads.
    """
    instrument = history.bars.instrument
    with places.blobs.staging() as parts:
        model.save(parts)
        kind = next((name for name, available in FORMATS.items() if (parts / available.part).is_file()), None)
        if kind is None:
            holding = ", ".join(sorted(path.name for path in parts.iterdir())) or "nothing"
            raise ArtifactError(
                f"a {type(model).__name__} saves itself as {holding}; Assay loads {', '.join(FORMATS)}",
                code="ARTIFACT_FORMAT",
                hint="register_model keeps the path and hash of any file; publish is for models of Assay's trainers.",
            )
        facts = ModelFacts(
            strategy_type=strategy,
            exchange=instrument.exchange,
            symbol=instrument.symbol,
            timeframe=instrument.timeframe,
            features=history.names,
            lookback=warm_up + model.lookback,
            spec_hash=run["spec_hash"] or "",
            data_digest=run["data_digest"] or history.bars.digest(),
            created_at=current_ms() if at is None else at,
            target=None if history.labels is None else history.labels.name,
            commit=run["git_commit"],
            lock_hash=run["lock_hash"],
            versions=versions(),
            self_test=golden_outputs(model, history),
        )
        files = write_files(
            parts, facts, artifacts=places.blobs, models=places.models, keys=places.keys, shared=places.shared
        )
    return files, {"format": kind, "architecture_type": kind.partition("-")[0]}


_METRICS = ("train_metric", "val_metric", "test_metric")


ORDERED = ("id", "name", "created_at", "episode_num", "global_step", "train_metric", "val_metric", "test_metric")
_M = MODELS.c
_MIB = 1024 * 1024


class ModelRegistry(TrackingClient):
    """Models of runs: what they are, how they did, which one is best, which one serves.

    `register_model` keeps the path and the hash of any file and never parses it; `publish` writes the files of a model
    of Assay's own trainers, which can be loaded again.

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
        hyperparameters: Mapping[str, object] | None = None,
        metadata: Mapping[str, object] | None = None,
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
        from assay.track.loading.formats import check_files

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
        limits: Thresholds | None = None,
    ) -> int:
        """Make a model champion of its strategy on its market; the alias's new version.

        The gate and the errors are those of `assay.track.registry.promotion.Champions.promote`; here files are read and
        self-test rows asked. override: why, where the verdict is not GOLD, or others scored its candles since it was
        judged (``assay models promote`` asks the verdict again with them). strategy: the file of a user's own rule.
        limits: thresholds of the gate that are asked now; None are the default ones.
        """
        return self.record.champions.promote(
            self._model_key(model_id), by=by, works=self._works(strategy), expected_version=expected_version,
            override=override, limits=limits,
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

        strategy: the file of a rule of the user's own. Errors as `assay.track.load_model`: a model whose files are
        removed is ``ARTIFACT_GONE``, damaged ones ``ARTIFACT_CORRUPT``; no other model is loaded instead.
        """
        from assay.track.loading.formats import load_model

        row = self.get_model(model_id)
        demand_there(row)
        model = load_model(row, self.places, strategy=strategy)
        self.record.models.used(row["id"])
        return model

    def retain(self, days: int = DAYS, *, keep_last: int = KEEP_LAST, dry_run: bool = False, by: str = "") -> Pruned:
        """Remove old models' files, and files without a row; see `assay.track.registry.retention.prune_files`."""
        places = self.places
        return prune_files(
            self.record, artifacts=places.artifacts, models=places.models, shared=places.shared, days=days,
            keep_last=keep_last, dry_run=dry_run, by=by or "retention",
        )  # fmt: skip

    def get_model(self, model_id: int | str) -> Row:
        """The row by number or text id, with undefined metrics NaN; StoreError ``STORE_NOT_FOUND``."""
        return self.record.models.get(self._model_key(model_id))

    def register_model(
        self,
        experiment_id: int,
        checkpoint_path: str | os.PathLike[str],
        name: str | None = None,
        version: str | None = None,
        architecture_type: str | None = None,
        state_dim: int | None = None,
        action_dim: int | None = None,
        episode_num: int | None = None,
        global_step: int | None = None,
        train_metric: float | None = None,
        val_metric: float | None = None,
        test_metric: float | None = None,
        is_best: bool = False,
        hyperparameters: Mapping[str, object] | None = None,
        metadata: Mapping[str, object] | None = None,
        *,
        strategy_type: str | None = None,
        exchange: str | None = None,
        symbol: str | None = None,
        timeframe: str | None = None,
    ) -> int:
        """A new model of a run; its id.

        checkpoint_path: kept as given. A file that is there is hashed and measured; one that is not is allowed:
                         integrity ``missing``.
        name:            ``{architecture_type or model}_exp{experiment_id}`` and ``_ep{episode_num}``, else
                         ``_step{global_step}``, else a running number. version: the next of that name.
        *_metric:        larger is better; NaN and infinities are kept as undefined.
        is_best:         takes the mark from the run's other models in the same transaction.
        StoreError ``STORE_NOT_FOUND`` for an unknown run, ``STORE_VALUE`` for a value that the record does not take,
        and for ``is_best`` with a given metric that is not finite.
        """
        run, record = check_id(experiment_id, "experiment_id"), self.record
        record.experiments.get(run)
        path = path_text(checkpoint_path, "checkpoint_path")
        words = {"version": version, "architecture_type": architecture_type, "strategy_type": strategy_type}
        words |= {"exchange": exchange, "symbol": symbol, "timeframe": timeframe, "name": name}
        numbers = {"state_dim": state_dim, "action_dim": action_dim}
        numbers |= {"episode_num": episode_num, "global_step": global_step}
        fields: Row = {key: check_name(value, key) for key, value in words.items() if value is not None}
        fields |= {key: whole(value, key) for key, value in numbers.items()}
        fields |= {"train_metric": train_metric, "val_metric": val_metric, "test_metric": test_metric}
        fields |= {"is_best": scalar(is_best), "format": "external"}
        fields |= {"hyperparameters": mapping(hyperparameters, "hyperparameters")}
        fields |= {"metadata": mapping(metadata, "metadata"), **_measured(path), **_name(run, fields)}
        return int(record.models.add(run, path, **fields)["id"])

    def get_best_model(self, experiment_id: int) -> Row | None:
        """The run's model marked best; without one that of the largest finite ``val_metric``; else None."""
        run, record = check_id(experiment_id, "experiment_id"), self.record
        record.experiments.get(run)
        query = sa.select(MODELS).where(_M.experiment_id == run, _M.deleted_at.is_(None))
        query = query.where(sa.or_(_M.is_best, _M.val_metric.is_not(None)))
        result = _rows(record, query.order_by(_M.is_best.desc(), _M.val_metric.desc().nulls_last(), _M.id).limit(1))
        return result[0] if result else None

    def list_models(
        self,
        experiment_id: int | None = None,
        architecture_type: str | None = None,
        is_best: bool | None = None,
        order_by: str = "val_metric",
        ascending: bool = False,
        limit: int = 50,
    ) -> list[Row]:
        """Models, best ``val_metric`` first unless `order_by` says otherwise; undefined last either way, ties by id.

        order_by: ``id name created_at episode_num global_step train_metric val_metric test_metric``, else StoreError
                  ``STORE_VALUE``. Models whose files retention has removed are hidden. 1 <= limit <= 10,000.
        """
        key = _M[among(order_by, ORDERED, "order_by")]
        most, _ = check_page(limit)
        record = self.record
        query = sa.select(MODELS).where(_M.deleted_at.is_(None))
        if experiment_id is not None:
            run = check_id(experiment_id, "experiment_id")
            record.experiments.get(run)
            query = query.where(_M.experiment_id == run)
        if architecture_type is not None:
            query = query.where(_M.architecture_type == check_name(architecture_type, "architecture_type"))
        if is_best is not None:
            query = query.where(_M.is_best == scalar(is_best))
        directed = key.asc() if ascending else key.desc()
        return _rows(record, query.order_by(directed.nulls_last(), _M.id).limit(most))

    def compare_models(self, model_ids: Iterable[int | str]) -> dict[str, list[Row] | Row | None]:
        """``models`` in the order asked for, and ``best_train best_val best_test``: the model, or None.

        Only finite metrics count, 0.0 among them; of equals the one asked for first.
        """
        if isinstance(model_ids, str | bytes) or not hasattr(model_ids, "__iter__"):
            raise refusal("model_ids is a list of model numbers", field="model_ids")
        models = [self.get_model(model) for model in model_ids]
        return {"models": models} | {f"best_{name.removesuffix('_metric')}": _best(models, name) for name in _METRICS}

    def mark_best_model(self, model_id: int | str) -> None:
        """Make it its run's only best model."""
        self.record.models.mark_best(self.get_model(model_id)["id"])

    def _model_key(self, model_id: int | str) -> int | str:
        return model_id if isinstance(model_id, str) else check_id(model_id, "model_id")

    def _works(self, strategy: Path | None) -> "Callable[[Row], Model]":
        from assay.track.loading.formats import load_model

        places = self.places
        return lambda row: load_model(row, places, strategy=strategy)


def _measured(path: str) -> Row:
    file = Path(path)
    try:
        if not file.is_file():
            return {"integrity": "missing"}
        return {"checkpoint_size_mb": file.stat().st_size / _MIB, "content_sha256": file_sha256(file)}
    except OSError as error:
        raise StoreError(f"checkpoint {path} cannot be read: {error.strerror}", code="STORE_IO") from error


def _name(run: int, fields: Row) -> Row:
    """The generated name, where episode or step give one; the record numbers the others."""
    stem = f"{fields.get('architecture_type') or 'model'}_exp{run}"
    if "name" in fields:
        return {}
    if fields["episode_num"] is not None:
        return {"name": f"{stem}_ep{fields['episode_num']}"}
    return {} if fields["global_step"] is None else {"name": f"{stem}_step{fields['global_step']}"}


def _best(models: list[Row], metric: str) -> Row | None:
    finite = [model for model in models if model[metric] == model[metric]]
    return max(finite, key=lambda model: model[metric]) if finite else None


def _rows(record: TrackingStore, query: sa.Select[*tuple[object, ...]]) -> list[Row]:
    with record.database.read() as connection:
        return [nan_for_null(row, _METRICS) for row in rows(connection.execute(query))]
