"""Names and values as MLflow takes them."""

import hashlib
import math
import re
from typing import Any
from urllib.parse import urlsplit

from assay.kernel.errors import ConfigError, printable
from assay.kernel.instrument import slug
from assay.track.metrics import encode_parameter

_FOREIGN = re.compile(r"[^A-Za-z0-9_\-. ]")
_KEY_MOST = 200  # of 250, so that a split and a hash have room
_VALUE_MOST = 6_000
_TAG_MOST = 8_000
_STATUS = {"running": "RUNNING", "completed": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "crashed": "FAILED"}


def status(label: str) -> str:
    """MLflow's word for how a run stands; it has one for failed and crashed."""
    return _STATUS[label]


def key(name: str) -> str:
    """A name of a parameter or metric in letters, digits and ``_-. ``, at most 200.

    A name that had to be changed ends in 8 hex of its hash, so that two never become one.

    >>> key("sharpe_annual"), key("a/b")
    ('sharpe_annual', 'a_b-c14cddc0')
    """
    safe = _FOREIGN.sub("_", name)[:_KEY_MOST]
    if safe == name and name.strip(". ") == name and name:
        return name
    return f"{safe.strip('. ')}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def metric_key(name: str, split: str) -> str:
    """``split/name``, as MLflow's pages group them."""
    return f"{key(split)}/{key(name)}" if split else key(name)


def parameter(value: Any) -> str:
    """The text that the record keeps of a value; ``None`` for none; cut at 6,000 characters."""
    kind, text = encode_parameter(value)
    return "None" if kind == "none" else cut(text, _VALUE_MOST)


def tag(text: str) -> str:
    """A tag's text, cut at 8,000 characters."""
    return cut(text, _TAG_MOST)


def cut(text: str, most: int) -> str:
    """The text, its end replaced by ``…`` where it is longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def number(value: float | None, non_finite: str | None) -> float:
    """A metric's value; MLflow's SQL stores keep NaN, and infinities as the largest number."""
    if non_finite is not None:
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[non_finite]
    return math.nan if value is None else value


def model_name(strategy_type: str, symbol: str, timeframe: str) -> str:
    """``{strategy}-{slug}-{timeframe}``."""
    return "-".join((slug(strategy_type), slug(symbol), *([timeframe] if timeframe else [])))


_SECRET = re.compile(r"(?<=://)[^/@\s]*@")


def check_uri(uri: str) -> str:
    """The address without a slash at its end. Raises ConfigError ``CONFIG_FIELD`` unless it is ``http(s)://host…``."""
    try:
        parts = urlsplit(uri)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError(
            f"ASSAY_MLFLOW_URI is {printable(redact(uri))}; the mirror speaks to a server at http://host:port or https://…",
            code="CONFIG_FIELD",
            hint="Start one with: mlflow server. Files and databases of MLflow are read by assay migrate mlflow.",
            field="ASSAY_MLFLOW_URI",
        )
    return uri.rstrip("/")


def redact(text: str) -> str:
    """The text without the users and passwords of the addresses in it."""
    return _SECRET.sub("***@", text)
