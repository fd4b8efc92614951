"""Habits of a command line: short help, completion, options that contradict each other said at once."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.doors.commands import ASSAY, assay


@pytest.mark.parametrize("words", [(), ("train",), ("data",), ("data", "list"), ("models", "promote")])
def test_h_is_help_everywhere(words: tuple[str, ...]) -> None:
    short, long = assay(*words, "-h"), assay(*words, "--help")
    assert short.code == long.code == 0 and short.out == long.out and "-h, --help" in short.out


def test_a_shell_completes_commands() -> None:
    environment = {**os.environ, "_ASSAY_COMPLETE": "complete_bash", "COMP_WORDS": "assay tr", "COMP_CWORD": "1"}
    done = subprocess.run(ASSAY, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["train", "trials"]


def test_a_collection_that_ends_before_it_begins_asks_no_exchange(tmp_path: Path) -> None:
    market = ("-e", "nowhere", "-s", "A/USDT", "-t", "1h")
    said = assay("collect", *market, "--since", "2024-02-01", "--until", "2024-01-01", "--json", home=tmp_path / "home")
    assert (said.code, said.error["code"]) == (2, "CONFIG_FIELD")
    assert "is not after since" in said.error["message"] and "--until" in said.error["hint"]


@pytest.mark.parametrize("words", [("data", "list"), ("data", "list", "--json"), ("runs", "show", "99", "--json")])
def test_output_that_cannot_be_written_is_an_error_and_no_traceback(words: tuple[str, ...], stocked: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*ASSAY, *words, "--home", stocked], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1, done
    assert "error STORE_FULL: the output cannot be written" in done.stderr and "Traceback" not in done.stderr


def test_a_closed_standard_output_is_no_fault(stocked: Path) -> None:
    command = f"{shlex.join([*ASSAY, 'data', 'list', '--home', str(stocked)])} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("columns", ["0", "20", "58", "120"])
def test_a_table_names_its_rows_however_narrow_the_terminal(
    columns: str, stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    said = assay("runs", "list", home=stocked)
    assert said.code == 0 and "name" in said.out and "import" in said.out
