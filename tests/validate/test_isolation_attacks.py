"""Every strategy file that tries to fool the judge is caught, and no honest one is."""

from pathlib import Path

import pytest

from assay.kernel.bars import Bars
from assay.kernel.usercode import read_user_code
from assay.learn.strategies import load_strategy_file
from assay.testing.attacks.honest import HONEST
from assay.testing.attacks.memory import MEMORY
from assay.testing.attacks.outside import OUTSIDE
from assay.testing.attacks.own_file import OwnFile, market, temptations
from assay.validate.isolation.probes import FileProbe, probe_strategy_file


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market()


@pytest.fixture(scope="module")
def paths(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return temptations(bars, tmp_path_factory.mktemp("candles"))


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return load_strategy_file(HONEST[0].write(tmp_path_factory.mktemp("plain"), {})).defaults


def probed(file: OwnFile, folder: Path, bars: Bars, paths: dict[str, str], values: dict[str, object]) -> FileProbe:
    path = file.write(folder, paths)
    judged, calendar = None, "calendar=True" in file.options
    if file.judged:
        longer = market()  # what a caller holds, and a dishonest file may look for
        rule = load_strategy_file(path)
        judged = rule.decisions(longer[: len(bars) - 200] if file.begins else longer, values)
        bars = longer[: len(judged)]
    code = read_user_code(path)
    return probe_strategy_file(code, bars, values, judged=judged, seed=1, lookback=25, calendar=calendar)


@pytest.mark.parametrize("file", [*OUTSIDE, *MEMORY], ids=lambda file: file.name)
def test_a_file_that_cheats_is_caught(
    file: OwnFile, tmp_path: Path, bars: Bars, paths: dict[str, str], values: dict[str, object]
) -> None:
    found = probed(file, tmp_path, bars, paths, values)
    assert any(each.text.startswith(file.begins) for each in found.violations), found
    assert not list(tmp_path.glob("seen*"))


@pytest.mark.parametrize("file", HONEST, ids=lambda file: file.name)
def test_an_honest_file_raises_no_alarm(
    file: OwnFile, tmp_path: Path, bars: Bars, paths: dict[str, str], values: dict[str, object]
) -> None:
    found = probed(file, tmp_path, bars, paths, values)
    assert found.passed, found.violations
    assert found.landlock and found.checks["state"] > 600
