"""Servers that would have the mirror speak to somebody else, or do not speak as MLflow does."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import ConfigError
from assay.track.mirror.server import Away, Refused, TrackingServer
from assay.track.mirror.worker import MirrorWorker, OutboxTopic
from assay.track.model_files.artifact_store import Blobs
from assay.track.tracking_store import TrackingStore
from tests.track.mlflow_server import same_environment


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    with same_environment():
        yield


@pytest.fixture
def dialect() -> str:
    return "sqlite"


class Listener(http.server.ThreadingHTTPServer):
    """Answers every request alike, and keeps the paths."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.asked: list[str] = []
        listener = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def any(self) -> None:
                listener.asked.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = any

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def listening(status: int, body: bytes = b"", **headers: str) -> Iterator[Listener]:
    server = Listener(status, body, **headers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_asked_to_whom_a_server_sends_us(record: TrackingStore, tmp_path: Path, status: int) -> None:
    record.experiments.start("a run", "rules")
    with listening(200, b"{}") as victim, listening(status, Location=f"{victim.uri}/steal") as evil:
        done = MirrorWorker(record, TrackingServer(evil.uri, "x"), Blobs(tmp_path)).once()
        with pytest.raises(Away):
            TrackingServer(evil.uri, "x").put("mlflow-artifacts:/1/r/artifacts", "a.txt", b"secret")
        assert done.away and done.rows == 0
        assert len(evil.asked) == 2 and victim.asked == []
    assert OutboxTopic(record.database).state()["waiting"] == 1


@pytest.mark.parametrize(
    "place",
    [
        "file:///tmp/x",
        "s3://bucket/x",
        "/tmp/x",
        "http://127.0.0.1:1/x",
        "mlflow-artifacts://other:1/x",
        "mlflow-artifacts:x",
    ],
)
def test_no_file_goes_where_a_server_says(place: str) -> None:
    with pytest.raises(Refused) as told:
        TrackingServer("http://127.0.0.1:9", "x").put(place, "a.txt", b"secret")
    assert "does not write" in told.value.message


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>welcome</html>"),
        (200, b"[]"),
        (500, b"oops"),
        (404, b"nothing"),
        (401, b"who?"),
        (200, b""),
        (200, b"{}"),
    ],
)
def test_an_answer_not_of_mlflow_is_waited_out(record: TrackingStore, tmp_path: Path, status: int, body: bytes) -> None:
    record.experiments.start("a run", "rules")
    with listening(status, body) as odd:
        done = MirrorWorker(record, TrackingServer(odd.uri.replace("//", "//ann:secret@"), "x"), Blobs(tmp_path)).once()
        assert done.away and len(odd.asked) == 1
    state = OutboxTopic(record.database).state()
    assert state["waiting"] == 1 and "secret" not in state["last_error"] and done.away == state["last_error"]


def test_what_one_word_is_refused_for_does_not_stop_the_others(record: TrackingStore, tmp_path: Path) -> None:
    for _ in range(2):
        record.experiments.start("a run", "rules")
    body = json.dumps({"error_code": "INVALID_PARAMETER_VALUE", "message": "no such thing"}).encode()
    with listening(400, body) as strict:
        done = MirrorWorker(record, TrackingServer(strict.uri, "x"), Blobs(tmp_path)).once()
        assert (done.rows, done.failed, done.away) == (0, 2, "") and len(strict.asked) == 2


def test_without_the_client_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(ConfigError) as told:
        TrackingServer("http://127.0.0.1:9", "x").create_run("x", 0, {})
    assert told.value.code == "CONFIG_EXTRA" and "assay[mlflow]" in told.value.hint
