"""Folder, S3 and Google Cloud Storage keep a contract; and what is theirs alone."""

import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.kernel.errors import ArtifactError, ConfigError, StoreError
from assay.kernel.timeframe import current_ms
from assay.testing.object_store import CHECKS, MOST, PARTS, Check, a_model
from assay.track.database import Row
from assay.track.model_files.objects.base import ObjectStore
from assay.track.model_files.objects.files import open_objects
from assay.track.model_files.remote import fetch_model, model_exists, upload_model
from assay.track.tracker.model_registry import ModelRegistry
from assay.track.tracking_store import open_store
from tests.track.object_servers import Proxy, gcs, s3
from tests.track.shelf import DAY_MS, files, publish


@pytest.fixture(scope="module")
def amazon() -> Iterator[Proxy]:
    with s3() as proxy, pytest.MonkeyPatch.context() as patched:
        for key, value in {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s3cret-canary", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": proxy.url,
        }.items():  # fmt: skip
            patched.setenv(key, value)
        from botocore.session import get_session

        get_session().create_client("s3").create_bucket(Bucket="models")
        yield proxy


@pytest.fixture(scope="module")
def google() -> Iterator[Proxy]:
    with gcs() as proxy, pytest.MonkeyPatch.context() as patched:
        patched.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        from google.cloud import storage

        storage.Client().create_bucket("models")
        yield proxy


@pytest.fixture(params=["files", "s3", "gs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "files":
        return open_objects(str(tmp_path / "store"))
    request.getfixturevalue({"s3": "amazon", "gs": "google"}[request.param])
    return open_objects(f"{request.param}://models/{uuid.uuid4().hex}")


@pytest.fixture(params=["s3", "gs"])
def remote(request: pytest.FixtureRequest) -> tuple[ObjectStore, Proxy]:
    proxy = request.getfixturevalue({"s3": "amazon", "gs": "google"}[request.param])
    return open_objects(f"{request.param}://models/{uuid.uuid4().hex}"), proxy


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract(check: Check, store: ObjectStore) -> None:
    check(store)


@pytest.mark.parametrize("fault", ["500", "500 after", "drop after"])
def test_a_request_that_fails_is_repeated(remote: tuple[ObjectStore, Proxy], fault: str) -> None:
    """After a success that was answered with an error the second try is told 412: equal bytes are success."""
    store, proxy = remote
    before = len(proxy.uploads)
    proxy.faults.append(fault)
    store.put("a", b"bytes")
    assert (store.get("a", most=MOST), len(proxy.uploads) - before, proxy.faults) == (b"bytes", 2, [])


def test_the_manifest_is_written_last(remote: tuple[ObjectStore, Proxy]) -> None:
    store, proxy = remote
    name, manifest = a_model()
    del proxy.uploads[:]
    upload_model(store, name, PARTS, manifest)
    assert len(proxy.uploads) == 3
    keys = store.keys(f"artifacts/{name}")
    assert len(keys) == 3
    if store.url.startswith("s3"):
        assert proxy.uploads[-1].endswith("manifest.json")


def test_a_push_that_is_broken_off_leaves_no_model(remote: tuple[ObjectStore, Proxy]) -> None:
    store, _ = remote
    name, manifest = a_model()

    class Broken:
        url = store.url

        def put(self, key: str, data: bytes) -> bool:
            if key.endswith("scaler.json"):
                raise KeyboardInterrupt
            return store.put(key, data)

    with pytest.raises(KeyboardInterrupt):
        upload_model(Broken(), name, PARTS, manifest)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError) as told:
        fetch_model(store, name)
    assert told.value.code == "ARTIFACT_GONE"
    upload_model(store, name, PARTS, manifest)
    assert fetch_model(store, name)[0] == PARTS


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_that_is_not_there(scheme: str, amazon: Proxy, google: Proxy) -> None:
    store = open_objects(f"{scheme}://no-such-bucket/x")
    with pytest.raises(StoreError) as told:
        store.put("a", b"x") if scheme == "s3" else store.keys("a")
    assert told.value.code == "STORE_NOT_FOUND"
    assert "s3cret" not in str(told.value)


def test_a_server_that_is_away(amazon: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("assay.track.model_files.objects.s3._TRIES", 1)
    with pytest.raises(StoreError) as told:
        open_objects("s3://models/x").get("a", most=MOST)
    assert told.value.code == "STORE_BUSY"


@pytest.mark.parametrize(
    "address", ["", "s4://models", "S3://models", "s3://", "s3://UPPER", "gs://a/../b", "s3://models/\n", "http://x"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        open_objects(address)


@pytest.mark.parametrize(
    ("scheme", "module", "extra"), [("s3", "botocore.session", "cloud"), ("gs", "google.cloud.storage", "gcp")]
)
def test_a_library_that_is_missing_is_named(
    scheme: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as told:
        open_objects(f"{scheme}://models/x")
    assert told.value.code == "CONFIG_EXTRA"
    assert f"assay[{extra}]" in told.value.hint


def test_no_cloud_library_is_loaded_with_the_record() -> None:
    import subprocess

    script = "import assay.app, assay.track.loading.formats, assay.track.registry.publish, sys;"
    script += "import assay.track.model_files.remote;"
    script += "print([m for m in sys.modules if m.split('.')[0] in ('botocore', 'boto3', 's3fs', 'gcsfs', 'google')])"
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


@pytest.fixture
def sharing(store: ObjectStore, tmp_path: Path) -> Iterator[tuple[ModelRegistry, list[Row]]]:
    """A home that shares its models, after its first and dry run of retention; five models, two of them may go."""
    with open_store(tmp_path / "record.db") as record:
        home = tmp_path / "home"
        registry = ModelRegistry(record, artifacts=home / "artifacts", models=home / "models", store=store.url)
        registry.retain()
        run, then = record.experiments.start("a run", "rules").id, current_ms() - 40 * DAY_MS
        made = [publish(registry, run, created_at=then + k * DAY_MS, fast=5 + k) for k in range(5)]
        yield registry, [registry.get_model(model) for model in made]


def held(store: ObjectStore, row: Row) -> tuple[bool, list[str]]:
    """Whether the store has the model, and which files of it."""
    envelope = f"envelopes/{row['metadata']['envelope_sha256']}"
    name = row["manifest_sha256"]
    return model_exists(store, name), store.keys(f"artifacts/{name}") + store.keys(envelope)


def test_what_retention_takes_goes_from_the_store(
    store: ObjectStore, sharing: tuple[ModelRegistry, list[Row]], tmp_path: Path
) -> None:
    registry, rows = sharing
    before = [held(store, row) for row in rows]
    assert [(found, len(keys)) for found, keys in before] == [(True, 3)] * 5
    registry.retain(dry_run=True)
    assert [held(store, row) for row in rows] == before
    assert [gone.id for gone in registry.retain().models] == [row["id"] for row in rows[:2]]
    assert [held(store, row) for row in rows] == [(False, []), (False, []), *before[2:]]
    with pytest.raises(ArtifactError) as told:
        registry.load(rows[0]["id"])
    assert told.value.code == "ARTIFACT_GONE"
    shutil.rmtree(tmp_path / "home" / "models")
    registry.load(rows[2]["id"])  # it is fetched


@pytest.mark.parametrize("broken", ["delete_model", "delete_envelope"])
def test_a_store_that_lets_nothing_go_has_it_again(
    broken: str,
    store: ObjectStore,
    sharing: tuple[ModelRegistry, list[Row]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry, rows = sharing
    here = files(tmp_path / "home")

    def down(*_: object) -> None:
        raise StoreError("it does not answer", code="STORE_BUSY")

    with monkeypatch.context() as patched:
        patched.setattr(f"assay.track.model_files.remote.{broken}", down)
        assert registry.retain().models == ()
    assert "waits to be removed" in caplog.text and files(tmp_path / "home") == here
    marked = registry.get_model(rows[0]["id"])
    assert marked["deleting_at"] is not None and marked["deleted_at"] is None
    with pytest.raises(ArtifactError):
        registry.load(rows[0]["id"])
    assert [gone.id for gone in registry.retain().models] == [row["id"] for row in rows[:2]]
    assert [held(store, row)[1] for row in rows[:2]] == [[], []]
    assert registry.get_model(rows[0]["id"])["deleted_at"] is not None


def test_a_model_that_waits_to_be_brought_and_goes_is_not_brought(
    sharing: tuple[ModelRegistry, list[Row]], store: ObjectStore
) -> None:
    registry, rows = sharing
    shared = registry.places.shared
    assert shared is not None
    waiting = shared.blobs.folder / ".waiting" / rows[0]["manifest_sha256"]
    waiting.write_text(rows[0]["checkpoint_path"])
    registry.retain()
    assert not waiting.exists() and shared.catch_up() and held(store, rows[0]) == (False, [])
