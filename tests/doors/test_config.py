"""Configurations as a person and a bot ask for them."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.runs.bot_config.schema import parse_configuration
from assay.track.tracking_store import open_store
from tests.doors.commands import assay, laid, told
from tests.runs.configured import CREATED, configured, golden

PLAIN = configured("plain")
GOOD = golden("good", CREATED + 1000)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A home with a DISCOVERY configuration and a newer one that is eligible for MATURE."""
    home = laid(tmp_path / "home")
    assert told("config", "list", home=home) == {"configurations": []}
    with open_store(home / "ml_experiments.db") as record:
        for made in (PLAIN, GOOD):
            record.configurations.add(made.row)
    return home


def ids(*words: str, home: Path) -> list[str]:
    return [line["config_id"] for line in told("config", "list", *words, home=home)["configurations"]]


def test_an_empty_record_says_how_to_get_one(tmp_path: Path) -> None:
    said = assay("config", "list", home=laid(tmp_path / "home"))
    assert said.code == 0 and "assay optimize" in said.out


def test_list(kept: Path) -> None:
    assert ids(home=kept) == [GOOD.config_id, PLAIN.config_id]
    assert ids("--stage", "VALIDATION", home=kept) == ids("--limit", "1", home=kept) == [GOOD.config_id]
    assert ids("--strategy", "liquidity_sweep", "-s", "GOLD/USDT", "-t", "1h", "-e", "synthetic", home=kept)
    assert ids("--active", home=kept) == [] and len(ids("--inactive", home=kept)) == 2
    line = told("config", "list", home=kept)["configurations"][0]
    assert line["stage"] == "VALIDATION" and line["is_active"] is False and line["last_activated_at"] is None
    assert line["net_profit_pct"] == pytest.approx(72.78, abs=0.01)


def test_people_read_it_within_80_columns(kept: Path) -> None:
    said = assay("config", "list", home=kept)
    assert GOOD.config_id in said.out and "VALIDATION" in said.out and "73%" in said.out
    assert said.out.startswith("synthetic GOLD/USDT 1h\n")
    longest = configured(strategy="divergence_capitulation")
    with open_store(kept / "ml_experiments.db") as record:
        record.configurations.add(longest.row)
    said = assay("config", "list", home=kept)
    assert longest.config_id in said.out and max(map(len, said.out.splitlines())) <= 80
    shown = assay("config", "show", GOOD.config_id, home=kept)
    assert "eligible for MATURE: assay config approve, with --by and --why\n" in shown.out
    assert "reversal_candles" in shown.out and max(map(len, shown.out.splitlines())) <= 80


def test_show_has_the_document_and_what_only_the_record_knows(kept: Path) -> None:
    found = told("config", "show", GOOD.config_id, home=kept)
    assert found["configuration"] == GOOD.document and found["is_active"] is False
    assert found["created_at"] == GOOD.document["createdAt"]


def test_export_one_to_stdout_and_to_a_file(kept: Path, tmp_path: Path) -> None:
    assert told("config", "export", GOOD.config_id, home=kept) == GOOD.document
    people = assay("config", "export", GOOD.config_id, home=kept)
    assert parse_configuration(people.out) == GOOD.document and people.out.count("\n") > 100
    out = tmp_path / "new" / "good.json"
    said = told("config", "export", GOOD.config_id, "--out", out, home=kept)
    assert said == {"file": str(out), "configurations": 1}
    assert parse_configuration(out.read_text()) == GOOD.document
    assert [p.name for p in out.parent.iterdir()] == ["good.json"]


def test_export_several_as_a_bundle(kept: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle.json"
    out.write_text("old")
    for words in ((PLAIN.config_id, GOOD.config_id, PLAIN.config_id), ()):
        assert assay("config", "export", *words, "-o", out, home=kept).code == 0
        found = parse_configuration(out.read_text())
        assert (found["pair"], found["pattern"]) == ("GOLD/USDT", "liquidity_sweep")
        assert sorted(c["configId"] for c in found["configurations"]) == sorted([PLAIN.config_id, GOOD.config_id])
    assert told("config", "export", "--stage", "DISCOVERY", home=kept) == PLAIN.document


def test_what_cannot_be_exported(kept: Path, tmp_path: Path) -> None:
    with open_store(kept / "ml_experiments.db") as record:
        record.configurations.add(configured(strategy="htf_sweep").row)
    said = assay("config", "export", "--json", home=kept)
    assert said.code == 2 and said.error["code"] == "CONFIG_BUNDLE"
    assert "htf_sweep, liquidity_sweep" in said.error["message"]
    said = assay("config", "export", "--stage", "MATURE", "--json", home=kept)
    assert said.error["code"] == "STORE_NOT_FOUND" and "stage 'MATURE'" in said.error["message"]
    said = assay("config", "export", GOOD.config_id, "--out", tmp_path, "--json", home=kept)
    assert said.code == 2 and "is a folder" in said.error["message"]
    (tmp_path / "file").write_text("")
    said = assay("config", "export", GOOD.config_id, "--out", tmp_path / "file" / "x.json", "--json", home=kept)
    assert said.error["code"] == "STORE_PATH"


def test_a_stored_document_that_was_tampered_with_is_not_exported(kept: Path) -> None:
    broken = GOOD.document | {"lifecycle": GOOD.document["lifecycle"] | {"position_multiplier": 50}}
    with open_store(kept / "ml_experiments.db") as record:
        record.configurations.add(GOOD.row | {"config_id": "BROKEN_V3", "config_json": broken})
    for words in (("show",), ("export",), ("approve", "--by", "ann", "--why", "fine")):
        said = assay("config", *words, "BROKEN_V3", "--json", home=kept)
        assert said.code == 65 and said.error["code"] == "ARTIFACT_CORRUPT"
        assert "lifecycle.position_multiplier: is 50" in said.error["message"]
    with open_store(kept / "ml_experiments.db") as record:
        assert record.configurations.get("BROKEN_V3")["lifecycle_stage"] == "VALIDATION"


def test_switch_on_and_off(kept: Path) -> None:
    on = told("config", "activate", PLAIN.config_id, home=kept)
    assert on["is_active"] and on["last_activated_at"] and on["stage"] == "DISCOVERY"
    assert ids("--active", home=kept) == [PLAIN.config_id]
    assert " on " in assay("config", "list", home=kept).out
    off = assay("config", "deactivate", PLAIN.config_id, home=kept)
    assert off.code == 0 and "not active, stage DISCOVERY" in off.out
    assert ids("--active", home=kept) == []


def test_approve(kept: Path) -> None:
    found = told("config", "approve", GOOD.config_id, "--by", "ann", "--why", "fine on paper", home=kept)
    assert found["stage"] == found["configuration"]["status"] == "MATURE" and found["is_active"] is False
    exported = told("config", "export", GOOD.config_id, home=kept)
    assert exported == found["configuration"] and exported["lifecycle"]["approved_by"] == "ann"
    assert "fine on paper" in assay("config", "show", GOOD.config_id, home=kept).out


@pytest.mark.parametrize(
    ("words", "code", "texts"),
    [
        (("show", GOOD.config_id[:-1]), 1, [f"did you mean {GOOD.config_id}"]),
        (("export", "zzz"), 1, ["'zzz'", "assay config list"]),
        (("activate", "zzz"), 1, ["'zzz'"]),
        (("approve", PLAIN.config_id, "--by", "ann", "--why", "x"), 1, ["not eligible", "UNPROVEN (limit GOLD)"]),
        (("approve", GOOD.config_id, "--by", "ann"), 2, ["--why"]),
        (("approve", GOOD.config_id, "--why", "x"), 2, ["--by"]),
        (("approve", GOOD.config_id, "--by", " ", "--why", "x"), 2, ["by is empty"]),
        (("list", "--stage", "GREAT"), 2, ["GREAT"]),
        (("list", "--limit", "0"), 2, ["--limit is 0"]),
        (("show",), 2, ["config_id"]),
    ],
)
def test_wrong_words(words: tuple[str, ...], code: int, texts: list[str], kept: Path) -> None:
    said = assay("config", *words, "--json", home=kept)
    assert said.code == code
    for text in texts:
        assert text in said.error["message"] + said.error["hint"]


def test_hostile_text_is_shown_escaped(kept: Path) -> None:
    said = assay("config", "show", "\x1b[31mred\u202e", "--json", home=kept)
    assert "\x1b" not in said.err and "\u202e" not in said.err
    assert json.loads(said.out)["error"]["code"] == "STORE_NOT_FOUND"


def test_every_command_takes_json(kept: Path) -> None:
    made: list[Any] = [
        told("config", *words, home=kept)
        for words in (("list",), ("show", GOOD.config_id), ("activate", GOOD.config_id), ("deactivate", GOOD.config_id))
    ]
    assert all(made)
