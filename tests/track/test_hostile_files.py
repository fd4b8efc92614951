"""No file that is opened as a model can run code, and each is refused in words (promise R6)."""

import io
import pickle
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import ArtifactError
from assay.testing.malicious_files import HARMLESS, hostile_files, not_refused, other_formats, pickles
from assay.track.model_files import pkl_envelope
from assay.track.model_files.pkl_envelope import parse


def test_our_reader_refuses_every_hostile_file(tmp_path: Path) -> None:
    files = hostile_files(tmp_path / "canary")
    print(f"{len(files)} hostile files")
    assert len(files) >= 40
    assert not_refused(lambda data: parse(data, "x"), tmp_path / "canary") == {}


def test_the_suite_bites_a_reader_that_allows_one_harmless_global(tmp_path: Path) -> None:
    """The control: were the deny-all reader given an allow-list, one file of the suite would tell."""

    class Lax(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) != ("collections", "OrderedDict"):
                raise pickle.UnpicklingError(f"{module}.{name}")
            return super().find_class(module, name)

    def lax(data: bytes) -> object:
        if data[:2] != b"\x80\x04":
            raise ArtifactError("no protocol 4")
        try:
            held = Lax(io.BytesIO(data)).load()
        except Exception as error:
            raise ArtifactError(str(error)) from error
        return pkl_envelope._checked(held, "x")

    assert HARMLESS in not_refused(lax, tmp_path / "canary")


def test_the_suite_bites_pickle_itself(tmp_path: Path) -> None:
    ran = [name for name, why in not_refused(pickle.loads, tmp_path / "canary").items() if why == "ran"]
    assert len(ran) >= 8
    assert not (tmp_path / "canary").exists()


def test_the_suite_bites_a_scan_with_one_opcode_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pkl_envelope, "_ALLOWED", pkl_envelope._ALLOWED | {"STACK_GLOBAL"})
    told = not_refused(lambda data: parse(data, "x"), tmp_path / "canary")
    assert HARMLESS not in told  # REDUCE still stands in its way
    monkeypatch.setattr(pkl_envelope, "_ALLOWED", pkl_envelope._ALLOWED | {"STACK_GLOBAL", "REDUCE", "EMPTY_TUPLE"})
    assert not_refused(lambda data: parse(data, "x"), tmp_path / "canary") == {}  # and then the machine has no rule


def code(data: bytes) -> str:
    with pytest.raises(ArtifactError) as told:
        parse(data, "x")
    return told.value.code


def test_what_runs_is_named_by_its_opcode(tmp_path: Path) -> None:
    files = pickles(tmp_path / "canary")
    foreign = {"VecNormalize.pkl"}
    for name in files.keys() - foreign - {"behind a whole file", "no PROTO", "PERSID", "INST"}:
        if not name.endswith("protocol 0"):
            assert code(files[name]) == "ARTIFACT_FORBIDDEN_OPCODE", name
    assert [code(files[name]) for name in foreign] == ["ARTIFACT_FORMAT"]


def test_files_of_other_tools_are_named(tmp_path: Path) -> None:
    files = other_formats(tmp_path / "canary")
    for name in ("torch", "Stable-Baselines3", "npz of objects", "npy of objects", "joblib", "HDF5"):
        with pytest.raises(ArtifactError, match="accepted is") as told:
            parse(files[name], "x")
        assert told.value.code == "ARTIFACT_FORMAT"


def test_the_canaries_would_sing(tmp_path: Path) -> None:
    """Else the suite proves nothing: the payload, run on purpose, makes the canary."""
    pickle.loads(pickles(tmp_path / "canary")["STACK_GLOBAL and REDUCE"])
    assert (tmp_path / "canary").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["canary"]
