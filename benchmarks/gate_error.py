"""How often the statistics of the gate err and what they find: `python -m benchmarks.gate_error`.

Four years of days; an error is a market on which any of N looks without skill passes, power the share of the markets
on which a record with a true annual Sharpe ratio of 2 passes when it is one of N. Then rules without skill in a market
that rises, by their plain returns and by those beyond holding their mean position.
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.validate import (
    FAR_LEVEL,
    STUDY_BARS,
    Case,
    GateStudyResult,
    Rule,
    count_errors,
    deflated_sharpe_ratio,
    draw_moments,
    drift_study,
    edge_rule,
    study_cases,
)


def deflated(sharpe: FloatArray, skew: FloatArray, kurtosis: FloatArray, n: int, n_trials: int) -> BoolArray:
    """The rule of the gate's first version: a deflated Sharpe ratio of 0.95, sampling variance 1/(n - 1)."""
    return np.asarray(deflated_sharpe_ratio(sharpe, n, skew, kurtosis, n_trials, 1 / (n - 1)) >= 0.95)


RULES: dict[str, tuple[Rule, float]] = {
    "DSR >= 0.95": (deflated, 0.05),
    "Sidak 1 %": (edge_rule(0.01), 0.01),
    "Sidak 5 %": (edge_rule(0.05), 0.05),
}


def line(case: Case, found: list[GateStudyResult]) -> str:
    """One row of the table: error with its count, and power, for each rule; then the bound of the second."""
    cells = [f"{each.error:.4f} ({each.wrong:>3} of {case.markets:,}), {each.power:.3f}" for each in found]
    kind = f"{case.kind}, 2 to {case.most_level:g} moves" if case.kind == "trades" else case.kind
    return f"| {kind} | {case.n_trials:,} | {' | '.join(cells)} | {found[1].bound:.3f} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="so many times the markets")
    asked = parser.parse_args()
    names = " | ".join(f"{name}: error, power" for name in RULES)
    print(f"| returns | N | {names} | power of Sidak 1 % on normal returns |")
    print("|---" * 6 + "|")
    cases = study_cases(most=2_000)
    far = [replace(each, most_level=FAR_LEVEL) for each in cases if each.kind == "trades"]
    for case in (*cases, *far):
        began = time.monotonic()
        draws = draw_moments(replace(case, markets=case.markets * asked.times), seed=asked.seed)
        found = [count_errors(draws, rule, error) for rule, error in RULES.values()]
        print(f"{line(draws.case, found)} {time.monotonic() - began:.1f} s", flush=True)
    print(f"\n{STUDY_BARS:,} bars a market. Rising market, holding's Sharpe 3, 9,000 hourly bars, PSR >= 0.99:\n")
    print("| long, short | plain returns | active returns |\n|---|---|---|")
    for each in drift_study(seed=asked.seed):
        print(f"| {each.rule} | {each.plain / each.rules:.3f} | {each.active / each.rules:.3f} of {each.rules:,} |")


if __name__ == "__main__":
    main()
