"""The page as a whole."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from assay.kernel.bars import Bars
from assay.kernel.spec import canonical
from assay.runs.report.components import Section
from assay.runs.report.sections import (
    audited,
    configuration,
    convergence,
    costs,
    data,
    diagnostics,
    equity,
    folds,
    forecast,
    importance,
    overfit,
    overview,
    parameters,
    returns,
    trades,
    windows,
)
from assay.runs.run_artifacts import RunArtifacts, to_jsonable


def render(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> str:
    """One HTML page that needs nothing else: no network, no script to be complete, no other file.

    candles: all stored bars by symbol; symbols without candles are left out of the price charts.
    Equal evidence and candles give equal bytes. A missing key of the document is a KeyError. Cost: O(n log n), about a
    second for 100k judged bars; the page stays below 1 MB (of a search below 3), for charts hold at most two points a
    pixel.
    """
    plain = replace(evidence, document=_plain(evidence.document))
    holding = evidence.document.get("head")
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            head=overview.head(plain),
            sections=sections(plain, candles),
            ledger_head=canonical(to_jsonable(holding)) if holding else "",
        )
    )


def sections(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> list[Section]:
    """The chapters in the order of the page; one that has nothing to say is left out."""
    result = [
        *(_of_search(evidence, candles) if evidence.is_search else _of_model(evidence, candles)),
        trades.section(evidence, candles),
        costs.section(evidence),
        data.quality(evidence),
        overview.numbers(evidence),
        data.inputs_section(evidence),
    ]
    return [each for each in result if each is not None]


def _of_model(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> list[Section | None]:
    return [
        equity.section(evidence, candles),
        folds.section(evidence),
        audited.section(evidence),
        diagnostics.section(evidence),
        returns.section(evidence),
        forecast.section(evidence),
        importance.section(evidence),
    ]


def _of_search(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> list[Section | None]:
    return [
        configuration.section(evidence),
        equity.section(evidence, candles),
        windows.section(evidence),
        overfit.section(evidence),
        audited.section(evidence),
        diagnostics.section(evidence),
        convergence.section(evidence),
        parameters.section(evidence),
        configuration.regimes(evidence),
        returns.section(evidence),
    ]


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it comes back from its file, symbols in the order of the spec: no order of keys shows."""
    plain: dict[str, Any] = json.loads(canonical(to_jsonable(document)))
    symbols = plain["spec"]["symbols"]
    for part in ("by_symbol", "labels", "quality", "snapshots"):
        result = plain[part]
        order = [s for s in symbols if s in result] + [s for s in result if s not in symbols]
        plain[part] = {s: result[s] for s in order}
    return plain


@cache
def templates() -> Environment:
    """The templates of all pages."""
    return Environment(
        loader=PackageLoader("assay.runs.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
