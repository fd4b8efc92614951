"""One small market and one training on it, for all tests of the doors."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assay.kernel.bars import Bars
from assay.market.sources.synthetic import synthetic
from tests.doors.commands import MARKET, TRAIN, assay, told

BARS = 2_400


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the variables or the folder of whoever runs it."""
    for name in ("ASSAY_HOME", "ASSAY_RECORD_URL", "ASSAY_WORKERS", "ASSAY_TIMEFRAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def csv_of(bars: Bars, path: Path) -> Path:
    columns = {name: getattr(bars, name) for name in ("timestamp", "open", "high", "low", "close", "volume")}
    pl.DataFrame(columns).write_csv(path)
    return path


@pytest.fixture(scope="session")
def gold() -> Bars:
    return synthetic(bars=BARS + 100, seed=3, ic=0.2, symbol="GOLD/USDT:USDT")


@pytest.fixture(scope="session")
def gold_csv(gold: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return csv_of(gold[:BARS], tmp_path_factory.mktemp("files") / "gold.csv")


@pytest.fixture(scope="session")
def _stocked(gold_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("stocked") / "home"
    assert assay("import", gold_csv, *MARKET, home=home).code == 0
    return home


@pytest.fixture(scope="session")
def _trained(_stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("trained") / "home"
    shutil.copytree(_stocked, home)
    return home, told(*TRAIN, home=home)


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    def copy(home: Path) -> Path:
        shutil.copytree(home, tmp_path / "home")
        return tmp_path / "home"

    return copy


@pytest.fixture
def stocked(_stocked: Path, copied: Callable[[Path], Path]) -> Path:
    """A home of one's own with 2,400 hourly bars of a market and no training."""
    return copied(_stocked)


@pytest.fixture
def trained(_trained: tuple[Path, dict[str, Any]], copied: Callable[[Path], Path]) -> tuple[Path, dict[str, Any]]:
    """A home of one's own with one training, and the document of it."""
    return copied(_trained[0]), _trained[1]


@pytest.fixture(scope="session")
def _searched(_stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    from tests.doors.searching import GRID

    home = tmp_path_factory.mktemp("searched") / "home"
    shutil.copytree(_stocked, home)
    return home, told(*GRID, home=home)


@pytest.fixture
def searched(_searched: tuple[Path, dict[str, Any]], copied: Callable[[Path], Path]) -> tuple[Path, dict[str, Any]]:
    """A home of one's own with one parameter search, and the document of it."""
    return copied(_searched[0]), _searched[1]
