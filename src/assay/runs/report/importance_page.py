"""The page of a ranking of feature columns."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.runs.report.components import Card, Cards, Section
from assay.runs.report.formatting import count, ratio
from assay.runs.report.page import templates
from assay.runs.report.sections import candidates, clusters, columns, drift, steadiness

if TYPE_CHECKING:
    from assay.runs.feature_ranking import FeatureRanking


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the chapters."""

    name: str
    market: str
    facts: tuple[tuple[str, str], ...]
    cards: Cards


def render(result: "FeatureRanking") -> str:
    """One HTML page that needs nothing else: columns with verdicts, cluster map, stability heat map, drift lines.

    Equal rankings give equal bytes.
    """
    return templates().get_template("ranked.html.j2").render(head=_head(result), sections=_sections(result))


def write_ranking_page(result: "FeatureRanking", path: Path) -> None:
    """Write a ranking's page. Raises StoreError ``STORE_PATH``."""
    try:
        path.write_bytes(render(result).encode("utf-8"))
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
    drawn = [columns.section, clusters.section, steadiness.section, drift.section, candidates.section]
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
