"""Search and list runs: a small query language, compiled to bound comparisons and never to pasted SQL."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from assay.kernel.errors import StoreError, did_you_mean, printable
from assay.track.codecs import parse_instant
from assay.track.database import Database, Row, nan_for_null, not_found, rows, scalar
from assay.track.schema import service, tables
from assay.track.schema.column_types import RECORD, Bool, Instant, Json, integer
from assay.track.schema.tables import EXPERIMENTS, HYPERPARAMETERS, METRICS
from assay.track.tracker.shared import TrackingClient

SUMMARY = sa.table(
    "experiment_summary",
    sa.column("id", integer()),
    sa.column("name", sa.Text()),
    sa.column("experiment_type", sa.Text()),
    sa.column("status", sa.Text()),
    sa.column("start_time", Instant()),
    sa.column("end_time", Instant()),
    sa.column("duration_seconds", sa.Double()),
    sa.column("num_checkpoints", integer()),
    sa.column("best_val_metric", sa.Double()),
    sa.column("best_test_metric", sa.Double()),
    sa.column("tags", Json()),
    sa.column("notes", sa.Text()),
)
_THESE = sa.select(SUMMARY).where(SUMMARY.c.id.in_(sa.bindparam("ids", expanding=True)))
_LISTED_NUMBERS = ("duration_seconds", "best_val_metric", "best_test_metric")


def summaries(
    database: Database,
    where: Sequence[sa.ColumnElement[bool]] = (),
    order: Sequence[sa.ColumnElement[object]] = (),
    *,
    limit: int,
    offset: int = 0,
) -> list[Row]:
    """Rows of the view; newest first unless `order` says otherwise."""
    with database.read() as connection:
        if not order:
            newest = sa.select(SUMMARY).where(*where).order_by(SUMMARY.c.start_time.desc(), SUMMARY.c.id.desc())
            return _listed_rows(connection.execute(newest.limit(limit).offset(offset)))
        # first which, then what: the sums of a row are made for those that are shown
        chosen = sa.select(SUMMARY.c.id).where(*where).order_by(*order).limit(limit).offset(offset)
        ids = connection.execute(chosen).scalars().all()
        result = _listed_rows(connection.execute(_THESE, {"ids": ids}))
    place = {run: k for k, run in enumerate(ids)}
    return sorted(result, key=lambda row: place[row["id"]])


def _listed_rows(result: sa.CursorResult[Any]) -> list[Row]:
    return [nan_for_null(row, _LISTED_NUMBERS) for row in rows(result)]


def summary(database: Database, run: int) -> Row:
    """The view's row of one run; StoreError ``STORE_NOT_FOUND`` for an unknown or deleted one."""
    result = summaries(database, [SUMMARY.c.id == run], limit=1)
    if not result:
        raise not_found("run", run, "or it was deleted; list_experiments() shows which there are")
    return result[0]


class HoldsText(FunctionElement[bool]):
    """Whether a JSON array of texts (first) holds a text (second)."""

    inherit_cache = True
    type = sa.Boolean()


@compiles(HoldsText)
def _holds_text(element: HoldsText, compiler: sa.Compiled, **options: object) -> str:
    return f"jsonb_exists({_pair(element, compiler, options)})"


@compiles(HoldsText, "sqlite")
def _holds_text_sqlite(element: HoldsText, compiler: sa.Compiled, **options: object) -> str:
    array, text = (compiler.process(part, **options) for part in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({array}) WHERE value = {text})"


def _pair(element: HoldsText, compiler: sa.Compiled, options: Mapping[str, object]) -> str:
    return ", ".join(compiler.process(part, **options) for part in element.clauses)


QUERY_MOST = 1_000
CLAUSES_MOST = 20
_ORDERS: Mapping[str, Callable[[sa.ColumnElement[object], "Value | datetime"], "Condition"]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_TEXTS = ("name", "description", "notes", "experiment_type", "status", "git_commit", "git_branch")
_NUMBERS = ("id", "random_seed", "parent_id", "duration_seconds")
_SUMMED = ("num_checkpoints", "best_val_metric", "best_test_metric")
_TIMES = ("start_time", "end_time")
FIELDS = (*_TEXTS, *_NUMBERS, *_SUMMED, *_TIMES, "tag")
ORDERED = ("id", "name", "experiment_type", "status", *_TIMES, "duration_seconds", *_SUMMED)
_CLAUSE = re.compile(
    r"""\s*(?P<field>[A-Za-z_]\w*)(?:\.(?:(?P<bare>[\w/@:.-]+)|`(?P<quoted>[^`]{1,200})`))?"""
    r"""\s*(?P<operator>!=|<=|>=|=|<|>|~)"""
    r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<number>[-+]?\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?)|"""
    r"""(?P<truth>true|false|True|False))(?=\s|$)""",
)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_NAMED = re.compile(r"metric\.(?:([\w/@:.-]{1,200})|`([^`]{1,200})`)")
Condition = sa.ColumnElement[bool]
Value = str | float | int | bool


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison: ``metric.val_sharpe > 1`` is field ``metric``, name ``val_sharpe``."""

    field: str
    name: str | None
    operator: str
    value: Value


def parse_query(query: str) -> list[Clause]:
    """The clauses of a query; StoreError ``STORE_VALUE`` names the place of what cannot be read.

    >>> parse_query('metric.val_sharpe >= 1.5 and tag = "ppo"')[0]
    Clause(field='metric', name='val_sharpe', operator='>=', value=1.5)
    """
    if not isinstance(query, str) or len(query) > QUERY_MOST:
        raise StoreError(f"a query is a text of at most {QUERY_MOST} characters", code="STORE_VALUE")
    text, result, place = query.rstrip(), list[Clause](), 0
    while place < len(text):
        if result:
            joint = _AND.match(text, place)
            if joint is None:
                raise _unread(text, place, "clauses are joined by 'and'")
            place = joint.end()
        match = _CLAUSE.match(text, place)
        if match is None:
            raise _unread(text, place, "a clause reads: field operator value, as in  metric.val_sharpe > 1")
        result.append(_clause(match))
        place = match.end()
        if len(result) > CLAUSES_MOST:
            raise StoreError(f"a query has at most {CLAUSES_MOST} clauses", code="STORE_VALUE")
    return result


def conditions(query: str) -> list[Condition]:
    """The query as conditions on rows of ``experiment_summary``."""
    return [_condition(clause) for clause in parse_query(query)]


def order_columns(order_by: str, *, ascending: bool) -> Sequence[sa.ColumnElement[object]]:
    """By a column of the view or ``metric.NAME``; undefined last, ties by id."""
    if not isinstance(order_by, str):
        raise StoreError(f"order_by is {printable(order_by)}, a text", code="STORE_VALUE")
    return _ordering(order_by, ascending)


@lru_cache(maxsize=256)  # an order that is built anew is also compiled anew, in half the time that it then takes
def _ordering(order_by: str, ascending: bool) -> Sequence[sa.ColumnElement[object]]:
    s = SUMMARY.c
    match = _NAMED.fullmatch(order_by)
    if match is not None:
        key: sa.ColumnElement[object] = _last(match[1] or match[2], s.id)
    elif order_by in ORDERED:
        key = s[order_by]
    else:
        hint = did_you_mean(order_by, ORDERED)
        available = ", ".join(ORDERED)
        raise StoreError(
            f"order_by is {printable(order_by)}, one of {available}, metric.NAME", code="STORE_VALUE", hint=hint
        )
    directed = key.asc() if ascending else key.desc()
    return directed.nulls_last(), s.id.asc() if ascending else s.id.desc()


def _unread(text: str, place: int, rule: str) -> StoreError:
    return StoreError(
        f"the query cannot be read at character {place + 1}, {printable(text[place:])}: {rule}", code="STORE_VALUE"
    )


def _clause(match: re.Match[str]) -> Clause:
    field, name = match["field"], match["bare"] or match["quoted"]
    if (field in ("metric", "param")) != (name is not None) or field not in (*FIELDS, "metric", "param"):
        wrong = field if name is None else f"{field}.{name}"
        hint = did_you_mean(field, (*FIELDS, "metric", "param"))
        raise StoreError(
            f"a query has no field {printable(wrong)}; there are {', '.join(FIELDS)}, metric.NAME and param.NAME",
            code="STORE_VALUE",
            hint=hint,
        )
    return Clause(field, name, match["operator"], _value(match))


def _value(match: re.Match[str]) -> Value:
    if match["number"] is not None:
        text = match["number"]
        return int(text) if re.fullmatch(r"[-+]?[\d_]{1,18}", text) else float(text)
    if match["truth"] is not None:
        return match["truth"].lower() == "true"
    return match["double"] if match["double"] is not None else match["single"]


def _condition(clause: Clause) -> Condition:
    s, e = SUMMARY.c, EXPERIMENTS.c
    if clause.field == "tag":
        return _tag(clause)
    if clause.field == "metric":
        return _compared(_last(str(clause.name), s.id), clause, number=True)
    if clause.field == "param":
        return _param(clause)
    if clause.field in _SUMMED:
        return _compared(s[clause.field], clause, number=True)
    if clause.field in _TIMES:
        clause = Clause(clause.field, None, clause.operator, _time(clause))  # type: ignore[arg-type]
        return _ORDERS[clause.operator](s[clause.field], clause.value)
    inner = _compared(e[clause.field], clause, number=clause.field in _NUMBERS)
    return s.id.in_(sa.select(e.id).where(inner))


def _tag(clause: Clause) -> Condition:
    if clause.operator not in ("=", "!=") or not isinstance(clause.value, str):
        raise _mismatch(clause, "tag is compared by = or != with a quoted text")
    holding = HoldsText(SUMMARY.c.tags, clause.value)
    return holding if clause.operator == "=" else sa.not_(holding)


def _param(clause: Clause) -> Condition:
    h = HYPERPARAMETERS.c
    if isinstance(clause.value, bool):
        if clause.operator not in ("=", "!="):
            raise _mismatch(clause, "true and false are compared by = or !=")
        test = sa.and_(h.param_type == "bool", _ORDERS[clause.operator](h.param_value, str(clause.value)))
    elif isinstance(clause.value, str):
        test = _compared(h.param_value, clause, number=False)
    else:
        text = sa.case((h.param_type.in_(("int", "float")), h.param_value))  # a cast of other text would fail
        test = _compared(sa.cast(text, sa.Double()), clause, number=True)
    holding = sa.select(h.experiment_id).where(h.model_id.is_(None), h.param_name == clause.name, test)
    return SUMMARY.c.id.in_(holding)


def _compared(column: sa.ColumnElement[object], clause: Clause, *, number: bool) -> Condition:
    if number:
        if isinstance(clause.value, str | bool) or clause.operator == "~":
            raise _mismatch(clause, f"{clause.field} is compared with a number, by = != < <= > >=")
        return _ORDERS[clause.operator](column, clause.value)
    if not isinstance(clause.value, str):
        raise _mismatch(clause, f"{clause.field} is compared with a quoted text")
    if clause.operator == "~":
        return column.icontains(clause.value, autoescape=True)
    return _ORDERS[clause.operator](column, clause.value)


def _time(clause: Clause) -> datetime:
    if not isinstance(clause.value, str) or clause.operator == "~":
        raise _mismatch(clause, f'{clause.field} is compared with a time such as "2024-01-31T12:00:00Z"')
    return parse_instant(clause.value if len(clause.value) > 10 else f"{clause.value}T00:00:00Z")


def _mismatch(clause: Clause, rule: str) -> StoreError:
    return StoreError(f"{clause.field} {clause.operator} {printable(clause.value)}: {rule}", code="STORE_VALUE")


def _last(name: str, run: sa.ColumnElement[int]) -> sa.ColumnElement[object]:
    """The metric's last finite value in a run, NULL without one."""
    m = METRICS.c
    order = [column.desc().nulls_last() for column in (m.step, m.episode, m.epoch)]
    query = sa.select(m.value).where(m.experiment_id == run, m.metric_name == name, m.value.is_not(None))
    query = query.where(m.metric_type == "scalar").order_by(*order, m.id.desc()).limit(1)
    return query.correlate(SUMMARY).scalar_subquery()


_LAID = (service, tables)  # importing them fills RECORD
Params = Sequence[object]


class Statements:
    """An open transaction that takes SQL with ``?`` placeholders, on SQLite and PostgreSQL alike."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, query: str, params: Params = ()) -> "sa.CursorResult[Any]":
        """The result as the database gives it: iterate it, or ``fetchone``, ``fetchall``, ``rowcount``.

        Values are bound, never pasted. StoreError ``STORE_VALUE`` for SQL that the database cannot read.
        """
        if not isinstance(query, str) or isinstance(params, str | bytes | Mapping):
            raise StoreError("a query is a text, its params a list or tuple", code="STORE_VALUE")
        sqlite = self._connection.dialect.name == "sqlite"
        values = tuple(scalar(value) for value in params)
        try:
            return self._connection.exec_driver_sql(query if sqlite else _percented(query), values)
        except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
            if getattr(error.orig, "sqlite_errorname", "SQLITE_ERROR") not in ("SQLITE_ERROR", "SQLITE_MISUSE"):
                raise  # busy, full, damaged: the record says that in its own words
            raise StoreError(f"{printable(query)}: {error.orig}", code="STORE_VALUE") from error


class MLDatabase(TrackingClient):
    """The record as a database. What can be read by name is better read by name: these statements know no rules."""

    @contextmanager
    def get_connection(self) -> Iterator[Statements]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self.record.database.write() as connection:
            yield Statements(connection)

    def execute_query(self, query: str, params: Params = ()) -> list[Row]:
        """All rows as dicts; columns that bear a name of the record come back as everywhere (times, JSON, bools)."""
        with self.record.database.read() as connection:
            return [_decoded(row) for row in rows(Statements(connection).execute(query, params))]

    def execute_update(self, query: str, params: Params = ()) -> int:
        """Run one statement in a transaction of its own; the id of the last row that it inserted, else 0."""
        with self.get_connection() as statements:
            result = statements.execute(query, params)
            if query.lstrip()[:6].upper() != "INSERT" or result.rowcount < 1:
                return 0
            return int(result.lastrowid or 0) if result.dialect.name == "sqlite" else _last_id(statements)


def _last_id(statements: Statements) -> int:
    return int(statements.execute("SELECT lastval()").scalar_one())


def _percented(query: str) -> str:
    """``?`` outside quotes as ``%s``, and ``%`` doubled, as psycopg reads them."""
    parts, quote = [], ""
    for char in query:
        if quote or char in "'\"":
            quote = "" if char == quote else quote or char
        parts.append("%s" if char == "?" and not quote else "%%" if char == "%" else char)
    return "".join(parts)


def _kinds() -> dict[str, Bool | Instant | Json]:
    """Column names whose kind is the same in every table that has them."""
    result: dict[str, set[type[object]]] = {}
    for table in RECORD.tables.values():
        for column in table.columns:
            result.setdefault(column.name, set()).add(type(column.type))
    made = {name: kinds.pop() for name, kinds in result.items() if len(kinds) == 1}
    return {name: kind() for name, kind in made.items() if issubclass(kind, Bool | Instant | Json)}


_KINDS = _kinds()
_SQLITE = sa.make_url("sqlite://").get_dialect()()


def _decoded(row: Mapping[str, object]) -> Row:
    return {name: _sql_value(_KINDS.get(name), value) for name, value in row.items()}


def _sql_value(kind: Bool | Instant | Json | None, value: object) -> object:
    if kind is None or not isinstance(value, str | int) or (isinstance(kind, Instant) and not isinstance(value, str)):
        return value
    try:
        return kind.process_result_value(value, _SQLITE)
    except (ValueError, StoreError):  # the caller's own expression under a name of ours
        return value
