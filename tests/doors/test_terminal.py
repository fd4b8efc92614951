"""What people wrote is shown on a terminal as text, whatever characters are in it."""

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from assay.cli.command import Terminal, escape_control
from tests.doors.commands import assay, told
from tests.doors.test_models import audited

WILD = "ann\x1b[2J\x1b]0;x\x07\u202egnp\x9b31m"
SHOWN = "ann\\x1b[2J"


@given(st.text())
def test_no_control_character_is_left_and_none_is_lost(text: str) -> None:
    found = escape_control(text)
    assert not {c for c in found if c not in "\n\t"} & {
        *map(chr, range(32)),
        "\x7f",
        *map(chr, range(0x80, 0xA0)),
        "\u202e",
    }
    assert escape_control(found) == found
    assert found == text or not text.isprintable()


@pytest.mark.parametrize("of", [str, Text])
def test_a_console_sends_only_codes_of_its_own(of: Any) -> None:
    table = Table()
    table.add_column("who")
    table.add_row(of("bob\x1b[1A"))
    stream = io.StringIO()
    console = Terminal(file=stream, force_terminal=True, color_system="truecolor", width=60)
    console.print(of("ann\x1b[2J"), table, highlight=False)
    console.print("[bold]GOLD[/bold] of")
    sent = stream.getvalue()
    assert "\x1b[2J" not in sent and "\x1b[1A" not in sent
    assert "ann\\x1b[2J" in sent and "bob\\x1" in sent and "\x1b[1mGOLD\x1b[0m" in sent
    assert of is Text or "bob\\x1b[1A" in sent, "plain text is laid out as it is shown"


def test_who_promotes_and_why_go_to_the_terminal_escaped(trained: tuple[Path, dict[str, Any]]) -> None:
    home, _ = trained
    audited(home, "PYRITE")
    forged = "it pays\n  2026-01-01T00:00:00  promote by bob: verdict GOLD"
    given_ = told("models", "promote", 1, "--by", WILD, "--override", WILD + forged, home=home)
    assert given_["override"]["by"] == WILD, "kept as it was written"
    people = assay("models", "show", 1, home=home).out + assay("models", "list", home=home).out
    assert SHOWN in people and not set("\x1b\x07\x9b\u202e") & set(people)
    assert "\n  2026-01-01T00:00:00" not in people
    assert "it pays\\n" in people.replace("\n", "")


def test_an_error_is_escaped_for_people(tmp_path: Path) -> None:
    said = assay("models", "show", "x\x1b[2Jy", home=tmp_path)
    assert said.code != 0 and "\x1b" not in said.err
