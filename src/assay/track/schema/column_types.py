"""Column kinds of the record: one word for a type of both dialects, its checks and its way to and from Python."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.functions import FunctionElement

from assay.kernel.errors import StoreError, printable
from assay.kernel.parse import JsonValue
from assay.track.codecs import canonical, decode, format_instant, parse_instant

RECORD = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
_LARGEST = "1.7976931348623157e308"
_GLOB = "0000-00-00T00:00:00.000Z".replace("0", "[0-9]")


class Now(FunctionElement[datetime]):
    """The database's clock, as the record writes time."""

    inherit_cache = True


@compiles(Now)
def _now(element: Now, compiler: sa.Compiled, **options: object) -> str:
    return "now()"


@compiles(Now, "sqlite")
def _now_sqlite(element: Now, compiler: sa.Compiled, **options: object) -> str:
    return "(strftime('%Y-%m-%dT%H:%M:%fZ','now'))"


class HoldsText(FunctionElement[bool]):
    """Whether an array in a JSON column holds a text."""

    inherit_cache = True
    type = sa.Boolean()


@compiles(HoldsText)
def _holds(element: HoldsText, compiler: sa.Compiled, **options: object) -> str:
    array, text = (compiler.process(part, **options) for part in element.clauses)
    return f"{array} @> jsonb_build_array({text})"


@compiles(HoldsText, "sqlite")
def _holds_sqlite(element: HoldsText, compiler: sa.Compiled, **options: object) -> str:
    array, text = (compiler.process(part, **options) for part in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({array}) WHERE value = {text})"


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime of whole milliseconds; 24 characters of text on SQLite.

    Naive input is StoreError ``STORE_VALUE``.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sqlite.TEXT | sa.DateTime:
        """TEXT on SQLite, TIMESTAMPTZ elsewhere."""
        return sqlite.TEXT() if dialect.name == "sqlite" else sa.DateTime(timezone=True)

    def process_bind_param(self, value: datetime | str | int | None, dialect: sa.Dialect) -> datetime | str | None:
        """From an aware datetime, ISO text with a zone or UTC milliseconds."""
        if value is None:
            return None
        return format_instant(value) if dialect.name == "sqlite" else _whole(parse_instant(value))

    def process_result_value(self, value: datetime | str | int | None, dialect: sa.Dialect) -> datetime | None:
        """To an aware UTC datetime."""
        return _moment(value)

    def result_processor(
        self, dialect: sa.Dialect, coltype: object
    ) -> "Callable[[datetime | str | int | None], datetime | None]":
        """`process_result_value` without the layers between, which a list of a thousand runs would notice."""
        return _moment


def _moment(value: datetime | str | int | None) -> datetime | None:
    if isinstance(value, str):  # SQLite's: a CHECK holds it to UTC and milliseconds
        return datetime.fromisoformat(value)
    return None if value is None else _whole(parse_instant(value).astimezone(UTC))


def _whole(moment: datetime) -> datetime:
    """Milliseconds are what both databases keep; PostgreSQL's own clock gives more."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Json(sa.types.TypeDecorator[JsonValue]):
    """A JSON-able value, written canonically (sorted keys, no NaN: undefined numbers become null)."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sqlite.TEXT | postgresql.JSONB:
        """TEXT on SQLite, JSONB on PostgreSQL."""
        return sqlite.TEXT() if dialect.name == "sqlite" else postgresql.JSONB(none_as_null=True)

    def process_bind_param(self, value: object, dialect: sa.Dialect) -> JsonValue:
        """Canonical text on SQLite; its decoded form elsewhere, so that both store the same value."""
        if value is None:
            return None
        text = canonical(value)
        return text if dialect.name == "sqlite" else decode(text)

    def process_result_value(self, value: JsonValue, dialect: sa.Dialect) -> JsonValue:
        """Decoded."""
        return _decoded(value) if dialect.name == "sqlite" else value

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[JsonValue], JsonValue] | None:
        """`process_result_value` without the layers between; on PostgreSQL the driver has decoded it."""
        return _decoded if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _decoded(value: JsonValue) -> JsonValue:
    return decode(value) if isinstance(value, str) else value


class Bool(sa.types.TypeDecorator[bool]):
    """A bool of Python or numpy."""

    impl = sa.Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sqlite.INTEGER | sa.Boolean:
        """INTEGER on SQLite (checked 0 or 1 by the table), BOOLEAN elsewhere."""
        return sqlite.INTEGER() if dialect.name == "sqlite" else sa.Boolean()

    def process_bind_param(self, value: bool | np.bool_ | None, dialect: sa.Dialect) -> int | None:
        """Anything but a bool is StoreError ``STORE_VALUE``."""
        if value is None:
            return None
        if type(value).__name__ not in ("bool", "bool_"):
            raise StoreError(f"{printable(value)} stands where true or false is due", code="STORE_VALUE")
        return int(value) if dialect.name == "sqlite" else bool(value)

    def process_result_value(self, value: object, dialect: sa.Dialect) -> bool | None:
        """A Python bool."""
        return None if value is None else bool(value)


def integer() -> sa.types.TypeEngine[int]:
    """BIGINT, or SQLite's INTEGER."""
    return sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")


_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "int": integer(),
    "text": sa.Text(),
    "real": sa.Double().with_variant(sqlite.REAL(), "sqlite"),
    "bool": Bool(),
    "json": Json(),
    "ts": Instant(),
    "hash": sa.CHAR(64).with_variant(sqlite.TEXT(), "sqlite"),
}


def identity(*, autoincrement: bool = True) -> sa.Column[int]:
    """The plain ``id`` of a table; the table itself says ``sqlite_autoincrement``."""
    return sa.Column("id", integer(), sa.Identity(always=False), primary_key=True)


def columns(
    names: str,
    kind: str,
    default: str | None = None,
    *,
    among: str | None = None,
    check: str | None = None,
    to: str | None = None,
    key: bool = False,
) -> Iterator[SchemaItem]:
    """Columns of one kind with the checks that the kind brings.

    names:   blank-separated.
    kind:    ``int text real bool json ts hash``, with ``?`` where NULL is allowed.
    default: SQL text; ``now`` is the database's clock.
    among:   blank-separated words that the column may hold.
    check:   SQL with ``{}`` for the column's name.
    to:      ``table ACTION``: a foreign key to that table's id, with what happens when the row there is deleted.
    key:     part of the primary key.
    """
    bare = kind.removesuffix("?")
    server_default = None if default is None else Now() if default == "now" else sa.text(default)
    for name in names.split():
        keys = [] if to is None else [_foreign_key(to)]
        yield sa.Column(
            name,
            _TYPES[bare],
            *keys,
            nullable=kind.endswith("?"),
            server_default=server_default,
            primary_key=key,
            autoincrement=False,
        )
        yield from _kind_checks(name, bare)
        if among is not None:
            words = ", ".join(f"'{verdict}'" for verdict in among.split(" "))
            yield sa.CheckConstraint(f"{name} IN ({words})")
        if check is not None:
            yield sa.CheckConstraint(check.format(name))


def _foreign_key(to: str) -> sa.ForeignKey:
    target, action = to.split(" ", 1)
    column = "schedule_id" if target == "schedules" else "id"
    # jobs, configurations and models point at each other; one edge of the ring is added once all tables are there.
    return sa.ForeignKey(f"{target}.{column}", ondelete=action, use_alter=target == "jobs")


def _kind_checks(name: str, kind: str) -> Iterator[sa.CheckConstraint]:
    if kind == "bool":
        yield sa.CheckConstraint(f"{name} IN (0,1)").ddl_if(dialect="sqlite")
    elif kind == "json":
        yield sa.CheckConstraint(f"{name} IS NULL OR json_valid({name})").ddl_if(dialect="sqlite")
    elif kind == "ts":
        yield sa.CheckConstraint(f"{name} GLOB '{_GLOB}'").ddl_if(dialect="sqlite")
    elif kind == "hash":
        yield sa.CheckConstraint(f"length({name}) = 64")
    elif kind == "real":
        yield sa.CheckConstraint(f"{name} BETWEEN -{_LARGEST} AND {_LARGEST}")


def table(name: str, *parts: SchemaItem | Iterator[SchemaItem], plain_id: bool = True) -> sa.Table:
    """A table of the record: ``id`` first unless `plain_id` is off, then the parts in order."""
    items: list[SchemaItem] = [identity()] if plain_id else []
    for part in parts:
        items.extend([part] if isinstance(part, SchemaItem) else part)
    return sa.Table(name, RECORD, *items, sqlite_autoincrement=plain_id)
