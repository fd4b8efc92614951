"""Homes that an earlier Assay made are read, verified and reproduced byte for byte by this one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doors.commands import assay, told
from tests.golden.homes import ASSETS, EXPECTED, HOMES, described, strategy_of, unpacked

pytestmark = pytest.mark.slow
MOST_BYTES = 400_000


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ASSAY_HOME", "ASSAY_RECORD_URL", "ASSAY_WORKERS", "ASSAY_TIMEFRAME", "ASSAY_AUDIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def expected() -> dict[str, Any]:
    return dict(json.loads(EXPECTED.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", HOMES)
def test_a_home_of_before_is_what_it_was(name: str, tmp_path: Path) -> None:
    home, file = unpacked(name, tmp_path), strategy_of(name)
    assert told("db", "check", home=home)["findings"] == []
    assert told("models", "verify", home=home) == {"checked": 1, "faults": []}
    tested = told("models", "load-test", 1, *(() if file is None else ("--file", file)), home=home)
    assert tested["loads"] and tested["probes"] == 8
    assert described(name, home) == expected()[name]


@pytest.mark.parametrize(
    ("name", "run"),
    [("ensemble", 2), ("rules", 2), ("own_strategy", 2), ("own_strategy", 3)],
    ids=lambda value: str(value),
)
def test_a_run_of_before_is_reproduced(name: str, run: int, tmp_path: Path) -> None:
    home = unpacked(name, tmp_path)
    (home / "candles.duckdb").unlink()  # it stands on what the run stored
    said = assay("runs", "reproduce", run, "--json", home=home)
    assert said.code == 0, said
    found = said.document
    assert found["equal"] and found["first"] is None
    sizes = {each["what"]: each["size"] for each in found["compared"] if each["equal"]}
    assert {"decisions", "trades", "metrics"} <= set(sizes) and sizes["trades"] > 0 and sizes["decisions"] > 0


@pytest.mark.parametrize("name", HOMES)
def test_a_home_is_small_and_names_no_machine(name: str, tmp_path: Path) -> None:
    assert (ASSETS / f"{name}.tar.xz").stat().st_size < MOST_BYTES
    for path in unpacked(name, tmp_path).rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not [text for text in (b"/work/", b"/tmp/", b"/root", b"/home/", b"site-packages/") if text in data], (
            path
        )
