"""A panel has one word; a member whose own record fails is not served."""

from dataclasses import replace
from pathlib import Path

import pytest

from assay.kernel.decisions import Costs
from assay.kernel.spec import SizingChoice, SplitSpec, TargetChoice, TrainSpec
from assay.market.sources.synthetic import synthetic
from assay.runs._train import train
from assay.runs.context import Context
from assay.runs.run_artifacts import CHECKS, member_columns
from assay.validate.thresholds import Thresholds

BARS = 2_400
FAIL = {"check": "cost", "state": "FAIL", "text": "too dear", "value": -0.1, "threshold": 0.0}
PASS = FAIL | {"state": "PASS", "text": "survives"}
PANEL = {
    "word": "GOLD", "stage": "VALIDATION", "thresholds": {"error": 0.01},
    "reasons": [PASS | {"check": check} for check in ("audit", "profit", "edge", "cost", "fills", "data")],
}  # fmt: skip


def test_a_member_that_fails_by_itself_is_lowered_and_the_others_keep_the_word_of_the_panel() -> None:
    members = {"A": [PASS | {"check": check} for check in CHECKS], "B": [FAIL, PASS | {"check": "profit"}]}
    columns = member_columns({"members": members}, PANEL)
    assert set(columns) == {"B"}
    lowered = columns["B"]["verdict"]
    assert (lowered["word"], lowered["stage"]) == ("PYRITE", "PAPER") == ("PYRITE", columns["B"]["lifecycle_stage"])
    assert [each["check"] for each in lowered["reasons"]] == [each["check"] for each in PANEL["reasons"]]
    assert next(each for each in lowered["reasons"] if each["check"] == "cost")["text"] == "too dear"
    assert lowered["thresholds"] == PANEL["thresholds"]


@pytest.mark.parametrize(
    "document", [{}, {"members": {}}, {"members": {"A": [PASS], "B": [PASS | {"state": "UNKNOWN"}]}}]
)
def test_nothing_is_lowered_where_no_member_fails(document: dict[str, object]) -> None:
    assert member_columns(document, PANEL) == {}


def test_each_member_of_a_panel_is_asked_about_its_own_record(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    context = Context(
        home=home, record_url=f"sqlite:///{home}/assay.db", candles_url=f"duckdb:///{home}/candles.duckdb",
        thresholds=Thresholds(min_trades=5),
    )  # fmt: skip
    edge = synthetic(bars=BARS, seed=1, ic=0.35, symbol="GOLD/USDT:USDT")
    none = synthetic(bars=BARS, seed=2, symbol="PYRITE/USDT:USDT")
    none = replace(none, volume=None if none.volume is None else none.volume * 0.0)  # nothing was ever traded there
    spec = TrainSpec(
        exchange="synthetic", symbols=("GOLD/USDT:USDT", "PYRITE/USDT:USDT"), timeframe="1h", features="mini5",
        target=TargetChoice(name="direction", params={"horizon": 6}), folds=SplitSpec(train_bars=800, test_bars=400),
        costs=Costs(fee=0.0, slippage_bps=0.0), sizing=SizingChoice(params={"enter": 0.5}),
        params={"trees": 20, "forest_trees": 10},
    )  # fmt: skip
    with context.record:
        for bars in (edge, none):
            context.candles.upsert(bars, source="test")
        document = train(spec, context).document
        models = {row["symbol"]: row for row in context.record.models.recent(document["experiment_id"], limit=5)}
    members = document["members"]
    assert set(members) == set(spec.symbols)
    assert [each["check"] for each in members["GOLD/USDT:USDT"]] == list(CHECKS)
    states = {each["check"]: each["state"] for each in members["PYRITE/USDT:USDT"]}
    assert states["fills"] == "FAIL"
    assert models["PYRITE/USDT:USDT"]["verdict"]["word"] == "PYRITE"
    panel = {"word": document["verdict"], "stage": document["stage"], "reasons": document["reasons"]}
    lowered = member_columns(document, panel)
    for symbol, row in models.items():
        wanted = lowered.get(symbol, {"verdict": panel})["verdict"]
        assert (row["verdict"]["word"], row["verdict"]["reasons"]) == (wanted["word"], wanted["reasons"]), symbol
