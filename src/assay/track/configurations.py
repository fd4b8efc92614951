"""Trained configurations: stored with each search, switched and approved by people."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, LeakError, StoreError, did_you_mean, printable
from assay.kernel.timeframe import current_ms
from assay.track.codecs import format_instant, parse_instant
from assay.track.database import Database, Row, check_fields, rows, writes
from assay.track.registry.promotion import not_audited
from assay.track.schema.service import EVENTS
from assay.track.schema.tables import CONFIGURATIONS, MODELS, STAGES
from assay.validate import STAGES as RULES
from assay.validate import circuit_breakers

_C = CONFIGURATIONS.c
_CAPITAL = 10_000.0  # what money in a document is for
LIST_MOST = 10_000
_NAMED = 1_000  # newest ids among which a misspelt one is looked for


class Configurations:
    """The ``trained_configurations`` table. ``config_json`` is the whole document and agrees with the columns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def add(self, row: Mapping[str, object]) -> int:
        """A new row; its id. It is not active, whatever the row says of that.

        StoreError ``STORE_VALUE`` for an unknown or generated column, ``STORE_CONFLICT`` for a config_id that is there.
        """
        values = check_fields(row, CONFIGURATIONS)
        if "status" in values:
            raise StoreError("the column status follows lifecycle_stage and is never written", code="STORE_VALUE")
        with self._database.write() as connection:
            made = sa.insert(CONFIGURATIONS).values(values | {"is_active": False}).returning(_C.id)
            return int(connection.execute(made).scalar_one())

    def get(self, config_id: str) -> Row:
        """The whole row. StoreError ``STORE_NOT_FOUND`` with the nearest id."""
        with self._database.read() as connection:
            return _row(connection, config_id)

    def list(
        self,
        *,
        strategy: str | None = None,
        exchange: str | None = None,
        pair: str | None = None,
        timeframe: str | None = None,
        stage: str | None = None,
        active: bool | None = None,
        limit: int = 50,
    ) -> "list[Row]":
        """Rows without the long ``config_json``, newest first; a filter that is None takes all. 1 <= limit <= 10,000.

        StoreError ``STORE_VALUE`` for a stage that does not exist.
        """
        if not 1 <= limit <= LIST_MOST:
            raise StoreError(f"limit is {limit}, must be in 1..{LIST_MOST}", code="STORE_VALUE")
        if stage is not None and stage not in STAGES.split():
            raise StoreError(f"stage is {printable(stage)}, one of {', '.join(STAGES.split())}", code="STORE_VALUE")
        request = {
            "strategy_name": strategy, "exchange": exchange, "pair": pair, "timeframe": timeframe,
            "lifecycle_stage": stage, "is_active": active,
        }  # fmt: skip
        query = sa.select(*(c for c in _C if c is not _C.config_json))
        query = query.where(*(_C[name] == value for name, value in request.items() if value is not None))
        with self._database.read() as connection:
            return rows(connection.execute(query.order_by(_C.created_at.desc(), _C.id.desc()).limit(limit)))

    @writes
    def set_active(self, config_id: str, active: bool, *, by: str = "") -> Row:
        """Switch it on or off for bots; the row as it is then. The stage stays what it is.

        Switching to what it is already changes nothing, the times of switching included. by: for the log of events.
        StoreError ``STORE_NOT_FOUND``; to switch it on LeakError as `approve`.
        """
        with self._database.write() as connection:
            row = _row(connection, config_id, locked=True)
            if row["is_active"] == active:
                return row
            if active:
                _demand_audited(connection, row)
            now = parse_instant(current_ms())
            switched = "last_activated_at" if active else "last_deactivated_at"
            _set(connection, row["id"], {"is_active": active, switched: now, "updated_at": now})
            _log(connection, by, "configuration.activate" if active else "configuration.deactivate", row, {})
            return _row(connection, config_id)

    @writes
    def approve(self, config_id: str, by: str, why: str) -> Row:
        """A person lets a VALIDATION configuration that is eligible be MATURE; the row as it is then.

        Who, when and why stand in the document (``lifecycle``) and in the log of events. What the new stage allows
        changes with it, in the document and in the columns. Whether it is active does not.
        Raises ConfigError ``CONFIG_FIELD`` for an empty name or reason; StoreError ``STORE_NOT_FOUND``, and
        ``STORE_CONFLICT`` for a configuration that may not be approved, with the rules that stand against it. LeakError
        ``LEAK_NOT_AUDITED`` and ``LEAK_AUDIT`` for one whose model's causality audit is open, or failed.
        """
        for name, text in (("by", by), ("why", why)):
            if not text.strip():
                raise ConfigError(f"{name} is empty: an approval says who gives it and why", field=name)
        with self._database.write() as connection:
            row = _row(connection, config_id, locked=True)
            _demand_audited(connection, row)
            _demand_eligible(row)
            now = max(parse_instant(current_ms()), row["updated_at"])
            document = _approved(row["config_json"], by.strip(), why.strip(), format_instant(now))
            largest = document["risk_allocation"]["max_position_size"]
            _set(
                connection,
                row["id"],
                {
                    "lifecycle_stage": "MATURE",
                    "max_position_size": largest,
                    "config_json": document,
                    "updated_at": now,
                },
            )
            _log(connection, by.strip(), "configuration.approve", row, {"why": why.strip()})
            return _row(connection, config_id)


def _row(connection: sa.Connection, config_id: str, *, locked: bool = False) -> Row:
    query = sa.select(CONFIGURATIONS).where(_C.config_id == config_id)
    result = rows(connection.execute(query.with_for_update(key_share=True) if locked else query))
    if result:
        return result[0]
    available = list(connection.execute(sa.select(_C.config_id).order_by(_C.id.desc()).limit(_NAMED)).scalars())
    near = did_you_mean(config_id, available)
    document = "assay config list shows those there are" if available else "the record holds no configuration yet"
    raise StoreError(
        f"there is no configuration {printable(config_id)}; {near or document}",
        code="STORE_NOT_FOUND",
        hint=near,
        asked=printable(config_id),
    )


def _set(connection: sa.Connection, row: int, values: Row) -> None:
    connection.execute(sa.update(CONFIGURATIONS).where(_C.id == row).values(values))


def _log(connection: sa.Connection, by: str, action: str, row: Row, details: Row) -> None:
    event = {"actor": by, "action": action, "subject": row["config_id"], "details": details}
    connection.execute(sa.insert(EVENTS).values(event))


def _demand_audited(connection: sa.Connection, row: Row) -> None:
    """A configuration is handed to bots by its model's audit; one that no training left has none to ask."""
    status = connection.execute(sa.select(MODELS.c.audit_status).where(MODELS.c.id == row["model_id"])).scalar()
    text = f"the causality audit of configuration {row['config_id']} is {status}"
    if status == "pending":
        raise not_audited(text, row["experiment_id"])
    if status == "failed":
        raise LeakError(text, code="LEAK_AUDIT", hint="What it earned may rest on bars that it could not know.")


def _demand_eligible(row: Row) -> None:
    stage, document = row["lifecycle_stage"], row["config_json"]
    if document is None:
        raise StoreError(f"configuration {row['config_id']} holds no document to approve", code="STORE_VALUE")
    lifecycle = document["lifecycle"]
    if stage == "VALIDATION" and lifecycle["eligible_for"] == "MATURE":
        return
    if stage == "MATURE":
        why = f"is MATURE already, approved by {printable(lifecycle['approved_by'])}"
    else:
        why = f"is {stage} and not eligible for MATURE: {_against(lifecycle['reasons'])}"
    raise StoreError(f"configuration {row['config_id']} {why}", code="STORE_CONFLICT", stage=stage)


def _against(reasons: Iterable[Row]) -> str:
    failed = [f"{r['text']} (limit {r['limit']})" for r in reasons if r["state"] == "FAIL"]
    return "; ".join(failed) or "its training did not find so"


def _approved(document: Row, by: str, why: str, moment: str) -> Row:
    """The document in its new stage, with the approval in place of the rule that asked for it."""
    rule = RULES["MATURE"]
    approval = {"code": "APPROVAL", "state": "PASS", "text": why, "value": by, "limit": moment}
    reasons = [r for r in document["lifecycle"]["reasons"] if r["code"] != "APPROVAL"]
    lifecycle = document["lifecycle"] | {
        "current_stage": "MATURE",
        "eligible_for": None,
        "approved_by": by,
        "max_allocation_pct": rule.max_allocation_pct,
        "position_multiplier": rule.position_multiplier,
        "last_updated": moment,
        "reasons": [*reasons, approval],
    }
    allocation = document["risk_allocation"] | {"max_position_size": rule.base * _CAPITAL}
    return document | {
        "status": "MATURE",
        "lifecycle": lifecycle,
        "risk_allocation": allocation,
        "circuit_breakers": circuit_breakers("MATURE"),
    }
