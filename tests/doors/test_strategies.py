"""The rules as a person asks for them, and a rule of one's own held to the contract."""

from pathlib import Path

import pytest

from assay.kernel.timeframe import iso
from assay.learn.strategies import all_strategies, strategy_named
from tests.doors.commands import MARKET, assay, told

OWN = '''
import numpy as np
from assay.learn.strategies import Exit, Range, Setups, Side, Structural, Threshold, strategy


@strategy(
    "my_dip",
    {
        "w": Structural(24, search=Range(6, 72), unit="bars"),
        "depth": Threshold(0.02, search=Range(0.005, 0.05), unit="fraction"),
        "risk_reward_ratio": Exit(2.0, search=Range(1.0, 4.0), unit="x stop"),
    },
    lookback=lambda values, timeframe: values["w"] + 1,
    needs_volume=False,
)
def my_dip(bars, *, w):
    """Buys a fall of `depth` over the last `w` bars."""
    fall = np.full(len(bars), np.nan)
    fall[w:] = 1 - bars.close[w:] / bars.close[:-w]
    return Setups(long=Side(hold=fall > 0, columns={"depth": fall}, stop_base=0.02 * bars.close), edge=True)
'''
_RETURNS = "    return Setups("


def own(folder: Path, *, last: str = "", text: str = OWN) -> Path:
    """A user's file; `last` is a line put before the return."""
    path = folder / "my_dip.py"
    path.write_text(text.replace(_RETURNS, f"    {last}\n{_RETURNS}") if last else text)
    return path


def test_the_list_has_every_strategy_with_its_needs() -> None:
    rows = {row["strategy"]: row for row in told("strategies", "list")["strategies"]}
    assert list(rows) == list(all_strategies())
    assert rows["sma_cross"]["needs_volume"] is False and rows["liquidity_sweep"]["needs_volume"] is True
    assert rows["range_sweep"]["two_sided"] is False and rows["htf_sweep"]["two_sided"] is True


@pytest.mark.parametrize("name", list(all_strategies()))
def test_show_tells_all_that_a_strategy_declares(name: str) -> None:
    rule, found = strategy_named(name), told("strategies", "show", name)
    assert [p["name"] for p in found["parameters"]] == list(rule.parameters)
    assert {p["name"]: p["default"] for p in found["parameters"]} == rule.defaults
    assert {p["kind"] for p in found["parameters"]} <= {"structural", "threshold", "exit"}
    searched = {p["name"] for p in found["parameters"] if p["search"] is not None and p["book"] is None}
    assert searched == set(rule.space)
    assert found["lookback"] == rule.lookback(rule.defaults, "1h") and found["min_trades"] == rule.min_trades


def test_show_writes_ranges_as_they_are_searched() -> None:
    found = {p["name"]: p for p in told("strategies", "show", "liquidity_sweep")["parameters"]}
    assert found["pierce_depth"]["kind"] == "threshold"
    assert found["pierce_depth"]["search"] == {"low": 0.0005, "high": 0.005, "step": None, "log": False}
    assert found["reversal_candles"]["search"] == [1, 2, 3, 4, 5] and found["sizing"]["kind"] == "exit"
    assert found["max_spread_tolerance"]["book"] == "spread_bps"


def test_a_lookback_that_depends_on_the_bar_is_told_in_those_bars() -> None:
    hourly, daily = (told("strategies", "show", "htf_sweep", "-t", t)["lookback"] for t in ("1h", "1d"))
    assert hourly != daily


def test_people_read_it_within_80_columns() -> None:
    for words in (("list",), *(("show", name) for name in all_strategies())):
        said = assay("strategies", *words)
        assert said.code == 0 and said.err == ""
        assert max(len(line) for line in said.out.splitlines()) <= 80
    assert "0.0005 to 0.005" in assay("strategies", "show", "liquidity_sweep").out


def test_a_sound_file_passes_on_a_synthetic_and_on_a_stored_market(stocked: Path, tmp_path: Path) -> None:
    file = own(tmp_path)
    synthetic, stored = (told("strategies", "check", file, *market, home=stocked) for market in ((), MARKET))
    assert synthetic["market"].startswith("synthetic") and synthetic["bars"] == 5_000
    assert stored["market"].startswith("test GOLD/USDT:USDT") and stored["bars"] == 2_400
    for found in (synthetic, stored):
        assert found["passed"] and found["asked"] > 10 and found["signals"] > 10
        assert (found["strategy"], found["lookback"]) == ("my_dip", 25)
    assert told("strategies", "show", file)["origin"] is not None
    people = assay("strategies", "check", file, home=stocked)
    assert people.code == 0 and "keeps to the contract" in people.out


def test_a_strategy_that_peeks_is_refused_with_the_bar(tmp_path: Path) -> None:
    said = assay("strategies", "check", own(tmp_path, last="fall = np.roll(fall, -1)"), "--json")
    assert said.code == 3 and said.error["code"] == "LEAK_STRATEGY"
    row, stamp = said.error["facts"]["row"], said.error["facts"]["timestamp"]
    assert f"row {row} (bar of {iso(stamp)})" in said.error["message"]


def test_a_lookback_that_lies_is_refused(tmp_path: Path) -> None:
    said = assay("strategies", "check", own(tmp_path, text=OWN.replace('values["w"] + 1', "3")), "--json")
    assert said.code == 2 and said.error["code"] == "CONFIG_STRATEGY"
    assert "lookback" in said.error["message"]


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (("fall > 0", "fall > missing"), "TRAIN_STRATEGY", "my_dip.py:20: "),
        (('values["w"] + 1', 'values["v"] + 1'), "TRAIN_STRATEGY", "my_dip.py:13: KeyError: 'v'"),
        (("import numpy as np", "import nunpy as np"), "CONFIG_STRATEGY_FILE", "line 2"),
        (("def my_dip(bars, *, w):", "def my_dip(bars, *, w:"), "CONFIG_STRATEGY_FILE", "my_dip.py"),
        (('"my_dip"', '"sma_cross"'), "CONFIG_STRATEGY_FILE", "Assay has already"),
        (("*, w)", "*, v)"), "CONFIG_STRATEGY", "['v']"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(
    change: tuple[str, str], code: str, text: str, tmp_path: Path
) -> None:
    said = assay("strategies", "check", own(tmp_path, text=OWN.replace(*change)), "--json")
    assert said.code != 0 and said.error["code"] == code, said
    assert text in said.error["message"]


def test_a_check_on_a_handful_of_bars_is_no_check(stocked: Path, tmp_path: Path) -> None:
    file = own(tmp_path, text=OWN.replace("Structural(24, ", "Structural(2250, "))
    said = assay("strategies", "check", file, *MARKET, "--json", home=stocked)
    assert said.code == 65 and said.error["code"] == "DATA_TOO_FEW"
    assert (said.error["facts"]["have"], said.error["facts"]["need"]) == (2_400, 2_451)


@pytest.mark.parametrize(
    ("words", "code", "texts"),
    [
        (("show", "liquidity_swep"), "CONFIG_STRATEGY", ["did you mean liquidity_sweep"]),
        (("show", "supply_shock"), "CONFIG_STRATEGY", ["news", "headlines"]),
        (("show", "nowhere.py"), "CONFIG_STRATEGY_FILE", ["nowhere.py"]),
        (("show", "sma_cross", "-t", "7m"), "CONFIG_TIMEFRAME", ["'7m'"]),
        (("check", "nowhere.py"), "CONFIG_STRATEGY_FILE", ["nowhere.py"]),
        (("check", "nowhere.py", "-e", "test"), "CONFIG_FIELD", ["--exchange", "--symbol"]),
    ],
)
def test_wrong_words(words: tuple[str, ...], code: str, texts: list[str]) -> None:
    said = assay("strategies", *words, "--json")
    assert said.code == 2 and said.error["code"] == code
    for text in texts:
        assert text in said.error["message"] + said.error["hint"]
