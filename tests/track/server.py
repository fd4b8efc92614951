"""A PostgreSQL server of this test session alone: on loopback, in a temporary folder, gone afterwards."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import postgres_program

_TRIES = 5


class Server:
    """url: of its first database, as its superuser."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        self.folder = folder
        self.port = port
        self.password = password
        self._count = 0

    def url(self, database: str, user: str = "assay", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def sql(self, *statements: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def fresh(self, template: str = "template0") -> str:
        """The URL of a new database."""
        self._count += 1
        name = f"t{self._count}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.sql(f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")


@contextmanager
def server(*, preload: str = "") -> Iterator[Server]:
    """Started, and stopped by its own process id. preload: a library that it loads as it starts."""
    folder = Path(tempfile.mkdtemp(prefix="assay-postgres-"))
    try:
        user = _as_nobody(folder)
        password = secrets.token_hex(8)
        _lay(folder, password, user)
        for attempt in range(_TRIES):
            port = _free_port()
            process = _start(folder, port, user, preload)
            running = Server(folder, port, password)
            if _answers(process, running):
                break
            if attempt == _TRIES - 1:
                raise RuntimeError((folder / "log").read_text())
        try:
            yield running
        finally:
            process.send_signal(2)  # SIGINT: end the sessions and stop
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _as_nobody(folder: Path) -> dict[str, Any]:
    """How a child drops root's rights, which PostgreSQL refuses to run with; nothing for anybody else."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _program(name: str) -> str:
    path = postgres_program(name)
    assert path is not None, "mark this test with postgres"
    return str(path)


def _lay(folder: Path, password: str, user: dict[str, Any]) -> None:
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o644)  # the folder itself is closed to others
    command = [_program("initdb"), "--pgdata", str(folder / "data"), "--username=assay", f"--pwfile={secret}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, **user)


def _start(folder: Path, port: int, user: dict[str, Any], preload: str) -> "subprocess.Popen[bytes]":
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder}
    options |= {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}  # made to be thrown away
    options |= {"shared_preload_libraries": preload} if preload else {}
    command = [_program("postgres"), "-D", str(folder / "data")]
    command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(process: "subprocess.Popen[bytes]", running: Server) -> bool:
    """False when it ended, as it does when another took the port."""
    for _ in range(600):
        if process.poll() is not None:
            return False
        try:
            running.sql("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    process.send_signal(9)
    return False
