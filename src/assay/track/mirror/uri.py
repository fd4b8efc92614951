"""The MLflow server's address, from the settings only."""

import re
from urllib.parse import urlsplit

from assay.kernel.errors import ConfigError, printable

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
