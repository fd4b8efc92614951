"""Datasets, and where models come from: what the record knows, for people."""

import re
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from assay.kernel.errors import StoreError, did_you_mean, printable
from assay.kernel.parse import JsonObject
from assay.kernel.timeframe import iso as iso_ms
from assay.runs.context import Context
from assay.runs.run_views import iso_or_none
from assay.track import Row

_HASH = re.compile(r"[0-9a-f]{8,64}")
_SHOWN_FIELDS = (
    "id", "name", "version", "split_type", "revision", "dataset_type", "exchange", "symbol", "timeframe", "num_samples",
    "data_hash",
)  # fmt: skip
_MODEL_FIELDS = (
    "model_id", "id", "name", "version", "strategy_type", "symbol", "timeframe", "content_sha256", "integrity",
    "lifecycle_stage", "created_at",
)  # fmt: skip
_RUN_FIELDS = (
    "id", "run_id", "name", "status", "start_time", "git_commit", "lock_hash", "spec_hash", "data_digest",
    "reproduces_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What a dataset is.

    start, end: of its span, as stored or ISO 8601; None where unknown.   data_hash: SHA-256, hex.
    present: whether its file is there, a snapshot's in this home; None where no place is stored.
    """

    id: int
    name: str
    version: str | None
    split_type: str | None
    revision: int
    dataset_type: str | None
    exchange: str | None
    symbol: str | None
    timeframe: str | None
    num_samples: int | None
    data_hash: str | None
    start: str | None
    end: str | None
    present: bool | None

    @property
    def document(self) -> JsonObject:
        """The facts as JSON: span under ``from`` and ``to``, the file under ``there``."""
        renamed = {"from": self.start, "to": self.end, "there": self.present}
        return {name: getattr(self, name) for name in _SHOWN_FIELDS} | renamed


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One line of the list of datasets. runs: how many used it."""

    facts: DatasetFacts
    runs: int

    @property
    def document(self) -> JsonObject:
        """The line as JSON."""
        return self.facts.document | {"runs": self.runs}


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A run that used a dataset, and as what (`usage_type`). reproduces_id: the run that it repeats."""

    experiment_id: int
    run_id: str
    name: str
    status: str
    reproduces_id: int | None
    usage_type: str

    @property
    def document(self) -> JsonObject:
        """The use as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DatasetView:
    """One dataset: what it is, its columns and place, and the runs that used it, oldest first."""

    facts: DatasetFacts
    data_path: str | None
    features: list[str] | None
    targets: list[str] | None
    metadata: JsonObject | None
    created: str | None
    used_by: tuple[DatasetUse, ...]

    @property
    def document(self) -> JsonObject:
        """The view as JSON."""
        return self.facts.document | {
            "data_path": self.data_path,
            "features": None if self.features is None else [*self.features],
            "targets": None if self.targets is None else [*self.targets],
            "metadata": self.metadata,
            "created": self.created,
            "used_by": [each.document for each in self.used_by],
        }


@dataclass(frozen=True, slots=True)
class DatasetLineage:
    """A dataset and, run by run, what came of it."""

    dataset: DatasetFacts
    runs: tuple["RunOffspring", ...]
    kind: Literal["dataset"] = "dataset"

    @property
    def document(self) -> JsonObject:
        """The lineage as JSON."""
        return {
            "kind": self.kind, "dataset": self.dataset.document, "runs": [each.document for each in self.runs]
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunOffspring:
    """A run on a dataset and what it left: models and configurations by id, and how many trades."""

    use: DatasetUse
    models: list[str]
    configurations: list[str]
    trades: int

    @property
    def document(self) -> JsonObject:
        """Run and offspring as one JSON object."""
        return self.use.document | {
            "models": [*self.models],
            "configurations": [*self.configurations],
            "trades": self.trades,
        }


@dataclass(frozen=True, slots=True)
class ModelLineage:
    """Where a model comes from (run, datasets with their usage, spec, parents), and what came of it."""

    model: JsonObject
    run: JsonObject
    datasets: tuple[tuple[DatasetFacts, str], ...]
    spec: JsonObject | None
    parents: list[int]
    model_parents: list[int]
    configurations: list[str]
    trades: int
    kind: Literal["model"] = "model"

    @property
    def document(self) -> JsonObject:
        """The lineage as JSON."""
        return {
            "kind": self.kind,
            "model": self.model,
            "run": self.run,
            "datasets": [facts.document | {"usage": usage} for facts, usage in self.datasets],
            "spec": self.spec,
            "parents": [*self.parents],
            "model_parents": [*self.model_parents],
            "configurations": [*self.configurations],
            "trades": self.trades,
        }


def list_datasets(context: Context, *, limit: int) -> list[DatasetRow]:
    """Datasets, newest first: what they are, span, hash, how many runs used them, whether the file is there."""
    return [DatasetRow(_facts(row, context), row["runs"]) for row in context.record.datasets.recent(limit)]


def show_dataset(name: str, context: Context) -> DatasetView:
    """One dataset with the runs that used it: by id, name (the highest revision), or 8 or more digits of its hash.

    Raises StoreError ``STORE_NOT_FOUND`` with the nearest name or the ids there are, ``STORE_CONFLICT`` where a hash
    begins several.
    """
    row = _find_dataset(name, context)
    return DatasetView(
        _facts(row, context),
        data_path=row["data_path"],
        features=row["feature_columns"],
        targets=row["target_columns"],
        metadata=row["metadata"],
        created=iso_or_none(row["created_at"]),
        used_by=_uses(row, context),
    )


def show_lineage(name: str, context: Context) -> DatasetLineage | ModelLineage:
    """Of a dataset: the runs on it, and what each left. Of a model: its run, datasets, spec and parents, and what came
    of it: configurations and trades.

    name: as of `show_dataset`, or a ``model_id``. Raises StoreError ``STORE_NOT_FOUND`` with the nearest of both.
    """
    try:
        model = None if name.isdecimal() else context.record.models.get(name)
    except StoreError as error:
        if error.code != "STORE_NOT_FOUND":
            raise
        model = None
    if model is not None:
        return _of_model(model["model_id"], context)
    available = [row["model_id"] for row in context.record.models.recent(limit=10_000)]
    return _of_dataset(_find_dataset(name, context, also=available), context)


def _of_model(model_id: str, context: Context) -> ModelLineage:
    from assay.track import DatasetManager

    result = DatasetManager(context.record).lineage(model_id)
    came = set(result["configurations"])
    return ModelLineage(
        model=_plain(result["model"], _MODEL_FIELDS),
        run=_plain(result["run"], _RUN_FIELDS),
        datasets=tuple((_facts(row, context), row["usage_type"]) for row in result["datasets"]),
        spec=result["spec"],
        parents=result["parents"],
        model_parents=result["model_parents"],
        configurations=[row["config_id"] for row in _configurations(context) if row["id"] in came],
        trades=result["trades"],
    )


def _of_dataset(row: Row, context: Context) -> DatasetLineage:
    record, configurations = context.record, _configurations(context)
    runs = tuple(
        RunOffspring(
            use,
            models=[each["model_id"] for each in record.models.recent(use.experiment_id, limit=1_000)],
            configurations=[c["config_id"] for c in configurations if c["experiment_id"] == use.experiment_id],
            trades=record.trades.count(use.experiment_id),
        )
        for use in _uses(row, context)
    )
    return DatasetLineage(_facts(row, context), runs)


def _uses(row: Row, context: Context) -> tuple[DatasetUse, ...]:
    return tuple(DatasetUse(**each) for each in context.record.datasets.users(row["id"]))


def _configurations(context: Context) -> list[Row]:
    return context.record.configurations.list(limit=10_000)


def _find_dataset(name: str, context: Context, *, also: list[str] | None = None) -> Row:
    stored = context.record.datasets
    if name.isdecimal() and len(name) < 10:
        return stored.by_id(int(name))
    named = stored.recent(10_000, name=name)
    if named:
        return max(named, key=lambda row: (row["revision"], row["id"]))
    hashed = stored.recent(10_000, data_hash=name) if _HASH.fullmatch(name) else []
    if len(hashed) > 1:
        ids = ", ".join(str(row["id"]) for row in hashed)
        raise StoreError(f"{printable(name)} begins the hash of datasets {ids}", code="STORE_CONFLICT")
    if hashed:
        return hashed[0]
    available = [*stored.names(), *(also or [])]
    near = did_you_mean(name, available) or (
        f"the record holds {len(available)} names" if available else "there is none yet"
    )
    what = "dataset" if also is None else "dataset or model"
    raise StoreError(
        f"there is no {what} {printable(name)}; {near}",
        code="STORE_NOT_FOUND",
        hint="assay datasets list shows the datasets there are.",
    )


def _facts(row: Row, context: Context) -> DatasetFacts:
    facts = row["metadata"] or {}
    first, last = (iso_ms(facts[name]) if isinstance(facts.get(name), int) else None for name in ("first", "last"))
    return DatasetFacts(
        **{name: row[name] for name in _SHOWN_FIELDS},
        start=row["start_date"] or first,
        end=row["end_date"] or last,
        present=_there(row, context),
    )


def _there(row: Row, context: Context) -> bool | None:
    """Whether its file is there, a snapshot's in this home; None where no place is known."""
    if not row["data_path"]:
        return None
    place, name = Path(row["data_path"]), f"{row['data_hash']}.parquet"
    return (context.snapshots / name).is_file() if place.name == name else place.exists()


def _plain(row: Row, names: tuple[str, ...]) -> JsonObject:
    return {
        name: iso_or_none(v) if isinstance(v, datetime) else str(v) if isinstance(v, date) else v
        for name, v in ((name, row[name]) for name in names)
    }
