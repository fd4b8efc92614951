"""The command line as a test uses it: in this process, or as a process of its own."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from assay.cli.command import main
from assay.cli.main import app

MARKET = ("-e", "test", "-s", "GOLD/USDT:USDT", "-t", "1h")
SMALL = ("--features", "mini5", "--train-bars", "800", "--test-bars", "500")
TREES = ("--set", "trees=20", "--set", "forest_trees=10")
TRAIN = ("train", "ensemble", *MARKET, *SMALL, *TREES)
ASSAY = (sys.executable, "-c", "from assay.cli.main import run; run()")


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as the one JSON document that it must be."""
        assert self.out.endswith("\n"), self
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out, parse_constant=_no_constant)

    @property
    def error(self) -> dict[str, Any]:
        found = self.document
        assert set(found) == {"error"}, found
        assert set(found["error"]) == {"code", "message", "hint", "facts"}
        assert "Traceback" not in self.err
        assert found["error"]["message"] in self.err
        return dict(found["error"])


def assay(*arguments: object, home: Path | None = None) -> Said:
    """A command in this process."""
    words = [str(a) for a in arguments] + ([] if home is None else ["--home", str(home)])
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(typer.main.get_command(app), words)
    return Said(code, out.getvalue(), err.getvalue())


def told(*arguments: object, home: Path | None = None) -> Any:
    """The document of a command that must succeed."""
    said = assay(*arguments, "--json", home=home)
    assert said.code == 0, said
    return said.document


def laid(home: Path) -> Path:
    """The home with a record in it, which is empty."""
    told("db", "init", home=home)
    return home


def process(*arguments: object, home: Path | None = None, **options: Any) -> "subprocess.Popen[str]":
    """A command as a process of its own."""
    words = [str(a) for a in arguments] + ([] if home is None else ["--home", str(home)])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")} | options.pop("env", {})
    return subprocess.Popen(
        [*ASSAY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def ended(started: "subprocess.Popen[str]") -> Said:
    out, err = started.communicate(timeout=120)
    return Said(started.returncode, out, err)


def _no_constant(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")
