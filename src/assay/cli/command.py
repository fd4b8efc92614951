"""Shared parts of all commands: options, output, errors and exit codes."""

import errno
import io
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from unicodedata import category

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from assay.kernel.errors import AssayError, ConfigError, StoreError, amount, printable

if TYPE_CHECKING:
    from rich.console import Console

    from assay.runs import Context, Listener


_CONTROL = ("Cc", "Cf", "Zl", "Zp")  # controls, marks that turn or hide text, other ends of a line


def escape_control(text: str) -> str:
    r"""The text with what would move a terminal's cursor, colour or turn its text spelt out; new lines and tabs stay.

    >>> print(escape_control("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    if text.isprintable():
        return text
    document = (c if c in "\n\t" or category(c) not in _CONTROL else c.encode("unicode_escape").decode() for c in text)
    return "".join(document)


def _folder(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter(f"{text!r} names no folder; leave it out for ASSAY_HOME or .assay")
    return Path(text)


Home = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="PATH", parser=_folder, help="Folder of everything Assay keeps. [ASSAY_HOME or .assay]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Exchange = Annotated[str, typer.Option("--exchange", "-e", help="Exchange, e.g. binance.")]
Symbol = Annotated[str, typer.Option("--symbol", "-s", help="Symbol as ccxt spells it, e.g. BTC/USDT.")]
Audit = Annotated[str | None, typer.Option(help="Causality audit: quick, full or off. [ASSAY_AUDIT or quick]")]
FeaturesFile = Annotated[
    list[Path] | None,
    typer.Option("--features-file", help="One Python file with features of your own, beside the set; it is run."),
]
Timeframe = Annotated[str, typer.Option("--timeframe", "-t", help="Length of a bar, e.g. 1h.")]

Document = Mapping[str, Any]
INTERRUPTED, TERMINATED = 130, 143
_DISK = {
    errno.ENOSPC: ("STORE_FULL", "Free some space, and do it again."),
    errno.EDQUOT: ("STORE_FULL", "Free some space, and do it again."),
    errno.EROFS: ("STORE_READ_ONLY", "Choose a folder that you may write to, with --home or ASSAY_HOME."),
    errno.EIO: ("STORE_IO", "Check the disk."),
}
# Typer carries its own copy of click and shows only the leaf of the errors for a wrong command line.
_USAGE: Any = typer.BadParameter.__base__


class _Warnings(logging.Handler):
    """Log records as lines on stderr, with the values that they carry; a progress bar may stand below them."""

    def emit(self, record: logging.LogRecord) -> None:
        own = vars(logging.makeLogRecord({}))
        facts = ", ".join(f"{k} {v}" for k, v in vars(record).items() if k not in own and k != "message")
        text = f"{record.levelname.lower()}: {record.getMessage()}" + (f" ({facts})" if facts else "")
        sys.stderr.write(text.replace("\n", "\\n") + "\n")


def tell_on_stderr() -> None:
    """Warnings of the house as lines on stderr; what a terminal cannot show is escaped."""
    logging.basicConfig(level=logging.WARNING, handlers=[_Warnings()])
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before this process began
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(command: Callable[..., object], arguments: list[str]) -> int:
    """Run a command line; the exit code. People's text goes to stderr, with ``--json`` the error document to stdout."""
    try:
        code = _ended(command, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except OSError as error:
        if error.errno not in _DISK:
            raise
        _forget_stdout()
        return fail(_unwritten(error), as_json=False)
    return code


def _unwritten(error: OSError) -> StoreError:
    """What was to be printed could not be: the disk or device behind standard output is full."""
    return StoreError(f"the output cannot be written: {error.strerror}", code=_DISK[error.errno or 0][0])


def _ended(command: Callable[..., object], arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        code = command(args=arguments, prog_name="assay", standalone_mode=False)
    except AssayError as error:
        return fail(error, as_json=as_json)
    except _USAGE as error:
        return fail(_as_error(error), as_json=as_json)
    except _Output as error:
        raise error.cause from None
    except OSError as error:
        return fail(_of_disk(error), as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # what Typer makes of Ctrl-C
        return _stopped(as_json=as_json)
    return code if isinstance(code, int) else 0


def _stopped(*, as_json: bool) -> int:
    by, code = ("SIGTERM", TERMINATED) if _Ended.by_signal else ("Ctrl-C", INTERRUPTED)
    return fail(ConfigError(f"stopped by {by}", code="STOPPED"), as_json=as_json, exit_code=code)


def _of_disk(error: OSError) -> StoreError:
    """What a disk says wherever a file is written, in our words; any other error goes on."""
    if error.errno not in _DISK:
        raise error
    code, hint = _DISK[error.errno or 0]
    where = "" if error.filename is None else f" {printable(str(error.filename))}"
    return StoreError(f"a file{where} cannot be written or read: {error.strerror}", code=code, hint=hint)


def _as_error(error: Any) -> ConfigError:
    """A wrong command line as an error like all others."""
    command = "assay" if error.ctx is None else error.ctx.command_path
    if type(error).__name__ == "NoArgsIsHelpError":
        return ConfigError(f"{command} needs a command\n\n{error.format_message()}")
    return ConfigError(error.format_message(), hint=f"{command} --help shows what it takes.")


def _forget_stdout() -> None:
    """Whoever read our output has gone: the interpreter must not try to flush it as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(error: AssayError, *, as_json: bool, exit_code: int | None = None) -> int:
    """Say what is wrong; the exit code."""
    if as_json:
        from assay.runs import to_jsonable

        document = {"code": error.code, "message": error.message, "hint": error.hint, "facts": to_jsonable(error.facts)}
        sys.stdout.write(json.dumps({"error": document}, default=str, allow_nan=False) + "\n")
    sys.stderr.write(escape_control(f"error {error.code}: {error.message}\n"))
    if error.hint and error.hint not in error.message:
        sys.stderr.write(escape_control(f"  {error.hint}\n"))
    report = error.facts.get("quality")
    if isinstance(report, dict):
        sys.stderr.write(
            "".join(f"  {w['code']}: {w['text']}\n" for w in report["warnings"] if w["code"] != error.code)
        )
    return error.exit_code if exit_code is None else exit_code


def say(document: Document | Sequence[Document], people: Callable[["Console"], object], *, as_json: bool) -> None:
    """Print a result: the document as JSON on stdout, or for people on stdout as well, control characters escaped."""
    text = json.dumps(document, allow_nan=False) + "\n" if as_json else ""
    try:
        if as_json:
            sys.stdout.write(text)
        else:
            people(Terminal())
        sys.stdout.flush()
    except OSError as error:
        raise _Output(error) from error


class _Output(Exception):
    """Standard output cannot be written; no fault of the work's own."""

    def __init__(self, cause: OSError) -> None:
        self.cause = cause


@contextmanager
def open_context(
    home: Path | None,
    *,
    working: bool = False,
    sweeping: bool = False,
    audit: str | None = None,
    existing: Literal["home", "record"] | None = None,
) -> Iterator["Context"]:
    """The context of a command; with `working` a progress bar with the time left on stderr, if that is a terminal.

    What is printed while it works, by a strategy of the user's own, goes to stderr: it is no part of the result.
    sweeping, audit, existing: see `assay.app.context`.
    """
    from assay.app import context

    if not working:
        yield _warned(context(home=home, existing=existing))
        return
    with _stoppable(), redirect_stdout(sys.stderr), _bar() if sys.stderr.isatty() else nullcontext() as listen:
        yield _warned(context(home=home, listener=listen, sweeping=sweeping, audit=audit, existing=existing))


class _Ended:
    """Whether this process was asked to end."""

    by_signal = False


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends the work as Ctrl-C does: the run is marked, nothing is half-written. A second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    own = os.getpid()

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != own:  # a fork that has inherited this
            os.kill(os.getpid(), number)
        _Ended.by_signal = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _bar() -> Iterator["Listener"]:
    """A progress bar; gives what tells it how far the work is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=1.0)
        spoken = [0.0]

        def listen(share: float, stage: str) -> None:
            now = time.monotonic()
            if now - spoken[0] > 0.1 or share >= 1:
                spoken[0] = now
                bar.update(task, completed=share, description=stage)

        yield listen
        bar.update(task, completed=1.0, description="done")


def _warned(result: "tuple[Context, tuple[str, ...]]") -> "Context":
    opened_context, warnings = result
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return opened_context


def demand_within(option: str, value: int, low: int, high: int) -> None:
    """Raise ``CONFIG_FIELD`` with option, value and range."""
    if not low <= value <= high:
        raise ConfigError(f"{option} is {value}, must be in {low}..{high}", field=option)


def one_file(option: str, paths: Sequence[Path] | None) -> Path | None:
    """The one path of an option that may be given once. Raises ``CONFIG_FIELD``, where the last would count else."""
    if not paths:
        return None
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        hint = "Let one file import what the others declare."
        raise ConfigError(
            f"{option} is given {len(paths)} times ({names}), once is all it takes", hint=hint, field=option
        )
    return paths[0]


def settings(pairs: Sequence[str]) -> dict[str, str]:
    """``--set key=value`` options by key; of one given twice the last counts. Raises ``CONFIG_FIELD``."""
    result = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise ConfigError(f"--set {pair!r} is not key=value", code="CONFIG_FIELD")
        result[key.strip()] = value.strip()
    return result


def number(value: float | None, digits: int = 3, *, percent: bool = False) -> str:
    """A number for a terminal; undefined is a dash."""
    if value is None or value != value:
        return "–"
    return f"{value:.{max(digits - 2, 0)}%}" if percent else f"{value:,.{digits}f}"


_LEAST_WIDTH, _USUAL_WIDTH = 78, 80


class Terminal(Console):
    """A console whose own codes are the only ones that it sends, and whose tables lose no column where it is narrow."""

    def __init__(self, **options: Any) -> None:
        super().__init__(soft_wrap=False, **options)
        if self.width < _LEAST_WIDTH:  # a table would leave out what names its rows; a terminal wraps its lines
            self.width = _LEAST_WIDTH if self.width > 0 else _USUAL_WIDTH

    def render_str(self, text: str, **more: Any) -> Text:
        """As the base class; escaped before it is laid out."""
        return super().render_str(escape_control(text), **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As the base class; whatever was no plain text escaped, too."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else escape_control(text), style, control)


def print_verdict(console: "Console", document: Document) -> None:
    """The word with its advice, a line for each check, and a few more that decide nothing."""
    advice = f": {document['advice']}" if "advice" in document else ""  # the record alone keeps none
    then = document.get("verdict_then")
    if then is not None and then["verdict"] != document["verdict"]:
        advice = f", it was {then['verdict']} when it was trained; an audit since judged its model otherwise"
    console.print(f"[bold]{document['verdict']}[/bold]{advice}")
    reasons(console, document)
    for line in cost_of_audit(document):
        console.print(f"  {line}", highlight=False, markup=False)
    for line in holdout(document):
        console.print(line.replace("\n", "\\n"), highlight=False, markup=False)
    lines = [*information_lines(document)]
    if lines:
        console.print("for information, none of it decides:", highlight=False)
    for line in lines:
        console.print(f"  {line}", highlight=False, markup=False)


def cost_of_audit(document: Document) -> Iterator[str]:
    """What the causality audit asked, and how long that took of the run; nothing where there was none."""
    audit, seconds = document.get("audit"), (document.get("environment") or {}).get("audit_seconds")
    if audit and seconds and document.get("seconds"):
        by_probe = ", ".join(f"{probe} {n:,}" for probe, n in audit["checks"].items())
        yield f"the audit took {seconds:.1f} s of {document['seconds']:.1f} s; comparisons by kind: {by_probe}"


def reasons(console: "Console", document: Document) -> None:
    """A line for each check."""
    for reason in document.get("reasons", ()):
        console.print(f"  {reason['state']:<8}{reason['check']:<12}{reason['text']}", highlight=False)


def holdout(document: Document) -> Iterator[str]:
    """Lines of what is locked away from the run, and of what its model earned there."""
    for lock in (document.get("holdout") or {}).get("locks", ()):
        yield f"holdout: {lock['exchange']} {lock['symbol']} from {lock['from'][:16]} on was hidden from it"
    for read in document.get("holdouts", ()):
        if "gone" in read:
            yield f"holdout: it was read, but what came of it is gone: {read['gone']}"
            continue
        m = read["metrics"]
        yield (
            f"holdout: read {read['time'][:16]} by {read['by']}: {read['verdict']} there, Sharpe "
            f"{number(m['sharpe_annual'], 2)} a year, {amount(m['total_trades'], 'trade')}"
        )


def information_lines(document: Document) -> Iterator[str]:
    """Lines of a document's ``information``; none where it has none, or no number in it."""
    summary = document.get("information") or {}
    if summary.get("trials_variance") and summary["deflated_by_spread"] is not None:
        yield (
            f"the luckiest of these trials would show a Sharpe ratio of {number(summary['luck_by_spread'], 4)} a bar "
            f"without any skill (variance between trials {summary['trials_variance']:.3g}); probability that "
            f"this record "
            f"has more: {number(summary['deflated_by_spread'])}"
        )
    if summary.get("deflated") is not None:
        yield f"deflated Sharpe probability {number(summary['deflated'])}, haircut {number(summary.get('haircut'), 2)}"
    if summary.get("pbo") is not None:
        yield f"probability of backtest overfitting {number(summary['pbo'], 2)}"
    if summary.get("plateau") is not None:
        yield f"neighbours of the best parameters keep {number(summary['plateau'], 2)} of its score"
    for name, of in (("record", "on the judged bars"), ("search", "of the search, on the bars of the search")):
        result = (summary.get("spa") or {}).get(name)
        if result is not None and result["cash"]["consistent"] is not None:
            several = amount(result["configurations"], "configuration")
            yield (
                f"Hansen's SPA test, {several} {of}: the best would look this good by luck with probability "
                f"{number(result['cash']['consistent'], 2)} if none really beat cash, "
                f"{number(result['buy_and_hold']['consistent'], 2)} if none beat buying and holding"
            )
