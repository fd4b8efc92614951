"""Terminal output of a verdict: all checks and the diagnostics."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from assay.cli.command import Document, number
from assay.kernel.errors import amount

if TYPE_CHECKING:
    from rich.console import Console


def print_verdict(console: "Console", document: Document) -> None:
    """The word with its advice, a line for each check, and a few more that decide nothing."""
    advice = f": {document['advice']}" if "advice" in document else ""  # the record alone keeps none
    then = document.get("verdict_then")
    if then is not None and then["verdict"] != document["verdict"]:
        advice = f", it was {then['verdict']} when it was trained; an audit since judged its model otherwise"
    console.print(f"[bold]{document['verdict']}[/bold]{advice}")
    reasons(console, document)
    for line in cost_of_audit(document):
        console.print(f"  {line}", highlight=False, markup=False)
    for line in holdout(document):
        console.print(line.replace("\n", "\\n"), highlight=False, markup=False)
    lines = [*information_lines(document)]
    if lines:
        console.print("for information, none of it decides:", highlight=False)
    for line in lines:
        console.print(f"  {line}", highlight=False, markup=False)


def cost_of_audit(document: Document) -> Iterator[str]:
    """What the causality audit asked, and how long that took of the run; nothing where there was none."""
    audit, seconds = document.get("audit"), (document.get("environment") or {}).get("audit_seconds")
    if audit and seconds and document.get("seconds"):
        by_probe = ", ".join(f"{probe} {n:,}" for probe, n in audit["checks"].items())
        yield f"the audit took {seconds:.1f} s of {document['seconds']:.1f} s; comparisons by kind: {by_probe}"


def reasons(console: "Console", document: Document) -> None:
    """A line for each check."""
    for reason in document.get("reasons", ()):
        console.print(f"  {reason['state']:<8}{reason['check']:<12}{reason['text']}", highlight=False)


def holdout(document: Document) -> Iterator[str]:
    """Lines of what is locked away from the run, and of what its model earned there."""
    for lock in (document.get("holdout") or {}).get("locks", ()):
        yield f"holdout: {lock['exchange']} {lock['symbol']} from {lock['from'][:16]} on was hidden from it"
    for read in document.get("holdouts", ()):
        if "gone" in read:
            yield f"holdout: it was read, but what came of it is gone: {read['gone']}"
            continue
        m = read["metrics"]
        yield (
            f"holdout: read {read['time'][:16]} by {read['by']}: {read['verdict']} there, Sharpe "
            f"{number(m['sharpe_annual'], 2)} a year, {amount(m['total_trades'], 'trade')}"
        )


def information_lines(document: Document) -> Iterator[str]:
    """Lines of a document's ``information``; none where it has none, or no number in it."""
    summary = document.get("information") or {}
    if summary.get("trials_variance") and summary["deflated_by_spread"] is not None:
        yield (
            f"the luckiest of these trials would show a Sharpe ratio of {number(summary['luck_by_spread'], 4)} a bar "
            f"without any skill (variance between trials {summary['trials_variance']:.3g}); probability that "
            f"this record "
            f"has more: {number(summary['deflated_by_spread'])}"
        )
    if summary.get("deflated") is not None:
        yield f"deflated Sharpe probability {number(summary['deflated'])}, haircut {number(summary.get('haircut'), 2)}"
    if summary.get("pbo") is not None:
        yield f"probability of backtest overfitting {number(summary['pbo'], 2)}"
    if summary.get("plateau") is not None:
        yield f"neighbours of the best parameters keep {number(summary['plateau'], 2)} of its score"
    for name, of in (("record", "on the judged bars"), ("search", "of the search, on the bars of the search")):
        result = (summary.get("spa") or {}).get(name)
        if result is not None and result["cash"]["consistent"] is not None:
            several = amount(result["configurations"], "configuration")
            yield (
                f"Hansen's SPA test, {several} {of}: the best would look this good by luck with probability "
                f"{number(result['cash']['consistent'], 2)} if none really beat cash, "
                f"{number(result['buy_and_hold']['consistent'], 2)} if none beat buying and holding"
            )
