"""The report of a run, as a file."""

from dataclasses import replace
from pathlib import Path

from assay.kernel.errors import StoreError
from assay.runs import run_outputs
from assay.runs.context import Context
from assay.runs.run_views import apply_later_verdict
from assay.track import load_snapshot


def write_run_page(run: int | str, context: Context, *, to: Path | None = None) -> Path:
    """Write a run's page, headed by the word that its model has now; its path. Default `usual`.

    Raises StoreError ``STORE_NOT_FOUND`` (no such run), ``STORE_CONFLICT`` (a run that left nothing to report),
    ``STORE_PATH`` (the file cannot be written), ArtifactError when the run's files are gone or damaged.
    """
    from assay.runs.report import write_report

    row = context.record.experiments.get(run)
    evidence = run_outputs.evidence_of(row["id"], context)
    if evidence is None:
        raise StoreError(
            f"run {row['id']} is {row['status']} and left nothing to report",
            code="STORE_CONFLICT",
            hint="Only a completed training or backtest has a report; assay runs list --status completed shows them.",
        )
    evidence = replace(evidence, document=apply_later_verdict(evidence.document, row, context))
    candles = {s: load_snapshot(d, context.snapshots) for s, d in evidence.document["snapshots"].items()}
    path = usual(row["id"], context) if to is None else to
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(evidence, candles, path)
    except OSError as error:
        raise StoreError(f"report {path}: {error.strerror}", code="STORE_PATH") from error
    return path


def usual(run: int, context: Context) -> Path:
    """Where the page of a run lies unless somebody says otherwise: ``reports/run_<id>.html`` in the home."""
    return context.home / "reports" / f"run_{run}.html"
