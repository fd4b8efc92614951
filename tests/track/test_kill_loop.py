"""The small form of `benchmarks/kill_loop.py`: kills in training and publishing, and controls that show it bites."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.track.kill_loop import loop
from tests.track.kill_sight import damage
from tests.track.kill_work import Plan

pytestmark = pytest.mark.slow


@pytest.fixture
def url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    if dialect == "sqlite":
        yield str(tmp_path / "home" / "record.db")
        return
    server = request.getfixturevalue("postgres")
    address = server.fresh("laid")
    yield address
    server.drop(address)


def after(url: str, home: Path, mode: str, kills: int) -> dict[str, Any]:
    told = loop(Plan(url, str(home), mode, kills, seed=11))
    assert told["killed"] == kills, told
    return told


def test_a_training_that_is_killed_leaves_nothing_half(url: str, tmp_path: Path) -> None:
    told = after(url, tmp_path / "home", "train", 15)
    left = told["left"]
    assert damage(told) == 0, told
    assert told["reader"]["reads"] > 10 and left["verified"] >= 2
    assert left["runs"]["crashed"] >= 3 and set(left["runs"]) <= {"crashed", "completed"}
    assert left["runs"]["completed"] == left["models"]


def test_retention_that_is_killed_leaves_nothing_half(tmp_path: Path) -> None:
    told = after(str(tmp_path / "record.db"), tmp_path / "home", "retain", 10)
    assert damage(told) == 0, told
    # three are kept; of those that the last pass was to remove some may be left, if it died early
    assert told["left"]["removed"] >= 3 and told["left"]["verified"] >= 3


@pytest.mark.parametrize("mode", ["reversed", "in_place"])
def test_without_the_order_of_publishing_there_is_damage(mode: str, tmp_path: Path) -> None:
    """The controls: the row before the files; these also written piece by piece where all can see them."""
    told = after(str(tmp_path / "record.db"), tmp_path / "home", mode, 12)
    assert damage(told) >= 1, told
    assert told["left"]["rows_without_files"] >= 1 and told["left"]["verify_faults"] >= 1, told
