"""What users and their files depend on stays: compared with the files beside this one, which no test writes.

Where a change is meant: ``python -m tests.golden.regenerate SUBJECT``, and the diff is part of the commit.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden.collect import OF_A_HOME, OF_SOURCES, Made, made_home, shape, text_of, written_imports

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ASSAY_HOME", "ASSAY_RECORD_URL", "ASSAY_WORKERS", "ASSAY_TIMEFRAME", "ASSAY_AUDIT"):
            patch.delenv(name, raising=False)
        yield made_home(tmp_path_factory.mktemp("golden"))


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Each leaf with its path, so that a difference is one line."""
    if isinstance(value, dict) and value:
        return {k: v for key, each in value.items() for k, v in flat(each, f"{path} > {key}" if path else key).items()}
    return {path: value}


def differences(subject: str, made: Made | None) -> dict[str, list[str]]:
    was = flat(json.loads((FOLDER / f"{subject}.json").read_text(encoding="utf-8")))
    now = flat(json.loads(text_of(subject, made)))
    found = {
        "gone": [f"{name}: {value}" for name, value in was.items() if name not in now],
        "new": [f"{name}: {value}" for name, value in now.items() if name not in was],
        "changed": [f"{n}: {was[n]} -> {now[n]}" for n in was if n in now and was[n] != now[n]],
    }
    return {what: lines for what, lines in found.items() if lines}


@pytest.mark.parametrize("subject", OF_SOURCES)
def test_nothing_of_the_sources_changed(subject: str) -> None:
    found = differences(subject, None)
    assert not found, json.dumps(found, indent=1)


@pytest.mark.slow
def test_nothing_that_a_home_holds_changed(made: Made) -> None:
    """One test for all, so that one process makes the home."""
    found = {subject: differences(subject, made) for subject in OF_A_HOME}
    assert not any(found.values()), json.dumps(found, indent=1)


def test_every_file_has_its_subject() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {*OF_SOURCES, *OF_A_HOME}


def test_every_name_that_pages_and_files_import_is_pinned() -> None:
    pinned = json.loads((FOLDER / "user_files.json").read_text(encoding="utf-8"))["imports"]
    for module, names in written_imports().items():
        assert names <= set(pinned[module]), module


def test_a_shape_is_keys_and_types_without_data() -> None:
    documents = [{"a": [{"b": 1}, {"b": None}], "shares": {"rsi": 0.5}, "c": {"A/B:B": True}}, {"a": [], "commit": "f"}]
    assert shape(*documents) == {
        "a": "array", "a[]": "object", "a[].b": "integer|null", "c": "object", "c.*": "boolean",
        "shares": "object", "shares.*": "number",
    }  # fmt: skip


def test_a_difference_is_one_line() -> None:
    assert flat({"a": {"b": [1], "c": {}}, "d": None}) == {"a > b": [1], "a > c": {}, "d": None}
