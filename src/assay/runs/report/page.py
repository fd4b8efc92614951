"""The pages: a run's report and a report of feature importance."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.spec import canonical
from assay.runs.report.components import Card, Cards, Section, count, ratio
from assay.runs.report.sections import (
    configuration,
    diagnostics,
    equity,
    folds,
    importance,
    overview,
    parameters,
    trades,
    windows,
)
from assay.runs.report.sections.diagnostics import costs_section, inputs_section, quality
from assay.runs.report.sections.equity import returns_section
from assay.runs.report.sections.folds import forecast_section
from assay.runs.report.sections.importance import (
    candidates_section,
    clusters_section,
    columns_section,
    drift_section,
    steadiness_section,
)
from assay.runs.report.sections.overview import audit_section
from assay.runs.report.sections.windows import convergence_section, overfit_section
from assay.runs.run_artifacts import RunArtifacts, to_jsonable

if TYPE_CHECKING:
    from assay.runs.feature_ranking import FeatureRanking


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
        costs_section(evidence),
        quality(evidence),
        overview.numbers(evidence),
        inputs_section(evidence),
    ]
    return [each for each in result if each is not None]


def _of_model(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> list[Section | None]:
    return [
        equity.section(evidence, candles),
        folds.section(evidence),
        audit_section(evidence),
        diagnostics.section(evidence),
        returns_section(evidence),
        forecast_section(evidence),
        importance.section(evidence),
    ]


def _of_search(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> list[Section | None]:
    return [
        configuration.section(evidence),
        equity.section(evidence, candles),
        windows.section(evidence),
        overfit_section(evidence),
        audit_section(evidence),
        diagnostics.section(evidence),
        convergence_section(evidence),
        parameters.section(evidence),
        configuration.regimes(evidence),
        returns_section(evidence),
    ]


def _plain(document: Mapping[str, object]) -> dict[str, object]:
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


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the chapters."""

    name: str
    market: str
    facts: tuple[tuple[str, str], ...]
    cards: Cards


def render_importance(result: "FeatureRanking") -> str:
    """One HTML page that needs nothing else: columns with verdicts, cluster map, stability heat map, drift lines.

    Equal rankings give equal bytes.
    """
    return templates().get_template("ranked.html.j2").render(head=_head(result), sections=_sections(result))


def write_ranking_page(result: "FeatureRanking", path: Path) -> None:
    """Write a ranking's page. Raises StoreError ``STORE_PATH``."""
    try:
        path.write_bytes(render_importance(result).encode("utf-8"))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}", code="STORE_PATH") from error


def check_page_path(path: Path) -> None:
    """Raise ConfigError ``CONFIG_PATH`` unless the path may be a page, before the work is done."""
    if path.suffix != ".html":
        raise ConfigError(f"--out {printable(str(path))} must end in .html", code="CONFIG_PATH", field="out")
    if not path.parent.is_dir():
        raise StoreError(f"--out {printable(str(path))}: there is no such folder", code="STORE_PATH")


def _sections(result: "FeatureRanking") -> list[Section]:
    report = result.report
    drawn = [columns_section, clusters_section, steadiness_section, drift_section, candidates_section]
    return [section for draw in drawn if (section := draw(report)) is not None]


def _head(result: "FeatureRanking") -> Head:
    report, spec = result.report, result.spec
    verdicts = [row.verdict for row in report.rows]
    first, last = report.times[0], report.times[-1]
    cards = (
        Card("Columns to keep", count(verdicts.count("keep")), f"of {len(verdicts)} that were ranked"),
        Card("Drifting", count(verdicts.count("drifting")), "selected, but test rows look different from train rows"),
        Card("Stability of the choice", ratio(report.nogueira), "Nogueira; 1 is always the same, 0 is chance"),
        Card("Agreement of the ranks", ratio(report.rank_corr), "mean Spearman over all pairs of folds"),
    )
    features = spec.features if isinstance(spec.features, str) else f"{len(spec.features)} columns"
    facts = (
        ("Target", result.target),
        ("Columns", features),
        ("Bars", count(result.bars)),
        ("Folds", f"{len(report.folds)} of {count(first.train_rows)} train and {count(last.test_rows)} test rows"),
        ("Selected in a fold", _span([len(fold.selected) for fold in report.folds])),
        ("Seed", str(spec.seed)),
    )
    market = f"{spec.exchange} {spec.symbols[0]} {spec.timeframe}"
    return Head("Which columns are worth a model's while", market, facts, Cards(cards))


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return count(low) if low == high else f"{count(low)} to {count(high)}"
