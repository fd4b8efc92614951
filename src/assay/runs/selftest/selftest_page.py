"""HTML page of a self-test."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from assay.kernel.errors import StoreError, printable
from assay.runs.report.components import (
    NARROW,
    Card,
    Cards,
    Key,
    Part,
    Section,
    count,
    figure,
    number,
    percent,
    ratio,
    table,
)
from assay.runs.report.page import templates
from assay.runs.report.svg import Canvas, Scale
from assay.runs.selftest.figures import Figure
from assay.runs.selftest.simulations import CONTROL, DRIFT, EDGE, NO_EDGE, STRENGTH, Repetition
from assay.runs.selftest.trial_runs import BARS, ideas
from assay.validate import Thresholds

if TYPE_CHECKING:
    from assay.runs.selftest.runner import SelfTestResult

_KINDS = {
    NO_EDGE: "no edge",
    EDGE: f"edge, ic {STRENGTH[EDGE]:g}",
    CONTROL: "no edge, no costs",
    DRIFT: "drift, no skill",
}
_WORDS = {
    "PASS": "The gate does what it must",
    "FAIL": "The gate does not do what it must",
    "UNKNOWN": "Too few repetitions to tell",
}
_ROW, _CONFIDENT = 46.0, 1.0 - Thresholds().error


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the chapters."""

    verdict: str
    name: str
    lead: str
    checks: Sequence[Figure]
    facts: Sequence[tuple[str, str]]
    cards: Cards


def write_selftest_page(result: "SelfTestResult", path: Path) -> Path:
    """Write `render`'s page as UTF-8 with line feeds; its path. Raises StoreError ``STORE_PATH``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(result).encode("utf-8"))
    except OSError as error:
        raise StoreError(f"report {printable(str(path))}: {error.strerror}", code="STORE_PATH") from error
    return path


def render(result: "SelfTestResult") -> str:
    """One HTML page that needs nothing else."""
    markets = [each for each in result.repetitions if each.kind in _KINDS]
    drawn = [_rates(result.figures), *([_markets(markets)] if markets else []), _every(result.repetitions), _tried()]
    return templates().get_template("selftest.html.j2").render(head=_head(result), sections=drawn)


def _head(result: "SelfTestResult") -> Head:
    rates = [each for each in result.figures if not isnan(each.low)]
    cards = [
        Card(each.title, percent(each.count / each.n, 1), each.text, "good" if each.state == "PASS" else "bad")
        for each in rates
    ]
    facts = (
        ("Seed", str(result.seed)),
        ("Markets", count(sum(each.kind in _KINDS for each in result.repetitions))),
        ("Rules tried on each", count(len(ideas()))),
        ("Bars of each", count(BARS)),
        ("Time", f"{count(result.seconds)} s, {result.workers} at once"),
    )
    lead = "Seeded markets whose truth is known, one researcher on each, and what the gate said of his best record"
    return Head(result.verdict, _WORDS[result.verdict], lead, result.figures, facts, Cards(tuple(cards)))


def _rates(figures: Sequence[Figure]) -> Section:
    rows = [
        (
            each.title,
            f"{each.count} of {each.n}",
            percent(each.count / each.n, 1),
            percent(each.low, 1),
            percent(each.high, 1),
            each.needs,
            each.state,
        )
        for each in figures
    ]
    head = ("What is counted", "Count", "Rate", "Lower", "Upper", "Wanted", "")
    caption = "Bounds are one-sided, each at 95 % (Clopper and Pearson); what was chosen and not drawn has none."
    drawn = [each for each in figures if not isnan(each.low)]
    plot = figure(
        "Rates with their bounds",
        lambda width: _intervals(drawn, width),
        legend=(Key("s-dot", "Rate"), Key("s-ideal", "The line that the rate or its bound must keep")),
    )
    lead = "A rate is nothing without the number of repetitions that it rests on."
    parts: tuple[Part, ...] = (*([plot] if drawn else []), table("The table", head, rows, caption=caption))
    return Section("figures", "Figures", lead, parts)


def _intervals(figures: Sequence[Figure], width: float) -> Canvas:
    left, right, top = 12.0, width - 24.0, 8.0
    bottom = top + _ROW * len(figures)
    canvas = Canvas(width, bottom + 34, "Rates with their bounds")
    x = Scale(0.0, 1.0, left, right)
    canvas.columns(x, [(k / 5, percent(k / 5, 0)) for k in range(6)], bottom, top=top)
    for k, each in enumerate(figures):
        y = top + _ROW * (k + 0.68)
        message = f"{each.title}: {each.text}"
        canvas.text(left + 4, y - 14, message if width > NARROW else each.title, "tick halo")
        canvas.add("line", "whisker", message, x1=x.at(each.low), x2=x.at(each.high), y1=y, y2=y)
        canvas.add(
            "line", "ideal", f"wanted: {each.needs}", x1=x.at(each.limit), x2=x.at(each.limit), y1=y - 9, y2=y + 9
        )
        canvas.add("circle", "dot", message, cx=x.at(each.count / each.n), cy=y, r=5)
    return canvas


def _markets(result: Sequence[Repetition]) -> Section:
    plot = figure(
        "How unlikely luck is behind the best record on each market",
        lambda width: _strips(result, width),
        caption="One dot a market. Right of the dashed line the check edge passes. Without costs a ring shows the same "
        "record as one trial: what luck would be taken for if nobody counted.",
        legend=(
            Key("s-dot", "GOLD"),
            Key("s-pale", "not GOLD"),
            Key("s-bests", "as one trial"),
            Key("s-ideal", "What the gate asks: 99 %"),
        ),
    )
    lead = "Of the twenty rules the one with the best out-of-sample record goes to the gate, with the ledger's count."
    return Section("markets", "Markets", lead, (plot,))


def _strips(result: Sequence[Repetition], width: float) -> Canvas:
    kinds = [kind for kind in _KINDS if any(each.kind == kind for each in result)]
    left, right, top, tall = 12.0, width - 24.0, 8.0, 92.0
    bottom = top + tall * len(kinds)
    canvas = Canvas(width, bottom + 34, "How unlikely luck is behind the best record on each market")
    x = Scale(0.0, 1.0, left, right)
    canvas.columns(x, [(k / 5, percent(k / 5, 0)) for k in range(6)], bottom, top=top)
    canvas.add("line", "ideal", x1=x.at(_CONFIDENT), x2=x.at(_CONFIDENT), y1=top, y2=bottom)
    for row, kind in enumerate(kinds):
        mine = [each for each in result if each.kind == kind]
        canvas.text(left + 4, top + tall * row + 16, f"{_KINDS[kind]}, {len(mine)} markets", "value halo")
        for k, each in enumerate(mine):
            y = top + tall * row + 28 + (k * 7 % 10) / 10 * (tall - 40)
            message = f"{_KINDS[kind]} {each.number}: {each.best}, {each.verdict}, {percent(each.deflated, 1)}"
            gold = each.verdict == "GOLD"
            if kind == CONTROL:
                canvas.add("circle", "chosen", f"{message}; as one trial {percent(each.naive, 1)}",
                           cx=x.at(number(each.naive)), cy=y, r=3.2)  # fmt: skip
            canvas.add("circle", "dot" if gold else "dot pale", message, cx=x.at(number(each.deflated)), cy=y, r=4.2)
    return canvas


def _every(result: Sequence[Repetition]) -> Section:
    head = (
        "Market",
        "Seed",
        "Best",
        "Trials",
        "Trades",
        "Sharpe a bar",
        "Deflated",
        "As one trial",
        "Gate",
        "Told all",
    )
    rows = [
        (
            f"{_KINDS.get(each.kind, each.kind)} {each.number}",
            str(each.seed),
            each.best,
            count(each.trials),
            count(each.trades),
            ratio(each.sharpe, 4),
            percent(each.deflated, 1),
            percent(each.naive, 1),
            each.verdict,
            each.chosen_outcome,
        )
        for each in result
    ]
    caption = (
        "Gate: the verdict as a run of its own has it, with all trials of its market counted. Told all: the same, told "
        "how the best of all that was tried fares elsewhere (overfitting). A false promotion is GOLD in either column, "
        "power asks for GOLD in both."
    )
    return Section("repetitions", "Repetitions", "Each can be made again from its seed.", (
        table("Every repetition", head, rows, caption=caption),
    ))  # fmt: skip


def _tried() -> Section:
    rows = [
        (f"{k + 1}", idea.rule.name, " ".join(f"{n}={v}" for n, v in idea.params.items()))
        for k, idea in enumerate(ideas())
    ]
    lead = "Named before any market is looked at; the truth of a market with an edge is momentum of 24 bars."
    return Section("tried", "What is tried", lead, (
        table("The rules on each market", ("", "Rule", "Parameters"), rows, words=True),
    ))  # fmt: skip
