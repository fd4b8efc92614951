"""Configurations as people and bots ask for them: listed, shown, exported, switched, approved."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.runs.bot_config.schema import bundle, check_document, check_stored
from assay.runs.context import Context

_LISTED = (
    "config_id", "exchange", "pair", "timeframe", "regime", "is_active", "sharpe_ratio", "net_profit_pct",
    "sample_size", "p_value", "stability_score", "confidence_score", "experiment_id",
)  # fmt: skip
_TIMES = ("created_at", "updated_at", "last_activated_at", "last_deactivated_at")


def list_configurations(context: Context, *, limit: int = 50, **filters: Any) -> list[dict[str, Any]]:
    """Configurations, newest first, by what `assay.track.configurations.Configurations.list` filters by."""
    return [_line(row) for row in context.record.configurations.list(limit=limit, **filters)]


def show_configuration(config_id: str, context: Context) -> dict[str, Any]:
    """``{configuration, ...}``: the document, and what only the record knows: switch, times, run.

    Raises StoreError ``STORE_NOT_FOUND`` with the nearest id, ArtifactError ``ARTIFACT_CORRUPT`` for a stored document
    that breaks the schema.
    """
    row = context.record.configurations.get(config_id)
    return _line(row) | {"configuration": _document(row)}


def export_configurations(config_ids: Sequence[str], context: Context) -> dict[str, Any]:
    """The document of one, or the bundle of several (``CONFIG_BUNDLE`` unless they are of one pair and strategy)."""
    result = [_document(context.record.configurations.get(name)) for name in dict.fromkeys(config_ids)]
    return result[0] if len(result) == 1 else bundle(result)


def select_configurations(context: Context, **filters: Any) -> list[str]:
    """Ids of all configurations that the filters leave. Raises StoreError ``STORE_NOT_FOUND`` for none."""
    lines = [row["config_id"] for row in context.record.configurations.list(limit=10_000, **filters)]
    if not lines:
        request = ", ".join(f"{name} {printable(value)}" for name, value in filters.items() if value is not None)
        raise StoreError(
            f"there is no configuration{f' of {request}' if request else ''}",
            code="STORE_NOT_FOUND",
            hint="assay config list shows those there are.",
        )
    return lines


def switch_configuration(config_id: str, context: Context, *, active: bool) -> dict[str, Any]:
    """Switch one on or off for bots; its line. The stage is not changed."""
    return _line(context.record.configurations.set_active(config_id, active))


def approve_configuration(config_id: str, context: Context, *, by: str, why: str) -> dict[str, Any]:
    """A person's approval for MATURE; `show_configuration` as it is then. Nothing is changed unless all of it is right.

    Raises as `assay.track.configurations.Configurations.approve`, and ConfigError ``CONFIG_DOCUMENT``.
    """
    with context.record.together():
        _document(context.record.configurations.get(config_id))
        row = context.record.configurations.approve(config_id, by, why)
        check_document(row["config_json"])
    return _line(row) | {"configuration": row["config_json"]}


def write_text_file(text: str, path: Path) -> None:
    """Write a file whole or not at all. Raises StoreError ``STORE_PATH``, ConfigError for a folder's name."""
    if path.is_dir():
        raise ConfigError(f"{printable(str(path))} is a folder; name a file", field="out")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{printable(str(path))} cannot be written: {error.strerror}", code="STORE_PATH") from error


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    document = row["config_json"]
    if document is None:
        raise StoreError(f"configuration {row['config_id']} holds no document", code="STORE_VALUE")
    return check_stored(document, row["config_id"])


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    named = {"strategy": row["strategy_name"], "stage": row["lifecycle_stage"]}
    return named | {name: row[name] for name in _LISTED} | {name: _iso(row[name]) for name in _TIMES}


def _iso(moment: Any) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
