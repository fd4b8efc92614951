"""A search as a spec: any door gives the same, and what is left behind is gone on from."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assay.kernel.errors import ConfigError, StoreError, TrainError
from assay.kernel.spec import TrainSpec
from assay.learn.strategies import strategy_named
from assay.runs._optimize import optimize
from assay.runs.context import Context
from assay.runs.learners import execute_spec
from assay.runs.rule_search import RuleSearch
from assay.runs.run_outputs import evidence_of
from assay.runs.specs import build_spec, optimize_spec, plan_name, windows_of
from assay.validate.statistics import deflated_sharpe_ratio
from tests.doors.searching import same
from tests.doors.test_strategies import OWN, own
from tests.runs.lively_home import KEY, MARKET, POINTS, copied, home_of, lively_bars, spec_of

_COUNTING = ("spec", "spec_hash", "n_trials", "reasons", "bars_needed", "advice", "evidence", "information", "looks")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_of(lively_bars(), tmp_path_factory.mktemp("optimize"))


@pytest.fixture
def context(stocked: Path, tmp_path: Path) -> Context:
    return copied(stocked, tmp_path)


TOML = """
learner = "rules"
exchange = "test"
symbols = ["BTC/USDT"]
timeframe = "1h"
[folds]
train_days = 20
test_days = 10
gap_days = 1
[params]
strategy = "range_sweep"
method = "random"
trials = 12
min_trades = 3
[params.space]
p = {type = "float", low = 0.0005, high = 0.004}
max_holding_periods = [5, 10, 20]
[params.fixed]
k = 1.0
"""


def test_a_file_settings_and_the_command_are_one_search(context: Context, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(TOML)
    written = build_spec(tmp_path / "spec.toml", {}, {})
    settings = {
        "strategy": "range_sweep", "method": "random", "trials": "12", "min_trades": "3", "folds.train_days": "20",
        "folds.test_days": "10", "folds.gap_days": "1", "fixed.k": "1.0", "space.max_holding_periods": "[5, 10, 20]",
        "space.p": '{type = "float", low = 0.0005, high = 0.004}',
    }  # fmt: skip
    told = build_spec(None, {"learner": "rules", **MARKET}, settings)
    asked = optimize_spec(
        "range_sweep", "test", "BTC/USDT", "1h", {"k": "1.0"}, ["p=0.0005:0.004", "max_holding_periods=5,10,20"],
        "20/10/1", file=None, bars=None, seed=42, method="random", trials=12, min_trades=3,
    )  # fmt: skip
    assert told.hash == written.hash  # so the second is the run that is there
    first = execute_spec(written, context)
    assert execute_spec(told, context).existing
    second = execute_spec(asked, context, force=True)
    one, two = (same({**found.document}) for found in (first, second))
    for name in _COUNTING:
        one.pop(name), two.pop(name)
    assert one == two
    assert len(first.document["windows"]) == 6 and first.document["walk_forward"] == "20/10/1"
    assert first.document["trials"] == 6 * 12


def test_what_a_spec_does_not_say_is_what_the_command_would_say(context: Context) -> None:
    bare = build_spec(None, {"learner": "rules", **MARKET}, {"strategy": "range_sweep", "trials": "10",
                                                            "min_trades": "1", "folds.train_share": "0.7"})  # fmt: skip
    asked = optimize_spec(
        "range_sweep", "test", "BTC/USDT", "1h", {}, [], "split", file=None, bars=None, seed=42, trials=10, min_trades=1
    )
    one, two = (optimize(spec, context).document for spec in (bare, asked))
    for name in ("space", "windows", "best_parameters", "metrics", "overfit", "method", "mode", "objective"):
        assert one[name] == two[name], name
    assert set(one["space"]) == set(strategy_named("range_sweep").space)


def test_presets_have_names_both_ways() -> None:
    for name in ("split", "standard", "long", "60/30/1", "0.5/0.25/0"):
        assert plan_name(windows_of(name)) == name
    assert plan_name(windows_of("60/30/7")) == "standard" and plan_name(windows_of(" 90/30/7.0")) == "long"


def test_deflated_counts_what_the_ledger_held_and_what_is_planned(context: Context) -> None:
    optimize(spec_of(method="random", trials=4), context)
    held = context.record.ledger.count(KEY)
    found = optimize(spec_of(objective="deflated"), context).document
    evidence = evidence_of(found["experiment_id"], context)
    assert evidence is not None and evidence.trials is not None
    best = evidence.trials.filter(pl.col("score") == found["best_score"]).row(0, named=True)
    m = found["best_metrics"]
    assert best["sharpe"] == m["sharpe"] and held == 5
    wanted = deflated_sharpe_ratio(
        m["sharpe"], 1_400, m["skew"], m["kurtosis"], held + len(POINTS), 1 / 1_399
    )  # fmt: skip
    assert found["best_score"] == pytest.approx(float(wanted), rel=1e-12)
    again = optimize(spec_of(objective="deflated"), context, force=True).document
    assert again["best_score"] < found["best_score"]  # more was looked at since


def test_a_space_that_is_exhausted_says_so(context: Context) -> None:
    found = optimize(spec_of(method="random", trials=50), context).document
    assert found["windows"][0]["note"] == "the space is exhausted: 4 distinct points of 50 trials"
    assert found["trials"] == 4


def test_two_specs_that_differ_are_two_runs(context: Context) -> None:
    specs = [spec_of(), spec_of(seed=1), spec_of(mode="fixed"), spec_of(min_trades=4), spec_of(walk="40/20/1")]
    runs = {optimize(spec, context).document["run_id"] for spec in specs}
    assert len(runs) == len(specs) == len(context.record.configurations.list())
    assert optimize(spec_of(walk="40/20/1"), context).existing


def test_a_strategy_file_is_named_by_its_hash(context: Context, tmp_path: Path) -> None:
    file = own(tmp_path)
    spec = optimize_spec("", "test", "BTC/USDT", "1h", {}, ["w=12,24"], "split", file=file, bars=None, seed=1,
                         method="grid", min_trades=1)  # fmt: skip
    found = execute_spec(spec, context, file=file).document
    assert found["origin"] == spec.params["origin"] and len(found["origin"]) == 64
    with pytest.raises(ConfigError, match="unknown"):
        RuleSearch(spec)
    own(tmp_path, text=OWN + "# changed\n")
    with pytest.raises(ConfigError, match="the spec names the strategy file with hash") as caught:
        execute_spec(spec, context, file=file)
    assert caught.value.code == "CONFIG_STRATEGY_FILE"


def test_a_full_disk_keeps_the_journal_and_the_search_goes_on_from_it(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(method="bayesian", trials=40, space={"p": {"type": "float", "low": 0.0005, "high": 0.004}})
    whole = optimize(spec, context).document
    from assay.validate.search.journal import SearchJournal

    told, seen = SearchJournal.record_score, [0]

    def full(self: SearchJournal, *words: Any, **more: Any) -> None:
        seen[0] += 1
        if seen[0] == 25:
            raise StoreError("the disk is full", code="STORE_FULL")
        told(self, *words, **more)

    with monkeypatch.context() as patched:
        patched.setattr(SearchJournal, "record_score", full)
        with pytest.raises(StoreError, match="disk is full"):
            optimize(spec, context, force=True)
    assert len(list((context.home / "searches").iterdir())) == 1
    assert context.record.experiments.recent(1)[0]["status"] == "failed"
    seen[0] = 100
    asked: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(SearchJournal, "record_score", lambda self, *w, **m: (asked.append(1), told(self, *w, **m)))
        again = _again(spec, context)
    assert len(asked) == 16  # 24 were known
    assert same(again) == same({**whole}) and list((context.home / "searches").iterdir()) == []


def test_what_other_code_left_of_a_search_goes_with_the_next(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.validate.search.journal import SearchJournal

    def full(self: SearchJournal, *words: Any, **more: Any) -> None:
        raise StoreError("the disk is full", code="STORE_FULL")

    spec = spec_of(method="bayesian", trials=12, space={"p": {"type": "float", "low": 0.0005, "high": 0.004}})
    with monkeypatch.context() as patched:
        patched.setattr(SearchJournal, "record_score", full)
        patched.setattr("assay.runs._optimize.code_digest", lambda: "a" * 64)
        with pytest.raises(StoreError):
            optimize(spec, context)
    (other,) = (context.home / "searches").iterdir()
    mine = other.with_name("another search.jsonl")
    mine.write_text("stays")
    optimize(spec, context)
    assert list((context.home / "searches").iterdir()) == [mine]


def _again(spec: TrainSpec, context: Context) -> dict[str, Any]:
    """The search, though its spec ran already, from the journal that lies there."""
    import assay.runs._optimize as place

    known, place.run_outputs.find_existing = place.run_outputs.find_existing, lambda *_: None
    try:
        return dict(optimize(spec, context).document)
    finally:
        place.run_outputs.find_existing = known


def test_nothing_valid_in_the_first_window_ends_the_fixed_mode(context: Context) -> None:
    with pytest.raises(TrainError, match=r"0 of 4 trials had ≥ 5,?000 trades") as caught:
        optimize(spec_of(mode="fixed", min_trades=5_000, walk="20/10/1"), context)
    assert caught.value.code == "TRAIN_NO_VALID_TRIAL"
    assert context.record.ledger.count(KEY) == 4
