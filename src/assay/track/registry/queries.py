"""Query models, their aliases and their history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from assay.track.rows import Row, nan_for_null, rows
from assay.track.schema.model_tables import ALIASES, MODELS
from assay.track.schema.service import EVENTS
from assay.track.timestamps import format_instant
from assay.track.tracking_store import TrackingStore

_METRICS = ("train_metric", "val_metric", "test_metric")
_M, _A, _E = MODELS.c, ALIASES.c, EVENTS.c


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """aliases: that it holds now, in the order of the alphabet.

    override: ``by``, ``reason``, ``time`` and ``verdict`` of the newest promotion that went against the verdict, which
              stays with the model for ever; None when there was none.
    """

    aliases: tuple[str, ...] = ()
    override: Mapping[str, Any] | None = None


def find_models(
    record: TrackingStore, where: Mapping[str, str], *, serving: bool = False, limit: int = 50
) -> list[Row]:
    """Models that have files, newest first. where: columns and their values; serving: only those with an alias."""
    query = sa.select(MODELS).where(_M.deleted_at.is_(None), *(_M[name] == value for name, value in where.items()))
    query = query.where(sa.exists().where(_A.model_id == _M.id)) if serving else query
    with record.database.read() as connection:
        result = rows(connection.execute(query.order_by(_M.created_at.desc(), _M.id.desc()).limit(limit)))
    return [nan_for_null(row, _METRICS) for row in result]


def model_standings(record: TrackingStore, models: Sequence[int]) -> dict[int, ModelStanding]:
    """By number, each of them."""
    subjects = {f"model:{model}": model for model in models}
    aliases = sa.select(_A.model_id, _A.alias).where(_A.model_id.in_(models))
    promoted = sa.select(EVENTS).where(_E.action == "promote", _E.subject.in_(subjects)).order_by(_E.id)
    with record.database.read() as connection:
        holding = connection.execute(aliases).all()
        events = rows(connection.execute(promoted))
    overrides = {subjects[event["subject"]]: _override(event) for event in events if event["details"]["override"]}
    return {
        model: ModelStanding(tuple(sorted(alias for of, alias in holding if of == model)), overrides.get(model))
        for model in models
    }


def model_history(record: TrackingStore, model: int) -> list[Row]:
    """All that was done with a model, in order: promoted, rolled back to, challenged, deleted."""
    query = sa.select(EVENTS).where(_E.subject == f"model:{model}").order_by(_E.id)
    with record.database.read() as connection:
        return rows(connection.execute(query))


def _override(event: Row) -> dict[str, Any]:
    details = event["details"]
    document = {"by": event["actor"], "reason": details["override"], "verdict": details["verdict"]}
    return document | {"time": format_instant(event["timestamp"])}
