"""What the ledger holds beside a record: which trials are seen, which are compared, and what is gone."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.app import context as opened
from assay.kernel.contracts import Trial
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.seeding import generator
from assay.market.sources.synthetic import synthetic
from assay.runs.context import Context
from assay.runs.family import family, independent_looks
from assay.simulate.engine import simulate
from assay.simulate.result import BacktestResult
from assay.track.ledger import Look
from assay.track.model_files.artifact_store import Blobs
from assay.validate.search.result import Trials
from assay.validate.statistics import effective_number_of_trials

KEY = "test|A/USDT|1h"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return opened(home=tmp_path / "home")[0]


@pytest.fixture(scope="module")
def judged() -> BacktestResult:
    bars = synthetic(bars=300, seed=1)
    target = np.where(np.arange(300) % 20 < 10, 1.0, 0.0)
    nothing = np.full(300, np.nan)
    return simulate(bars, Decisions(target, nothing, nothing, np.zeros(300, np.int32)), Costs())


def counted(context: Context, record: BacktestResult, sharpe: float, name: str, **change: object) -> int:
    window = int(record.timestamp[0]), int(record.timestamp[-1])
    trial = Trial(
        market_key=KEY, learner="rules", strategy="one", params={"name": name}, returns=record.returns,
        metrics={"sharpe": sharpe}, window=window,
    )  # fmt: skip
    return context.record.ledger.append(replace(trial, **change), blobs=Blobs(context.artifacts))  # type: ignore[arg-type]


def block(sharpes: list[float]) -> bytes:
    n = len(sharpes)
    values = {"sharpe": np.array(sharpes), "skew": np.zeros(n), "kurtosis": np.zeros(n)}
    made = Trials({"p": np.arange(n)}, np.zeros(n), np.zeros(n, np.int8), np.full(n, 9), values, np.full(n, -1))
    return made.block()


def test_one_trial_has_no_spread(context: Context, judged: BacktestResult) -> None:
    number = counted(context, judged, 0.01, "own")
    found = family(judged, number, KEY, context)
    assert (found.spread, found.counted, found.returns.shape) == (0.0, 1, (300, 1))
    np.testing.assert_array_equal(found.returns[:, 0], judged.returns)


def test_every_configuration_spreads_and_those_on_the_same_bars_are_compared(
    context: Context, judged: BacktestResult
) -> None:
    other = generator(1, "other").normal(size=300)
    holed = np.where(np.arange(300) == 3, np.nan, other)
    counted(context, judged, 0.03, "same bars", returns=other)
    counted(context, judged, 0.04, "other bars", window=(0, 1))
    counted(context, judged, 0.05, "shorter", returns=other[1:])
    counted(context, judged, 0.06, "holed", returns=holed)
    counted(context, judged, np.nan, "failed", returns=np.empty(0), state="failed", window=None)
    counted(context, judged, 0.09, "many", n_configs=3, block=block([0.07, 0.09, np.nan]), bars=300)
    number = counted(context, judged, 0.01, "own")
    counted(context, judged, 5.0, "later", returns=-other)
    found = family(judged, number, KEY, context, until=number)
    sharpes = [0.03, 0.04, 0.05, 0.06, 0.07, 0.09, 0.01]
    assert found.counted == 7 and found.spread == pytest.approx(np.var(sharpes, ddof=1))
    assert found.returns.shape == (300, 2)
    np.testing.assert_array_equal(found.returns[:, 1], other)
    assert family(judged, number, KEY, context).returns.shape == (300, 3)


def test_a_block_that_is_gone_leaves_the_spread_unknown(context: Context, judged: BacktestResult) -> None:
    data = block([0.07, 0.09])
    counted(context, judged, 0.09, "many", n_configs=2, block=data, bars=300)
    counted(context, judged, 0.02, "one", returns=-judged.returns)
    number = counted(context, judged, 0.01, "own")
    assert family(judged, number, KEY, context).counted == 4
    rows = context.record.ledger.read(KEY)
    for sha in (rows[0]["block_sha256"], rows[1]["returns_sha256"]):
        shutil.rmtree(Blobs(context.artifacts).path(sha))
    found = family(judged, number, KEY, context)
    assert np.isnan(found.spread) and found.counted == 0 and found.returns.shape == (300, 1)


def looks_of(context: Context, number: int) -> tuple[Look, list[Look]]:
    rows = context.record.ledger.looks([KEY])
    return next(r for r in rows if r.seq == number), [r for r in rows if r.seq != number]


def test_looks_that_are_alike_count_as_fewer(context: Context, judged: BacktestResult) -> None:
    noise = generator(2, "alike").normal(size=(300, 2))
    own, near, far = noise[:, 0], 0.9 * noise[:, 0] + 0.3 * noise[:, 1], noise[:, 1]
    for name, active in (("near", near), ("far", far), ("own", own)):
        number = counted(context, judged, 0.02, name, active=active, times=judged.timestamp)
    found = independent_looks(*looks_of(context, number), judged.timestamp, context)
    assert found.returns_stored == 3
    assert found.effective == pytest.approx(effective_number_of_trials(np.column_stack([own, near, far])))
    assert 1.5 < found.effective < 3


def test_looks_on_other_bars_are_compared_where_they_meet(context: Context, judged: BacktestResult) -> None:
    """By hand: 280 common bars of 300, on which one is the other's double."""
    own = generator(3, "own").normal(size=300)
    late = np.append(2 * own[20:], generator(4, "late").normal(size=20))
    times = np.append(judged.timestamp[20:], judged.timestamp[-1] + 3_600_000 * np.arange(1, 21))
    counted(context, judged, 0.02, "late", active=late, times=times)
    counted(context, judged, 0.02, "constant", active=np.zeros(300), times=judged.timestamp)
    number = counted(context, judged, 0.02, "own", active=own, times=judged.timestamp)
    mine, others = looks_of(context, number)
    found = independent_looks(mine, others, judged.timestamp, context)
    # correlations 1, 0 and 0
    assert (found.returns_stored, found.effective) == (
        3,
        pytest.approx(1 / 3 + (1 - 1 / 3) * 3),
    )  # correlations 1, 0 and 0


def test_two_that_hardly_meet_are_two(context: Context, judged: BacktestResult) -> None:
    """Equal on the 220 bars that both have: fewer than are needed to say so."""
    own, other = generator(5, "own").normal(size=(2, 300))
    for name, rows in (("early", slice(0, 260)), ("late", slice(40, 300))):
        counted(context, judged, 0.02, name, active=other[rows], times=judged.timestamp[rows])
    number = counted(context, judged, 0.02, "own", active=own, times=judged.timestamp)
    found = independent_looks(*looks_of(context, number), judged.timestamp, context)
    pairs = [np.corrcoef(own[rows], other[rows])[0, 1] for rows in (slice(0, 260), slice(40, 300))]
    rho = max(0.0, float(np.mean([*pairs, 0.0])))
    assert (found.returns_stored, found.effective) == (3, pytest.approx(rho + (1 - rho) * 3)) and found.effective > 2.5


@pytest.mark.parametrize("change", [{}, {"times": np.empty(0, np.int64)}, {"few": True}, {"gone": True}], ids=str)
def test_what_keeps_no_active_returns_counts_as_one(
    context: Context, judged: BacktestResult, change: dict[str, object]
) -> None:
    own = generator(3, "own").normal(size=300)
    number = counted(context, judged, 0.02, "own", active=own, times=judged.timestamp)
    given: dict[str, object] = {} if not change else {"active": own, "times": judged.timestamp} | change
    if given.pop("few", False):
        given = {"active": own[:249], "times": judged.timestamp[:249]}
    gone = given.pop("gone", False)
    counted(context, judged, 0.03, "odd", **(given | ({"active": -own} if gone else {})))
    mine, others = looks_of(context, number)
    if gone:
        shutil.rmtree(Blobs(context.artifacts).path(others[0].active_sha256 or ""))
    found = independent_looks(mine, others, judged.timestamp, context)
    assert (found.returns_stored, found.effective) == (1, 1.0)
    assert independent_looks(None, others, judged.timestamp, context).returns_stored == 0
