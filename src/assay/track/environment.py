"""What a run ran with: code, libraries, machine. Never an environment variable, never a secret."""

import hashlib
import logging
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from assay.track.canonical import sha256_of

_LOG = logging.getLogger(__name__)
_GIT_SECONDS = 5.0
_UNTRACKED_MOST = 1024 * 1024


def capture(
    folder: Path | None = None, *, threads: Mapping[str, int] | None = None, git: bool = True
) -> dict[str, Any]:
    """Columns for `Experiments.start`: ``environment python_version lock_hash`` and the four of `git_state`.

    folder:  the code's folder, by default the working directory. Without Git or a repository the four are None and a
             WARN says so; Git gets 5 s in all.
    threads: thread counts that the caller has set, by library.
    git:     whether to ask Git at all; without it its four columns are absent.
    """
    libraries = distributions()
    environment = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": dict(threads or {}),
        "distributions": dict(libraries),
    }
    return {
        "environment": environment,
        "python_version": platform.python_version(),
        "lock_hash": lock_hash(),
        **(git_state(Path.cwd() if folder is None else folder) if git else {}),
    }


@cache
def distributions() -> tuple[tuple[str, str], ...]:
    """Installed distributions as (name, version), names in small letters, sorted; read once per process."""
    found = {d.name.lower(): d.version for d in metadata.distributions() if d.name}
    return tuple(sorted(found.items()))


def lock_hash() -> str:
    """SHA-256 over the installed distributions: equal sets, equal hash."""
    return sha256_of([f"{name}=={version}" for name, version in distributions()])


def git_state(folder: Path) -> dict[str, Any]:
    """``git_commit git_branch git_dirty git_diff_hash`` of a folder; all None where Git cannot tell.

    The diff hash covers ``git diff HEAD --binary`` and the hashes of untracked files up to 1 MiB; None when clean.
    """
    git = _Git(folder)
    try:
        commit = git.ask("rev-parse", "HEAD").decode().strip()
        branch = git.ask("rev-parse", "--abbrev-ref", "HEAD").decode().strip()
        root = Path(os.fsdecode(git.ask("rev-parse", "--show-toplevel").rstrip(b"\n")))
        git.folder = root
        diff = git.ask("diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
        names = git.ask("ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    except (OSError, subprocess.SubprocessError) as error:
        told = _told(error)
        usual = "not a git repository" in told  # whoever installed Assay works anywhere
        _LOG.log(logging.INFO if usual else logging.WARNING, "the code's commit is not known: %s", told)
        return dict.fromkeys(("git_commit", "git_branch", "git_dirty", "git_diff_hash"))
    untracked = sorted(name for name in names if name)
    dirty = bool(diff or untracked)
    return {
        "git_commit": commit,
        "git_branch": branch,
        "git_dirty": dirty,
        "git_diff_hash": _diff_hash(diff, root, untracked) if dirty else None,
    }


class _Git:
    """Questions to Git with one deadline for all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._deadline = time.monotonic() + _GIT_SECONDS

    def ask(self, *words: str) -> bytes:
        left = max(0.01, self._deadline - time.monotonic())
        command = ["git", "--no-optional-locks", "-C", str(self.folder), *words]
        return subprocess.run(command, capture_output=True, check=True, timeout=left, stdin=subprocess.DEVNULL).stdout


def _diff_hash(diff: bytes, root: Path, untracked: list[bytes]) -> str:
    sha = hashlib.sha256(diff)
    for name in untracked:
        path = root / os.fsdecode(name)
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _UNTRACKED_MOST:
            sha.update(b"untracked " + name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()


def _told(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return bytes(error.stderr).decode(errors="replace").strip()[:200]
    return "Git took longer than 5 s" if isinstance(error, subprocess.TimeoutExpired) else "Git is not installed"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
