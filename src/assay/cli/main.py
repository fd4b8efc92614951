"""`assay`: a thin door. Each command parses, calls and prints; what it calls is imported when it is called."""

import sys
from typing import Annotated

import typer

from assay.cli import (
    audit,
    backtest,
    config,
    data,
    database,
    datasets,
    demo,
    features,
    migrate,
    mirror,
    models,
    optimize,
    runs,
    selftest,
    settings,
    sql,
    strategies,
    train,
    trials,
    vault,
)
from assay.cli.command import main, tell_on_stderr

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train trading models and tell which of them are worth money.",
)
app.command("demo")(demo.demo)
app.command("import")(data.import_files)
app.command("collect")(data.collect)
app.add_typer(data.app, name="data")
app.add_typer(features.app, name="features")
app.command("train")(train.train)
app.add_typer(strategies.app, name="strategies")
app.command("backtest")(backtest.backtest)
app.command("optimize")(optimize.optimize)
app.command("audit")(audit.audit)
app.command("selftest")(selftest.selftest)
app.add_typer(config.app, name="config")
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")
app.add_typer(mirror.app, name="mirror")
app.command("report")(runs.report)
app.command("trials")(trials.trials)
app.add_typer(vault.app, name="vault")
app.add_typer(datasets.app, name="datasets")
app.add_typer(database.app, name="db")
app.command("backup")(database.backup)
app.command("export")(database.export)
app.add_typer(migrate.app, name="migrate")
app.command("sql")(sql.sql)
app.command("settings")(settings.settings)


def _version(present: bool) -> None:
    if present:
        import assay

        sys.stdout.write(f"assay {assay.__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train trading models and tell which of them are worth money."""


def run() -> None:
    """Entry point of the console script."""
    tell_on_stderr()
    sys.exit(main(typer.main.get_command(app), sys.argv[1:]))
