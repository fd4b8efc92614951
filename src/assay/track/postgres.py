"""A record in a PostgreSQL database: its address, its connections, and JSON that comes back as it went in."""

import json
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from assay.kernel.errors import ConfigError

SCHEMES = ("postgresql", "postgresql+psycopg")
LOCK_SECONDS = 5.0
_SHAPE = "Write postgresql://user:password@host:5432/database."
_CONNECT_SECONDS = 10
_THREADS = 32  # more than that at once wait for a connection


class PostgresDatabase:
    """A database on a server. The database must be there; its tables are laid when it is empty."""

    dialect: Literal["postgresql"] = "postgresql"
    one_writer = False

    def __init__(self, url: str) -> None:
        self._url = _url(url)
        self.path = self.where = self._url.set(drivername="postgresql", query={}).render_as_string()

    @property
    def url(self) -> sa.URL:
        """The whole address, its password with it: for connecting, never for telling."""
        return self._url

    def engine(self, busy_seconds: float) -> sa.Engine:
        """Connections in UTC whose statements wait for locks `busy_seconds`, at most 5 s, and run 30 s at most.

        ConfigError ``CONFIG_EXTRA`` without the driver. Nothing is connected yet.
        """
        waits = {} if "connect_timeout" in self._url.query else {"connect_timeout": _CONNECT_SECONDS}
        try:
            engine = sa.create_engine(
                self._url,
                isolation_level="READ COMMITTED",
                json_serializer=jsonb_text,
                use_native_hstore=False,
                pool_pre_ping=True,
                pool_size=8,
                max_overflow=_THREADS - 8,
                connect_args=waits,
            )
        except ImportError as error:
            raise ConfigError(
                "a record on PostgreSQL needs the driver psycopg, which is not installed",
                code="CONFIG_EXTRA",
                hint="pip install 'assay[postgres]'",
            ) from error
        lock_ms = max(1, round(min(busy_seconds, LOCK_SECONDS) * 1000))
        sa.event.listen(engine, "connect", lambda connection, _: _prepare(connection, lock_ms))
        return engine

    def reader(self, engine: sa.Engine) -> sa.Engine:
        """For transactions that only read, and see one state from their first statement on."""
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def writer(self, engine: sa.Engine) -> sa.Engine:
        """For transactions that write; what they decide upon they lock."""
        return engine

    def damage(self, connection: sa.Connection) -> str:
        """Nothing: the server checks its pages itself, as it reads them."""
        return ""


def _url(text: str) -> sa.URL:
    scheme = text.split("://", 1)[0]
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            f"a record at {scheme}://… cannot be opened: that is no address", code="CONFIG_RECORD_URL", hint=_SHAPE
        ) from None
    if not url.database:
        raise ConfigError(
            f"a record at {scheme}://… cannot be opened: it names no database", code="CONFIG_RECORD_URL", hint=_SHAPE
        )
    return url.set(drivername="postgresql+psycopg")


def _prepare(connection: Any, lock_ms: int) -> None:
    connection.autocommit = True  # a setting made in a transaction goes when that is rolled back
    connection.execute(
        f"SET timezone = 'UTC'; SET lock_timeout = {lock_ms}; SET statement_timeout = '30s'; "
        "SET idle_in_transaction_session_timeout = '30s'"
    )
    connection.autocommit = False


def jsonb_text(value: Any) -> str:
    """JSON text from which JSONB gives the same numbers back.

    JSONB keeps numbers as decimals: 1e+16 would come back as an integer. Written out with its ``.0`` it stays a float.

    >>> jsonb_text({"a": [1e16, 1, "1e+16", 0.1]})
    '{"a":[10000000000000000.0,1,"1e+16",0.1]}'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text if "e+" not in text else _spelled(value)


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_spelled(k)}:{_spelled(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_spelled, value)) + "]"
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return f"{Decimal(text):f}.0" if isinstance(value, float) and "e+" in text else text
