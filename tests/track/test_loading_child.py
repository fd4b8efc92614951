"""A model that kills, hangs or starves whoever loads it ends a child; the parent says how and goes on."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assay.kernel.errors import ArtifactError, ConfigError
from assay.track.loading import load_model, sandbox
from assay.track.loading.formats import read_verified
from assay.track.loading.sandbox import LoadingSandbox
from tests.track.models import Published, published


def proved(kept: Published, child: LoadingSandbox, strategy: Path | None = None) -> None:
    bytes_ = read_verified(kept.row, kept.places)
    told = bytes_.manifest["self_test"]
    child.prove(bytes_.parts, told, kind=kept.row["format"], where="the model", strategy=strategy)


@pytest.fixture(scope="module")
def child() -> Iterator[LoadingSandbox]:
    with LoadingSandbox() as one:
        yield one


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os\nos._exit(3)", "exit status 3"),
        ("import ctypes\nctypes.memset(8, 0, 1)", "SIGSEGV"),
        ("held = []\nwhile True: held.append(bytearray(1 << 24))", "Memory"),
        ("import os\nos.write(1, b'no json')\nos.system('true')", "may not call os.system"),
        ("import socket\nsocket.socket().connect(('127.0.0.1', 9))", "may not call socket.connect"),
        ("import os\nos.fork()", "may not call os.fork"),
    ],
)
def test_what_dies_in_the_child_is_named(body: str, words: str, tmp_path: Path, child: LoadingSandbox) -> None:
    hostile = tmp_path / "hostile.py"
    hostile.write_text(body)
    with pytest.raises((ArtifactError, ConfigError)) as told:
        proved(published("rules"), child, hostile)
    assert words in told.value.message, told.value
    if not isinstance(told.value, ConfigError):  # a strategy file that raises is the user's own to mend
        assert told.value.code == "ARTIFACT_CORRUPT"


def test_what_hangs_is_ended(tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.py"
    hostile.write_text("while True: pass")
    with LoadingSandbox(seconds=2) as child, pytest.raises(ArtifactError, match="within 2 s") as told:
        proved(published("rules"), child, hostile)
    assert told.value.code == "ARTIFACT_CORRUPT"


def test_the_one_after_the_dead_is_loaded(tmp_path: Path, child: LoadingSandbox) -> None:
    hostile = tmp_path / "hostile.py"
    hostile.write_text("import os\nos._exit(3)")
    with pytest.raises(ArtifactError, match="exit status 3"):
        proved(published("rules"), child, hostile)
    proved(published("rules"), child)
    proved(published("rules"), child)


def test_the_parent_does_not_touch_what_killed_the_child(tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.py"
    hostile.write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).open('a').write('x')\nimport os\nos._exit(1)"
    )
    with pytest.raises(ArtifactError, match="exit status 1"):
        load_model(published("rules").row, published("rules").places, strategy=hostile)
    assert (tmp_path / "ran").read_text() == "x"


def test_the_child_has_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SECRET_CANARY", "s3cret")
    told = tmp_path / "told.py"
    told.write_text("import os\nraise ValueError(sorted(os.environ))")
    with LoadingSandbox() as child, pytest.raises(ConfigError) as error:
        proved(published("rules"), child, told)
    assert "PYTHONPATH" in error.value.message
    assert "CANARY" not in error.value.message


def test_what_the_child_answers_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, words in (("this", "answered"), ("no.such.module", "exit status 1")):
        monkeypatch.setattr(sandbox, "_MODULE", module)
        with LoadingSandbox() as child, pytest.raises(ArtifactError, match=words) as told:
            proved(published("rules"), child)
        assert told.value.code == "ARTIFACT_CORRUPT"


@pytest.mark.slow
def test_a_model_that_wants_too_much_memory_is_refused() -> None:
    with LoadingSandbox(memory=400 << 20) as child, pytest.raises(ArtifactError) as told:
        proved(published("ensemble"), child)
    assert told.value.code == "ARTIFACT_CORRUPT"


@pytest.mark.slow
def test_a_fresh_process_decides_alike(tmp_path: Path) -> None:
    """Bit for bit, with nothing but the record and the folders."""
    script = """
import sys
import numpy as np
from pathlib import Path
from assay.track.loading import ModelPaths, load_model
from assay.track.tracking_store import open_store
from tests.learn.markets import market

for home, model, out in zip(*[iter(sys.argv[1:])] * 3):
    with open_store(str(Path(home) / "record.db")) as record:
        row = record.models.get(model)
    paths = ModelPaths(Path(home) / "artifacts", Path(home) / "models")
    (decided,) = load_model(row, paths).decide(market(1200)).values()
    np.savez(out, target=decided.target, stop=decided.stop, take=decided.take, hold=decided.hold)
"""
    kinds = {kind: published(kind) for kind in ("ensemble", "rules")}
    asked = [sys.executable, "-c", script]
    for kind, kept in kinds.items():
        asked += [str(kept.places.artifacts.parent), str(kept.row["model_id"]), str(tmp_path / f"{kind}.npz")]
    subprocess.run(asked, check=True, cwd=Path(__file__).parents[2], timeout=300)
    for kind, kept in kinds.items():
        found = np.load(tmp_path / f"{kind}.npz")
        (expected,) = kept.model.decide(kept.panel).values()
        for name in ("target", "stop", "take", "hold"):
            np.testing.assert_array_equal(found[name], getattr(expected, name))
