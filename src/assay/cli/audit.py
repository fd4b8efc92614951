"""`assay audit`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.command import Document, Home, Json, open_context, say
from assay.kernel.errors import ConfigError, LeakError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


def audit(
    run: Annotated[str, typer.Argument(help="Number or id of a training or a search.")] = "",
    strategy_file: Annotated[
        Path | None, typer.Option(help="Python file with a strategy of your own; it is run.")
    ] = None,
    features_file: Annotated[
        Path | None, typer.Option(help="Python file with features of your own; it is run.")
    ] = None,
    planted: Annotated[
        bool, typer.Option("--planted", help="Audit planted leaks, attacks, and sound pipelines.")
    ] = False,
    exchange: Annotated[str | None, typer.Option("--exchange", "-e", help="Stored market, with a file.")] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", "-s", help="Its symbol. [a synthetic market]")] = None,
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Length of a bar.")] = "1h",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ask whether anything that was said at t depends on bars after t. All questions, whatever they cost."""
    if [bool(run), strategy_file is not None, features_file is not None, planted].count(True) != 1:
        raise ConfigError("name one of RUN, --strategy-file, --features-file and --planted", code="CONFIG_AUDIT")
    if planted:
        from assay.testing import run_audit_suite

        whole = run_audit_suite().document
        wrong = "" if whole["passed"] else "the audit misses a leak or an attack, or raises a false alarm"
        _tell(whole, _suite, wrong, as_json=as_json)
        return
    from assay.runs import audit_features_file, audit_run, audit_strategy

    with open_context(home, working=True) as context:
        if strategy_file is not None:
            document = audit_strategy(strategy_file, context, exchange, symbol, timeframe)
        elif features_file is not None:
            document = audit_features_file(features_file, context, exchange, symbol, timeframe)
        else:
            document = audit_run(run, context)
    wrong = "".join(each["text"] for each in document["violations"][:1])
    _tell(document, _people, wrong, as_json=as_json)


def _tell(document: Document, people: "Callable[[Console, Document], None]", wrong: str, *, as_json: bool) -> None:
    """The answer; where something is wrong, an error in its place on stdout."""
    if not (wrong and as_json):
        say(document, lambda console: people(console, document), as_json=as_json)
    if wrong:
        raise LeakError(wrong, code="LEAK_AUDIT", **document)


def _people(console: "Console", document: Document) -> None:
    verdict = "passed" if document["passed"] else "failed" if document["violations"] else "is not complete"
    request = ", ".join(f"{n} {probe}" for probe, n in document["checks"].items())
    console.print(f"{document['name']}: the causality audit {verdict} ({document['seconds']:.1f} s)", markup=False)
    console.print(f"  asked: {request}", highlight=False, markup=False)
    for note in document["notes"]:
        console.print(f"  note: {note}", highlight=False, markup=False)
    for each in document["violations"]:
        console.print(f"  {each['probe']:<10}{each['text']}", highlight=False, markup=False)
    for each in document.get("models", []):
        verdict = "" if each["verdict"] == each["was"] else f", its verdict {each['verdict']} (was {each['was']})"
        text = f"  model {each['id']}: its audit is {each['audit_status']}{verdict}"
        console.print(text, highlight=False, markup=False)
    if document["violations"] and document.get("active"):
        text = f"  still active: {', '.join(document['active'])}; assay config deactivate switches it off"
        console.print(text, highlight=False, markup=False)


def _suite(console: "Console", document: Document) -> None:
    for each in document["leaks"]:
        summary = each["found"] or "NOT FOUND"
        console.print(
            f"{each['name']:<28}{each['probe']:<10}{summary}",
            highlight=False,
            markup=False,
            overflow="ellipsis",
            no_wrap=True,
        )
    for each in document["attacks"]:
        if not each["found"]:
            console.print(f"  ATTACK MISSED {each['name']}", highlight=False, markup=False)
    console.print(
        f"{document['found']} of {document['planted']} planted leaks and {document['attacks_found']} of "
        f"{document['attacks_planted']} attacks found; {document['false_alarms']} alarms in "
        f"{document['audited_clean']} audits of sound pipelines",
        highlight=False,
    )
    for name, texts in document["clean"].items():
        for text in texts:
            console.print(f"  FALSE ALARM {name}: {text}", highlight=False, markup=False)
