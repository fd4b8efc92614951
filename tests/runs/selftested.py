"""Repetitions of a self-test that were never done: what a gate that does what it must would leave."""

from collections.abc import Sequence
from typing import Any

from assay.runs.selftest.figures import Figure, figures
from assay.runs.selftest.repetitions import CONTROL, EDGE, LEAKS, NO_EDGE, TRAINERS, Repetition
from assay.runs.selftest.table import CI, SelfTest

SEED = 5
SUITE = {"planted": 12, "found": 12, "missed": [], "clean": 39, "alarms": 0, "alarmed": []}
PASSED = {"verdict": "PYRITE", "told": "PYRITE", "edge": "FAIL", "naive_edge": "FAIL", "trials": 20}
GOLD = {"verdict": "GOLD", "told": "GOLD", "edge": "PASS", "naive_edge": "PASS", "trials": 20}


def some(kind: str, n: int, **facts: Any) -> list[Repetition]:
    return [Repetition(kind, number, number, 0.0, **{**PASSED, **facts}) for number in range(n)]


def good() -> list[Repetition]:
    naive = [*some(CONTROL, 20, naive_edge="PASS", naive=0.97, deflated=0.5), *some(CONTROL, 10)]
    trained = [each for kind in TRAINERS for each in some(kind, 1, **GOLD, deflated=1.0)]
    leaks = Repetition(LEAKS, 0, 0, 0.0, suite=SUITE)
    return [*some(NO_EDGE, 60, deflated=0.1), *some(EDGE, 30, **GOLD, deflated=1.0), *naive, *trained, leaks]


def table(found: Sequence[Repetition]) -> dict[str, Figure]:
    return {each.name: each for each in figures(found, tried=20)}


def made(found: Sequence[Repetition]) -> SelfTest:
    kept = [each for each in found if each.kind != LEAKS]
    return SelfTest(SEED, CI, 2, 12.0, figures(found, tried=20), kept, SUITE)
