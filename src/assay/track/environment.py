"""Environment of a run: code, libraries, machine. Never a secret."""

import logging
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.track import git
from assay.track.canonical_json import sha256_of
from assay.track.git import Deadline, Repository
from assay.track.redaction import mask_secrets

if TYPE_CHECKING:
    from assay.track.model_files.artifact_store import Blobs
    from assay.track.tracking_store import TrackingStore

_LOG = logging.getLogger(__name__)
DIFF = "git_diff"
WORKING_FOLDER, ASSAY_SOURCE = "working folder", "assay"
_GIT_SECONDS = git.SECONDS
_UNKNOWN: dict[str, Any] = dict.fromkeys(("git_commit", "git_branch", "git_dirty", "git_diff_hash"))


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
                "kept": result.diff_bytes <= git.DIFF_MOST,
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
    machine: Mapping[str, Any] | None = None,
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
    columns = {"environment": environment, "python_version": platform.python_version(), "lock_hash": lock_hash()}
    if not git:
        return Provenance(columns)
    result = _repositories(folders)
    environment["code"] = {what: each.facts() for what, each in result.items()}
    first = next(iter(result.values()), None)
    columns |= _UNKNOWN if first is None else {f"git_{name}": value for name, value in first.facts().items()}
    return Provenance(columns, result)


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
            root = git.root_of(folder, deadline, tracked="__init__.py" if what == ASSAY_SOURCE else None)
            if root is not None and all(root != other.root for other in result.values()):
                result[what] = git.look(root, deadline)
        except (OSError, subprocess.SubprocessError) as error:
            why = git.explain(error)
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
