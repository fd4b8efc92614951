"""What every test may ask for."""

import os
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest


def _data_folder() -> Path | None:
    named = os.environ.get("ASSAY_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


def postgres_program(name: str) -> Path | None:
    """A program of the PostgreSQL server; Debian keeps them off the PATH."""
    found = which(name)
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return Path(found).resolve() if found else kept[-1] if kept else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, and thereby count, what needs real candles, torch or a PostgreSQL server where they are not there."""
    absent = {
        "market_data": _data_folder() is None,
        "deep": find_spec("torch") is None,
        "postgres": postgres_program("initdb") is None,
    }
    marks = [mark for mark, missing in absent.items() if missing]
    without = [item for item in items if any(item.get_closest_marker(mark) for mark in marks)]
    if without:
        items[:] = [item for item in items if item not in without]
        config.hook.pytest_deselected(items=without)


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of real candles; only tests marked ``market_data`` may ask for it."""
    folder = _data_folder()
    assert folder is not None, "mark this test with market_data"
    return folder
