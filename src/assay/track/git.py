"""The state of a Git work tree: what Git knows, and what it does not know yet."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    untracked: tuple[dict[str, Any], ...]
    untracked_count: int

    @property
    def dirty(self) -> bool:
        """Whether anything differs from the commit."""
        return self.diff_hash is not None

    def facts(self) -> dict[str, Any]:
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


def _described(root: Path, name: bytes, deadline: Deadline) -> dict[str, Any]:
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
    run: Callable[..., Any] = subprocess.run
    done = run(command, capture_output=True, check=True, timeout=deadline.seconds_left(), stdin=subprocess.DEVNULL)
    return bytes(done.stdout)
