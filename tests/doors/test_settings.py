"""`assay settings`: every value and its source, no secret."""

from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import ConfigError
from assay.settings import Gate, Settings, load, load_gate, mask_passwords
from tests.doors.commands import assay, told


def by_name(found: dict[str, Any]) -> dict[str, Any]:
    return {row["name"]: row for row in found["settings"]}


def test_every_setting_and_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = by_name(told("settings"))
    assert set(rows) == set(Settings.model_fields) | {f"gate.{name}" for name in Gate.model_fields}
    assert {row["source"] for row in rows.values()} == {"default"}
    assert rows["home"] == {"name": "home", "variable": "ASSAY_HOME", "value": ".assay", "source": "default"}
    assert rows["record_url"]["value"] == ".assay/ml_experiments.db"
    assert rows["model_retention_days"]["variable"] == "MODEL_RETENTION_DAYS"
    monkeypatch.setenv("ASSAY_WORKERS", "3")
    monkeypatch.setenv("MODEL_RETENTION_DAYS", "7")
    monkeypatch.setenv("ASSAY_TIMEFRAME", "")
    rows = by_name(told("settings", home=tmp_path / "h"))
    assert (rows["workers"]["value"], rows["workers"]["source"]) == (3, "environment")
    assert (rows["model_retention_days"]["value"], rows["model_retention_days"]["source"]) == (7, "environment")
    assert (rows["home"]["value"], rows["home"]["source"]) == (str(tmp_path / "h"), "option")
    assert (rows["timeframe"]["value"], rows["timeframe"]["source"]) == ("1h", "default")
    assert not (tmp_path / "h").exists()


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_RECORD_URL", "postgresql://me:s3cret@host:5432/db?sslpassword=s3cret&sslmode=require")
    for said in (assay("settings"), assay("settings", "--json")):
        assert said.code == 0 and "s3cret" not in said.out + said.err
        assert "me:***@host:5432/db" in said.out.replace("\n", "").replace(" ", "")
    monkeypatch.setenv("ASSAY_WORKERS", "s3cret")
    assert assay("settings").code == 2


@pytest.mark.parametrize(
    ("address", "told"),
    [("postgresql://u:p@h/d", "postgresql://u:***@h/d"), ("http://u:p:q@h", "http://u:***@h"),
     ("sqlite:///a:b@c", "sqlite:///a:b@c"), ("http://h/?api_key=x&a=1", "http://h/?api_key=***&a=1"),
     ("postgresql://:p@h/d", "postgresql://:***@h/d"), ("plain.db", "plain.db")],
)  # fmt: skip
def test_masks(address: str, told: str) -> None:
    assert mask_passwords(address) == told


def test_what_is_unknown_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_WORKRES", "3")
    assert told("settings")["unknown"] == ["ASSAY_WORKRES is unknown; did you mean ASSAY_WORKERS?"]
    assert "ASSAY_WORKRES" in assay("settings").out
    assert max(map(len, assay("settings").out.splitlines())) <= 80


VARIABLES = [
    *("ASSAY_" + name.upper() for name in Settings.model_fields if name != "model_retention_days"),
    *("ASSAY_GATE_" + name.upper() for name in Gate.model_fields), "MODEL_RETENTION_DAYS", "ASSAY_GATE_CONFIDENCE",
]  # fmt: skip


@pytest.mark.parametrize("blank", ["", " "])
def test_a_variable_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    usual = load()[0]
    for variable in [*VARIABLES, "ASSAY_WORKRES"]:
        monkeypatch.setenv(variable, blank)
    assert load() == (usual, ()) and load_gate() == Gate()


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ASSAY_GATE_ERROR", "abc", "must be a finite number, above 0 and at most 0.5"),
        ("ASSAY_GATE_ERROR", "-1", "must be a finite number, above 0 and at most 0.5"),
        ("ASSAY_GATE_ERROR", "1.5", "at most 0.5"), ("ASSAY_GATE_ERROR", "nan", "must be a finite number"),
        ("ASSAY_GATE_COST_FACTOR", "inf", "must be a finite number, at least 1"),
        ("ASSAY_GATE_MIN_COST", "-0.1", "must be a finite number, at least 0 and below 10,000"),
        ("ASSAY_GATE_MIN_TRADES", "1.5", "must be a whole number, at least 0 and at most 1,000,000"),
        ("ASSAY_WORKERS", "0", "must be a whole number, at least 1 and at most 256"),
        ("ASSAY_AUDIT", "quik", "must be one of off, quick, full"),
        ("ASSAY_REQUIRE_SIGNATURE", "maybe", "must be true or false"),
        ("ASSAY_IMAGE_DIGEST", "x" * 201, "must be a text, at most 200 characters long"),
        ("ASSAY_TIMEFRAME", "7m", "Assay has 1m"), ("MODEL_RETENTION_DAYS", "-1", "at least 0"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as refused:
        load(), load_gate()
    error = refused.value
    assert error.code == ("CONFIG_TIMEFRAME" if variable == "ASSAY_TIMEFRAME" else "CONFIG_FIELD")
    assert error.message.startswith(f"{variable} is '{value[:64]}") and allowed in error.message
    assert "Input should" not in error.message and variable in error.hint
    assert error.facts["field"] == variable
