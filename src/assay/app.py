"""The composition root: settings in, open stores out. Nothing below imports it."""

import ctypes
import os
from pathlib import Path
from typing import Any

from assay.kernel.errors import ConfigError, shown
from assay.runs.context import Context, Listener
from assay.settings import Settings, load
from assay.track.blobs.objects.opening import told_apart
from assay.track.blobs.signature import Keys, read_keys
from assay.track.mirror.address import checked_address

_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "fuse.sshfs")


_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def context(*, home: Path | None = None, listener: Listener | None = None) -> tuple[Context, tuple[str, ...]]:
    """A context over the home folder, and warnings: settings that look misspelt, a home on a network's disk.

    home: overrides ``ASSAY_HOME``; default ``.assay`` in the working folder. The folder is made if it is not there.
    Raises ConfigError ``CONFIG_FIELD`` naming folder and reason when it cannot be written to.
    """
    _give_memory_back()
    settings, warnings = load(home=home)
    _demand_writable(settings.home)
    warnings += _far_away(settings.home)
    if settings.artifacts_url is not None:
        told_apart(settings.artifacts_url)
    heard: dict[str, Any] = {} if listener is None else {"listener": listener}
    opened = Context(
        home=settings.home,
        record_url=settings.record,
        candles_url=settings.candles,
        base_timeframe=settings.timeframe,
        workers=settings.workers,
        mlflow_uri=None if settings.mlflow_uri is None else checked_address(settings.mlflow_uri),
        mlflow_experiment=settings.mlflow_experiment_name,
        keys=_keys(settings),
        artifacts_url=settings.artifacts_url,
        retention_days=settings.model_retention_days,
        models_keep_last=settings.models_keep_last,
        **heard,
    )
    return opened, warnings


def _keys(settings: Settings) -> Keys | None:
    """The signing keys. ConfigError ``CONFIG_FIELD`` where signatures are required and no key could verify one."""
    if settings.signing_key_file is not None:
        kept = (settings.home / "models", settings.home / "artifacts")
        return read_keys(settings.signing_key_file, outside=kept, required=settings.require_signature)
    if settings.require_signature:
        raise ConfigError(
            "ASSAY_REQUIRE_SIGNATURE is set, and ASSAY_SIGNING_KEY_FILE names no key to verify with",
            code="CONFIG_FIELD",
            hint="Name the key file, or do not require signatures.",
            field="ASSAY_SIGNING_KEY_FILE",
        )
    return None


def _give_memory_back() -> None:
    """Let the C library return every freed array of a MiB or more at once.

    glibc raises that line by itself to 32 MiB and then keeps what numpy frees, hundreds of MiB in a training on a
    million bars (``benchmarks/memory.py``). Other C libraries have no such line.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 1 << 20)


def _demand_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise _no_home(home, "is a file, not a folder") from None
    except OSError as error:
        raise _no_home(home, f"cannot be made: {error.strerror}") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise _no_home(home, "is not writable for this user")


def _no_home(home: Path, why: str) -> ConfigError:
    return ConfigError(
        f"home {shown(str(home))} {why}",
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
    return (f"home {shown(str(home))} lies on {kind}, whose file locks are not reliable; a local disk is safe",)
