"""Environment of a run: repository, code, libraries, machine. Secrets are redacted."""

import hashlib
import logging
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from assay.track.codecs import sha256_of

if TYPE_CHECKING:
    from assay.track.model_files.artifact_store import Blobs
    from assay.track.tracking_store import TrackingStore


SECONDS = 5.0
_MIB = 1024 * 1024
UNTRACKED_MOST, DIFF_MOST, LISTED_MOST = _MIB, 10 * _MIB, 1_000


class Deadline:
    """Seconds that several questions share; a question after them is `subprocess.TimeoutExpired`."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Seconds until it; raises once it has passed."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise subprocess.TimeoutExpired("git", SECONDS)
        return left


class UntrackedFile(TypedDict):
    """A file that Git does not track; no size for what is no plain file, no hash for what is above 1 MiB."""

    path: str
    bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree at one moment.

    diff_hash: SHA-256 over ``git diff HEAD --binary`` and the hashes of untracked files up to 1 MiB; None when clean.
    diff:      that diff, or empty where it is longer than 10 MiB (`diff_bytes` says how long it was).
    untracked: ``{path, bytes, sha256}`` of the first 1,000 by name; no hash for those above 1 MiB.
    untracked_count: of all of them.
    """

    root: Path
    commit: str
    branch: str
    diff_hash: str | None
    diff: bytes = field(repr=False)
    diff_bytes: int
    untracked: tuple[UntrackedFile, ...]
    untracked_count: int

    @property
    def dirty(self) -> bool:
        """Whether anything differs from the commit."""
        return self.diff_hash is not None

    def facts(self) -> dict[str, str | bool | None]:
        """What is said of it where runs are compared; no path of this machine."""
        return {"commit": self.commit, "branch": self.branch, "dirty": self.dirty, "diff_hash": self.diff_hash}


def root_of(folder: Path, deadline: Deadline, *, tracked: str | None = None) -> Path | None:
    """The top of the work tree around a folder; None where Git does not know `tracked`, a file in the folder.

    Raises as `look`.
    """
    root = _git(folder, deadline, "rev-parse", "--show-toplevel").rstrip(b"\n")
    if tracked is not None and not _git(folder, deadline, "ls-files", "-z", "--", tracked):
        return None
    return Path(os.fsdecode(root))


def look(root: Path, deadline: Deadline) -> Repository:
    """The state of a work tree.

    Raises OSError without Git, CalledProcessError without a repository (or a commit), TimeoutExpired.
    """
    commit = _git(root, deadline, "rev-parse", "HEAD").decode().strip()
    branch = _git(root, deadline, "rev-parse", "--abbrev-ref", "HEAD").decode().strip()
    diff = _git(root, deadline, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
    listed = _git(root, deadline, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    names = sorted(name for name in listed if name)
    sha, untracked = hashlib.sha256(diff), []
    for name in names:
        result = _described(root, name, deadline)
        if result["sha256"] is not None:
            sha.update(b"untracked " + name + b"\0" + bytes.fromhex(result["sha256"]))
        untracked.append(result)
    return Repository(
        root,
        commit,
        branch,
        sha.hexdigest() if diff or names else None,
        diff if len(diff) <= DIFF_MOST else b"",
        len(diff),
        tuple(untracked[:LISTED_MOST]),
        len(untracked),
    )


def explain(error: Exception) -> str:
    """Why Git could not tell, in a line."""
    if isinstance(error, subprocess.CalledProcessError):
        return bytes(error.stderr).decode(errors="replace").strip()[:200]
    return "Git took longer than 5 s" if isinstance(error, subprocess.TimeoutExpired) else "Git is not installed"


def _described(root: Path, name: bytes, deadline: Deadline) -> UntrackedFile:
    deadline.seconds_left()
    path, result = root / os.fsdecode(name), None
    if path.is_symlink() or not path.is_file():
        return {"path": name.decode(errors="replace"), "bytes": None, "sha256": None}
    size = path.stat().st_size
    if size <= UNTRACKED_MOST:
        result = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"path": name.decode(errors="replace"), "bytes": size, "sha256": result}


def _git(folder: Path, deadline: Deadline, *words: str) -> bytes:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    done = subprocess.run(
        command, capture_output=True, check=True, timeout=deadline.seconds_left(), stdin=subprocess.DEVNULL
    )
    return bytes(done.stdout)


_HIDDEN = rb"***"
_WORDS = (
    rb"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|signing[_-]?key"
    rb"|account[_-]?key|credentials?|authorization|auth[_-]?header|dsn"
)
_NAMED = re.compile(
    rb"(?i)((?:[\w.-]*(?:" + _WORDS + rb")[\w.-]*)[\"']?\s{0,8}(?::=|=>|[:=])\s{0,8})"
    rb"(\"[^\"\n]*\"|'[^'\n]*'|(?:bearer|basic)\s+[^\s\"',;]+|[^\s\"',;)\]}]+)"
)
_URL = re.compile(rb"(\w{2,16}://[^\s/:@\"']{0,256}:)[^\s/@\"']{1,256}(?=@)")
_BEARER = re.compile(rb"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}")
_SECRETS = re.compile(
    rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bsk[-_][\w-]{16,}"
    rb"|\bxox[abeprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\bhf_\w{20,}|\bnpm_\w{20,}"
)
_BLOCK = re.compile(
    rb"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)


def mask_secrets(data: bytes) -> bytes:
    """The text with ``***`` for what looks like a secret.

    That is: the value beside a name such as password, secret, token, api_key or credential, in code, settings or JSON;
    passwords in URLs; bearer tokens; private key blocks; keys of well-known services by their first letters. An
    ordinary value beside such a name is hidden as well.
    """
    data = _BLOCK.sub(rb"\1" + _HIDDEN + rb"\2", data)
    data = _URL.sub(rb"\1" + _HIDDEN, data)
    data = _NAMED.sub(rb"\1" + _HIDDEN, data)
    data = _BEARER.sub(rb"\1" + _HIDDEN, data)
    return _SECRETS.sub(_HIDDEN, data)


_LOG = logging.getLogger(__name__)
DIFF = "git_diff"
WORKING_FOLDER, ASSAY_SOURCE = "working folder", "assay"
_GIT_SECONDS = SECONDS
_UNKNOWN: dict[str, None] = dict.fromkeys(("git_commit", "git_branch", "git_dirty", "git_diff_hash"))


@dataclass(frozen=True, slots=True)
class Provenance:
    """The surroundings of a run.

    columns:      for `Experiments.start`: ``environment python_version lock_hash``, and the four of Git.
    repositories: by what their folder is to the run, see `capture_provenance`.
    """

    columns: dict[str, Any]
    repositories: Mapping[str, Repository] = field(default_factory=dict)

    def keep(self, record: "TrackingStore", run: int, blobs: "Blobs") -> None:
        """Keep each repository's uncommitted diff, secrets masked, as an artifact of type ``git_diff``.

        The artifact's metadata list untracked files by hash. A diff above 10 MiB is not kept; the metadata say so.
        """
        for what, result in self.repositories.items():
            if not result.dirty:
                continue
            text = mask_secrets(result.diff)
            blob = blobs.put(text)
            document = {
                "of": what,
                "commit": result.commit,
                "diff_hash": result.diff_hash,
                "diff_bytes": result.diff_bytes,
                "kept": result.diff_bytes <= DIFF_MOST,
                "masked": text != result.diff,
                "untracked": list(result.untracked),
                "untracked_count": result.untracked_count,
                "blob": blob,
            }
            record.artifacts.add(
                run, DIFF, blobs.path(blob) / "bytes", name=f"{what}.diff", sha256=blob, metadata=document
            )


def capture_provenance(
    folders: Mapping[str, Path],
    *,
    threads: Mapping[str, int] | None = None,
    machine: Mapping[str, object] | None = None,
    git: bool = True,
) -> Provenance:
    """Everything that is known of what runs now.

    folders: where code lies, by what it is; the first in a repository gives the columns ``git_…``, all are in
             ``environment.code``. The one named ``assay`` counts only where Git tracks it: not where it is installed.
    threads: thread counts that the caller has set, by library.   machine: facts that only the environment tells.

    Git gets 5 s in all. Where no folder is in a repository, or Git cannot tell, the four columns are None, and a WARN
    says so once in a process.
    """
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_bytes": _memory(),
        "threads": dict(threads or {}),
        "distributions": dict(distributions()),
        **dict(machine or {}),
    }
    columns: dict[str, object] = {
        "environment": environment,
        "python_version": platform.python_version(),
        "lock_hash": lock_hash(),
    }
    if not git:
        return Provenance(columns)
    result = _repositories(folders)
    environment["code"] = {what: each.facts() for what, each in result.items()}
    first = next(iter(result.values()), None)
    columns |= _UNKNOWN if first is None else {f"git_{name}": value for name, value in first.facts().items()}
    return Provenance(columns, result)


_DECIDING = ("assay", "lightgbm", "numba", "numpy", "scikit-learn", "scipy", "skops", "ta-lib", "xgboost-cpu")


def versions() -> dict[str, str]:
    """Versions of the libraries that decide what a model gives, by the name of their distribution."""
    return {name: version for name, version in distributions() if name in _DECIDING}


@cache
def distributions() -> tuple[tuple[str, str], ...]:
    """Installed distributions as (name, version), names in small letters, sorted; read once per process."""
    result = {d.name.lower(): d.version for d in metadata.distributions() if d.name}
    return tuple(sorted(result.items()))


def lock_hash() -> str:
    """SHA-256 over the installed distributions: equal sets, equal hash."""
    return sha256_of([f"{name}=={version}" for name, version in distributions()])


def _repositories(folders: Mapping[str, Path]) -> dict[str, Repository]:
    """Those that are there, each work tree once."""
    result: dict[str, Repository] = {}
    why, deadline = "no folder was given", Deadline(_GIT_SECONDS)
    for what, folder in folders.items():
        try:
            root = root_of(folder, deadline, tracked="__init__.py" if what == ASSAY_SOURCE else None)
            if root is not None and all(root != other.root for other in result.values()):
                result[what] = look(root, deadline)
        except (OSError, subprocess.SubprocessError) as error:
            why = explain(error)
    if not result:
        _warn_once(why)
    return result


@cache
def _warn_once(why: str) -> None:
    _LOG.warning("the code's commit is not known: %s", why)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _memory() -> int | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
