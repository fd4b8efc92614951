"""`assay selftest`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Home, Json, demand_within, open_context, say
from assay.kernel.errors import TrainError

if TYPE_CHECKING:
    from rich.console import Console

    from assay.runs import SelfTestResult

_SEED = 1


def selftest(
    markets: Annotated[
        int | None, typer.Option(help="Markets without an edge; half as many of each other kind. [60]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Every market's seed is its child.")] = _SEED,
    workers: Annotated[int | None, typer.Option(help="Markets side by side. [ASSAY_WORKERS or the cores]")] = None,
    nightly: Annotated[bool, typer.Option("--nightly", help="200 markets, and three for each trainer.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write the page there. [selftest.html in the home's reports]")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Judge the judge: how often it calls gold what is none, and how often it finds what is there."""
    from assay.runs import CI_SIZE, MOST_MARKETS, NIGHTLY_SIZE, run_selftest, write_selftest_page
    from assay.testing import PARTS

    demand_within("--seed", seed, 0, 2**32 - 1)
    demand_within("--workers", 1 if workers is None else workers, 1, 256)
    size = NIGHTLY_SIZE if nightly else CI_SIZE
    if markets is not None:
        demand_within("--markets", markets, 1, MOST_MARKETS)
        size = size.of(markets)
    with open_context(home, working=True) as context:
        result = run_selftest(
            size,
            seed=seed,
            workers=workers or context.workers,
            listener=context.listener,
            suite=run_attack_part,
            parts=PARTS,
        )
        path = write_selftest_page(result, context.home / "reports" / "selftest.html" if report is None else report)
    document = result.document | {"report": str(path)}
    if result.verdict == "PASS" or not as_json:
        say(document, lambda console: _people(console, result, path), as_json=as_json)
    if result.verdict != "PASS":
        raise TrainError(_wrong(result), code="TRAIN_SELFTEST", **document)


def run_attack_part(part: int) -> dict[str, object]:
    """One part of the suite of leaks and attacks, and of what must raise no alarm, in numbers and names."""
    from assay.testing import run_audit_suite

    result = run_audit_suite(part)
    counts = result.document
    return {
        "planted": counts["planted"], "found": counts["found"], "attacks": counts["attacks_planted"],
        "attacks_found": counts["attacks_found"], "cut_short": result.cut,
        "cut_short_missed": len(result.missed_when_cut), "missed": result.missed, "clean": counts["audited_clean"],
        "alarms": counts["false_alarms"], "alarmed": result.alarmed, "questions": result.questions,
    }  # fmt: skip


def _wrong(result: "SelfTestResult") -> str:
    failed = [each for each in result.figures if each.state == "FAIL"]
    if failed:
        message = "; ".join(f"{each.title}: {each.text}, {each.needs} wanted" for each in failed)
        names = {"not found": result.suite.get("missed"), "without a leak": result.suite.get("alarmed")}
        which = "".join(f"; {what}: {', '.join(each)}" for what, each in names.items() if each)
        return f"the gate does not do what it must: {message}{which}"
    few = "; ".join(
        f"{each.title}: {each.text}, {each.needs} wanted" for each in result.figures if each.state != "PASS"
    )
    return f"too few repetitions to tell: {few}"


def _people(console: "Console", result: "SelfTestResult", path: Path) -> None:
    from rich.table import Table

    table = Table()
    for column in ("figure", "count, 95 % bounds", "wanted", ""):
        table.add_column(column)
    for each in result.figures:
        table.add_row(each.title, each.text, each.needs, each.state)
    console.print(table)
    console.print(f"seed {result.seed}, {result.workers} at once, {result.seconds:.0f} s", highlight=False)
    console.print(f"report: {path}", soft_wrap=True, highlight=False)
