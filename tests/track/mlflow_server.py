"""A real MLflow server on loopback, with a folder of its own; stopped by its own process group."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MlflowServer:
    """Started and stopped as often as a test likes; what it holds stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}", "--workers", "1"),
            *("--artifacts-destination", str(self.folder / "artifacts")),
        ]
        quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
        quiet["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # else it starts ten processes that nobody needs
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=quiet, stdout=log, stderr=log, start_new_session=True
            )
        self._wait()

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _wait(self) -> None:
        until = time.monotonic() + 90
        while time.monotonic() < until:
            assert self._process is not None and self._process.poll() is None, (self.folder / "server.log").read_text()
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self.stop()
        raise TimeoutError((self.folder / "server.log").read_text())


@contextmanager
def mlflow_server(folder: Path) -> Iterator[MlflowServer]:
    server = MlflowServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def same_environment() -> Iterator[None]:
    """MLflow's manners are variables of the process; afterwards it has those that it had."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Line:
    """A line to a port on loopback that can be cut, and be dead: connected, and never answered."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._dead = False
        self._socket = _bound(0)
        self.port = int(self._socket.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self.up()

    def up(self) -> None:
        if self._socket.fileno() < 0:
            self._socket = _bound(self.port)
        self._dead = False
        self._socket.listen()
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()

    def dead(self) -> None:
        self._dead = True

    def cut(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        while self._open:
            self._open.pop().close()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                here, _ = listening.accept()
            except OSError:
                return
            self._open.append(here)
            if not self._dead:
                there = socket.create_connection(("127.0.0.1", self._to))
                self._open.append(there)
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _bound(port: int) -> socket.socket:
    """On loopback. What it accepts inherits its leave to share the port: else a connection's last minute keeps it."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@contextmanager
def line_to(server: MlflowServer) -> Iterator[Line]:
    line = Line(server.port)
    try:
        yield line
    finally:
        line.cut()
