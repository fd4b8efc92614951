"""Model files: the same bytes in every process, the same decisions when read, and no harm from hostile ones."""

import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.kernel.contracts import NullReport
from assay.kernel.errors import ArtifactError
from assay.kernel.spec import canonical
from assay.learn.ensemble.model import EnsembleModel, read_forest
from tests.learn.markets import market, trainer

CHILD = """
import sys
from pathlib import Path
from assay.kernel.contracts import NullReport
from assay.learn.ensemble.model import EnsembleModel
from tests.learn.markets import market, trainer
import numpy as np

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
panel = market(symbols=2)
model = EnsembleModel.load(folder)
np.savez(out / "read.npz", **{s.split("/")[0]: d.target for s, d in model.decide(panel).items()},
         **{"p_" + s.split("/")[0]: p for s, p in model.forecast(panel).items()})
(out / "again").mkdir()
trainer().fit(panel, seed=1, report=NullReport()).save(out / "again")
"""


@pytest.fixture(scope="module")
def model() -> EnsembleModel:
    return trainer().fit(market(symbols=2), seed=1, report=NullReport())


@pytest.fixture(scope="module")
def stored(model: EnsembleModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.mark.slow
def test_a_fresh_process_decides_alike_and_writes_the_same_bytes(
    model: EnsembleModel, stored: Path, tmp_path: Path
) -> None:
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", CHILD, stored, tmp_path], check=True, cwd=root)
    read = np.load(tmp_path / "read.npz")
    panel = market(symbols=2)
    for symbol, made in model.decide(panel).items():
        np.testing.assert_array_equal(read[symbol.split("/")[0]], made.target)
    for symbol, p in model.forecast(panel).items():
        np.testing.assert_array_equal(read["p_" + symbol.split("/")[0]], p)
    assert files(tmp_path / "again") == files(stored)


def test_what_is_read_decides_alike(model: EnsembleModel, stored: Path) -> None:
    panel = market(symbols=2)
    again = EnsembleModel.load(stored)
    for symbol, p in model.forecast(panel).items():
        np.testing.assert_array_equal(again.forecast(panel)[symbol], p)
    assert again.importance() == model.importance()


def test_names_of_the_files(stored: Path) -> None:
    assert list(files(stored)) == ["ensemble.json", "lightgbm.txt", "random_forest.skops", "xgboost.ubj"]


@pytest.fixture
def copy(stored: Path, tmp_path: Path) -> Path:
    shutil.copytree(stored, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["ensemble.json", "lightgbm.txt", "random_forest.skops", "xgboost.ubj"])
def test_a_flipped_bit_is_never_another_model(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    for at in np.linspace(0, len(whole) - 1, 60).astype(int):
        broken = bytearray(whole)
        broken[at] ^= 1 << (at % 8)
        (copy / name).write_bytes(broken)
        with pytest.raises(ArtifactError) as caught:
            EnsembleModel.load(copy)
        assert caught.value.code in ("ARTIFACT_CORRUPT", "ARTIFACT_VERSION")
    for part in (b"", whole[: len(whole) // 2], b"text", b"[" * 100_000):
        (copy / name).write_bytes(part)
        with pytest.raises(ArtifactError):
            EnsembleModel.load(copy)
    (copy / name).unlink()
    with pytest.raises(ArtifactError):
        EnsembleModel.load(copy)


def forge(folder: Path, change: Callable[[dict[str, Any]], None] = lambda document: None) -> None:
    """Put every hash right, as somebody would who knows how."""
    document = json.loads((folder / "ensemble.json").read_text())
    del document["digest"]
    document["files"] = {n: sha256(d).hexdigest() for n, d in files(folder).items() if n != "ensemble.json"}
    change(document)
    document["digest"] = sha256(canonical(document).encode()).hexdigest()
    (folder / "ensemble.json").write_text(canonical(document))


def refused(folder: Path) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        EnsembleModel.load(folder)
    return caught.value


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("columns", "kept", value=[-1, 1, 2, 3, 4]),
        put("columns", "kept", value=[0, 1, 2, 3, 99]),
        put("columns", "kept", value=[0.5, 1, 2, 3, 4]),
        put("columns", "kept", value=[]),
        put("columns", "spread", value=[0.0] * 5),
        put("columns", "fill", value=[0.0] * 4),
        put("columns", "centre", value="abcde"),
        put("classes", value=[1.0, 0.0, -1.0]),
        put("classes", value=[0.0, 1.0]),
        put("classes", value=[]),
        put("votes", value={"lightgbm": 1.0}),
        put("votes", value={"lightgbm": 2.0, "xgboost": -2.0, "random_forest": 1.0}),
        put("votes", value=3),
        put("side", value=7),
        put("members", value=["os.system"]),
        put("members", value=[]),
        put("sizing", value={"name": "__import__", "params": {}}),
        put("sizing", "params", value={"enter": 9}),
        put("calibration", "kind", value="magic"),
        put("calibration", "curves", value=[]),
        put("files", value={"../../../etc/passwd": "x"}),
        put("format_version", value=2),
    ],
)  # fmt: skip
def test_a_forged_document_is_refused(copy: Path, change: Callable[[dict[str, Any]], None]) -> None:
    forge(copy)
    EnsembleModel.load(copy)
    forge(copy, change)
    assert refused(copy).code in ("ARTIFACT_CORRUPT", "ARTIFACT_VERSION")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("left_child=", "left_child=77 ", "of left_child"),
        ("left_child=1", "left_child=0", "points outside"),
        ("split_feature=", "split_feature=9", "of split_feature|points outside"),
        ("num_leaves=", "num_leaves=2147483648\nx=", "leaves"),
        ("leaf_value=", "leaf_value=0 0\nleaf_value=", "stands twice, line"),
        ("leaf_value=", "leaf_value=nan ", "holds no number"),
        ("max_feature_idx=4", "max_feature_idx=400", "max_feature_idx"),
        ("num_class=3", "num_class=7", "num_class"),
        ("Tree=1\n", "Tree=5\n", "missing"),
        ("num_cat=0", "num_cat=3", "leaves"),
    ],
)
def test_a_forged_lightgbm_text_is_refused(copy: Path, old: str, new: str, text: str) -> None:
    path = copy / "lightgbm.txt"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    forge(copy)
    error = refused(copy)
    assert error.code == "ARTIFACT_CORRUPT"
    assert re.search(text, error.message), error.message


def test_a_foreign_type_is_refused(tmp_path: Path) -> None:
    import skops.io

    class Canary:
        def __init__(self) -> None:
            self.alive = True

    path = tmp_path / "random_forest.skops"
    path.write_bytes(skops.io.dumps(Canary()))
    with pytest.raises(ArtifactError, match="Canary") as caught:
        read_forest(path, columns=5, n_classes=3)
    assert caught.value.code == "ARTIFACT_FORBIDDEN_TYPE"


@pytest.mark.parametrize("field", ["left_child", "right_child", "feature"])
def test_a_tree_that_points_outside_itself_is_refused(copy: Path, field: str) -> None:
    path = copy / "random_forest.skops"
    source = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    parts = {n: source.read(n) for n in source.namelist()}
    for name, data in parts.items():
        array = np.load(io.BytesIO(data)) if name.endswith(".npy") else np.empty(0)
        if array.dtype.names and field in array.dtype.names and len(array) > 1:
            array[field][0] = 1_000_000
            out = io.BytesIO()
            np.save(out, array)
            parts[name] = out.getvalue()
            break
    else:
        raise AssertionError("no tree in the file")
    with zipfile.ZipFile(path, "w") as target:
        for name, data in parts.items():
            target.writestr(name, data)
    with pytest.raises(ArtifactError) as caught:
        read_forest(path, columns=5, n_classes=3)
    assert caught.value.code == "ARTIFACT_CORRUPT"


def test_a_forest_of_another_width_or_other_classes_is_refused(stored: Path) -> None:
    path = stored / "random_forest.skops"
    for columns, n_classes in ((4, 3), (5, 2)):
        with pytest.raises(ArtifactError) as caught:
            read_forest(path, columns=columns, n_classes=n_classes)
        assert caught.value.code == "ARTIFACT_CORRUPT"


def test_a_forged_xgboost_tree_is_refused(copy: Path) -> None:
    path = copy / "xgboost.ubj"
    data = path.read_bytes()
    at = data.index(b"left_children")
    start = at + len(b"left_children") + 3
    broken = bytearray(data)
    found = data.index(b"\x00\x00\x00\x01", start)
    broken[found : found + 4] = b"\x00\x00\x40\x00"
    path.write_bytes(broken)
    forge(copy)
    assert refused(copy).code == "ARTIFACT_CORRUPT"
