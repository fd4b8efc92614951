"""Real edges must pass: three kinds of planted edge, twenty markets each of 20,000 hourly bars, one rule that knows it.

Prints one JSON line a kind: words, annual Sharpe ratios after costs, how many records with a Sharpe ratio of 2 or more
were PYRITE (must be none), and how many were GOLD beside the number that the power of the check ``edge`` expects.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.learn import State, Structural, strategy
from assay.market import SYNTHETIC_SIGMA, synthetic
from assay.runs import CandidateRule, choose_attempt, momentum, open_laboratory, try_idea
from assay.validate import sharpe_that_passes

BARS, MARKETS, SYMBOL, HOUR = 20_000, 20, "GOLD/USDT:USDT", 3_600_000
COSTS = Costs(fee=0.0004, slippage_bps=2.0)
GOOD = 2.0  # annual Sharpe ratio after costs from which on a record may not be PYRITE
HOURS = (2, 3, 4, 5, 6, 7)


@strategy("hours", {"first": Structural(2)}, lookback=lambda values, timeframe: 1, needs_volume=False, state=True)
def hours(bars: Bars, *, first: int) -> State:
    """Long in six hours of the day: decided at the close before the first, left at the close before the end."""
    of_next = (bars.timestamp // HOUR + 1) % 24
    inside = (of_next >= first) & (of_next < first + len(HOURS))
    return State.above(inside.astype(np.float64), np.full(len(bars), 0.5))


@strategy(
    "calm_or_wild", {"lookback": Structural(24), "quiet": Structural(240)},
    lookback=lambda values, timeframe: values["quiet"] + values["lookback"], needs_volume=False, two_sided=True,
    state=True,
)  # fmt: skip
def calm_or_wild(bars: Bars, *, lookback: int, quiet: int) -> State:
    """Momentum while the last day moves more than the last ten did; else what is held stays."""
    move = np.abs(np.diff(np.log(bars.close), prepend=np.nan))
    sums = np.cumsum(np.nan_to_num(move))
    day, long = (np.r_[np.full(k, np.nan), (sums[k:] - sums[:-k]) / k] for k in (lookback, quiet))
    before = np.r_[np.full(lookback, np.nan), bars.close[:-lookback]]
    wild = day > long
    return State.above(np.where(wild, bars.close, np.nan), np.where(wild, before, np.nan))


def moved(bars: Bars, extra: np.ndarray) -> Bars:
    """The same candles with further log returns."""
    grown = np.exp(np.cumsum(extra))
    opened = bars.open * np.r_[1.0, grown[:-1]]
    close = bars.close * grown
    high = np.maximum(bars.high * grown, np.maximum(opened, close))
    low = np.minimum(bars.low * grown, np.minimum(opened, close))
    return replace(bars, open=opened, high=high, low=low, close=close)


def hour_of_day(seed: int) -> Bars:
    """Six hours in which the mean return is 0.16 of a usual move."""
    bars = synthetic(bars=BARS, seed=seed, symbol=SYMBOL)
    inside = np.isin(bars.timestamp // HOUR % 24, HOURS)
    return moved(bars, np.where(inside, 0.16 * SYNTHETIC_SIGMA, 0.0))


def regime_momentum(seed: int) -> Bars:
    """Momentum of a day where the last day moved more than the last ten did, nothing elsewhere."""
    bars = synthetic(bars=BARS, seed=seed, symbol=SYMBOL)
    plain = np.diff(np.log(bars.close), prepend=np.log(bars.open[0]))
    extra = np.zeros(BARS)
    moves = np.abs(plain)
    for t in range(241, BARS):
        now = plain[t - 24 : t] + extra[t - 24 : t]
        if moves[t - 24 : t].mean() > moves[t - 240 : t].mean():
            extra[t] = 0.16 * SYNTHETIC_SIGMA * np.sign(now.sum())
    return moved(bars, extra)


def ic_015(seed: int) -> Bars:
    """The self-test's own edge."""
    return synthetic(bars=BARS, seed=seed, ic=0.15, symbol=SYMBOL)


KINDS: dict[str, tuple[Callable[[int], Bars], CandidateRule]] = {
    "hour of day": (hour_of_day, CandidateRule(hours, {})),
    "regime momentum": (regime_momentum, CandidateRule(calm_or_wild, {})),
    "ic 0.15": (ic_015, CandidateRule(momentum, {"lookback": 24, "mirrored": False})),
}


def main(markets: int = MARKETS) -> None:
    for kind, (make, idea) in KINDS.items():
        words, sharpes, expected = [], [], 0.0
        for seed in range(1, markets + 1):
            bars = make(seed)
            with tempfile.TemporaryDirectory() as folder, open_laboratory(Path(folder) / "home") as context:
                context.candles.upsert(bars, source="benchmark")
                attempt = try_idea(idea, bars, context, costs=COSTS, seed=seed)
                verdict = choose_attempt([attempt], context).alone
            active = attempt.decision.active
            n, ratio = len(active), float(active.mean() / active.std(ddof=1))
            expected += float(ndtr(ratio * sqrt(n) - sharpe_that_passes(1, context.limits.error)))
            words.append(verdict.verdict)
            sharpes.append(attempt.decision.metrics["sharpe_annual"])
            if verdict.verdict != "GOLD":
                states = {r.check: r.state for r in verdict.reasons if r.state != "PASS"}
                print(kind, seed, verdict.verdict, round(sharpes[-1], 2), states, file=sys.stderr)
        good = [word for word, sharpe in zip(words, sharpes, strict=True) if sharpe >= GOOD]
        print(json.dumps({
            "kind": kind, "markets": markets, "words": {w: words.count(w) for w in ("GOLD", "UNPROVEN", "PYRITE")},
            "sharpe_annual": [round(min(sharpes), 2), round(float(np.median(sharpes)), 2), round(max(sharpes), 2)],
            "good": len(good), "good_but_pyrite": good.count("PYRITE"), "gold_expected": round(expected, 1),
        }))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MARKETS)
