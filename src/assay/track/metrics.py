"""Numbers of a run: metric points, hyperparameters, trades."""

import math
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.kernel.parse import JsonValue
from assay.kernel.timeframe import current_ms
from assay.track.codecs import canonical, decode, parse_instant
from assay.track.database import Database, Row, check_fields, hold, nan_for_null, number, rows, scalar, writes
from assay.track.schema.tables import HYPERPARAMETERS, METRICS, TRADES

_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Metrics:
    """Named numbers of a run. NaN and infinities are kept as what they are and are never a number in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def log(
        self,
        run: int,
        values: Mapping[str, object],
        *,
        step: int | None = None,
        episode: int | None = None,
        epoch: int | None = None,
        split: str = "train",
        phase: str = "training",
        model_id: int | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """One point for each name, with one timestamp: all or nothing.

        StoreError ``STORE_VALUE`` for a value that is no number or a name that is not 1 to 200 printable characters,
        ``STORE_NOT_FOUND`` for an unknown run.
        """
        shared = {
            "experiment_id": run,
            "step": step,
            "episode": episode,
            "epoch": epoch,
            "split": split,
            "phase": phase,
            "model_id": model_id,
            "metadata": None if metadata is None else dict(metadata),
            "timestamp": parse_instant(current_ms()),
        }
        self.log_points([shared | _point(name, value) for name, value in values.items()])

    def log_distribution(self, run: int, name: str, value_json: object, **place: object) -> None:
        """A point that is a JSON-able object (or JSON text), type ``distribution``, value 0; `place` as in `log`."""
        decoded = _decoded(value_json) if isinstance(value_json, str) else value_json
        shared = {"experiment_id": run, "metric_type": "distribution", "value_json": decoded}
        self.log_points([shared | _point(name, 0.0) | {"timestamp": parse_instant(current_ms())} | place])

    @writes
    def log_points(self, points: Sequence[Row]) -> None:
        """Finished rows of the metrics table, in one transaction; all must have the same columns."""
        if points:
            with self._database.write() as connection:
                connection.execute(sa.insert(METRICS), points)

    def read(self, run: int, *, name: str | None = None, split: str | None = None) -> list[Row]:
        """Points by step, episode, epoch, id; ``value`` is NaN, inf or -inf where it was, never None."""
        m = METRICS.c
        query = sa.select(METRICS).where(m.experiment_id == run)
        query = query if name is None else query.where(m.metric_name == name)
        query = query if split is None else query.where(m.split == split)
        with self._database.read() as connection:
            order = [place.nulls_first() for place in (m.step, m.episode, m.epoch)]
            result = rows(connection.execute(query.order_by(*order, m.id)))
        return [nan_for_null(_restored(row), ["value"]) for row in result]

    def last(self, run: int, *, split: str | None = None) -> dict[str, float]:
        """The last value of each metric, by the order of `read`; names sorted."""
        result = {row["metric_name"]: row["value"] for row in self.read(run, split=split)}
        return dict(sorted(result.items()))


def _decoded(text: str) -> JsonValue:
    try:
        return decode(text)
    except ValueError as error:
        raise StoreError(f"value_json is no JSON: {error}", code="STORE_VALUE") from None


def _point(name: object, value: object) -> Row:
    if not (isinstance(name, str) and 1 <= len(name) <= 200 and name.isprintable()):
        raise StoreError(f"metric name {printable(name)} is not 1 to 200 printable characters", code="STORE_VALUE")
    result = number(value, f"metric {printable(name)}")
    if math.isfinite(result):
        return {"metric_name": name, "value": result, "non_finite": None}
    kind = "nan" if math.isnan(result) else "inf" if result > 0 else "-inf"
    return {"metric_name": name, "value": None, "non_finite": kind}


def _restored(row: Row) -> Row:
    kind = row["non_finite"]
    return row if kind is None else row | {"value": _NON_FINITE[kind]}


class Trades:
    """The trades table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def add(self, run: int, trades: Sequence[Mapping[str, object]], **shared: object) -> int:
        """Write many trades in one transaction; returns how many.

        trades: the table's columns by name; times in UTC ms, aware datetimes or ISO text. `shared` holds columns that
        are the same in all of them (``strategy_name exchange symbol timeframe fold``). Every trade has the same keys.
        StoreError ``STORE_VALUE`` for a price, side, reason or time that the table refuses.
        """
        values = [check_fields(trade, TRADES) | shared | {"experiment_id": run} for trade in trades]
        if values:
            with self._database.write() as connection:
                connection.execute(sa.insert(TRADES), values)
        return len(values)

    def count(self, run: int) -> int:
        """How many trades the run has."""
        query = sa.select(sa.func.count()).select_from(TRADES).where(TRADES.c.experiment_id == run)
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def read(self, run: int) -> list[Row]:
        """The run's trades in the order in which they were written."""
        query = sa.select(TRADES).where(TRADES.c.experiment_id == run).order_by(TRADES.c.id)
        with self._database.read() as connection:
            return rows(connection.execute(query))


class Hyperparameters:
    """Named settings of a run, or of one of its models; each has one value for ever."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def log(self, run: int, values: Mapping[str, object], *, model_id: int | None = None) -> None:
        """Keep the values, all or nothing. The same value again does nothing, another is StoreError ``STORE_CONFLICT``.

        str, bool, int, float (NaN and infinities too), None and their numpy scalars keep their type; lists and dicts
        are JSON.
        """
        with self._database.write() as connection:
            hold(connection, f"hyperparameters {run}")
            holding = self._stored_values(connection, run, model_id)
            fresh = []
            for name, value in values.items():
                kind, text = encode_parameter(value)
                if name not in holding:
                    fresh.append(
                        {
                            "experiment_id": run,
                            "model_id": model_id,
                            "param_name": name,
                            "param_value": text,
                            "param_type": kind,
                        }
                    )
                elif holding[name] != (kind, text):
                    raise StoreError(
                        f"hyperparameter {printable(name)} of run {run} is {printable(holding[name][1])}, it "
                        f"cannot become "
                        f"{printable(text)}",
                        code="STORE_CONFLICT",
                    )
            if fresh:
                connection.execute(sa.insert(HYPERPARAMETERS), fresh)

    def read(self, run: int, *, model_id: int | None = None) -> dict[str, JsonValue]:
        """Values by name, sorted, in the types in which they were given."""
        with self._database.read() as connection:
            holding = self._stored_values(connection, run, model_id)
        return {name: decode_parameter(*holding[name]) for name in sorted(holding)}

    def _stored_values(self, connection: sa.Connection, run: int, model_id: int | None) -> dict[str, tuple[str, str]]:
        h = HYPERPARAMETERS.c
        query = sa.select(h.param_name, h.param_type, h.param_value).where(
            h.experiment_id == run, h.model_id.is_not_distinct_from(model_id)
        )
        return {row["param_name"]: (row["param_type"], row["param_value"]) for row in rows(connection.execute(query))}


def encode_parameter(value: object) -> tuple[str, str]:
    """Type word and text of a value; bool is tested before int."""
    value = scalar(value)
    if value is None:
        return "none", ""
    if isinstance(value, bool):
        return "bool", repr(value)
    if isinstance(value, int):
        return "int", str(int(value))
    if isinstance(value, float):
        return "float", repr(float(value))
    if isinstance(value, str):
        return "str", str(value)
    return "json", canonical(value)


def decode_parameter(kind: str, text: str) -> JsonValue:
    """The value that was `encode_parameter`."""
    if kind == "none":
        return None
    if kind == "bool":
        return text == "True"
    if kind == "int":
        return int(text)
    if kind == "float":
        return math.nan if text == "nan" else float(text)
    return decode(text) if kind == "json" else text
