"""Which trials count when a record is judged: whose scores were looks at its bars, under whatever name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.app import context as opened
from assay.kernel.bars import Bars
from assay.kernel.contracts import Trial
from assay.kernel.instrument import Instrument
from assay.kernel.seeding import generator
from assay.market.sources.synthetic import synthetic
from assay.runs._reproduce import ReproductionInputs
from assay.runs.context import Context
from assay.runs.trial_counts import LookRequest, Looks, count_looks, trials_before
from assay.track.model_files.artifact_store import Blobs

HOUR = 3_600_000
N = 1_000
OWN, OTHER, THIRD = "a" * 64, "b" * 64, "c" * 64


def named(bars: Bars, exchange: str, symbol: str, timeframe: str = "1h") -> Bars:
    return replace(bars, instrument=Instrument(exchange, symbol, timeframe))


@pytest.fixture(scope="module")
def bars() -> Bars:
    return named(synthetic(bars=N, seed=1), "test", "A/USDT")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return opened(home=tmp_path / "home")[0]


def scored(context: Context, bars: Bars, identity: str, first: int = 0, last: int = N - 1, **change: Any) -> int:
    """A row that scored these of the bars, its market known by its candles."""
    context.record.markets.keep(bars)
    spans = change.pop("spans", ((first, last),))
    intervals = tuple((int(bars.timestamp[a]), int(bars.timestamp[b])) for a, b in spans)
    trial = Trial(
        market_key=bars.instrument.key, learner="rules", strategy="one", params={"of": identity, "at": first},
        returns=np.arange(3.0), metrics={}, window=(intervals[0][0], intervals[-1][1]), intervals=intervals,
        identity=identity,
    )  # fmt: skip
    return context.record.ledger.append(replace(trial, **change), blobs=Blobs(context.artifacts))


def candidates(context: Context, bars: Bars, identity: str, count: int, first: int = 0, last: int = N - 1) -> int:
    change = {"n_configs": count, "tuning_method": "grid", "params": {"block": identity, "n": count, "at": first}}
    return scored(context, bars, identity, first, last, **change)


def judged(context: Context, bars: Bars, number: int, first: int = 0) -> Looks:
    return count_looks(LookRequest(bars.instrument.key, number, bars.timestamp[first:], [bars]), context)


def test_own_candidates_are_no_looks_and_those_of_others_are(context: Context, bars: Bars) -> None:
    candidates(context, bars, OWN, 500, 0, 499)
    alone = judged(context, bars, scored(context, bars, OWN, 500), first=500)
    assert (alone.n, alone.own, alone.candidates, alone.effective, alone.counted) == (1, 1, 500, 1.0, True)
    other = judged(context, bars, scored(context, bars, OTHER), first=0)
    assert (other.n, other.candidates) == (1 + 500 + 1, 0)
    assert [(each.market_key, each.looks) for each in other.others] == [("test|A/USDT|1h", 501)]
    assert other.text == "its own look, 501 under test A/USDT 1h"
    assert "not counted: 500 candidates of its own searches" in alone.text


@pytest.mark.parametrize(("last", "looks"), [(48, 0), (49, 1)])
def test_five_percent_of_the_judged_bars_make_a_look(context: Context, bars: Bars, last: int, looks: int) -> None:
    scored(context, bars, OTHER, 0, last)  # 49 and 50 of 1,000
    assert judged(context, bars, scored(context, bars, OWN)).n == 1 + looks


def test_test_folds_are_scored_and_not_their_hull(context: Context, bars: Bars) -> None:
    scored(context, bars, OTHER, spans=((0, 99), (900, 999)))
    number = scored(context, bars, OWN, 100, 899)
    middle = count_looks(LookRequest(bars.instrument.key, number, bars.timestamp[101:899], [bars]), context)
    assert middle.n == 1
    assert judged(context, bars, number).n == 2


def test_small_ones_count_once_together_they_cover_as_much(context: Context, bars: Bars) -> None:
    number = scored(context, bars, OWN)
    scored(context, bars, OTHER, 0, 29)
    assert judged(context, bars, number).n == 1
    scored(context, bars, THIRD, 10, 39)  # 40 of 1,000 together
    assert judged(context, bars, number).n == 1
    candidates(context, bars, "d" * 64, 7, 500, 509)
    assert judged(context, bars, number).n == 1 + 1 + 1 + 7


def test_an_identity_that_goes_on_is_one_look_however_often_it_is_judged(context: Context, bars: Bars) -> None:
    for last in (599, 799, 999):
        number = scored(context, bars, OWN, 0, last)
        found = judged(context, bars, number)
        assert (found.n, found.own) == (1, 1)
    assert found.judged_before == 2 and "judged 2 times before" in found.text
    assert judged(context, bars, scored(context, bars, OTHER)).n == 2


@pytest.mark.parametrize("last", [999, 599])
def test_the_same_bars_or_earlier_ones_again_are_another_look(context: Context, bars: Bars, last: int) -> None:
    """Attack 4: a rule that reads the environment gives other returns each time."""
    for k in range(3):
        number = scored(context, bars, OWN, 0, last, returns=np.array([0.1 * k, 0.2]))
    found = judged(context, bars, number)
    assert (found.n, found.own) == (3, 3) and "3 looks of its own" in found.text
    repeated = scored(context, bars, OWN, 0, last, returns=np.array([0.1 * 2, 0.2]))
    assert repeated == number and judged(context, bars, number).n == 3


def test_other_identities_count_once_for_what_goes_on(context: Context, bars: Bars) -> None:
    for last in (599, 799, 799):
        scored(context, bars, OTHER, 0, last, returns=np.array([0.1 * len(context.record.ledger.read())]))
    assert judged(context, bars, scored(context, bars, OWN)).n == 1 + 2


def test_a_failed_candidate_goes_with_its_identity(context: Context, bars: Bars) -> None:
    failed = {"state": "failed", "window": None, "intervals": (), "tuning_method": "random", "returns": np.empty(0)}
    scored(context, bars, OTHER, 0, 9)
    scored(context, bars, OTHER, params={"failed": 1}, **failed)
    number = scored(context, bars, OWN)
    assert judged(context, bars, number).n == 1
    scored(context, bars, THIRD, params={"failed": 2}, **failed)  # nobody knows on which bars
    assert judged(context, bars, number).n == 2


@pytest.mark.parametrize("exchange_symbol", [("own", "A/USDT"), ("test", "B/USDT"), ("own", "RAW")])
def test_candles_are_known_under_another_name(context: Context, bars: Bars, exchange_symbol: tuple[str, str]) -> None:
    """Attack 8: 509 looks under one name count under every name."""
    other = named(bars, *exchange_symbol)
    candidates(context, other, OTHER, 508)
    scored(context, other, OTHER)
    found = judged(context, bars, scored(context, bars, OWN))
    assert found.n == 510
    assert f"509 under these candles as {exchange_symbol[0]} {exchange_symbol[1]} 1h" in found.text
    assert [each.known_by for each in found.others if each.looks] == ["candles"]


def test_another_timeframe_of_the_market_is_the_market(context: Context, bars: Bars) -> None:
    days = bars.timestamp // 86_400_000
    last = np.flatnonzero(np.append(np.diff(days) != 0, True))
    daily = Bars(
        Instrument("own", "X/USD", "1d"), days[last] * 86_400_000, bars.close[last], bars.close[last],
        bars.close[last], bars.close[last], None,
    )  # fmt: skip
    scored(context, daily, OTHER, 0, len(daily) - 1)
    assert judged(context, bars, scored(context, bars, OWN)).n == 2


def test_a_panel_counts_what_was_seen_of_any_member(context: Context, bars: Bars) -> None:
    """Attack 8: a panel that holds the market counts its trials, and the market those of the panel."""
    second = named(synthetic(bars=N, seed=2), "test", "Z/USDT")
    other = named(bars, "own", "A/USDT")
    candidates(context, other, OTHER, 40)
    key = "test|A/USDT|1h+test|Z/USDT|1h"
    context.record.markets.keep(second)
    number = scored(context, bars, OWN, market_key=key)
    panel = count_looks(LookRequest(key, number, bars.timestamp, [bars, second]), context)
    assert panel.n == 41
    assert judged(context, other, scored(context, other, OTHER)).n == 2
    apart = named(synthetic(bars=N, seed=3), "test", "Q/USDT")
    assert judged(context, apart, scored(context, apart, THIRD)).n == 1


def test_candles_that_were_moved_in_time_are_known_and_their_bars_found(context: Context, bars: Bars) -> None:
    by = 400 * 86_400_000
    moved = replace(named(bars, "own", "M/USDT"), timestamp=bars.timestamp + by)
    scored(context, moved, OTHER, 0, 399)
    found = judged(context, bars, scored(context, bars, OWN))
    assert found.n == 2 and [each.moved_ms for each in found.others if each.looks] == [(by,)]
    late = count_looks(LookRequest(bars.instrument.key, 1, bars.timestamp[500:], [bars]), context)
    assert late.n == 1


def test_candles_that_were_moved_under_their_own_name_are_known(context: Context, bars: Bars) -> None:
    scored(context, bars, OTHER)
    moved = replace(bars, timestamp=bars.timestamp + 400 * 86_400_000)
    found = judged(context, moved, scored(context, moved, OWN))
    assert found.n == 2 and found.text == "its own look, 1 under test A/USDT 1h, moved in time"


def stretched(bars: Bars) -> Bars:
    """Each bar, and a flat one after it: twice as long, and no one shift brings its stamps to those of the market."""
    closes = np.repeat(bars.close, 2)
    times = bars.timestamp[0] + np.arange(2 * len(bars)) * bars.instrument.bar.ms
    return Bars(Instrument("own", "F/USDT", "1h"), times, closes, closes, closes, closes, None)


def test_candles_with_flat_bars_between_count_on_all_judged_bars(context: Context, bars: Bars) -> None:
    scored(context, stretched(bars), OTHER, 1_000, 1_100)
    looks = judged(context, bars, scored(context, bars, OWN))
    assert looks.n == 2 and [each.moved_ms for each in looks.others if each.looks] == [(None,)]
    assert "1 under these candles as own F/USDT 1h, moved in time" in looks.text
    late = count_looks(LookRequest(bars.instrument.key, 1, bars.timestamp[-100:], [bars]), context)
    assert late.n == 1 + 1


def test_trials_before_are_those_under_every_name(context: Context, bars: Bars) -> None:
    other = named(bars, "own", "A/USDT")
    candidates(context, other, OTHER, 40)
    scored(context, bars, THIRD)
    scored(context, named(synthetic(bars=N, seed=3), "test", "Q/USDT"), THIRD)
    assert trials_before(bars.instrument.key, [bars], context) == 41
    assert trials_before(bars.instrument.key, [], context) == 41


def test_old_rows_are_each_a_look_of_its_own(context: Context, bars: Bars) -> None:
    for k in range(3):
        scored(context, bars, "", params={"k": k}, intervals=())
    candidates(context, bars, "", 20)
    found = judged(context, bars, scored(context, bars, OWN))
    assert (found.n, found.unknown_rows) == (1 + 3 + 20, 4)
    assert "counted one by one, on the whole span of each: 4 rows from before schema 0004" in found.text


def test_markets_that_one_spec_was_tried_on_are_said(context: Context, bars: Bars) -> None:
    for k, identity in enumerate((OTHER, THIRD), 4):
        another = named(synthetic(bars=N, seed=k), "test", f"M{k}/USDT")
        scored(context, another, identity, recipe="e" * 64)
        scored(context, named(another, "own", f"M{k}/USDT"), identity, recipe="e" * 64)  # the same one
    found = judged(context, bars, scored(context, bars, OWN, recipe="e" * 64))
    assert found.markets_tried == 3 and "tried on 3 markets" in found.text
    assert "luck alone makes at least one of these 3 GOLD is up to 0.03" in found.text


def test_independent_looks_are_told_by_active_returns(context: Context, bars: Bars) -> None:
    noise = generator(1, "active").normal(size=(N, 3))
    own = noise[:, 0]
    alike = 0.8 * own + 0.6 * noise[:, 1]
    scored(context, bars, OTHER, active=alike, times=bars.timestamp)
    scored(context, bars, THIRD)  # without: one look
    scored(context, bars, "d" * 64, active=noise[:200, 2], times=bars.timestamp[:200])  # too few common bars: one look
    found = judged(context, bars, scored(context, bars, OWN, active=own, times=bars.timestamp))
    rho = float(np.corrcoef(own, alike)[0, 1])
    assert found.n == 4 and 0.7 < rho < 0.9
    assert found.effective == pytest.approx(rho + (1 - rho) * 2 + 2)
    plain = judged(context, bars, scored(context, bars, "e" * 64))
    assert plain.effective == plain.n == 5


def test_a_reproduction_counts_up_to_its_head(context: Context, bars: Bars) -> None:
    scored(context, bars, OTHER)
    number = scored(context, bars, OWN)
    was = judged(context, bars, number)
    scored(context, bars, THIRD)
    scored(context, named(bars, "own", "A/USDT"), "d" * 64)
    again = ReproductionInputs(
        run=1, bars={}, filtered={}, counted=0, n_trials=was.n, looks=was.document, head=was.head.document,
    )  # fmt: skip
    assert judged(context.with_ports(again.ports()), bars, number) == was
    assert judged(context, bars, number).n == was.n + 2
