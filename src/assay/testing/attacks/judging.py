"""The catalogue put to the probes: is every attack caught, and does no honest file raise an alarm?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assay.kernel.bars import Bars
from assay.kernel.user_source import read_user_code
from assay.learn import load_strategy_file
from assay.testing.attacks.catalogue import HONEST, MEMORY, OUTSIDE
from assay.testing.attacks.own_file import HORIZON, OwnFile, market, temptations
from assay.validate import FileProbe, probe_strategy_file

ATTACKS: tuple[OwnFile, ...] = (*OUTSIDE, *MEMORY)
_LATER = 200  # bars that the caller holds beyond those that are judged, for files that look for them


def default_values(folder: Path) -> dict[str, Any]:
    """The parameters that all files of the catalogue have; a plain file is written into the folder to ask it."""
    return load_strategy_file(HONEST[0].write(folder, {})).defaults


def probe_own_file(
    file: OwnFile, folder: Path, bars: Bars, paths: Mapping[str, str], values: Mapping[str, Any]
) -> FileProbe:  # fmt: skip
    """Write a file of the catalogue into an empty folder and ask it.

    bars: `market`.   paths: `temptations`.   values: `default_values`. A file whose judged decisions are needed is run
    in this process too.
    """
    path = file.write(folder, paths)
    judged = None
    if file.judged:
        bars = bars[: len(bars) - _LATER] if file.begins else bars
        with redirect_stdout(StringIO()):  # a file may print; whoever asks for JSON gets JSON
            judged = load_strategy_file(path).decisions(bars, values)
    return probe_strategy_file(
        read_user_code(path), bars, values, judged=judged, seed=1, lookback=HORIZON + 1,
        calendar="calendar=True" in file.options,
    )  # fmt: skip


def is_right(file: OwnFile, probe: FileProbe) -> bool:
    """Whether the probes said of a file what they must."""
    if not file.begins:
        return probe.passed
    return any(each.text.startswith(file.begins) for each in probe.violations)


def outcomes(files: Sequence[OwnFile] = (*ATTACKS, *HONEST)) -> Iterator[tuple[OwnFile, FileProbe]]:
    """Each file with what was found of it. Cost: one to three seconds a file."""
    bars = market()
    with TemporaryDirectory(prefix="assay-attacks-") as name:
        root = Path(name)
        for part in ("candles", "plain"):
            (root / part).mkdir()
        paths, values = temptations(bars, root / "candles"), default_values(root / "plain")
        for file in files:
            folder = root / f"file-{file.name}"
            folder.mkdir()
            yield file, probe_own_file(file, folder, bars, paths, values)
