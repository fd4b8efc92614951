"""Limits: what they may be, which of two lets more pass, and what a stored verdict was given by."""

import json
import subprocess
import sys
from dataclasses import asdict, fields

import pytest

from assay.kernel.errors import ConfigError
from assay.validate.thresholds import LOOSER, Thresholds, looser_thresholds, thresholds_from_document

USUAL = asdict(Thresholds())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"error": 0.05}, ["error 0.05, looser than 0.01"]),
        ({"error": 0.005, "min_trades": 31, "max_loss_share": 0.1}, []),
        ({"min_cost": 4.0}, ["min_cost 4, looser than 5"]),
        ({"max_doubtful_fills": 0.05}, ["max_doubtful_fills 0.05, looser than 0.02"]),
        ({"max_loss_share": 0.3}, ["max_loss_share 0.3, looser than 0.2"]),
        ({"cost_factor": 1.5, "min_bars": 9}, ["min_bars 9, looser than 250", "cost_factor 1.5, looser than 2"]),
        ({"pyrite_share": 0.6}, ["pyrite_share 0.6, looser than 0.5"]),
        ({"min_seeds": 1, "mature_trades": 1}, ["min_seeds 1, looser than 5"]),
        ({"of_another_release": 1}, []),
    ],
)  # fmt: skip
def test_what_lets_more_pass_is_named(change: dict[str, float], told: list[str]) -> None:
    assert looser_thresholds(change, Thresholds()) == told  # what a document lacks is as by default
    assert looser_thresholds(USUAL | change, Thresholds()) == told


def test_looser_is_against_what_is_asked_now() -> None:
    assert looser_thresholds({}, Thresholds(error=0.005)) == ["error 0.01, looser than 0.005"]
    assert looser_thresholds({"error": 0.05}, Thresholds(error=0.06)) == []
    assert looser_thresholds({"error": 0.05}, Thresholds(), "sample") == []
    assert looser_thresholds({"error": 0.05}, Thresholds(), "edge") and not looser_thresholds(
        {"error": 0.05}, Thresholds(), "audit"
    )


def test_a_confidence_of_the_first_version_is_the_error_that_it_was() -> None:
    old = {name: value for name, value in USUAL.items() if name != "error"} | {"confidence": 0.95}
    assert thresholds_from_document(old) == Thresholds(error=0.05)
    assert looser_thresholds(old, Thresholds()) == ["error 0.05, looser than 0.01"]
    assert looser_thresholds(old | {"confidence": 0.99}, Thresholds()) == []


def test_every_limit_of_a_check_can_be_loose() -> None:
    named = {name for limits in LOOSER.values() for name in limits}
    assert named | {"mature_trades", "mature_annual_sharpe"} == {field.name for field in fields(Thresholds)}
    assert "audit" not in LOOSER and "ledger" not in LOOSER  # nothing could loosen these


def test_a_stored_verdict_says_what_it_was_given_by() -> None:
    mine = Thresholds(error=0.005, min_trades=50)
    assert thresholds_from_document(json.loads(json.dumps(asdict(mine)))) == mine
    assert thresholds_from_document({}) == Thresholds() == thresholds_from_document({"of_another_release": 1})
    with pytest.raises(ConfigError):
        thresholds_from_document({"confidence": 2})


def test_settings_load_no_statistics() -> None:
    code = "import assay.validate.thresholds, sys; print([m for m in ('scipy', 'pandas', 'arch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_regime_that_is_left_out_by_a_higher_limit_is_told() -> None:
    for other in (50, 151):
        assert looser_thresholds({"min_regime_bars": other}, Thresholds()) == [
            f"min_regime_bars {other}, other than 100"
        ]
