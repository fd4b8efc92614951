"""Datasets: what runs learnt from, and where a model comes from."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TypedDict

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.kernel.parse import JsonObject
from assay.track.artifacts import file_sha256
from assay.track.database import Row, rows
from assay.track.schema.tables import CONFIGURATIONS, DATASETS, TRADES
from assay.track.tracker.shared import TrackingClient
from assay.track.tracker.validators import among, check_id, check_name, day, mapping, path_text, refusal, texts, whole
from assay.track.tracking_store import TrackingStore

_LOG = logging.getLogger(__name__)
SPLITS = ("", "train", "val", "test", "train_val")
_PARENTS_MOST = 100


class Downwards(TypedDict):
    """What came of a model and its run: ids of configurations, and how many trades."""

    configurations: list[int]
    trades: int


class Lineage(Downwards):
    """Where a model comes from, and what came of it; see `DatasetManager.lineage`."""

    model: Row
    run: Row
    datasets: list[Row]
    spec: JsonObject
    parents: list[int]
    model_parents: list[int]


class DatasetManager(TrackingClient):
    """Datasets, each kept once, and their links to runs."""

    def register_dataset(
        self,
        name: str,
        version: str = "",
        split_type: str = "",
        dataset_type: str = "timeseries",
        data_path: str | os.PathLike[str] | None = None,
        num_samples: int | None = None,
        start_date: str | date | None = None,
        end_date: str | date | None = None,
        feature_columns: Iterable[str] | None = None,
        target_columns: Iterable[str] | None = None,
        compute_hash: bool = True,
        metadata: Mapping[str, object] | None = None,
    ) -> int:
        """The dataset's id, new or known: the same data under the same name, version and split is kept once.

        data_path: a file or a folder; with `compute_hash` its bytes are hashed (a folder's by the sorted list of its
                   files). Changed bytes under the same name are a new revision. One that is not there is kept with a
                   WARN and without a hash.
        StoreError ``STORE_VALUE`` for an end before the start, and for what the record does not take.
        """
        path = None if data_path is None else path_text(data_path, "data_path")
        count = whole(num_samples, "num_samples")
        if count is not None and count < 0:
            raise refusal(f"num_samples is {count}, at least 0", field="num_samples")
        return self.record.datasets.add(
            check_name(name, "name"),
            "" if version == "" else check_name(version, "version"),
            among(split_type, SPLITS, "split_type"),
            dataset_type=check_name(dataset_type, "dataset_type"),
            data_path=path,
            data_hash=_hash(path) if path is not None and compute_hash else None,
            num_samples=count,
            start_date=day(start_date, "start_date"),
            end_date=day(end_date, "end_date"),
            feature_columns=texts(feature_columns, "feature_columns"),
            target_columns=texts(target_columns, "target_columns"),
            metadata=mapping(metadata, "metadata"),
        )

    def link_dataset_to_experiment(self, experiment_id: int, dataset_id: int, usage_type: str) -> None:
        """Say that the run used the dataset as ``train``, ``val``, ``test`` or another word; twice is once.

        StoreError ``STORE_NOT_FOUND`` for an unknown run or dataset.
        """
        record, run = self.record, check_id(experiment_id, "experiment_id")
        record.experiments.get(run)
        record.datasets.link(run, self._require_dataset(dataset_id)["id"], check_name(usage_type, "usage_type"))

    def get_experiment_datasets(self, experiment_id: int) -> dict[str, Row]:
        """The run's datasets by usage; further ones of the same usage stand under that row's ``also``, a list."""
        record, run = self.record, check_id(experiment_id, "experiment_id")
        record.experiments.get(run)
        result: dict[str, Row] = {}
        for row in record.datasets.of_run(run):
            usage = row["usage_type"]
            if usage in result:
                result[usage].setdefault("also", []).append(row)
            else:
                result[usage] = row
        return result

    def get_dataset(
        self,
        name: str | None = None,
        version: str | None = None,
        split_type: str | None = None,
        dataset_id: int | None = None,
    ) -> Row | None:
        """The dataset by id, or by name and, where given, version and split: the highest revision, or None."""
        if dataset_id is None and name is None:
            raise refusal("give the dataset's name or its dataset_id", field="name")
        values = {"name": name, "version": version, "split_type": split_type, "id": whole(dataset_id, "dataset_id")}
        query = sa.select(DATASETS).filter_by(**{key: value for key, value in values.items() if value is not None})
        order = DATASETS.c.revision.desc(), DATASETS.c.id.desc()
        with self.record.database.read() as connection:
            result = rows(connection.execute(query.order_by(*order).limit(1)))
        return result[0] if result else None

    def lineage(self, model_id: int | str) -> Lineage:
        """Where a model comes from and what came of it.

        ``model``, its ``run``, the run's ``datasets`` and ``spec``, its ``parents`` (ids of the runs above it, nearest
        first) and ``model_parents``; downwards ``configurations`` (ids) and ``trades`` (how many the run has).
        """
        record = self.record
        model = record.models.get(model_id if isinstance(model_id, str) else check_id(model_id, "model_id"))
        run = record.experiments.get(model["experiment_id"])
        return {
            "model": model,
            "run": run,
            "datasets": record.datasets.of_run(run["id"]),
            "spec": run["spec"],
            "parents": _above(lambda one: record.experiments.get(one)["parent_id"], run["parent_id"]),
            "model_parents": _above(lambda one: record.models.get(one)["parent_id"], model["parent_id"]),
            **_downwards(record, model["id"], run["id"]),
        }

    def _require_dataset(self, dataset_id: int) -> Row:
        request = check_id(dataset_id, "dataset_id")
        result = self.get_dataset(dataset_id=request)
        if result is None:
            raise StoreError(f"there is no dataset {request}", code="STORE_NOT_FOUND", asked=request)
        return result


def _above(parent: Callable[[int], int | None], first: int | None) -> list[int]:
    result: list[int] = []
    while first is not None and first not in result and len(result) < _PARENTS_MOST:
        result.append(first)
        first = parent(first)
    return result


def _downwards(record: TrackingStore, model: int, run: int) -> Downwards:
    configured = sa.select(CONFIGURATIONS.c.id).where(CONFIGURATIONS.c.model_id == model)
    traded = sa.select(sa.func.count()).select_from(TRADES).where(TRADES.c.experiment_id == run)
    with record.database.read() as connection:
        return {
            "configurations": list(connection.execute(configured.order_by(CONFIGURATIONS.c.id)).scalars()),
            "trades": int(connection.execute(traded).scalar_one()),
        }


def _hash(text: str) -> str | None:
    """SHA-256 of a file, or of the sorted ``path NUL sha256 LF`` of a folder's files."""
    path = Path(text)
    try:
        if path.is_file():
            return file_sha256(path)
        if not path.is_dir():
            _LOG.warning("dataset path %r is not there; it is kept without a hash", text)
            return None
        files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
        lines = "".join(f"{name}\0{file_sha256(file)}\n" for name, file in files)
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    except OSError as error:
        raise StoreError(f"dataset {text} cannot be read: {error.strerror}", code="STORE_IO") from error
