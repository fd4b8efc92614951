"""Which columns are worth a model's while, as a person asks for it."""

import re
from pathlib import Path

import numpy as np
import pytest

from assay.features.compute import FeatureContext
from assay.features.patterns import PATTERN_EVENTS, Pattern, base_columns, base_values
from assay.kernel.bars import Bars
from tests.doors.commands import MARKET, assay, told
from tests.doors.conftest import BARS

SMALL = ("--features", "classic12", "--set", "target.horizon=1", "--train-bars", "1200", "--test-bars", "400")
RANK, STABILITY = ("features", "rank", *MARKET, *SMALL), ("features", "stability", *MARKET, *SMALL)
TARGETS = ("features", "targets", *MARKET, "--train-bars", "1200", "--test-bars", "400")


def test_rank_and_stability_tell_of_one_ranking(stocked: Path, tmp_path: Path) -> None:
    page, again = tmp_path / "page.html", tmp_path / "again.html"
    ranked = told(*RANK, "--out", page, home=stocked)
    steady = told(*STABILITY, "--out", again, home=stocked)
    shared = {"exchange", "symbol", "timeframe", "set", "target", "bars", "seed", "rank_corr", "nogueira", "folds"}
    assert {key: ranked[key] for key in shared} == {key: steady[key] for key in shared}
    assert page.read_bytes() == again.read_bytes(), "equal input, equal page"
    columns, by_fold = ranked["columns"], {row["name"]: row for row in steady["columns"]}
    assert len(columns) == len(by_fold) == 12 and len(ranked["folds"]) == 2
    assert ranked["selected"] == [row["name"] for row in columns if row["verdict"] == "keep"]
    assert sum(len(group) for group in ranked["clusters"]) == 12
    for row in columns:
        folds = by_fold[row["name"]]
        assert row["rank_mean"] == pytest.approx(np.mean(folds["rank"]))
        assert row["selection_frequency"] == np.mean(folds["selected"])
        assert row["psi_max"] == max(folds["psi"])
        assert folds["selected"] == [row["name"] in fold["selected"] for fold in ranked["folds"]]
        assert row["group"] == "classic"
    assert {row["name"]: row["lookback"] for row in columns}["momentum_20"] == 20
    assert {c["name"] for c in ranked["candidates"]} == {p.name for p in base_columns()}
    assert [run["name"] for run in told("runs", "list", home=stocked)] == ["import gold.csv"], "a ranking is no run"


def test_the_page_is_whole_and_opens_offline(stocked: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert assay(*RANK, "--out", page, home=stocked).code == 0
    text = page.read_text("utf-8")
    for anchor in ("columns", "clusters", "stability", "drift", "targets"):
        assert f'<section id="{anchor}">' in text
    for figure in ("Cluster map", "Rank in each fold", "Drift over time"):
        assert f"<h3>{figure}</h3>" in text
    outside = set(re.findall(r"(?:src|href)=\"([^\"#][^\"]*)\"|url\(([^#)][^)]*)\)|@import", text))
    assert not outside and set(re.findall(r"https?://[^\"' <]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "NaN" not in text and ">nan<" not in text


@pytest.mark.parametrize("command", [RANK, STABILITY, (*TARGETS, "--target-lag", "6")])
def test_tables_fit_eighty_columns(stocked: Path, command: tuple[str, ...]) -> None:
    said = assay(*command, home=stocked)
    assert said.code == 0 and "…" not in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_targets_are_counted_as_a_training_would_see_them(stocked: Path, gold: Bars) -> None:
    found = told(*TARGETS, "--target-lag", "6", home=stocked)
    told_of = {c["name"]: c for c in found["candidates"]}
    assert len(told_of) == 64 and found["folds"] == 2
    ranks = [("usable", "drifting", "rare", "constant").index(c["verdict"]) for c in found["candidates"]]
    assert ranks == sorted(ranks)
    pattern = Pattern(10, base_columns()[0].std_dev, PATTERN_EVENTS[1])
    one = told_of[pattern.name]
    assert one["target"] == "pattern(window=10, std_dev=1.0, target_lag=6, target_type=high_reversion)"
    values = base_values(FeatureContext(gold[:BARS]), pattern)
    # The first usable row is 9 and learns of row 15; 1,200 rows are known when row 1,206 decides, then 400 more.
    folds = [values[15 : 15 + 1200], values[415 : 415 + 1200]]
    rates = [float(np.nanmean(fold)) for fold in folds]
    assert (one["lowest"], one["highest"]) == (pytest.approx(min(rates)), pytest.approx(max(rates)))
    assert one["events"] == min(int(np.nansum(fold)) for fold in folds)
    assert one["rate"] == pytest.approx(float(np.nanmean(np.concatenate(folds))))
    assert told(*TARGETS, "--target-lag", "7", home=stocked)["candidates"] != found["candidates"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ((*TARGETS, "--target-lag", "0"), "LEAK_TARGET_LAG"),
        ((*TARGETS, "--target-lag", "5000"), "DATA_TOO_FEW"),
        ((*RANK, "--out", "page.pdf"), "CONFIG_PATH"),
        ((*RANK, "--out", "nowhere/page.html"), "STORE_PATH"),
        ((*RANK, "--features", "core27"), "CONFIG_FEATURE"),
        ((*RANK, "--target", "profitabel"), "CONFIG_TARGET_UNKNOWN"),
        ((*RANK, "--set", "target.horizn=3"), "CONFIG_PARAMETER"),
        ((*RANK, "--train-bars", "5000"), "CONFIG_FOLDS"),
        ((*RANK, "--set", "target.horizon=500"), "DATA_TOO_FEW"),
    ],
)
def test_what_cannot_be_ranked_is_told(stocked: Path, command: tuple[str, ...], code: str) -> None:
    said = assay(*command, "--json", home=stocked)
    assert said.code != 0 and said.error["code"] == code
