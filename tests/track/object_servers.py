"""S3 (moto) and Google Cloud Storage (an emulator) on loopback, behind a proxy that fails as it is told.

The emulator does not know preconditions: the proxy answers ``ifGenerationMatch=0`` as Google does.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

_NAME = re.compile(rb'"name":\s*"([^"]+)"')


class Proxy:
    """Passes requests on; `faults` are taken one by one by uploads.

    ``500``: not passed on, answered 500.   ``500 after``: passed on, answered 500.   ``drop after``: passed on, and the
    connection closed without an answer.   uploads: requests that would write, as they came, failed ones too.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.faults: list[str] = []
        self.uploads: list[str] = []
        self._upstream, self._lock = upstream, threading.Lock()
        proxy = self

        class Passing(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # it answers "Expect: 100-continue", for which S3's client waits a second

            def handle_any(self) -> None:
                proxy.pass_on(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_any

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        uploads = asked.command == "PUT" or "/upload/" in asked.path
        fault = ""
        if uploads:
            self.uploads.append(asked.path)
            fault = self.faults.pop(0) if self.faults else ""
        if fault == "500":
            return self._answer(asked, 500, [], b"")
        with self._lock:  # a precondition and its write are one step
            if "ifGenerationMatch=0" in asked.path and self._stands(asked.path, body):
                status, headers, data = 412, [("Content-Type", "application/json")], b'{"error": {"code": 412}}'
            else:
                status, headers, data = self._asked(asked.command, asked.path, dict(asked.headers), body)
        if fault == "drop after":
            asked.close_connection = True
            return None
        if fault == "500 after":
            return self._answer(asked, 500, [], b"")
        return self._answer(asked, status, headers, data)

    def _asked(
        self, command: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(*self._upstream, timeout=30)
        try:
            connection.request(command, path, body, headers | {"Connection": "close"})
            found = connection.getresponse()
            return found.status, found.getheaders(), found.read()
        finally:
            connection.close()

    def _stands(self, path: str, body: bytes) -> bool:
        bucket, name = path.split("/b/")[1].split("/")[0], _NAME.search(body)
        assert name is not None
        status, _, _ = self._asked("GET", f"/storage/v1/b/{bucket}/o/{quote(name[1].decode(), safe='')}", {}, b"")
        return status == 200

    def _answer(self, asked: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        asked.send_response(status)
        for key, value in headers:
            if key.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                asked.send_header(key, value)
        length = next((v for k, v in headers if k.lower() == "content-length"), str(len(data)))
        asked.send_header("Content-Length", length if asked.command == "HEAD" else str(len(data)))
        asked.end_headers()
        if asked.command != "HEAD":
            asked.wfile.write(data)


@contextmanager
def s3() -> Iterator[Proxy]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    proxy = Proxy(server.get_host_and_port())
    try:
        yield proxy
    finally:
        proxy.close()
        server.stop()


@contextmanager
def gcs() -> Iterator[Proxy]:
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    proxy = Proxy(server._api._httpd.server_address)
    try:
        yield proxy
    finally:
        proxy.close()
        server.stop()
