"""Settings from the environment. The only reader of it; imported by `app` alone."""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypedDict, TypeVar, get_args, get_origin

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from assay.kernel.errors import ConfigError, printable
from assay.kernel.timeframe import Timeframe

_PREFIX, _GATE = "ASSAY_", "ASSAY_GATE_"
_CONFIDENCE = "ASSAY_GATE_CONFIDENCE"  # of the gate's first version
_MEANING = {"MODEL_RETENTION_DAYS": "; a negative age would delete everything, 0 keeps what is in use and the newest"}
_RECORD = "ml_experiments.db"
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*(?=@)")
_SECRET_FIELD = re.compile(r"(?i)([?&](?:[a-z_]*(?:password|secret|token|key)[a-z_]*)=)[^&#]*")
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_DYNAMIC", "MKL_DYNAMIC",
)  # fmt: skip

_Kind = TypeVar("_Kind", bound="FromEnvironment")


class FromEnvironment(BaseSettings):
    """Settings from variables; one that is empty or blank is not set."""

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in values.items() if not _blank(value)}


class Settings(FromEnvironment):
    """Settings of a process, from variables that begin with ``ASSAY_``.

    home:       folder of everything that Assay keeps; made when first written to.
    record_url: where runs are remembered; see `record` for the default.
    workers:    folds that are fitted side by side; default the machine's cores.
    timeframe:  the timeframe that the view ``market_data`` shows.
    mlflow_uri: the MLflow server that ``assay mirror`` brings the record to; none: nothing is mirrored.
    mlflow_experiment_name: the experiment there.
    signing_key_file:  keys that sign published models and verify loaded ones; a line ``ID HEX`` each, the first signs.
    require_signature: refuse models that nobody signed; needs the key file.
    artifacts_url: a store that published models are brought to and missing ones fetched from, ``s3://bucket/prefix``.
    model_retention_days: age at which model files may go (``MODEL_RETENTION_DAYS``, without the prefix).
    models_keep_last: newest models of a strategy on a market that stay whatever their age.
    audit:      of a run's causality: ``quick`` (within a budget), ``full``, or ``off``, which leaves it unproven.
    image_digest: digest of the container image that the process runs in; written down with every run.

    Where the gate draws its lines is `Gate`.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    home: Path = Path(".assay")
    record_url: str | None = None
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=256)
    timeframe: str = "1h"
    mlflow_uri: str | None = None
    mlflow_experiment_name: str = "ml-local-experiment"
    signing_key_file: Path | None = None
    require_signature: bool = False
    artifacts_url: str | None = None
    model_retention_days: int = Field(default=30, ge=0, le=36_500, validation_alias="MODEL_RETENTION_DAYS")
    models_keep_last: int = Field(default=3, ge=0, le=10_000)
    audit: Literal["off", "quick", "full"] = "quick"
    image_digest: str | None = Field(default=None, max_length=200)

    @property
    def record(self) -> str:
        """URL or path of the record: as set; in a home that was named; in the working folder, or in the default home.

        ConfigError ``CONFIG_RECORD_AMBIGUOUS`` where the last two both have one.
        """
        if self.record_url is not None:
            return self.record_url
        extras, inside = Path(_RECORD), self.home / _RECORD
        if "home" in self.model_fields_set or not extras.exists():
            return str(inside)
        if inside.exists() and not inside.samefile(extras):
            raise ConfigError(
                f"two records could be meant: {extras} and {inside}",
                code="CONFIG_RECORD_AMBIGUOUS",
                hint="Set ASSAY_RECORD_URL, or name the home by --home or ASSAY_HOME.",
                field="ASSAY_RECORD_URL",
            )
        return str(extras)

    @property
    def machine(self) -> dict[str, dict[str, str] | str]:
        """What only the environment tells of this machine: ``thread_variables`` that are set, and the ``image``."""
        result = {name: os.environ[name][:64] for name in _THREADS if name in os.environ}
        machine: dict[str, dict[str, str] | str] = {"thread_variables": result}
        return machine if self.image_digest is None else machine | {"image": self.image_digest}

    @property
    def candles(self) -> str:
        """URL of the candle store."""
        return f"duckdb:///{(self.home / 'candles.duckdb').absolute()}"


class Gate(FromEnvironment):
    """Thresholds of the gate, from variables that begin with ``ASSAY_GATE_``; None is the default.

    See `assay.validate.gate_input.Thresholds` for what each means. Nothing here waives the audit or the ledger.
    """

    model_config = SettingsConfigDict(env_prefix=_GATE, env_ignore_empty=True, extra="ignore", frozen=True)

    error: float | None = Field(default=None, gt=0, le=0.5)
    min_trades: int | None = Field(default=None, ge=0, le=1_000_000)
    min_bars: int | None = Field(default=None, ge=0, le=100_000_000)
    max_loss_share: float | None = Field(default=None, ge=0, le=1)
    pyrite_share: float | None = Field(default=None, ge=0, le=1)
    cost_factor: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    min_cost: float | None = Field(default=None, ge=0, lt=10_000)
    max_doubtful_fills: float | None = Field(default=None, ge=0, le=1)
    pyrite_doubtful_fills: float | None = Field(default=None, ge=0, le=1)
    min_regime_bars: int | None = Field(default=None, ge=1)
    min_regime_share: float | None = Field(default=None, ge=0, le=1)
    min_seeds: int | None = Field(default=None, ge=0)
    min_seed_share: float | None = Field(default=None, ge=0, le=1)
    mature_trades: int | None = Field(default=None, ge=100)
    mature_annual_sharpe: float | None = Field(default=None, ge=1.5, allow_inf_nan=False)


def load(*, home: Path | None = None) -> tuple[Settings, tuple[str, ...]]:
    """The settings, and a warning for each variable that looks misspelt.

    home: overrides ``ASSAY_HOME``. Raises ConfigError ``CONFIG_FIELD`` naming the variable, its value and its range;
    ``CONFIG_UNSAFE`` as `load_gate`.
    """
    _refuse_confidence()
    settings = _read(Settings, {} if home is None else {"home": home})
    _demand_timeframe(settings.timeframe)
    available = [_PREFIX + name.upper() for name in Settings.model_fields] + ["ASSAY_TEST_DATA"]
    available += [_GATE + name.upper() for name in Gate.model_fields]
    return settings, tuple(_misspelt(available))


def load_gate() -> Gate:
    """The thresholds that are set.

    Raises ConfigError ``CONFIG_FIELD`` as `load`; ``CONFIG_UNSAFE`` for a variable that no longer draws a line: nothing
    is judged by a line that somebody only believes to be drawn.
    """
    _refuse_confidence()
    return _read(Gate, {})


def _refuse_confidence() -> None:
    old = os.environ.get(_CONFIDENCE, "")
    if not _blank(old):
        raise ConfigError(
            f"{_CONFIDENCE} is {printable(old)}, and the gate knows no confidence any more: it keeps the chance "
            f"that the "
            f"best of all looks is called GOLD without skill; write {_GATE}ERROR={_error(old)} instead",
            code="CONFIG_UNSAFE",
            hint=f"Unset {_CONFIDENCE}; the default of {_GATE}ERROR is 0.01.",
            field=_CONFIDENCE,
        )


def _error(confidence: str) -> str:
    """The error that a confidence meant, 1 less it; the default where it is no number in (0, 1)."""
    try:
        value = 1.0 - float(confidence)
    except ValueError:
        value = 0.0
    return f"{value:.6g}" if 0 < value < 1 else "0.01"


def _read(kind: type[_Kind], values: dict[str, Any]) -> _Kind:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else kind.model_config["env_prefix"] + name.upper()
        limits = _allowed(_field(kind, name))
        raise ConfigError(
            f"{variable} is {printable(str(first['input']))}, must be {limits}{_MEANING.get(variable, '')}",
            code="CONFIG_FIELD",
            hint=_HINT.format(variable),
            field=variable,
            allowed=limits,
        ) from None


_LIMITS = {
    "gt": "above {:,}", "ge": "at least {:,}", "lt": "below {:,}", "le": "at most {:,}",
    "max_length": "at most {:,} characters long",
}  # fmt: skip
_HINT = "Correct {0} in the environment, or unset it: then its default holds."


def _field(kind: type[BaseSettings], name: str) -> FieldInfo:
    """A field by its name or by the variable that stands for it."""
    fields = kind.model_fields
    return fields.get(name) or next(field for field in fields.values() if field.validation_alias == name)


def _allowed(field: FieldInfo) -> str:
    """What a field may be, in words, of its type and its limits."""
    kind = field.annotation
    if isinstance(kind, UnionType):
        kind = next(each for each in get_args(kind) if each is not NoneType)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind is bool:
        return "true or false (or 1, 0, yes, no, on, off)"
    limits = [
        text.format(getattr(each, name))
        for each in field.metadata
        for name, text in _LIMITS.items()
        if hasattr(each, name)
    ]
    noun = "a whole number" if kind is int else "a finite number" if kind is float else "a text"
    return ", ".join([noun, " and ".join(limits)]) if limits else noun


def _demand_timeframe(timeframe: str) -> None:
    """Raise ConfigError ``CONFIG_TIMEFRAME`` for a text that is none, naming the variable."""
    try:
        Timeframe(timeframe)
    except ConfigError as error:
        variable = f"{_PREFIX}TIMEFRAME"
        raise ConfigError(
            f"{variable} is {printable(timeframe)}: {error.message}",
            code="CONFIG_TIMEFRAME",
            hint=_HINT.format(variable),
            field=variable,
        ) from error


def _blank(value: object) -> bool:
    return isinstance(value, str) and not value.strip()


class SettingRow(TypedDict):
    """A setting as it stands; source is ``default``, ``environment`` or ``option``."""

    name: str
    variable: str
    value: bool | int | float | str | None
    source: str


def describe_settings(*, home: Path | None = None) -> list[SettingRow]:
    """Each setting: name, variable, value as text or number (secrets masked), source ``default environment option``.

    Thresholds of the gate are named ``gate.<name>``; one that is not set has the value None.
    Errors as `load`, and those of `Settings.record`.
    """
    settings, _ = load(home=home)
    rows: list[SettingRow] = []
    for name, field in Settings.model_fields.items():
        value = settings.record if name == "record_url" else getattr(settings, name)
        alias = field.validation_alias
        source = "environment" if name in settings.model_fields_set or alias in settings.model_fields_set else "default"
        rows.append(
            {
                "name": name,
                "variable": alias if isinstance(alias, str) else _PREFIX + name.upper(),
                "value": value
                if value is None or isinstance(value, bool | int | float)
                else mask_passwords(str(value)),
                "source": "option" if name == "home" and home is not None else source,
            }
        )
    return rows + _told_gate()


def _told_gate() -> list[SettingRow]:
    gate = load_gate()
    return [
        {
            "name": f"gate.{name}",
            "variable": _GATE + name.upper(),
            "value": getattr(gate, name),
            "source": "environment" if name in gate.model_fields_set else "default",
        }
        for name in Gate.model_fields
    ]


def mask_passwords(text: str) -> str:
    """The text without the passwords of the addresses in it.

    >>> mask_passwords("postgresql://me:secret@host/db?sslpassword=more")
    'postgresql://me:***@host/db?sslpassword=***'
    """
    return _SECRET_FIELD.sub(r"\1***", _PASSWORD.sub(r"\1:***", text))


def _misspelt(lines: list[str]) -> list[str]:
    unknown = sorted(v for v in os.environ if v.startswith(_PREFIX) and v not in lines and not _blank(os.environ[v]))
    near = {v: get_close_matches(v, lines, n=1) for v in unknown}
    return [f"{v} is unknown" + (f"; did you mean {n[0]}?" if n else "") for v, n in near.items()]
