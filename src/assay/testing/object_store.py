"""Contract checks of object stores; run each on an empty store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256

import pytest

from assay.kernel.errors import ArtifactError
from assay.track import (
    ModelFacts,
    ObjectStore,
    delete_envelope,
    delete_model,
    fetch_envelope,
    fetch_model,
    manifest_bytes,
    model_exists,
    upload_envelope,
    upload_model,
)

Check = Callable[[ObjectStore], None]
MOST = 1 << 20
PARTS = {"rules.json": b"{}", "sub/scaler.json": b"[1]"}


def a_model(parts: dict[str, bytes] = PARTS) -> tuple[str, bytes]:
    """Name and manifest of a small model of these parts."""
    facts = ModelFacts(
        strategy_type="rules",
        exchange="binance",
        symbol="BTC/USDT",
        timeframe="1h",
        features=(),
        lookback=1,
        spec_hash="1" * 64,
        data_digest="2" * 64,
        created_at=1_700_000_000_000,
    )
    manifest = manifest_bytes(parts, facts)
    return sha256(manifest).hexdigest(), manifest


def check_bytes_come_back(store: ObjectStore) -> None:
    """New bytes are kept, the same again change nothing, and odd ones come back as they were."""
    for key, data in {
        "a": b"",
        "b/c.bin": bytes(range(256)) * 100,
        "b/d.gz": b"\x1f\x8b\x00",
        "e~2F.txt": b"\r\n",
    }.items():
        assert store.put(key, data) is True
        assert store.put(key, data) is False
        assert store.get(key, most=MOST) == data


def check_nothing_is_overwritten(store: ObjectStore) -> None:
    """Other bytes under a key are refused with both hashes, and what stood there stays."""
    store.put("key", b"first")
    document = _refused("ARTIFACT_CORRUPT", lambda: store.put("key", b"second"))
    assert {document.facts["found"], document.facts["expected"]} == {
        sha256(d).hexdigest() for d in (b"first", b"second")
    }
    assert store.get("key", most=MOST) == b"first"


def check_what_is_not_there_is_gone(store: ObjectStore) -> None:
    """``ARTIFACT_GONE`` to read, nothing to list, nothing to remove."""
    assert "nowhere" in str(_refused("ARTIFACT_GONE", lambda: store.get("nowhere", most=MOST)))
    assert store.keys("nowhere") == []
    store.remove("nowhere")
    store.put("a", b"1")
    store.remove("a")
    _refused("ARTIFACT_GONE", lambda: store.get("a", most=MOST))
    assert store.put("a", b"2") is True


def check_keys_are_listed(store: ObjectStore) -> None:
    """All below a folder and no neighbour, sorted."""
    for key in ("a/2", "a/1", "a/b/3", "ab/4", "a.5"):
        store.put(key, b"x")
    assert store.keys("a") == ["a/1", "a/2", "a/b/3"]


def check_names_are_plain(store: ObjectStore) -> None:
    """A key that could leave the store is refused before anything is asked."""
    for key in ("../a", "/a", "a/../../b", "", ".", "a//b", "a\0b", "a\nb", ".hidden"):
        _refused("ARTIFACT_MANIFEST", partial(store.put, key, b"x"))
        _refused("ARTIFACT_MANIFEST", partial(store.get, key, most=MOST))


def check_large_things_are_not_read(store: ObjectStore) -> None:
    """The cap is asked before the bytes are."""
    store.put("large", b"x" * 2_000)
    _refused("ARTIFACT_TOO_LARGE", lambda: store.get("large", most=1_999))
    assert len(store.get("large", most=2_000)) == 2_000


def check_of_many_writers_one_wins(store: ObjectStore) -> None:
    """Eight at once under one key: one is told that it wrote, seven are refused, and its bytes are there."""

    def put(number: int) -> int | None:
        try:
            return number if store.put("race", bytes([number])) else None
        except ArtifactError:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [number for number in pool.map(put, range(8)) if number is not None]
    assert len(won) == 1
    assert store.get("race", most=MOST) == bytes(won)


def check_a_model_comes_back(store: ObjectStore) -> None:
    """Pushed twice, pulled whole, dropped whole; a file with and without a signature."""
    name, manifest = a_model()
    for _ in range(2):
        upload_model(store, name, PARTS, manifest)
    assert model_exists(store, name)
    assert fetch_model(store, name) == (PARTS, manifest)
    delete_model(store, name)
    assert not model_exists(store, name)
    assert store.keys(f"artifacts/{name}") == []
    for data, signature in ((b"file", b"{}"), (b"other", None)):
        upload_envelope(store, sha256(data).hexdigest(), data, signature)
        assert fetch_envelope(store, sha256(data).hexdigest()) == (data, signature)
        for _ in range(2):
            delete_envelope(store, sha256(data).hexdigest())
        assert store.keys(f"envelopes/{sha256(data).hexdigest()}") == []


def check_a_model_without_its_manifest_is_not_there(store: ObjectStore) -> None:
    """What a broken push leaves is no model; trying again completes it."""
    name, manifest = a_model()
    for part, data in PARTS.items():
        store.put(f"artifacts/{name}/{part}", data)
    assert not model_exists(store, name)
    _refused("ARTIFACT_GONE", lambda: fetch_model(store, name))
    upload_model(store, name, PARTS, manifest)
    assert fetch_model(store, name)[0] == PARTS


def check_damage_is_found(store: ObjectStore) -> None:
    """Other bytes under a part's key, and a part that is missing."""
    name, manifest = a_model()
    upload_model(store, name, PARTS, manifest)
    store.remove(f"artifacts/{name}/rules.json")
    _refused("ARTIFACT_GONE", lambda: fetch_model(store, name))
    store.put(f"artifacts/{name}/rules.json", b"[]")
    _refused("ARTIFACT_CORRUPT", lambda: fetch_model(store, name))
    _refused("ARTIFACT_CORRUPT", lambda: upload_model(store, name, PARTS, manifest))


CHECKS: tuple[Check, ...] = (
    check_bytes_come_back,
    check_nothing_is_overwritten,
    check_what_is_not_there_is_gone,
    check_keys_are_listed,
    check_names_are_plain,
    check_large_things_are_not_read,
    check_of_many_writers_one_wins,
    check_a_model_comes_back,
    check_a_model_without_its_manifest_is_not_there,
    check_damage_is_found,
)


def _refused(code: str, act: Callable[[], object]) -> ArtifactError:
    with pytest.raises(ArtifactError) as document:
        act()
    assert document.value.code == code, document.value
    return document.value
