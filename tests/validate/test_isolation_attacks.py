"""Strategy files that try to fool the judge are caught, and honest ones are not: a sample of the catalogue.

`make selftest`, which is part of `make test`, asks all of them.
"""

from pathlib import Path

import pytest

from assay.kernel.bars import Bars
from assay.testing.attack_catalogue import (
    ATTACKS,
    HONEST,
    OwnFile,
    default_values,
    is_right,
    market,
    outcomes,
    probe_own_file,
    temptations,
)


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market()


@pytest.fixture(scope="module")
def paths(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return temptations(bars, tmp_path_factory.mktemp("candles"))


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return default_values(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("file", ATTACKS[::9], ids=lambda file: file.name)
def test_a_file_that_cheats_is_caught(
    file: OwnFile, tmp_path: Path, bars: Bars, paths: dict[str, str], values: dict[str, object]
) -> None:
    found = probe_own_file(file, tmp_path, bars, paths, values)
    assert is_right(file, found), found
    assert not list(tmp_path.glob("seen*")) and not list(Path(paths["csv"]).parent.glob("*seen*"))


@pytest.mark.parametrize("file", HONEST[::6], ids=lambda file: file.name)
def test_an_honest_file_raises_no_alarm(
    file: OwnFile, tmp_path: Path, bars: Bars, paths: dict[str, str], values: dict[str, object]
) -> None:
    found = probe_own_file(file, tmp_path, bars, paths, values)
    assert is_right(file, found), found.violations
    assert found.landlock and found.checks["state"] > 600


def test_the_catalogue_has_no_name_twice_and_can_be_asked_as_a_whole() -> None:
    names = [file.name for file in (*ATTACKS, *HONEST)]
    assert len(names) == len(set(names)) and len(ATTACKS) >= 80 and len(HONEST) >= 35
    (file, found), (honest, plain) = outcomes((ATTACKS[0], HONEST[0]))
    assert is_right(file, found) and is_right(honest, plain) and not is_right(file, plain)
