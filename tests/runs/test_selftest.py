import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError
from assay.kernel.instrument import Instrument
from assay.runs.selftest import trial_runs as candidate_rules
from assay.runs.selftest.figures import bounds, harmonic, not_contradicted, pass_above
from assay.runs.selftest.runner import CI_SIZE, NIGHTLY_SIZE, SelfTestResult, Size
from assay.runs.selftest.selftest_page import render
from assay.runs.selftest.simulations import CONTROL, DRIFT, EDGE, LEAKS, NO_EDGE, SEARCH, STATISTICS
from tests.runs.selftested import STUDIED, SUITE, good, made, table

# -- arithmetic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "n"), [(28, 30), (4, 200), (87, 100), (1, 2)])
def test_a_bound_is_the_rate_at_which_the_count_is_just_so_surprising(count: int, n: int) -> None:
    low, high = bounds(count, n)
    assert binom.sf(count - 1, n, low) == pytest.approx(0.05, rel=1e-6)
    assert binom.cdf(count, n, high) == pytest.approx(0.05, rel=1e-6)


def test_none_and_all_have_bounds_by_hand() -> None:
    assert bounds(0, 60) == (0.0, pytest.approx(1 - 0.05 ** (1 / 60)))
    assert bounds(30, 30) == (pytest.approx(0.05 ** (1 / 30)), 1.0)


@pytest.mark.parametrize(
    ("rate", "count", "n", "state"),
    [
        (0.01, 3, 60, "PASS"),
        (0.01, 4, 60, "FAIL"),
        (0.01, 0, 1, "PASS"),
        (0.036, 6, 60, "PASS"),
        (0.036, 8, 60, "FAIL"),
    ],
)
def test_a_count_contradicts_a_rate_where_one_as_large_is_rarer_than_a_hundredth(
    rate: float, count: int, n: int, state: str
) -> None:
    assert not_contradicted(rate)(count, n) == state == ("PASS" if binom.sf(count - 1, n, rate) >= 0.01 else "FAIL")


def test_who_judges_after_every_look_makes_the_errors_of_a_harmonic_sum() -> None:
    assert harmonic(1) == 1.0 and harmonic(4) == pytest.approx(25 / 12)
    assert 0.01 * harmonic(20) == pytest.approx(0.036, abs=5e-4)


@pytest.mark.parametrize(
    ("count", "n", "state"),
    [(28, 30, "PASS"), (27, 30, "FAIL"), (87, 100, "PASS"), (86, 100, "FAIL"), (2, 2, "UNKNOWN"), (0, 5, "FAIL")],
)
def test_power_passes_as_the_table_of_the_specification_says(count: int, n: int, state: str) -> None:
    assert pass_above(0.80)(count, n) == state


# -- what is tried ----------------------------------------------------------------------------------------------------


def test_momentum_follows_the_sign_of_the_last_bars_and_its_mirror_opposes_it() -> None:
    close = np.array([10.0, 11.0, 12.0, 11.5, 10.5, 10.5, 11.5, 10.5])
    bars = Bars(
        Instrument("made", "A/B:B", "1h"), np.arange(8) * 3_600_000, close, close, close, close, np.ones(8)
    )  # fmt: skip
    rule = candidate_rules.momentum
    both = [rule.decisions(bars, rule.resolve({"lookback": 2, "mirrored": m})).target
            for m in (False, True)]  # fmt: skip
    np.testing.assert_array_equal(both[0][2:], [1, 1, -1, -1, 1, np.nan])  # equal: what is held stays
    np.testing.assert_array_equal(both[1][2:], [-1, -1, 1, 1, -1, np.nan])


def test_twenty_different_rules_are_tried() -> None:
    ideas = candidate_rules.ideas()
    market = Instrument("synthetic", "A/B:B", "1h")
    assert len({idea.spec(market, Costs(), 1).hash for idea in ideas}) == len({i.name for i in ideas}) == 20


# -- figures ----------------------------------------------------------------------------------------------------------


def test_a_gate_that_does_what_it_must_passes_every_figure() -> None:
    assert {name: each.state for name, each in table(good()).items()} == dict.fromkeys(
        [
            "false_promotion",
            "any_promotion",
            "power",
            "drift",
            "drift_ensemble",
            "search",
            "search_power",
            "error_normal_20",
            "power_normal_20",
            "control_plain",
            "rising",
            "control",
            "deflated",
            "trainers",
            "leaks",
            "attacks",
            "control_audit",
            "alarms",
            "ledger",
        ],
        "PASS",
    )


@pytest.mark.parametrize(
    ("kind", "number", "wrong", "figure"),
    [
        (NO_EDGE, 3, {"trials": 19}, "ledger"),
        ("ensemble", 0, {"verdict": "UNPROVEN"}, "trainers"),
        (LEAKS, 0, {"suite": SUITE | {"found": 11}}, "leaks"),
        (LEAKS, 0, {"suite": SUITE | {"alarms": 1}}, "alarms"),
        (LEAKS, 0, {"suite": SUITE | {"attacks_found": 139}}, "attacks"),
        (LEAKS, 0, {"suite": SUITE | {"cut_short_missed": 0}}, "control_audit"),
        (STATISTICS, 1, {"suite": STUDIED | {"wrong": 40}}, "error_normal_20"),
        (STATISTICS, 1, {"suite": STUDIED | {"right": 1_300}}, "power_normal_20"),
    ],
)
def test_one_thing_that_goes_wrong_fails_its_figure_alone(kind: str, number: int, wrong: Any, figure: str) -> None:
    broken = [replace(r, **wrong) if (r.kind, r.number) == (kind, number) else r for r in good()]
    assert [name for name, each in table(broken).items() if each.state != "PASS"] == [figure]


@pytest.mark.parametrize(
    ("kind", "wrong", "few", "figure"),
    [
        (NO_EDGE, {"verdict": "GOLD"}, 3, "false_promotion"),
        (NO_EDGE, {"chosen_outcome": "GOLD"}, 3, "false_promotion"),
        (NO_EDGE, {"any_gold": True}, 6, "any_promotion"),
        (DRIFT, {"verdict": "GOLD"}, 2, "drift"),
        (SEARCH, {"verdict": "GOLD"}, 2, "search"),
    ],
)
def test_errors_beyond_the_stated_rate_fail_their_figure_alone(kind: str, wrong: Any, few: int, figure: str) -> None:
    for many in (few, few + 1):
        first = [each for each in good() if each.kind == kind][:many]
        broken = [replace(each, **wrong) if each in first else each for each in good()]
        assert [n for n, each in table(broken).items() if each.state != "PASS"] == ([figure] if many > few else [])


@pytest.mark.parametrize("reading", ["verdict", "chosen_outcome"])
def test_power_asks_for_gold_in_both_readings(reading: str) -> None:
    found = [replace(r, **{reading: "UNPROVEN"}) if r.kind == EDGE and r.number < 3 else r for r in good()]
    assert (table(found)["power"].count, table(found)["power"].state) == (27, "FAIL")


def test_a_gate_that_deflates_by_nothing_is_caught() -> None:
    broken = [replace(each, edge=each.naive_edge) for each in good()]
    assert {n: f.state for n, f in table(broken).items() if f.state != "PASS"} == {"deflated": "FAIL"}


def test_markets_on_which_deflation_has_nothing_to_do_are_no_control() -> None:
    tame = [replace(each, naive_edge="FAIL") if each.kind == CONTROL else each for each in good()]
    assert {n: f.state for n, f in table(tame).items() if f.state != "PASS"} == {"control": "FAIL"}


def test_a_rate_never_goes_without_its_n() -> None:
    for each in table(good()).values():
        assert f"{each.count} of {each.n}" in each.text
        assert each.document["n"] == each.n
        assert each.document["rate"] == each.count / each.n


def test_the_sizes_are_those_of_the_specification() -> None:
    assert Size(no_edge=60, edge=30, control=30, trainers=1, drift=20, search=20, search_edge=10) == CI_SIZE
    nightly = Size(no_edge=200, edge=100, control=100, trainers=3, drift=100, search=100, search_edge=50, drawn=2_000)
    assert nightly == NIGHTLY_SIZE
    assert CI_SIZE.of(7) == Size(no_edge=7, edge=4, control=4, trainers=1, drift=3, search=3, search_edge=2)
    with pytest.raises(ConfigError, match=r"edge is -1, must be in 0\.\.10,000"):
        Size(edge=-1)


# -- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_every_rate_with_n_and_bounds_and_every_market() -> None:
    page = render(made(good()))
    assert "0 of 60 (0.0% to 4.9%)" in page
    assert "30 of 30 (90.5% to 100.0%)" in page
    assert len(re.findall(r'<circle class="dot', page)) == 2 * (13 + 140)  # rates and markets, wide and narrow
    assert page.count("<tr>") > 122
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


# -- the command ------------------------------------------------------------------------------------------------------


def command(monkeypatch: pytest.MonkeyPatch, found: SelfTestResult, *arguments: str) -> int:
    import typer

    from assay.cli.command import main
    from assay.cli.main import app

    def asked(size: Size, *, seed: int, **_: Any) -> SelfTestResult:
        return replace(found, size=size, seed=seed)

    monkeypatch.setattr("assay.runs.run_selftest", asked)
    return main(partial(typer.main.get_command(app)), ["selftest", *arguments])


def test_the_command_ends_with_0_where_the_table_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    given = ("--home", str(tmp_path), "--report", str(page), "--json", "--seed", "9", "--nightly")
    assert command(monkeypatch, made(good()), *given) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["passed"]
    assert (document["seed"], document["size"]["no_edge"], document["report"]) == (9, 200, str(page))
    assert "0 of 60" in page.read_text(encoding="utf-8")


def test_the_command_fails_where_the_table_does_and_says_which_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = made([replace(each, verdict="GOLD") for each in good()])
    assert command(monkeypatch, broken, "--home", str(tmp_path)) == 1
    said = capsys.readouterr()
    assert "60 of 60" in said.out
    assert (
        "error TRAIN_SELFTEST: the gate does not do what it must: No edge: the best of 20, judged with all, is GOLD"
        in said.err
    )
    assert max(map(len, said.out.splitlines()[:-1])) <= 80
    assert command(monkeypatch, broken, "--home", str(tmp_path), "--json") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["facts"]["word"]) == ("TRAIN_SELFTEST", "FAIL")


def test_few_markets_are_told_to_be_few(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    few = made([each for each in good() if each.number < 2])
    assert command(monkeypatch, few, "--home", str(tmp_path), "--markets", "2") == 1
    assert "too few repetitions to tell: Power: GOLD on an edge of ic 0.15: 2 of 2" in capsys.readouterr().err
