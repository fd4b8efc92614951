"""Configurations as people and bots ask for them: listed, shown, exported, switched, approved."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypedDict, Unpack

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.parse import JsonObject
from assay.runs.bot_config.schema import bundle, check_document, check_stored
from assay.runs.context import Context
from assay.runs.run_views import iso_or_none
from assay.track import Row

_TIMES = ("created_at", "updated_at", "last_activated_at", "last_deactivated_at")


class ConfigurationFilters(TypedDict, total=False):
    """What a list of configurations is cut down to; a filter that is None takes all."""

    strategy: str | None
    exchange: str | None
    pair: str | None
    timeframe: str | None
    stage: str | None
    active: bool | None


@dataclass(frozen=True, slots=True)
class ConfigurationRow:
    """One configuration of the record without its parameters; times in ISO 8601, undefined numbers None.

    net_profit_pct: percent.   sample_size: trades out of sample.   experiment_id: the run that made it.
    """

    strategy: str
    stage: str
    config_id: str
    exchange: str
    pair: str
    timeframe: str
    regime: str | None
    is_active: bool
    sharpe_ratio: float | None
    net_profit_pct: float | None
    sample_size: int | None
    p_value: float | None
    stability_score: float | None
    confidence_score: float | None
    experiment_id: int | None
    created_at: str | None
    updated_at: str | None
    last_activated_at: str | None
    last_deactivated_at: str | None

    @classmethod
    def from_row(cls, row: Row) -> "ConfigurationRow":
        """Of a row of the record."""
        renamed = {"strategy": row["strategy_name"], "stage": row["lifecycle_stage"]}
        columns = {each.name: row[each.name] for each in fields(cls) if each.name not in (*renamed, *_TIMES)}
        columns |= {name: iso_or_none(row[name]) for name in _TIMES}
        return cls(**renamed, **columns)

    @property
    def document(self) -> JsonObject:
        """The row as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ConfigurationView:
    """One configuration: what only the record knows (switch, times, run), and its V3 document."""

    row: ConfigurationRow
    configuration: JsonObject

    @property
    def document(self) -> JsonObject:
        """The row as JSON with the V3 document under ``configuration``."""
        return self.row.document | {"configuration": self.configuration}


def list_configurations(
    context: Context, *, limit: int = 50, **filters: Unpack[ConfigurationFilters]
) -> list[ConfigurationRow]:
    """Configurations, newest first, by what `assay.track.configurations.Configurations.list` filters by."""
    return [ConfigurationRow.from_row(row) for row in context.record.configurations.list(limit=limit, **filters)]


def show_configuration(config_id: str, context: Context) -> ConfigurationView:
    """The document of one, and what only the record knows: switch, times, run.

    Raises StoreError ``STORE_NOT_FOUND`` with the nearest id, ArtifactError ``ARTIFACT_CORRUPT`` for a stored document
    that breaks the schema.
    """
    row = context.record.configurations.get(config_id)
    return ConfigurationView(ConfigurationRow.from_row(row), _document(row))


def export_configurations(config_ids: Sequence[str], context: Context) -> JsonObject:
    """The document of one, or the bundle of several (``CONFIG_BUNDLE`` unless they are of one pair and strategy)."""
    result = [_document(context.record.configurations.get(name)) for name in dict.fromkeys(config_ids)]
    return result[0] if len(result) == 1 else bundle(result)


def select_configurations(context: Context, **filters: Unpack[ConfigurationFilters]) -> list[str]:
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


def switch_configuration(config_id: str, context: Context, *, active: bool) -> ConfigurationRow:
    """Switch one on or off for bots; its line. The stage is not changed."""
    return ConfigurationRow.from_row(context.record.configurations.set_active(config_id, active))


def approve_configuration(config_id: str, context: Context, *, by: str, why: str) -> ConfigurationView:
    """A person's approval for MATURE; `show_configuration` as it is then. Nothing is changed unless all of it is right.

    Raises as `assay.track.configurations.Configurations.approve`, and ConfigError ``CONFIG_DOCUMENT``.
    """
    with context.record.together():
        _document(context.record.configurations.get(config_id))
        row = context.record.configurations.approve(config_id, by, why)
        check_document(row["config_json"])
    return ConfigurationView(ConfigurationRow.from_row(row), row["config_json"])


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


def _document(row: Row) -> JsonObject:
    document = row["config_json"]
    if document is None:
        raise StoreError(f"configuration {row['config_id']} holds no document", code="STORE_VALUE")
    return check_stored(document, row["config_id"])
