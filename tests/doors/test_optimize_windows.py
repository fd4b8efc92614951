"""Windows of a search through its door: where they are cut, what each holds, what one that finds nothing does."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.kernel.bars import Bars
from assay.learn.strategies import strategy_named
from assay.market.sources.synthetic import synthetic
from tests.doors.commands import MARKET, assay, told
from tests.doors.conftest import BARS, csv_of
from tests.doors.searching import GRID, POINTS, SMA, SMALL, Found, evidence
from tests.runs.walked_by_hand import by_hand, cut


def test_fixed_holds_what_the_first_window_found(searched: Found, gold: Bars) -> None:
    home, refit = searched
    found = told(*GRID, "--mode", "fixed", home=home)
    first, *others = found["windows"]
    assert found["mode"] == "fixed" and first == refit["windows"][0]
    assert [w["trials"] for w in others] == [0, 0, 0] and found["trials"] == len(POINTS)
    assert {(w["parameters"]["fast"], w["parameters"]["slow"]) for w in found["windows"]} == {(20, 30)}
    bars = gold[:BARS]
    walked = by_hand(bars, strategy_named("sma_cross"), POINTS, cut(bars, 30, 15, 1), min_trades=3, fixed=True)
    nets = [hand.record.equity[-1] - 1 for hand in walked]
    assert [w["test"]["net_profit"] for w in found["windows"]] == pytest.approx(nets, abs=1e-12)
    assert found["best_parameters"]["fast"] == 20
    assert len(evidence(home, found).trials) == len(POINTS)


def _hours(found: dict[str, Any]) -> list[tuple[int, ...]]:
    """Of each window the hours from the first bar's close at which train and test begin and end."""
    zero = np.datetime64(found["windows"][0]["train_from"][:-1])
    names = ("train_from", "train_to", "test_from", "test_to")
    return [
        tuple(int((np.datetime64(w[n][:-1]) - zero) / np.timedelta64(1, "h")) for n in names) for w in found["windows"]
    ]


@pytest.fixture(scope="session")
def _year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with 160 days of a market, and the same with 20 of them missing."""
    folder = tmp_path_factory.mktemp("year")
    bars = synthetic(bars=3_840, seed=5, ic=0.2, symbol="LONG/USDT:USDT")
    keep = np.r_[0:2_000, 2_480:3_840]
    holed = Bars(
        bars.instrument, *(getattr(bars, n)[keep] for n in ("timestamp", "open", "high", "low", "close", "volume"))
    )
    for name, each in (("LONG", bars), ("HOLE", holed)):
        file = csv_of(each, folder / f"{name}.csv")
        assert assay("import", file, *MARKET[:2], "-s", f"{name}/USDT:USDT", "-t", "1h", home=folder / "home").code == 0
    return folder / "home"


@pytest.mark.parametrize(
    ("preset", "windows"),
    [
        ("standard", [(0, 60, 67, 97), (30, 90, 97, 127), (60, 120, 127, 157)]),
        ("60/30/7", [(0, 60, 67, 97), (30, 90, 97, 127), (60, 120, 127, 157)]),
        ("long", [(0, 90, 97, 127), (30, 120, 127, 157)]),
        ("20.5/40/0", [(0, 20.5, 20.5, 60.5), (40, 60.5, 60.5, 100.5), (80, 100.5, 100.5, 140.5)]),
        ("split", [(0, 112, 112, 160)]),
    ],
)
def test_windows_are_cut_by_days(preset: str, windows: list[tuple[float, ...]], _year: Path, copied: Any) -> None:
    words = ("optimize", "sma_cross", *MARKET[:2], "-s", "LONG/USDT:USDT", "-t", "1h", "--method", "grid", *SMALL)
    found = told(*words, "--walk-forward", preset, home=copied(_year))
    assert _hours(found) == [(24 * a, 24 * b - 1, 24 * c, 24 * d - 1) for a, b, c, d in windows]
    assert found["walk_forward"] == ("standard" if preset == "60/30/7" else preset)


def test_a_gap_in_the_data_stretches_no_window(_year: Path, copied: Any) -> None:
    words = ("optimize", "sma_cross", *MARKET[:2], "-s", "HOLE/USDT:USDT", "-t", "1h", "--method", "grid", *SMALL)
    found = told(*words, "--walk-forward", "40/20/2", home=copied(_year))
    assert _hours(found) == [  # hours 2,000 to 2,479 are missing
        (0, 959, 1008, 1487),
        (480, 1439, 1488, 1967),
        (960, 1919, 1968, 1999),
        (1440, 1999, 2480, 2927),
        (1920, 2879, 2928, 3407),
    ]
    assert [w["test"]["n_obs"] for w in found["windows"]] == [480, 480, 32, 448, 480]


def test_a_window_without_a_valid_candidate_trades_nothing_and_says_so(stocked: Path, gold: Bars) -> None:
    words = ("--method", "grid", "--space", "fast=5:20:4", "--space", "slow=30,60,90", "--min-trades", "14")
    found = told(*SMA, *words, "--walk-forward", "30/15/1", home=stocked)
    bars = gold[:BARS]
    walked = by_hand(bars, strategy_named("sma_cross"), POINTS, cut(bars, 30, 15, 1), min_trades=14)
    idle = [number for number, hand in enumerate(walked) if hand.best is None]
    assert idle and len(idle) < 4, [hand.trades for hand in walked]
    for number, (hand, window) in enumerate(zip(walked, found["windows"], strict=True)):
        assert window["trials"] == len(POINTS)
        assert window["valid_trials"] == sum(score == score for score in hand.score)
        assert (window["score"] is None) == (not window["parameters"]) == (number in idle)
        if number in idle:
            assert "0 of 12 trials had ≥ 14 trades" in window["note"]
            assert window["test"]["total_trades"] == 0 and window["test"]["net_profit"] == 0.0
    newest = max(set(range(4)) - set(idle))
    assert found["best_score"] == found["windows"][newest]["score"]
    decisions = evidence(stocked, found).decisions
    assert (decisions.filter(pl.col("fold").is_in(idle))["target"] == 0.0).all()
    assert found["trials"] == 4 * len(POINTS) == found["looks"]["candidates"] and found["n_trials"] == 1
    shown = assay(*SMA, *words, "--walk-forward", "30/15/1", home=stocked)
    assert max(map(len, shown.out.splitlines())) <= 80 and "–" in shown.out
