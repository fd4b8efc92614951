"""A signature says who published a model; a wrong one stops it before a byte is parsed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assay.kernel.errors import ArtifactError, ConfigError
from assay.track.loading import check_files
from assay.track.model_files.manifest import Keys, read_keys
from tests.track.models import Published, published, publishing

KEYS = Keys("new", {"new": b"n" * 32, "old": b"o" * 32})


@pytest.fixture
def signed(tmp_path: Path) -> Published:
    plain = published("rules")
    return publishing(plain.model, plain.panel, "rules", tmp_path / "home", keys=KEYS)


def told(kept: Published, keys: Keys | None, **row: object) -> ArtifactError:
    with pytest.raises(ArtifactError) as error:
        check_files(kept.row | row, replace(kept.places, keys=keys))
    return error.value


def sidecar(kept: Published) -> Path:
    return kept.file.with_name(kept.file.name + ".sig")


def test_what_was_signed_is_accepted(signed: Published) -> None:
    assert signed.row["signature_key_id"] == "new"
    assert set(json.loads(sidecar(signed).read_bytes())) == {"key_id", "mac", "manifest_mac"}
    for keys in (KEYS, None, replace(KEYS, current="old", required=True)):
        check_files(signed.row, replace(signed.places, keys=keys))


def test_the_mac_is_over_key_path_and_bytes(signed: Published) -> None:
    import hashlib
    import hmac

    said = b"new\0" + str(signed.row["checkpoint_path"]).encode() + b"\0" + signed.file.read_bytes()
    assert json.loads(sidecar(signed).read_bytes())["mac"] == hmac.new(b"n" * 32, said, hashlib.sha256).hexdigest()


def test_an_unknown_or_wrong_key_is_refused(signed: Published) -> None:
    unknown = told(signed, Keys("other", {"other": b"n" * 32}))
    assert (unknown.code, "'new'" in unknown.message) == ("ARTIFACT_BAD_SIGNATURE", True)
    assert told(signed, Keys("new", {"new": b"x" * 32})).code == "ARTIFACT_BAD_SIGNATURE"


def test_a_missing_signature(signed: Published) -> None:
    sidecar(signed).unlink()
    assert "signed by key 'new'" in told(signed, KEYS).message
    assert told(signed, replace(KEYS, required=True), signature_key_id=None).code == "ARTIFACT_UNSIGNED"
    check_files(signed.row | {"signature_key_id": None}, replace(signed.places, keys=KEYS))


def test_a_signature_of_another_file_is_refused(signed: Published) -> None:
    other = publishing(signed.model, signed.panel, "rules", signed.places.artifacts.parent, keys=KEYS)
    assert other.file != signed.file
    sidecar(signed).write_bytes(sidecar(other).read_bytes())
    assert told(signed, KEYS).code == "ARTIFACT_BAD_SIGNATURE"


@pytest.mark.parametrize("change", ["mac", "manifest_mac", "key_id"])
def test_each_field_counts(signed: Published, change: str) -> None:
    body = json.loads(sidecar(signed).read_bytes())
    for value in ("0" * 64, "ä" * 64, None, 7, ["new"], {}):
        sidecar(signed).write_text(json.dumps(body | {change: value}))
        assert told(signed, KEYS).code == "ARTIFACT_BAD_SIGNATURE"
    for raw in (b"", b"[]", b"\xff", b"[" * 4000, json.dumps({k: v for k, v in body.items() if k != change}).encode()):
        sidecar(signed).write_bytes(raw)
        assert told(signed, KEYS).code == "ARTIFACT_BAD_SIGNATURE"


def test_who_may_write_row_and_files_still_lacks_the_key(signed: Published, tmp_path: Path) -> None:
    """Another model under the same path, its row made to fit: hashes agree, the signature does not."""
    other = publishing(published("rules").model, signed.panel, "rules", tmp_path / "evil", lookback=99)
    signed.file.write_bytes(other.file.read_bytes())
    other.folder.rename(signed.places.artifacts / other.folder.name)
    kept = ("manifest_sha256", "content_sha256", "checkpoint_size_mb", "metadata")
    forged = replace(signed, row=signed.row | {key: other.row[key] for key in kept})
    check_files(forged.row, replace(forged.places, keys=None))
    assert told(forged, KEYS).code == "ARTIFACT_BAD_SIGNATURE"


def test_the_signature_is_asked_before_anything_is_parsed(signed: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.track.loading import formats as verification

    def parsed(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(verification, "parse_named", parsed)
    monkeypatch.setattr(verification, "read_checked_parts", parsed)
    assert told(signed, Keys("new", {"new": b"x" * 32})).code == "ARTIFACT_BAD_SIGNATURE"


def test_keys_are_read_from_lines(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# rotated in March\n\nkey-2 {'ab' * 32}\nkey-1\t{'CD' * 40}\n")
    keys = read_keys(file, outside=(tmp_path / "models",), required=True)
    assert (keys.current, keys.secrets, keys.required) == (
        "key-2",
        {"key-2": b"\xab" * 32, "key-1": b"\xcd" * 40},
        True,
    )
    assert "ab" * 8 not in repr(keys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no key"),
        (f"k {'ab' * 31}", "31 bytes"),
        (f"k {'ab' * 32}\nk {'cd' * 32}", "line 2"),
        ("just-a-secret", "line 1"),
        (f"k {'zz' * 32}", "line 1"),
        (None, "cannot be read"),
    ],
)
def test_a_key_file_that_is_none_is_refused_without_showing_it(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "keys").write_text(text)
    with pytest.raises(ConfigError, match=words) as refused:
        read_keys(tmp_path / "keys", outside=())
    assert "just-a-secret" not in str(refused.value)
    assert "abababab" not in str(refused.value)


def test_the_key_may_not_lie_with_the_models(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "keys").write_text(f"k {'ab' * 32}")
    (tmp_path / "link").symlink_to(tmp_path / "models" / "keys")
    for file in (tmp_path / "models" / "keys", tmp_path / "link"):
        with pytest.raises(ConfigError, match="protects"):
            read_keys(file, outside=(tmp_path / "models",))
