"""Model parts that somebody forged, hashes and all: refused with a code, whatever the libraries make of them."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.kernel.errors import ArtifactError
from assay.kernel.spec import canonical
from assay.testing.malicious_files import pickles, zip_file
from assay.track.loading import formats as zip_checks
from assay.track.loading.formats import demand_archives, read_verified
from assay.track.loading.sandbox import LoadingSandbox
from tests.track.models import published

Parts = dict[str, bytes]


@pytest.fixture(scope="module")
def child() -> Iterator[LoadingSandbox]:
    with LoadingSandbox() as one:
        yield one


def parts_of(kind: str) -> tuple[Parts, Mapping[str, Any]]:
    kept = published(kind)
    bytes_ = read_verified(kept.row, kept.places)
    return dict(bytes_.parts), bytes_.manifest["self_test"]


def sealed(parts: Parts) -> Parts:
    """With every hash that the model keeps of itself made to fit."""
    name = "ensemble.json" if "ensemble.json" in parts else "rules.json"
    document = json.loads(parts[name])
    document.pop("digest")
    if "files" in document:
        document["files"] = {n: sha256(parts[n]).hexdigest() for n in sorted(document["files"])}
    document["digest"] = sha256(canonical(document).encode()).hexdigest()
    return parts | {name: canonical(document).encode() + b"\n"}


def told(child: LoadingSandbox, kind: str, changes: Parts, *, seal: bool = True) -> ArtifactError:
    parts, probes = parts_of(kind)
    forged = parts | changes
    with pytest.raises(ArtifactError) as error:
        name = published(kind).row["format"]
        child.prove(sealed(forged) if seal else forged, probes, kind=name, where="the model", strategy=None)
    return error.value


def test_the_parts_as_they_are_load(child: LoadingSandbox) -> None:
    for kind in ("tiny", "rules"):
        parts, probes = parts_of(kind)
        kind_of = published(kind).row["format"]
        child.prove(sealed(parts), probes, kind=kind_of, where="the model", strategy=None)


def schema(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The forest's archive with another schema."""
    with zipfile.ZipFile(io.BytesIO(parts_of("tiny")[0]["random_forest.skops"])) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members["schema.json"])
    change(document)
    return zip_file(members | {"schema.json": json.dumps(document).encode()})


def objects(canary: Path) -> bytes:
    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(canary),)

    out = io.BytesIO()
    np.save(out, np.array([Runs()], dtype=object), allow_pickle=True)
    return zip_file({"schema.json": b"{}", "1.npy": out.getvalue()})


SYSTEM = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 1, "content": "os.system"}
FOREST: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a type outside our list": (lambda c: schema(lambda d: d.update(SYSTEM)), "ARTIFACT_FORBIDDEN_TYPE"),
    "a list of trusted types of its own": (
        lambda c: schema(lambda d: d.update(SYSTEM, trusted=["os.system"])),
        "ARTIFACT_FORBIDDEN_TYPE",
    ),
    "a pickle": (lambda c: pickles(c)["STACK_GLOBAL and REDUCE"], "ARTIFACT_CORRUPT"),
    "an array of objects": (objects, "ARTIFACT_FORBIDDEN_TYPE"),
    "a member that climbs": (lambda c: zip_file({"../../canary": b"x"}), "ARTIFACT_MANIFEST"),
    "a zip bomb": (lambda c: zip_file({"a.npy": b"\0" * 50_000_000}, compressed=True), "ARTIFACT_TOO_LARGE"),
    "no schema": (lambda c: zip_file({"1.npy": b""}), "ARTIFACT_CORRUPT"),
    "an unknown loader": (lambda c: schema(lambda d: d.update(__loader__="EvilNode")), "ARTIFACT_CORRUPT"),
    "100,000 deep": (lambda c: zip_file({"schema.json": b'{"a":' * 100_000}), "ARTIFACT_CORRUPT"),
    "nothing": (lambda c: b"", "ARTIFACT_CORRUPT"),
}


@pytest.mark.parametrize("name", FOREST)
def test_a_forest_that_was_forged(name: str, child: LoadingSandbox, tmp_path: Path) -> None:
    make, code = FOREST[name]
    found = told(child, "tiny", {"random_forest.skops": make(tmp_path / "canary")})
    assert found.code == code, found
    assert not (tmp_path / "canary").exists()


def text(old: str, new: str) -> bytes:
    found = parts_of("tiny")[0]["lightgbm.txt"].decode()
    assert old in found
    return found.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("leaf_value=", "leaf_value=1 2\nleaf_value="),
        ("num_leaves=", "num_leaves=2147483648\nx="),
        ("leaf_value=", "leaf_value=nan "),
        ("left_child=", "left_child=1000000 "),
        ("num_cat=0", "num_cat=1000000"),
        ("Tree=0", "Tree=9"),
        ("end of trees", "end"),
    ],
)
def test_a_lightgbm_text_that_was_forged(old: str, new: str, child: LoadingSandbox) -> None:
    assert told(child, "tiny", {"lightgbm.txt": text(old, new)}).code == "ARTIFACT_CORRUPT"


@pytest.mark.parametrize("data", [b"", b"{", b"{L", b"[" * 1_000_000, b"{" * 1_000_000, b'{"learner":{}}', b"\0" * 99])
def test_an_xgboost_file_that_was_forged(data: bytes, child: LoadingSandbox) -> None:
    assert told(child, "tiny", {"xgboost.ubj": data}).code == "ARTIFACT_CORRUPT"


@pytest.mark.parametrize(
    "data", [b'{"a":' * 200_000, b"{L" + bytes(7) + b"\1a" + b"[" * 1_000_000], ids=["json", "ubj"]
)
def test_a_file_that_crashes_its_library_ends_the_child(data: bytes, child: LoadingSandbox) -> None:
    found = told(child, "tiny", {"xgboost.ubj": data})
    assert (found.code, "ended by SIGSEGV" in found.message) == ("ARTIFACT_CORRUPT", True)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.6])
@pytest.mark.parametrize("name", ["random_forest.skops", "xgboost.ubj", "lightgbm.txt"])
def test_truncated_parts(name: str, share: float, child: LoadingSandbox) -> None:
    whole = parts_of("tiny")[0][name]
    assert told(child, "tiny", {name: whole[: int(share * len(whole))]}).code.startswith("ARTIFACT_")


def rules(change: Callable[[dict[str, Any]], Any]) -> bytes:
    document = json.loads(parts_of("rules")[0]["rules.json"])
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["params"].update(fast=10**400),
        lambda d: d["params"].update(fast=-5),
        lambda d: d["params"].update(fast="5"),
        lambda d: d["params"].update(unknown=1),
        lambda d: d.update(strategy="os.system"),
        lambda d: d.update(strategy="../../evil"),
        lambda d: d.update(origin="0" * 64),
        lambda d: d.update(timeframe="7m"),
        lambda d: d.update(lookback=0),
        lambda d: d.update(regime="nowhere"),
        lambda d: d.update(params=None),
        lambda d: d.update(format_version=2),
    ],
)
def test_rules_that_were_forged(change: Callable[[dict[str, Any]], Any], child: LoadingSandbox) -> None:
    assert told(child, "rules", {"rules.json": rules(change)}).code.startswith("ARTIFACT_")


@pytest.mark.parametrize("number", ["1e400", "NaN", "-Infinity"])
def test_numbers_that_are_none(number: str, child: LoadingSandbox) -> None:
    raw = parts_of("rules")[0]["rules.json"].replace(b'"fast":5', b'"fast":' + number.encode())
    assert told(child, "rules", {"rules.json": raw}, seal=False).code == "ARTIFACT_CORRUPT"


def test_rules_that_decide_otherwise_are_found_by_their_self_test(child: LoadingSandbox) -> None:
    found = told(child, "rules", {"rules.json": rules(lambda d: d["params"].update(fast=6))})
    assert (found.code, "probe" in found.message) == ("ARTIFACT_SELFTEST", True)


def test_an_ensemble_that_votes_otherwise_is_found_by_its_self_test(child: LoadingSandbox) -> None:
    parts, _ = parts_of("tiny")
    document = json.loads(parts["ensemble.json"])
    document["votes"] = dict.fromkeys(document["votes"], 0.0) | {"lightgbm": 1.0}
    found = told(child, "tiny", {"ensemble.json": canonical(document).encode()})
    assert found.code == "ARTIFACT_SELFTEST"


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"{}", b"", b"\xff", b"null"])
def test_documents_that_are_none(raw: bytes, child: LoadingSandbox) -> None:
    for kind, name in (("rules", "rules.json"), ("tiny", "ensemble.json")):
        assert told(child, kind, {name: raw}, seal=False).code in ("ARTIFACT_CORRUPT", "ARTIFACT_VERSION")


def test_an_archive_of_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {"a.zip": zip_file({f"m{i}": b"" for i in range(11)})}
    demand_archives(many)
    monkeypatch.setattr(zip_checks, "_MOST_MEMBERS", 10)
    with pytest.raises(ArtifactError, match="11 members") as told:
        demand_archives(many)
    assert told.value.code == "ARTIFACT_MANIFEST"
