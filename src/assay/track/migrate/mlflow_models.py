"""Registered models of MLflow, as rows that point to files which Assay never opens."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from assay.track.migrate.import_common import IMPORTED, Tally
from assay.track.mirror.mirrored_models import MODEL_ID
from assay.track.mirror.server import translate_errors
from assay.track.schema.model_tables import MODELS
from assay.track.tracking_store import TrackingStore

if TYPE_CHECKING:
    from mlflow import MlflowClient

ORIGIN = "mlflow"


def models(there: "MlflowClient", place: str, record: TrackingStore, ids: Mapping[str, int], tally: Tally) -> None:
    """Write each version of each registered model whose run is here, once; aliases are kept in its metadata.

    ids: runs here by their id there. The rows are ``external`` and unverified: no gate lets them be promoted.
    """
    here = _imported_models(record)
    for name, aliases in _registered(there, place):
        for version in _versions(there, place, name):
            tally.saw("models")
            key, run = f"{name}/{version.version}", ids.get(str(version.run_id))
            if MODEL_ID in version.tags:
                tally.flag("a model was mirrored from a record of Assay")
            elif run is None:
                tally.flag("a model's run is not here; the model was left out")
            elif key not in here:
                _add(record, run, name, version, [a for a, v in aliases.items() if str(v) == str(version.version)])
                tally.wrote("models")


def _add(record: TrackingStore, run: int, name: str, version: Any, aliases: list[str]) -> None:
    metadata = {
        IMPORTED: {"from": ORIGIN, "key": f"{name}/{version.version}"},
        ORIGIN: {"aliases": sorted(aliases), "tags": dict(version.tags), "description": version.description or ""},
    }
    record.models.add(
        run,
        str(version.source),
        name=name,
        version=str(version.version),
        format="external",
        metadata=metadata,
        created_at=int(version.creation_timestamp),
    )


def _imported_models(record: TrackingStore) -> frozenset[str]:
    with record.database.read() as connection:
        query = sa.select(MODELS.c.metadata).where(MODELS.c.format == "external")
        marks = [metadata.get(IMPORTED) for metadata in connection.execute(query).scalars()]
    return frozenset(m["key"] for m in marks if isinstance(m, dict) and m.get("from") == ORIGIN)


def _registered(there: "MlflowClient", place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    token: str | None = None
    while True:
        with translate_errors(place):
            page = there.search_registered_models(page_token=token)
        yield from ((str(model.name), dict(model.aliases)) for model in page)
        token = page.token
        if not token:
            return


def _versions(there: "MlflowClient", place: str, name: str) -> Iterator[Any]:
    """Versions, the first first."""
    result: list[Any] = []
    token: str | None = None
    quote = '"' if "'" in name else "'"
    while True:
        with translate_errors(place):
            page = there.search_model_versions(f"name={quote}{name}{quote}", page_token=token)
        result += page
        token = page.token
        if not token:
            yield from sorted(result, key=lambda version: int(version.version))
            return
