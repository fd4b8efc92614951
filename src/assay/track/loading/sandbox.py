"""Load a model in a sandboxed child and check its golden outputs."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from assay.kernel.errors import ArtifactError, ConfigError, printable

SECONDS = 60
_GIB = 1024**3
_LONGEST_ANSWER = 1 << 16
_SIGNALS = {int(one): one.name for one in signal.Signals}
_MODULE = "assay.track.loading.sandbox_worker"


def memory_for(parts: Mapping[str, bytes]) -> int:
    """Address space that loading these parts may take: 1 GiB for the libraries, 32 bytes a byte, 8 GiB at most."""
    return min(_GIB + 32 * sum(len(part) for part in parts.values()), 8 * _GIB)


class LoadingSandbox:
    """A process that loads models: `SECONDS` for each, at most `memory` bytes of address space, no environment.

    A child that died is replaced when the next model is asked for.
    """

    def __init__(self, *, memory: int = _GIB, seconds: int = SECONDS) -> None:
        self._memory, self._seconds = memory, seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "LoadingSandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def prove(
        self,
        parts: Mapping[str, bytes],
        self_test: Mapping[str, object],
        *,
        kind: str,
        where: str,
        strategy: Path | None,
    ) -> None:
        """Load these parts and ask the self-test. Raises ArtifactError as the child tells it.

        ``ARTIFACT_CORRUPT`` names the signal, exit status or limit for a child that died.
        """
        with TemporaryDirectory(prefix="assay-model-") as name:
            folder = Path(name)
            write_parts(parts, folder / "parts")
            (folder / "self_test.json").write_text(json.dumps(self_test), encoding="utf-8")
            own = None if strategy is None else str(strategy.absolute())
            request = {"folder": name, "format": kind, "where": where, "strategy": own}
            answer = self._exchange(json.dumps(request).encode() + b"\n", where)
        if answer["code"]:
            raise _error(answer, where)

    def _exchange(self, request: bytes, where: str) -> dict[str, str]:
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except BrokenPipeError:
            raise self._died(where) from None
        line = self._line(process, where)
        try:
            answer = json.loads(line)
            if answer.get("last"):  # it is about to end
                self._end()
            return {key: str(answer.get(key, "")) for key in ("code", "message", "hint")}
        except (ValueError, AttributeError, RecursionError):
            self._end()
            raise _corrupt(f"{where}: the process that loads it answered {printable(line.decode('latin-1'))}") from None

    def _line(self, process: "subprocess.Popen[bytes]", where: str) -> bytes:
        assert process.stdout is not None
        handle, line, until = process.stdout.fileno(), b"", time.monotonic() + self._seconds
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([handle], [], [], max(0.0, until - time.monotonic()))
            if not ready or len(line) > _LONGEST_ANSWER:
                self._end()
                raise _corrupt(f"{where} did not load within {self._seconds} s; the process that tried was ended")
            block = os.read(handle, _LONGEST_ANSWER)
            if not block:
                raise self._died(where)
            line += block
        return line

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._end()
            command = [sys.executable, "-P", "-m", _MODULE, str(self._memory), str(self._seconds)]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                    "OMP_NUM_THREADS": "1",
                    "OPENBLAS_NUM_THREADS": "1",
                },
            )
        return self._process

    def _died(self, where: str) -> ArtifactError:
        """How the child ended, as the reason that the model is refused."""
        assert self._process is not None
        try:
            status = self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL
        self._end()
        how = f"by {_SIGNALS.get(-status, -status)}" if status < 0 else f"with exit status {status}"
        return _corrupt(f"{where} was refused: the process that tried to load it ended {how}")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def write_parts(parts: Mapping[str, bytes], folder: Path) -> None:
    """Write parts below a folder."""
    for name, data in parts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _error(answer: Mapping[str, str], where: str) -> ArtifactError | ConfigError:
    code, text = answer["code"][:64], answer["message"][:500]
    if code.startswith("CONFIG_"):  # of the user's own strategy file
        return ConfigError(text, code=code, hint=answer["hint"][:500])
    return ArtifactError(
        text if where in text else f"{where}: {text}",
        code=code if code.startswith("ARTIFACT_") else "ARTIFACT_CORRUPT",
        hint=answer["hint"][:500],
    )


def _corrupt(text: str) -> ArtifactError:
    return ArtifactError(
        text, code="ARTIFACT_CORRUPT", hint="Do not open this model with anything else. Train it again."
    )
