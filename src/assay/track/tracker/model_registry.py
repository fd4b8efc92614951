"""Model registry of the tracking API."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.track.artifacts import file_sha256
from assay.track.rows import Row, nan_for_null, rows, scalar
from assay.track.schema.model_tables import MODELS
from assay.track.tracker.serving import Serving
from assay.track.tracker.validators import among, check_id, check_name, check_page, mapping, path_text, refusal, whole
from assay.track.tracking_store import TrackingStore

ORDERED = ("id", "name", "created_at", "episode_num", "global_step", "train_metric", "val_metric", "test_metric")
_METRICS = ("train_metric", "val_metric", "test_metric")
_M = MODELS.c
_MIB = 1024 * 1024


class ModelRegistry(Serving):
    """Models of runs: what they are, how they did, which one is best, which one serves.

    `register_model` keeps the path and the hash of any file and never parses it; `publish` writes the files of a model
    of Assay's own trainers, which can be loaded again.
    """

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
        hyperparameters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
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

    def compare_models(self, model_ids: Iterable[int | str]) -> dict[str, Any]:
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


def _rows(record: TrackingStore, query: sa.Select[Any]) -> list[Row]:
    with record.database.read() as connection:
        return [nan_for_null(row, _METRICS) for row in rows(connection.execute(query))]
