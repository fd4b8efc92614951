import os
import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ArtifactError, StoreError
from assay.track.model_files.artifact_store import Blobs
from assay.track.model_files.manifest import ModelFacts, read_checked_parts
from assay.track.model_files.pkl_envelope import Envelope, dump, parse, read
from assay.track.registry.publish import Written, publish, write_files
from assay.track.tracking_store import TrackingStore

FACTS = ModelFacts(
    strategy_type="liquidity_sweep",
    exchange="binance",
    symbol="BTC/USDT",
    timeframe="1h",
    features=("b", "a"),
    lookback=7,
    spec_hash="1" * 64,
    data_digest="2" * 64,
    created_at=1_700_000_000_000,
    versions={"assay": "1"},
)
PLAIN = Envelope("rules", "BTC/USDT", "20240101_000000", {"a": b"x" * 300, "scaler": b""})


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "artifacts")


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    (folder / "sub").mkdir(parents=True)
    (folder / "rules.json").write_bytes(b"{}")
    (folder / "sub" / "scaler.json").write_bytes(b"[1]")
    return folder


def wrong(code: str, act: object) -> ArtifactError:
    with pytest.raises(ArtifactError) as told:
        act()  # type: ignore[operator]
    assert told.value.code == code, told.value
    return told.value


def made(parts: Path, blobs: Blobs, tmp_path: Path) -> Written:
    return write_files(parts, FACTS, artifacts=blobs, models=tmp_path / "models")


def test_bytes_are_named_by_their_hash(blobs: Blobs) -> None:
    name = blobs.put(b"abc")
    assert name == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (blobs.put(b"abc"), blobs.get(name)) == (name, b"abc")
    assert list((blobs.folder / ".staging").iterdir()) == []
    (blobs.folder / name / "bytes").write_bytes(b"abd")
    assert name in str(wrong("ARTIFACT_CORRUPT", lambda: blobs.get(name)))
    wrong("ARTIFACT_GONE", lambda: blobs.get("0" * 64))
    wrong("ARTIFACT_MANIFEST", lambda: blobs.get("../../etc/passwd"))


def test_a_write_that_fails_leaves_nothing(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError) as told:
        blobs.put(b"abc")
    assert (told.value.code, told.value.http_status) == ("STORE_FULL", 507)
    assert [p.name for p in blobs.folder.rglob("*")] == [".staging"]


def test_anybody_opens_the_envelope_with_pickle() -> None:
    assert pickle.loads(dump(PLAIN)) == {
        "strategy_type": "rules",
        "symbol": "BTC/USDT",
        "timestamp": "20240101_000000",
        "model_state": {"a": b"x" * 300, "scaler": b""},
    }


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.binary(max_size=400), max_size=4),
)
def test_envelopes_come_back(text: str, state: dict[str, bytes]) -> None:
    envelope = Envelope(text, "BTC/USDT", text, state)
    assert parse(dump(envelope), "x") == envelope
    assert pickle.loads(dump(envelope))["model_state"] == state
    # as Python's own pickler writes it
    plain = {"strategy_type": text, "symbol": "BTC/USDT", "timestamp": text, "model_state": state}
    assert parse(pickle.dumps(plain, protocol=4), "x") == envelope


class Hostile:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.canary,)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_file_that_would_run_code_is_refused(protocol: int, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    wrong("ARTIFACT_FORBIDDEN_OPCODE", lambda: parse(pickle.dumps(Hostile(str(canary)), protocol=protocol), "x"))
    state = {"strategy_type": "a", "symbol": "b", "timestamp": "c", "model_state": Hostile(str(canary))}
    told = wrong("ARTIFACT_FORBIDDEN_OPCODE", lambda: parse(pickle.dumps(state, protocol=protocol), "x"))
    assert not canary.exists()
    if protocol == 4:
        assert told.facts["opcode"] == "STACK_GLOBAL"


def test_other_shapes_are_refused() -> None:
    good = {"strategy_type": "a", "symbol": "b", "timestamp": "c", "model_state": {"k": b"v"}}
    for body in (
        {k: v for k, v in good.items() if k != "symbol"},
        good | {"extra": "x"},
        good | {"model_state": {"k": "text"}},
        good | {"model_state": "text"},
        good | {"symbol": b"bytes"},
        {},
    ):
        wrong("ARTIFACT_HEADER_MISMATCH", lambda body=body: parse(pickle.dumps(body, protocol=4), "x"))
    for body in ([1], {"a": 1}, None, (), {"a": {1}}):
        wrong("ARTIFACT_FORBIDDEN_OPCODE", lambda body=body: parse(pickle.dumps(body, protocol=4), "x"))
    cyclic = good | {"model_state": {}}
    cyclic["model_state"]["me"] = cyclic["model_state"]  # type: ignore[index]
    with pytest.raises(ArtifactError):
        parse(pickle.dumps(cyclic, protocol=4), "x")


@pytest.mark.parametrize("data", [b"", b"text", dump(PLAIN)[:-1], dump(PLAIN) + b"x", b"\x80\x04."])
def test_damaged_files_are_refused(data: bytes) -> None:
    with pytest.raises(ArtifactError) as told:
        parse(data, "x")
    assert told.value.code in ("ARTIFACT_CORRUPT", "ARTIFACT_HEADER_MISMATCH")


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(1, 255))
def test_any_bytes_give_an_envelope_or_a_refusal(noise: bytes, place: int, flip: int) -> None:
    flipped = bytearray(dump(PLAIN))
    flipped[place % len(flipped)] ^= flip
    for data in (noise, b"\x80\x04" + noise, bytes(flipped), bytes(flipped[: place % len(flipped)]) + noise):
        with suppress(ArtifactError):
            assert isinstance(parse(data, "x"), Envelope)


def test_publishing(record: TrackingStore, run: int, parts: Path, blobs: Blobs, tmp_path: Path) -> None:
    first, second = made(parts, blobs, tmp_path), made(parts, blobs, tmp_path)
    assert (first.relative, second.relative) == (
        "liquidity_sweep/BTC~2FUSDT/model_20231114_221320.pkl",
        "liquidity_sweep/BTC~2FUSDT/model_20231114_221320_2.pkl",
    )
    assert record.models.recent() == []  # orphans until the transaction
    (row,) = publish(record, run, [first], val_metric=1.0, audit_status="passed")
    assert row["model_id"] == f"liquidity_sweep_BTC~2FUSDT_20231114_221320_{first.content_sha256[:8]}"
    assert (row["integrity"], row["checkpoint_path"], row["val_metric"]) == ("verified", first.relative, 1.0)
    envelope = read(first.file, sha256=row["metadata"]["envelope_sha256"])
    assert envelope.model_state == {"rules.json": b"{}", "sub/scaler.json": b"[1]"}
    manifest, held = read_checked_parts(blobs, row["manifest_sha256"])
    assert held == envelope.model_state
    assert (manifest["features"], manifest["lookback"], manifest["format_version"]) == (["b", "a"], 7, 1)
    assert manifest["created_at"] == "2023-11-14T22:13:20.000Z"
    assert [p.name for p in (tmp_path / "models").rglob("*staging*")] == []


def test_publishing_many_is_one_transaction(
    record: TrackingStore, run: int, parts: Path, blobs: Blobs, tmp_path: Path
) -> None:
    model = made(parts, blobs, tmp_path)
    with pytest.raises(StoreError):
        publish(record, run, [model, replace(model, manifest_sha256="no hash")])  # the second row is refused
    assert record.models.recent() == []


def test_damage_to_a_model_is_found(parts: Path, blobs: Blobs, tmp_path: Path) -> None:
    model = made(parts, blobs, tmp_path)
    folder = blobs.path(model.manifest_sha256)
    (folder / "more").write_bytes(b"")
    assert wrong("ARTIFACT_MANIFEST", lambda: read_checked_parts(blobs, model.manifest_sha256)).facts["file"] == "more"
    (folder / "more").unlink()
    (folder / "rules.json").write_bytes(b"{ }")
    wrong("ARTIFACT_CORRUPT", lambda: read_checked_parts(blobs, model.manifest_sha256))
    (folder / "rules.json").unlink()
    assert (
        wrong("ARTIFACT_MANIFEST", lambda: read_checked_parts(blobs, model.manifest_sha256)).facts["file"]
        == "rules.json"
    )
    (folder / "manifest.json").write_bytes(b"{}")
    wrong("ARTIFACT_CORRUPT", lambda: read_checked_parts(blobs, model.manifest_sha256))
    model.file.write_bytes(model.file.read_bytes()[:-1] + b"x")
    wrong("ARTIFACT_CORRUPT", lambda: read(model.file, sha256=model.envelope_sha256))


def test_a_model_file_under_another_name_is_refused(parts: Path, blobs: Blobs, tmp_path: Path) -> None:
    model = made(parts, blobs, tmp_path)
    other = tmp_path / "models" / "liquidity_sweep" / "ETH~2FUSDT" / model.file.name
    other.parent.mkdir()
    model.file.rename(other)
    assert "ETH" in str(wrong("ARTIFACT_HEADER_MISMATCH", lambda: read(other)))
    wrong("ARTIFACT_GONE", lambda: read(model.file))


def test_parts_must_be_plain_files(blobs: Blobs, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    wrong("ARTIFACT_MANIFEST", lambda: made(folder, blobs, tmp_path))
    (folder / "link").symlink_to("/etc/hostname")
    wrong("ARTIFACT_MANIFEST", lambda: made(folder, blobs, tmp_path))
    (folder / "link").unlink()
    (folder / "manifest.json").write_text("{}")
    wrong("ARTIFACT_MANIFEST", lambda: made(folder, blobs, tmp_path))


def test_the_content_hash_knows_no_time(parts: Path, blobs: Blobs, tmp_path: Path) -> None:
    from dataclasses import replace

    first = made(parts, blobs, tmp_path)
    later = write_files(parts, replace(FACTS, created_at=FACTS.created_at + 1), artifacts=blobs, models=tmp_path / "m")
    assert first.content_sha256 == later.content_sha256
    assert first.manifest_sha256 != later.manifest_sha256
