"""Client of one MLflow server: names and addresses that it takes, no redirects, no retries of its own."""

import hashlib
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.instrument import slug
from assay.track.metrics import encode_parameter

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


_FOREIGN = re.compile(r"[^A-Za-z0-9_\-. ]")
_KEY_MOST = 200  # of 250, so that a split and a hash have room
_VALUE_MOST = 6_000
_TAG_MOST = 8_000
_STATUS = {"running": "RUNNING", "completed": "FINISHED", "failed": "FAILED", "stopped": "KILLED", "crashed": "FAILED"}


def mlflow_status(label: str) -> str:
    """MLflow's word for how a run stands; it has one for failed and crashed."""
    return _STATUS[label]


def mlflow_key(name: str) -> str:
    """A name of a parameter or metric in letters, digits and ``_-. ``, at most 200.

    A name that had to be changed ends in 8 hex of its hash, so that two never become one.

    >>> mlflow_key("sharpe_annual"), mlflow_key("a/b")
    ('sharpe_annual', 'a_b-c14cddc0')
    """
    safe = _FOREIGN.sub("_", name)[:_KEY_MOST]
    if safe == name and name.strip(". ") == name and name:
        return name
    return f"{safe.strip('. ')}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def metric_key(name: str, split: str) -> str:
    """``split/name``, as MLflow's pages group them."""
    return f"{mlflow_key(split)}/{mlflow_key(name)}" if split else mlflow_key(name)


def parameter(value: object) -> str:
    """The text that the record keeps of a value; ``None`` for none; cut at 6,000 characters."""
    kind, text = encode_parameter(value)
    return "None" if kind == "none" else cut(text, _VALUE_MOST)


def tag(text: str) -> str:
    """A tag's text, cut at 8,000 characters."""
    return cut(text, _TAG_MOST)


def cut(text: str, most: int) -> str:
    """The text, its end replaced by ``…`` where it is longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def mlflow_number(value: float | None, non_finite: str | None) -> float:
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


SECONDS = 10
_AT_ONCE = 100
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
_SCHEME = "mlflow-artifacts:/"
_NOT_NOW = {401, 403, 408, 429}  # nothing that is asked would be answered otherwise


class Away(StoreError):
    """The server did not answer, or not as MLflow does; what was asked may have happened. Code ``STORE_BUSY``."""


class Refused(StoreError):
    """The server answered that it will not. Code ``STORE_VALUE``."""


class TrackingServer:
    """An MLflow server and one of its experiments, which is made when it is not there.

    Nothing is connected before the first call. Calls raise Away or Refused (errors redacted), ConfigError
    ``CONFIG_EXTRA`` without MLflow's client.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self.uri = check_uri(uri)
        self.experiment = experiment

    @cached_property
    def _client(self) -> "MlflowClient":
        return client(self.uri)

    @cached_property
    def experiment_id(self) -> str:
        """Id of the experiment there."""
        with translate_errors(self.uri):
            result = self._client.get_experiment_by_name(self.experiment)
            made = self._client.create_experiment(self.experiment) if result is None else result.experiment_id
            return self._demanded(made, "an experiment without an id")

    def find_runs(self, tag: str, value: str) -> list["Run"]:
        """Runs of the experiment with this tag, deleted ones too, the oldest first."""
        from mlflow.entities import ViewType

        wanted = f"tags.`{tag}` = '{value}'"
        with translate_errors(self.uri):
            result = self._client.search_runs(
                [self.experiment_id], wanted, ViewType.ALL, max_results=10, order_by=["attributes.start_time ASC"]
            )
        return list(result)

    def create_run(self, name: str, start_ms: int, tags: Mapping[str, str]) -> "Run":
        """A new run, tagged in the same call."""
        with translate_errors(self.uri):
            made = self._client.create_run(self.experiment_id, start_ms, dict(tags), name)
            self._demanded(made.info.run_id, "a run without an id")
            return made

    def _demanded(self, made: object, what: str) -> str:
        """An id. Raises Away where there is none: who answers ``{}`` to everything has kept nothing."""
        if not made:
            raise Away(f"{redact(self.uri)} does not answer as MLflow does: it gives {what}", code="STORE_BUSY")
        return str(made)

    def delete_run(self, run: str) -> None:
        """Move a run to the server's bin."""
        with translate_errors(self.uri):
            self._client.delete_run(run)

    def log(
        self, run: str, *, metrics: Sequence["Metric"] = (), params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Metrics, parameters and tags; at most 1,000 things a call, parameters and tags in hundreds."""
        from mlflow.entities import Param, RunTag

        document = [Param(name, value) for name, value in (params or {}).items()]
        message = [RunTag(name, value) for name, value in (tags or {}).items()]
        with translate_errors(self.uri):
            for i in range(0, len(document), _AT_ONCE):
                self._client.log_batch(run, params=document[i : i + _AT_ONCE], synchronous=True)
            if metrics or message:
                self._client.log_batch(run, metrics=metrics, tags=message, synchronous=True)

    def set_status(self, run: str, status: str, end_ms: int | None) -> None:
        """How the run stands; an end needs its time."""
        with translate_errors(self.uri):
            if end_ms is None:
                self._client.update_run(run, status=status)
            else:
                self._client.set_terminated(run, status, end_ms)

    def put(self, folder: str, name: str, data: bytes) -> None:
        """Keep a file under an artifact address of this server; the same name again replaces it.

        Raises Refused for an address anywhere else: the server would have us write to a place that it chooses.
        """
        from mlflow.utils import credentials, rest_utils

        available: Any = credentials.get_default_host_creds
        ask: Any = rest_utils.http_request

        if not folder.startswith(_SCHEME) or folder.startswith(_SCHEME + "/"):
            raise Refused(
                f"{redact(self.uri)} keeps artifacts at {printable(redact(folder))}, where the mirror does not write",
                code="STORE_VALUE",
                hint="Start it with --artifacts-destination, so that files go through the server itself.",
            )
        place = f"{folder[len(_SCHEME) :].strip('/')}/{name}"
        with translate_errors(self.uri):
            answer = ask(available(self.uri), _ARTIFACTS + quote(place), "PUT", data=data)
            if answer.status_code != 200:
                message = f"{redact(self.uri)} answered {answer.status_code} to file {printable(name)}"
                if 400 <= answer.status_code < 500 and answer.status_code not in _NOT_NOW:
                    raise Refused(message, code="STORE_VALUE")
                raise Away(message, code="STORE_BUSY")

    def find_model(self, name: str) -> "RegisteredModel | None":
        """The registered model of this name, or None."""
        from mlflow.exceptions import RestException

        with translate_errors(self.uri):
            try:
                return self._client.get_registered_model(name)
            except RestException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise

    def register(self, name: str, tags: Mapping[str, str]) -> None:
        """A new registered model."""
        with translate_errors(self.uri):
            self._client.create_registered_model(name, dict(tags))

    def versions(self, name: str) -> "Iterator[ModelVersion]":
        """Versions of a registered model."""
        token: str | None = None
        while True:
            with translate_errors(self.uri):
                page = self._client.search_model_versions(f"name='{name}'", page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def create_version(self, name: str, source: str, run: str, tags: Mapping[str, str]) -> "ModelVersion":
        """A new version, tagged in the same call."""
        with translate_errors(self.uri):
            return self._client.create_model_version(name, source, run, dict(tags), await_creation_for=0)

    def tag_version(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Tags of a version."""
        with translate_errors(self.uri):
            for tag, value in tags.items():
                self._client.set_model_version_tag(name, version, tag, value)

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """Have an alias point to a version, or to nothing."""
        with translate_errors(self.uri):
            if version is None:
                self._client.delete_registered_model_alias(name, alias)
            else:
                self._client.set_registered_model_alias(name, alias, version)


def client(uri: str, *, files: bool = False) -> "MlflowClient":
    """MLflow's client for an address, its manners set for this process: redirects, retries, telemetry and bars are off.

    A repeated request could make a second run; who calls asks again after looking. ConfigError ``CONFIG_EXTRA``
    without the package. files: whether the address may be a folder of MLflow's file store.
    """
    check_mlflow_installed()
    import mlflow
    from mlflow import environment_variables as v
    from mlflow.telemetry import set_telemetry_client

    manners: tuple[tuple[Any, object], ...] = (
        (v.MLFLOW_ALLOW_HTTP_REDIRECTS, False),
        (v.MLFLOW_HTTP_REQUEST_MAX_RETRIES, 0),
        (v.MLFLOW_HTTP_REQUEST_TIMEOUT, SECONDS),
        (v.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, False),
        (v.MLFLOW_DISABLE_TELEMETRY, True),
        (v.MLFLOW_ALLOW_FILE_STORE, files),
        (v.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, True),
    )
    for variable, value in manners:
        variable.set(value)
    settle: Any = set_telemetry_client
    settle()
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def check_mlflow_installed() -> None:
    """ConfigError ``CONFIG_EXTRA`` where MLflow's client is not installed."""
    try:
        import mlflow  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "what speaks to MLflow needs mlflow-skinny, which is not installed",
            code="CONFIG_EXTRA",
            hint="pip install 'assay[mlflow]'",
        ) from error


@contextmanager
def translate_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow's client raises into Away or Refused, without the password of the address."""
    from mlflow.exceptions import MlflowException, RestException
    from requests import RequestException

    try:
        yield
    except RestException as error:
        answer: Any = error
        status = answer.get_http_status_code()
        if 400 <= status < 500 and status not in _NOT_NOW:
            raise Refused(f"{redact(uri)} refuses: {_text(error)}", code="STORE_VALUE") from error
        raise Away(f"{redact(uri)} failed: {_text(error)}", code="STORE_BUSY") from error
    except (MlflowException, RequestException, OSError) as error:
        raise Away(f"{redact(uri)} does not answer as MLflow does: {_text(error)}", code="STORE_BUSY") from error


def _text(error: Exception) -> str:
    return redact(" ".join(str(error).split()))[:300]
