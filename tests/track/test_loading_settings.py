"""Signing keys come from the settings, and what they ask for cannot be forgotten."""

from pathlib import Path

import pytest

from assay.app import context
from assay.kernel.errors import ConfigError


def test_the_keys_reach_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, _ = context(home=tmp_path / "home")
    assert opened.places.keys is None
    (tmp_path / "keys").write_text(f"key-1 {'ab' * 32}\n")
    monkeypatch.setenv("ASSAY_SIGNING_KEY_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("ASSAY_REQUIRE_SIGNATURE", "true")
    opened, warnings = context(home=tmp_path / "home")
    assert warnings == ()
    assert opened.keys is not None
    assert (opened.places.keys, opened.keys.current, opened.keys.required) == (opened.keys, "key-1", True)


def test_required_without_a_key_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_REQUIRE_SIGNATURE", "1")
    with pytest.raises(ConfigError, match="ASSAY_SIGNING_KEY_FILE"):
        context(home=tmp_path / "home")


def test_a_key_among_the_models_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home" / "artifacts").mkdir(parents=True)
    (tmp_path / "home" / "artifacts" / "keys").write_text(f"key-1 {'ab' * 32}\n")
    monkeypatch.setenv("ASSAY_SIGNING_KEY_FILE", str(tmp_path / "home" / "artifacts" / "keys"))
    with pytest.raises(ConfigError, match="protects"):
        context(home=tmp_path / "home")


def test_the_store_that_models_are_shared_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, _ = context(home=tmp_path / "home")
    assert opened.places.shared is None
    monkeypatch.setenv("ASSAY_ARTIFACTS_URL", "s3://models/assay")
    opened, warnings = context(home=tmp_path / "home")
    assert warnings == ()
    assert opened.places.shared is not None
    assert opened.places.shared.address == "s3://models/assay"
    monkeypatch.setenv("ASSAY_ARTIFACTS_URL", "s4://models/assay")
    with pytest.raises(ConfigError, match="s4"):
        context(home=tmp_path / "home")
