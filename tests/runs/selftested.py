"""Repetitions of a self-test that were never done: what a gate that does what it must would leave."""

from collections.abc import Sequence
from typing import Any

from assay.runs.selftest.figures import Figure, figures
from assay.runs.selftest.runner import CI_SIZE, SelfTestResult
from assay.runs.selftest.simulations import (
    CONTROL,
    DRIFT,
    EDGE,
    LEAKS,
    NO_EDGE,
    SEARCH,
    SEARCH_EDGE,
    STATISTICS,
    TRAINERS,
    Repetition,
)

SEED = 5
SUITE = {
    "planted": 12, "found": 12, "attacks": 140, "attacks_found": 140, "cut_short": 38, "cut_short_missed": 20,
    "missed": [], "clean": 76, "alarms": 0, "alarmed": [],
}  # fmt: skip
RISING = {"rules": 1_000, "plain": 600, "active": 11, "error": 0.01}
STUDIED = {"kind": "normal", "looks": 20, "markets": 2_000, "wrong": 20, "right": 1_500, "bound": 0.75, "error": 0.01}
PASSED = {"verdict": "PYRITE", "chosen_outcome": "PYRITE", "edge": "FAIL", "naive_edge": "FAIL", "trials": 20}
GOLD = {"verdict": "GOLD", "chosen_outcome": "GOLD", "edge": "PASS", "naive_edge": "PASS", "trials": 20}


def some(kind: str, n: int, **facts: Any) -> list[Repetition]:
    return [Repetition(kind, number, number, 0.0, **{**PASSED, **facts}) for number in range(n)]


def good() -> list[Repetition]:
    naive = [*some(CONTROL, 20, naive_edge="PASS", naive=0.97, deflated=0.5), *some(CONTROL, 10)]
    trained = [each for kind in TRAINERS for each in some(kind, 1, **GOLD, deflated=1.0)]
    leaks = Repetition(LEAKS, 0, 0, 0.0, suite=SUITE)
    drift = [*some(DRIFT, 10), *some(DRIFT, 10, ensemble="UNPROVEN")]
    searched = [*some(SEARCH, 20, trials=1), *some(SEARCH_EDGE, 9, **GOLD), *some(SEARCH_EDGE, 1)]
    studied = [Repetition(STATISTICS, k, k, 0.0, suite=s) for k, s in ((1, STUDIED), (12, RISING))]
    edges = [*some(NO_EDGE, 60, deflated=0.1), *some(EDGE, 30, **GOLD, deflated=1.0)]
    return [*edges, *naive, *trained, *drift, *searched, *studied, leaks]


def table(found: Sequence[Repetition]) -> dict[str, Figure]:
    return {each.name: each for each in figures(found, tried=20)}


def made(found: Sequence[Repetition]) -> SelfTestResult:
    kept = [each for each in found if each.kind not in (LEAKS, STATISTICS)]
    return SelfTestResult(SEED, CI_SIZE, 2, 12.0, figures(found, tried=20), kept, SUITE)
