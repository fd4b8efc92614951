"""The page as a whole: complete, closed in itself, well formed, escaped, repeatable, and true at the edges."""

import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from assay.kernel.bars import Bars
from assay.runs.report import render, write_report
from assay.runs.run_artifacts import RunArtifacts
from tests.runs.report_evidence import SYMBOL, evidence_of, market

VOID = {"meta", "br", "rect", "line", "path", "circle", "i"}
ANCHORS = [
    "equity", "folds", "audit", "returns", "forecast", "importance", "trades", "costs", "quality", "numbers", "spec",
]  # fmt: skip


class Page(HTMLParser):
    """Tags that are left open, ids, and everything that would be fetched."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [given["id"]] if given.get("id") else []
        self.fetched += [v for k, v in attrs if k in {"src", "href", "data", "poster", "xlink:href"} and v]
        if tag not in {"meta", "br", "img", "link", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1:]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ElementTree.fromstring(svg)
    assert not re.search(r"NaN|\bnan\b|\binf\b|None", " ".join(page.words) + " ".join(re.findall(r' d="[^"]*"', html)))
    assert not re.search(
        r'(x|y|x1|x2|y1|y2|cx|cy|width|height)="(nan|inf|-inf|-\d+[^"]*)"', re.sub(r"[xy]\d?=\"-", "", html)
    )
    return page


def changed(evidence: RunArtifacts, **changes: Any) -> RunArtifacts:
    return replace(evidence, document={**evidence.document, **changes})


@pytest.fixture(scope="module")
def candles() -> dict[str, Bars]:
    return market()


@pytest.fixture(scope="module")
def evidence(candles: Mapping[str, Bars]) -> RunArtifacts:
    return evidence_of(candles, left_out=(2,))


@pytest.fixture(scope="module")
def html(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> str:
    return render(evidence, candles)


def test_every_chapter_is_there_and_linked(html: str) -> None:
    page = read(html)
    assert [i for i in page.ids if i != "hatch"] == ANCHORS
    assert page.fetched == [f"#{a}" for a in ANCHORS]
    assert html.count("<h1>") == 1


def test_nothing_is_fetched(html: str) -> None:
    outside = [m for m in re.findall(r"https?://[^\s\"'<]+", html) if m != "http://www.w3.org/2000/svg"]
    assert outside == []
    assert set(re.findall(r"url\(([^)]*)\)", html)) == {"#hatch"}
    assert not {"link", "img", "iframe", "object", "embed"} & set(read(html).tags)
    assert "@import" not in html and " src=" not in html


def test_the_verdict_stands_first_with_every_reason(evidence: RunArtifacts, html: str) -> None:
    document = evidence.document
    words = " ".join(read(html).words)
    assert words.index(document["verdict"]) < words.index(evidence.document["advice"]) < words.index("Net profit")
    for reason in document["reasons"]:
        assert reason["text"] in words


def test_charts_have_names_and_two_sizes(html: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", html, re.DOTALL)
    assert len(figures) >= 9
    for each in figures:
        assert each.count('role="img"') == 2
        assert len(re.findall(r"<svg[^>]*><title>[^<]+</title>", each)) == 2
    assert html.count('scope="col"') > 20


def test_a_page_without_script_is_complete(html: str) -> None:
    plain = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert [i for i in read(plain).ids if i != "hatch"] == ANCHORS
    assert "document.write" not in html and "innerHTML" not in html


def test_equal_evidence_gives_equal_bytes(candles: Mapping[str, Bars], html: str, tmp_path: Path) -> None:
    again = evidence_of(market(), left_out=(2,))
    write_report(again, candles, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == html.encode()
    again.write(tmp_path)
    assert render(RunArtifacts.read(tmp_path), candles) == html


def backwards(value: Any) -> Any:
    """The same document with every table's keys in another order."""
    if isinstance(value, Mapping):
        return {k: backwards(v) for k, v in reversed(list(value.items()))}
    return [backwards(v) for v in value] if isinstance(value, list) else value


def test_the_order_of_keys_does_not_show() -> None:
    two = market(1_500, ("A/B", "C/D"))
    evidence = evidence_of(two)
    shuffled = replace(evidence, document=backwards(evidence.document))
    assert render(shuffled, dict(reversed(two.items()))) == render(evidence, two)


def test_hostile_names_are_text(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    bad = "<script>alert(1)</script>\"'&"
    document = evidence.document
    hostile = changed(
        evidence,
        name=bad,
        advice=bad,
        absent={bad: bad},
        environment={bad: bad},
        quality={bad: {bad: 1, "warnings": [{"code": bad, "text": bad}], "list": [{bad: bad}]}},
        by_symbol={bad: {}, "B": {}},
        labels={bad: {**document["labels"][SYMBOL], "name": bad, "dropped": {bad: 1}}},
        importance=[{"fold": 0, "shares": {bad: 0.5, "b": 0.5}}],
        folds=[{**f, "left_out": f["left_out"] and bad} for f in document["folds"]],
        reasons=[{**r, "text": bad} for r in document["reasons"]],
        spec={**document["spec"], "symbols": [bad], "learner": bad},
    )
    named = [t.with_columns(symbol=pl.lit(bad)) for t in (evidence.bars, evidence.decisions, evidence.trades)]
    page = render(replace(hostile, bars=named[0], decisions=named[1], trades=named[2]), {bad: candles[SYMBOL]})
    assert read(page).tags.count("script") == 1
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_a_hundred_thousand_bars_stay_below_a_megabyte() -> None:
    long = market(110_000, timeframe="5m", ic=0.02)
    evidence = evidence_of(long, folds=20)
    assert len(evidence.account) > 95_000
    assert len(render(evidence, long).encode()) < 1_000_000


def test_four_symbols_stay_below_a_megabyte() -> None:
    four = market(6_000, tuple(f"{s}/USDT:USDT" for s in "ABCD"), ic=0.03)
    page = render(evidence_of(four, folds=40), four)
    assert len(page.encode()) < 1_000_000
    words = " ".join(read(page).words)
    assert "By symbol" in words and all(f"{s}/USDT:USDT: best trade" in words for s in "ABCD")


def test_no_trade_at_all(candles: Mapping[str, Bars]) -> None:
    page = render(evidence_of(candles, trade=False), candles)
    words = " ".join(read(page.replace("is nan a bar", "is undefined")).words)  # the judge's own words
    assert "did not trade" in words and "No trade was made" in words
    assert "Fewer than five bars have a return other than zero" in words


def test_all_folds_but_one_left_out(candles: Mapping[str, Bars]) -> None:
    page = render(evidence_of(candles, left_out=(0, 1, 2, 4, 5)), candles)
    words = " ".join(read(page).words)
    assert "1 of 6" in words and "the train rows hold one class only" in words
    assert len(re.findall(r'class="(?:train|test) out"', page)) == 2 * 2 * 5


def test_a_model_that_acts_has_no_calibration(candles: Mapping[str, Bars]) -> None:
    page = read(render(evidence_of(candles, forecasts=False), candles))
    assert "forecast" not in page.ids
    assert "does not say which features" in " ".join(page.words)


def test_one_class(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    single = evidence.decisions.drop("p_0").with_columns(p_1=pl.lit(1.0), y=pl.lit(1.0))
    words = " ".join(read(render(replace(evidence, decisions=single), candles)).words)
    assert "Reliability of class 1" in words and "said 1" in words and "said 0" not in words


def test_no_known_label(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    unknown = evidence.decisions.with_columns(y=pl.lit(None, pl.Float64))
    assert "No judged row has both" in " ".join(read(render(replace(evidence, decisions=unknown), candles)).words)


def test_a_market_without_volume(candles: Mapping[str, Bars]) -> None:
    silent = {s: replace(b, volume=None) for s, b in candles.items()}
    words = " ".join(read(render(evidence_of(silent), silent)).words)
    assert "Without volume" in words


def test_nothing_but_undefined_numbers(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    document = evidence.document
    nothing = changed(
        evidence,
        metrics=dict.fromkeys(document["metrics"]),
        by_symbol={s: dict.fromkeys(m) for s, m in document["by_symbol"].items()},
        folds=[{**f, "metrics": dict.fromkeys(f["metrics"])} for f in document["folds"]],
        importance=[{"fold": 0, "shares": {"a": None}}],
        bars_needed=None,
        reasons=[{**r, "value": None, "threshold": None} for r in document["reasons"]],
    )
    tables = {
        name: getattr(evidence, name).with_columns(pl.col(pl.Float64) * np.nan)
        for name in ("account", "bars", "decisions", "trades")
    }
    page = read(render(replace(nothing, **tables), candles))
    assert "—" in " ".join(page.words)
    assert "bars without a return are drawn flat" in " ".join(page.words)


def test_a_ruined_account(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    n = len(evidence.account)
    returns = np.where(np.arange(n) == n // 2, -1.0, 0.001 * (np.arange(n) < n // 2))
    ruined = evidence.account.with_columns(
        pl.Series("return", returns), pl.Series("stressed_return", returns), equity=pl.Series(np.cumprod(1 + returns))
    )
    assert "deepest drawdown −100.0" in render(replace(evidence, account=ruined), candles)
    read(render(replace(evidence, account=ruined), candles))


def test_without_candles_there_is_no_price_chart_and_no_holding(evidence: RunArtifacts) -> None:
    page = render(evidence, {})
    read(page)
    assert "s-hold" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


def test_a_missing_key_is_our_error(candles: Mapping[str, Bars], evidence: RunArtifacts) -> None:
    cut = {k: v for k, v in evidence.document.items() if k != "verdict"}
    with pytest.raises(KeyError, match="verdict"):
        render(replace(evidence, document=cut), candles)
