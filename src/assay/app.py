"""The composition root: settings in, open stores out. Nothing below imports it."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypedDict

from assay.kernel.errors import ConfigError, printable
from assay.memory import give_back, keep_freed
from assay.runs import Context, Listener
from assay.settings import SettingRow, Settings, describe_settings, load, load_gate
from assay.settings import mask_passwords as mask_passwords
from assay.track import Keys, check_uri, read_keys, split_address, store_version
from assay.validate import Thresholds

_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "fuse.sshfs")


def context(
    *,
    home: Path | None = None,
    listener: Listener | None = None,
    sweeping: bool = False,
    audit: str | None = None,
    existing: Literal["home", "record"] | None = None,
) -> tuple[Context, tuple[str, ...]]:
    """A context over the home folder, and warnings: settings that look misspelt, a home on a network's disk.

    home:     overrides ``ASSAY_HOME``; default ``.assay`` in the working folder. The folder is made if it is not there.
    sweeping: whether freed memory is kept for the next array instead of given back: see `assay.memory`.
    audit:    overrides ``ASSAY_AUDIT``. Raises ConfigError ``CONFIG_AUDIT``.
    existing: ``record`` for work that only a record with rows can have: nothing is made, and StoreError
              ``STORE_NOT_FOUND`` says where none is; ``home`` is content with a home, or a record elsewhere.
    Raises ConfigError ``CONFIG_FIELD`` naming folder and reason when it cannot be written to.
    """
    keep_freed() if sweeping else give_back()
    settings, warnings = load(home=home)
    if existing is None:
        _demand_writable(settings.home)
    elif existing == "record" or not _is_folder(settings.home):
        store_version(settings.record)
    warnings += _far_away(settings.home)
    if settings.artifacts_url is not None:
        split_address(settings.artifacts_url)
    heard: dict[str, Any] = {} if listener is None else {"listener": listener}
    opened = Context(
        home=settings.home,
        record_url=settings.record,
        candles_url=settings.candles,
        base_timeframe=settings.timeframe,
        workers=settings.workers,
        mlflow_uri=None if settings.mlflow_uri is None else check_uri(settings.mlflow_uri),
        mlflow_experiment=settings.mlflow_experiment_name,
        keys=_keys(settings),
        artifacts_url=settings.artifacts_url,
        retention_days=settings.model_retention_days,
        models_keep_last=settings.models_keep_last,
        machine=settings.machine,
        audit=settings.audit if audit is None else audit,
        thresholds=_thresholds(),
        **heard,
    )
    return opened, warnings


class SettingsListing(TypedDict):
    """All settings, and a line for each variable that looks misspelt."""

    settings: list[SettingRow]
    unknown: list[str]


def list_settings(*, home: Path | None = None) -> SettingsListing:
    """Every setting as `assay.settings.describe_settings` gives it, and what looks misspelt."""
    _, unknown = load(home=home)
    usual = {f"gate.{name}": value for name, value in asdict(Thresholds()).items()}
    rows = [
        row | {"value": usual.get(row["name"])} if row["value"] is None else row for row in describe_settings(home=home)
    ]
    return {"settings": rows, "unknown": list(unknown)}


def _thresholds() -> Thresholds:
    """Those of the gate: as set, the others by default."""
    return Thresholds(**load_gate().model_dump(exclude_none=True))


def _keys(settings: Settings) -> Keys | None:
    """The signing keys. ConfigError ``CONFIG_FIELD`` where signatures are required and no key could verify one."""
    if settings.signing_key_file is not None:
        stored = (settings.home / "models", settings.home / "artifacts")
        return read_keys(settings.signing_key_file, outside=stored, required=settings.require_signature)
    if settings.require_signature:
        raise ConfigError(
            "ASSAY_REQUIRE_SIGNATURE is set, and ASSAY_SIGNING_KEY_FILE names no key to verify with",
            code="CONFIG_FIELD",
            hint="Name the key file, or do not require signatures.",
            field="ASSAY_SIGNING_KEY_FILE",
        )
    return None


def _demand_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise _no_home(home, "is a file, not a folder") from None
    except OSError as error:
        raise _no_home(home, f"cannot be made: {error.strerror}") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise _no_home(home, "is not writable for this user")


def _is_folder(home: Path) -> bool:
    try:
        return home.is_dir()
    except OSError:  # a name that no folder can have
        return False


def _no_home(home: Path, why: str) -> ConfigError:
    return ConfigError(
        f"home {printable(str(home))} {why}",
        code="CONFIG_FIELD",
        hint="Choose a folder that you may write to, with --home or ASSAY_HOME.",
        field="home",
    )


def _far_away(home: Path) -> tuple[str, ...]:
    """A warning when the folder lies on a network's disk: the locks of the stores are not reliable there."""
    import psutil

    mounts = {p.mountpoint: p.fstype for p in psutil.disk_partitions(all=True)}
    kind = next((mounts[str(f)] for f in (home.resolve(), *home.resolve().parents) if str(f) in mounts), "")
    if not kind.startswith(_REMOTE):
        return ()
    return (f"home {printable(str(home))} lies on {kind}, whose file locks are not reliable; a local disk is safe",)
