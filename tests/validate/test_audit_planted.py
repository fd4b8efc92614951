"""The audit against what it must find, and against what it must leave alone."""

import pytest

from assay.testing.audit_study import Planted, bars_needed, clean, planted_pipelines
from assay.validate.audit.replay import PROBES

NAMES = [
    "shift_minus_one", "centred_window", "global_zscore", "backfill", "unclosed_higher_timeframe",
    "cross_symbol_shift", "scaler_on_all", "selector_on_all", "early_stop_on_test", "target_in_features",
    "understated_horizon", "observation_next_bar",
]  # fmt: skip
LEAKS = [*planted_pipelines(), *bars_needed()]


def test_the_twelve_have_their_names() -> None:
    assert [each.name for each in planted_pipelines()] == NAMES


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_planted_leak_is_found_by_its_name_and_by_the_right_probe_first(leak: Planted) -> None:
    report = leak.report()
    assert not report.passed
    first = report.violations[0]
    assert (first.probe, first.name) == (leak.probe, leak.blamed)
    assert {v.name for v in report.violations} == {leak.blamed}  # and nobody else is blamed


@pytest.mark.parametrize("probe", PROBES)
def test_each_probe_alone_switched_off_misses_a_leak(probe: str) -> None:
    without = [name for name in PROBES if name != probe]
    missed = [leak.name for leak in LEAKS if leak.probe == probe and not leak.is_caught(without)]
    assert missed, f"no leak needs the probe {probe}"


def test_nothing_that_assay_ships_raises_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    reports = dict(clean())
    assert caplog.messages == []  # a trainer that selects columns finds some to select
    assert {name: [v.text for v in r.violations] or r.notes for name, r in reports.items() if not r.passed} == {}
    for kind, least in {"features": 20, "target": 7, "strategy": 8, "trainer": 3}.items():
        assert sum(name.startswith(kind) for name in reports) >= least, kind
