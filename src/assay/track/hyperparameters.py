"""Hyperparameters, each with its type, so that it comes back as it went in."""

import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.track.canonical_json import canonical, decode
from assay.track.database import Database, hold
from assay.track.retry import writes
from assay.track.rows import rows, scalar
from assay.track.schema.run_tables import HYPERPARAMETERS


class Hyperparameters:
    """Named settings of a run, or of one of its models; each has one value for ever."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def log(self, run: int, values: Mapping[str, Any], *, model_id: int | None = None) -> None:
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

    def read(self, run: int, *, model_id: int | None = None) -> dict[str, Any]:
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


def encode_parameter(value: Any) -> tuple[str, str]:
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


def decode_parameter(kind: str, text: str) -> Any:
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
