"""What users and their files depend on stays: compared with the files beside this one, which no test writes.

Where a change is meant: ``python -m tests.golden.regenerate SUBJECT``, and the diff is part of the commit.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden.collect import SUBJECTS, Made, made_home, text_of, written_imports

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


@pytest.mark.slow
@pytest.mark.parametrize("subject", SUBJECTS)
def test_nothing_of_it_changed(subject: str, made: Made) -> None:
    was = flat(json.loads((FOLDER / f"{subject}.json").read_text(encoding="utf-8")))
    now = flat(json.loads(text_of(subject, made)))
    gone = [f"{name}: {value}" for name, value in was.items() if name not in now]
    new = [f"{name}: {value}" for name, value in now.items() if name not in was]
    changed = [f"{name}: {was[name]} -> {now[name]}" for name in was if name in now and was[name] != now[name]]
    assert not gone and not new and not changed, json.dumps({"gone": gone, "new": new, "changed": changed}, indent=1)


def test_every_file_has_its_subject() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SUBJECTS)


def test_every_name_that_pages_and_files_import_is_pinned() -> None:
    pinned = json.loads((FOLDER / "user_files.json").read_text(encoding="utf-8"))["imports"]
    for module, names in written_imports().items():
        assert names <= set(pinned[module]), module
