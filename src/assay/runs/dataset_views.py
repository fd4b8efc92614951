"""Datasets, and where models come from: what the record knows, for people."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from assay.kernel.errors import StoreError, did_you_mean, printable
from assay.kernel.timeframe import iso as iso_ms
from assay.runs.context import Context
from assay.runs.run_views import iso_or_none

_HASH = re.compile(r"[0-9a-f]{8,64}")
_SHOWN_FIELDS = (
    "id", "name", "version", "split_type", "revision", "dataset_type", "exchange", "symbol", "timeframe", "num_samples",
    "data_hash",
)  # fmt: skip


def list_datasets(context: Context, *, limit: int) -> list[dict[str, Any]]:
    """Datasets, newest first: what they are, span, hash, how many runs used them, whether the file is there."""
    return [_line(row, context) | {"runs": row["runs"]} for row in context.record.datasets.recent(limit)]


def show_dataset(name: str, context: Context) -> dict[str, Any]:
    """One dataset with the runs that used it: by id, name (the highest revision), or 8 or more digits of its hash.

    Raises StoreError ``STORE_NOT_FOUND`` with the nearest name or the ids there are, ``STORE_CONFLICT`` where a hash
    begins several.
    """
    row = _find_dataset(name, context)
    return _line(row, context) | {
        "data_path": row["data_path"],
        "features": row["feature_columns"],
        "targets": row["target_columns"],
        "metadata": row["metadata"],
        "created": iso_or_none(row["created_at"]),
        "used_by": context.record.datasets.users(row["id"]),
    }


def show_lineage(name: str, context: Context) -> dict[str, Any]:
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


def _of_model(model_id: str, context: Context) -> dict[str, Any]:
    from assay.track import DatasetManager

    result = DatasetManager(context.record).lineage(model_id)
    configurations = _configurations(context)
    return {
        "kind": "model",
        "model": _plain({n: result["model"][n] for n in ("model_id", "id", "name", "version", "strategy_type", "symbol",
                                                         "timeframe", "content_sha256", "integrity", "lifecycle_stage",
                                                         "created_at")}),
        "run": _plain({n: result["run"][n] for n in ("id", "run_id", "name", "status", "start_time", "git_commit",
                                                    "lock_hash", "spec_hash", "data_digest", "reproduces_id")}),
        "datasets": [_line(row, context) | {"usage": row["usage_type"]} for row in result["datasets"]],
        "spec": result["spec"],
        "parents": result["parents"],
        "model_parents": result["model_parents"],
        "configurations": [row["config_id"] for row in configurations if row["id"] in set(result["configurations"])],
        "trades": result["trades"],
    }  # fmt: skip


def _of_dataset(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    record, configurations = context.record, _configurations(context)
    runs = [
        run | {
            "models": [each["model_id"] for each in record.models.recent(run["experiment_id"], limit=1_000)],
            "configurations": [c["config_id"] for c in configurations if c["experiment_id"] == run["experiment_id"]],
            "trades": record.trades.count(run["experiment_id"]),
        }
        for run in record.datasets.users(row["id"])
    ]  # fmt: skip
    return {"kind": "dataset", "dataset": _line(row, context), "runs": runs}


def _configurations(context: Context) -> list[dict[str, Any]]:
    return context.record.configurations.list(limit=10_000)


def _find_dataset(name: str, context: Context, *, also: list[str] | None = None) -> dict[str, Any]:
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


def _line(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    facts = row["metadata"] or {}
    first, last = (iso_ms(facts[name]) if isinstance(facts.get(name), int) else None for name in ("first", "last"))
    return {name: row[name] for name in _SHOWN_FIELDS} | {
        "from": row["start_date"] or first,
        "to": row["end_date"] or last,
        "there": _there(row, context),
    }


def _there(row: Mapping[str, Any], context: Context) -> bool | None:
    """Whether its file is there, a snapshot's in this home; None where no place is known."""
    if not row["data_path"]:
        return None
    place, name = Path(row["data_path"]), f"{row['data_hash']}.parquet"
    return (context.snapshots / name).is_file() if place.name == name else place.exists()


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: iso_or_none(v) if isinstance(v, datetime) else str(v) if isinstance(v, date) else v
        for name, v in values.items()
    }
