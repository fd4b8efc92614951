"""A closed process for a user file, and the parent's end of its pipe."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal, NoReturn, Self
from weakref import finalize

import assay
from assay.kernel.bars import Bars
from assay.kernel.errors import AssayError, ConfigError, DataError, LeakError, TrainError, printable
from assay.kernel.user_source import UserCode
from assay.validate.isolation.allowlists import demand_allowed, landlock_version
from assay.validate.isolation.messages import Broken, Message, TooLate, TooMuch, bars_message, receive, send

Kind = Literal["strategy", "feature"]
_GIB = 1 << 30
_DAY_S = 86_400
_HOUR_S = 3_600
_TAIL = 1 << 14
_MOST_PRINTED = 100
_PIPE_BYTES = 1 << 20
_START = "from assay.validate.isolation.child import main; main({}, {}, {})"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
_PASSED = (*_THREADS, "NPY_DISABLE_CPU_FEATURES", "OPENBLAS_CORETYPE", "TZ", "LD_LIBRARY_PATH")
_SIGNALS = {int(one): one.name for one in signal.Signals}
_KINDS: Mapping[str, Callable[..., AssayError]] = {
    "ConfigError": ConfigError, "DataError": DataError, "LeakError": LeakError, "TrainError": TrainError,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a closed process may use. A safety stop, no budget: whoever runs into it gets an error, not a verdict.

    seconds:      for one answer, and for loading the file.   memory: bytes of address space on top of the libraries'.
    output_bytes: of one answer.
    landlock:     version of Landlock that the kernel has; 0 runs only files whose imports are on the allow-list.
    """

    seconds: float = 120.0
    memory: int = 8 * _GIB
    output_bytes: int = _GIB
    landlock: int = field(default_factory=landlock_version)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that the user's code tried and was refused. what: follows "it"; file and line of the user's source."""

    what: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}"


OUTSIDE_HINT = "A file of your own may read the bars that it is given, and nothing else."


class ClosedProcess:
    """One process with one file of the user's. A context manager; the process starts at the first question.

    number: another number gives another hash seed, clock and process number; each question has a clock of its own.
    Raises ConfigError ``CONFIG_STRATEGY_FILE`` or ``CONFIG_FEATURE_FILE`` for a file that cannot be loaded in it,
    TrainError ``TRAIN_STRATEGY`` or ``TRAIN_FEATURE`` where an answer fails, with file and line.
    """

    def __init__(
        self, code: UserCode, kind: Kind, *, number: int = 0, limits: Confinement | None = None
    ) -> None:  # fmt: skip
        self.code, self.kind, self.number = code, kind, number
        self.limits = Confinement() if limits is None else limits
        self.attempts: list[Attempt] = []
        self.declared: Mapping[str, Any] = {}
        self.printed: dict[str, None] = {}  # the lines that it printed, each once, and not all of very many
        self.questions = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._to = self._from = -1
        self._lock = threading.RLock()
        self._sent: Bars | None = None
        self._finalizer: finalize[Any, object] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its folder. It can be asked again: a fresh one starts."""
        if self._finalizer is not None:
            self._finalizer()
        self._finalizer = self._process = self._folder = self._sent = None
        self._to = self._from = -1

    def load(self) -> None:
        """Start the process and wait until it has loaded the file; `declared` says what that declares."""
        with self._lock:
            if self._process is None:
                self.start()
            if not self.declared:
                self.declared = self._exchange(None, loading=True).facts

    def ask(self, bars: Bars | None, facts: Mapping[str, object], *, keep: bool = False) -> Message:
        """The file's answer to these bars, or to facts alone. Threads are served one after the other.

        keep: the process may hold the bars until the next question that has some, so that they are sent once for a row
        of questions about the same.
        """
        with self._lock:
            self.load()
            self.questions += 1
            question = {**facts, **self._surroundings()}
            if bars is None or (keep and bars is self._sent):
                return self._exchange(Message(question))
            self._sent = None  # an error on the way leaves open what the process holds
            answer = self._exchange(bars_message({**question, "keep": keep}, bars))
            self._sent = bars if keep else None
            return answer

    def _surroundings(self) -> dict[str, int]:
        """Time of day and process number of the next question: other years and hours in each process and question."""
        step = 7 * self.number + self.questions
        years = (3 + 5 * self.number) * 365
        offset = years * _DAY_S + step * 17 * _HOUR_S + 311 * step
        return {"clock": offset, "process": 1_000 + 7_919 * (self.number + 1) + 31 * self.questions}

    def start(self) -> None:
        """Start the process without waiting until it has loaded the file; the first question waits for that."""
        if self._process is not None:
            return
        if not self.limits.landlock:
            demand_allowed(self.code, self._code)
        self._folder = TemporaryDirectory(prefix="assay-closed-", ignore_cleanup_errors=True)
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-B", "-c", _START.format(theirs_in, theirs_out, 2)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self._folder.name,
                env=self._environment(),
                pass_fds=(theirs_in, theirs_out),
                start_new_session=True,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        os.set_blocking(self._to, False)
        for pipe in (self._to, self._from):
            _widen(pipe)
        self._finalizer = finalize(self, _end, os.getpid(), self._process, self._folder, (self._to, self._from))
        self.declared = {}
        self._write(Message(self._first()), time.monotonic() + self.limits.seconds, loading=True)

    def _first(self) -> dict[str, Any]:
        files = [
            {"module": f.module, "path": f.path, "text": f.text.decode("latin-1"), "package": f.package}
            for f in self.code.files
        ]
        libraries = sorted({each.module for each in self.code.imports if each.library})
        details = {"files": files, "kind": self.kind, "libraries": libraries, "seconds": int(self.limits.seconds) + 1}
        details |= {"memory": self.limits.memory, "landlock": self.limits.landlock}
        return details | self._surroundings()

    def _environment(self) -> dict[str, str]:
        """What the process starts with; it empties it before the user's code runs.

        Thread counts are the parent's: sums of a library may depend on them.
        """
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}  # noqa: TID251 - no setting of ours
        root = str(Path(str(assay.__file__)).parent.parent)
        seed = str(1 + 104_729 * (self.number + 1) % 4_294_967_295)
        return {**passed, "PYTHONPATH": root, "PYTHONHASHSEED": seed, "LANG": "C.UTF-8"}

    def _write(self, message: Message, until: float, *, loading: bool) -> None:
        try:
            send(self._to, message, until=until)
        except TooLate:
            self._fail(f"took no question within {self.limits.seconds:g} s", loading=loading)
        except Broken as error:
            self._fail(self._end_of(error), loading=loading)

    def _exchange(self, message: Message | None, *, loading: bool = False) -> Message:
        until = time.monotonic() + self.limits.seconds
        if message is not None:
            self._write(message, until, loading=loading)
        try:
            while True:
                got = receive(self._from, most=self.limits.output_bytes, until=until)
                if "attempt" not in got.facts:
                    self._note_printed(got.facts)
                    break
                self.attempts.append(_attempt(got.facts))
        except TooLate:
            self._fail(f"gave no answer within {self.limits.seconds:g} s", loading=loading)
        except TooMuch as error:
            self._fail(f"gave {error}; {self.limits.output_bytes:,} are allowed", loading=loading)
        except Broken as error:
            self._fail(self._end_of(error), loading=loading)
        if "error" in got.facts:
            self._raise(got.facts, loading=loading)
        return got

    def _note_printed(self, facts: Mapping[str, object]) -> None:
        for line in str(facts.get("printed", ""))[:_TAIL].splitlines():
            if line.strip() and len(self.printed) < _MOST_PRINTED:
                self.printed[line[:200]] = None

    @property
    def _code(self) -> str:
        return "CONFIG_STRATEGY_FILE" if self.kind == "strategy" else "CONFIG_FEATURE_FILE"

    def _fail(self, why: str, *, loading: bool) -> NoReturn:
        """The process is ended, and why is said."""
        self.close()
        name = self.code.main.path
        text = f"{self.kind} file {printable(name)} {why}, in a closed process of its own"
        if loading:
            raise ConfigError(text, code=self._code, file=name)
        raise TrainError(text, code="TRAIN_STRATEGY" if self.kind == "strategy" else "TRAIN_FEATURE", file=name)

    def _end_of(self, error: Broken) -> str:
        """How a process ended that broke off."""
        assert self._process is not None
        try:
            status = self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            return f"wrote into the pipe of its answers ({error})"
        how = f"by {_SIGNALS.get(-status, -status)}" if status < 0 else f"with exit status {status}"
        return f"ended its process {how}{self._crash_site()}"

    def _crash_site(self) -> str:
        """Where the process stood when it crashed, as far as it was the user's file; else its last line."""
        assert self._process is not None and self._process.stderr is not None and self._folder is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            text = (os.read(self._process.stderr.fileno(), _TAIL) or b"").decode("utf-8", "replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            source = f'File "{self._folder.name}/source/'
            for line in lines:
                if line.startswith(source):
                    file, _, rest = line.removeprefix(source).partition('", line ')
                    return f" at {file}:{rest.split(' ')[0]}"
            return f": {printable(lines[-1])}" if lines else ""
        return ""

    def _raise(self, facts: Mapping[str, object], *, loading: bool) -> NoReturn:
        """An error that the process told of, as one of ours."""
        code, text, line = str(facts["error"]), str(facts.get("text", "")), facts.get("line")
        file = str(facts.get("file") or self.code.main.path)
        if loading:
            self.close()
        details: dict[str, object] = {"file": file, "line": line}
        kind = _KINDS.get(str(facts.get("kind")))
        if kind is not None:
            raise kind(text, code=code, hint=str(facts.get("hint", "")), **details)
        where = f"{file}:{line}: " if line else f"{self.kind} file {printable(file)}: "
        hint = _missing(str(facts.get("module", "")))
        if loading:
            raise ConfigError(where + text, code=self._code, hint=hint, **details)
        name = "TRAIN_STRATEGY" if self.kind == "strategy" else "TRAIN_FEATURE"
        raise TrainError(where + text, code=name, hint=hint, file=file, at=where.removesuffix(": "))


def demand_inside(process: ClosedProcess) -> None:
    """Raise LeakError ``LEAK_OUTSIDE`` for the first thing that the file tried; all of them are its ``violations``."""
    if not process.attempts:
        return
    violations = [
        {"probe": "outside", "name": f"{each.file}:{each.line}", "cut": -1, "row": -1, "change": None,
         "text": f"LEAK_OUTSIDE: {each}"}
        for each in dict.fromkeys(process.attempts)
    ]  # fmt: skip
    raise LeakError(
        str(process.attempts[0]), code="LEAK_OUTSIDE", hint=OUTSIDE_HINT, probe="outside", row=-1,
        violations=violations,
    )  # fmt: skip


def _end(
    owner: int, process: "subprocess.Popen[bytes]", folder: "TemporaryDirectory[str]", pipes: tuple[int, int]
) -> None:
    """Kill the process, close its pipes and remove its folder; not in a fork of the process that started it."""
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()
    if process.stderr is not None:
        process.stderr.close()
    for handle in pipes:
        os.close(handle)
    folder.cleanup()


def _widen(pipe: int) -> None:
    """Let a pipe hold more at once, where the system allows it: candles of years go through it."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _attempt(facts: Mapping[str, object]) -> Attempt:
    line = facts.get("line")
    return Attempt(str(facts["attempt"])[:500], str(facts.get("file"))[:200], line if isinstance(line, int) else 0)


def _missing(module: str) -> str:
    if not module:
        return ""
    return f"Install {module}, or write its import so that its name stands in the file; only Python's folders are read."
