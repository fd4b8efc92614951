"""A run as one HTML page that opens offline: verdict, charts, tables, the full spec. `render` and `write_report`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.kernel.bars import Bars
    from assay.runs.run_artifacts import RunArtifacts


def render(evidence: "RunArtifacts", candles: Mapping[str, "Bars"]) -> str:
    """The page as text; see `assay.runs.report.page.render`."""
    from assay.runs.report.page import render as page

    return page(evidence, candles)


def write_report(evidence: "RunArtifacts", candles: Mapping[str, "Bars"], path: Path) -> None:
    """Write the page of `render` to `path` as UTF-8 with line feeds."""
    path.write_bytes(render(evidence, candles).encode("utf-8"))
