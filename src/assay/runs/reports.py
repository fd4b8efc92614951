"""The report of a run, as a file."""

from pathlib import Path

from assay.kernel.errors import StoreError
from assay.runs import keep
from assay.runs.context import Context
from assay.track.snapshots import load_snapshot


def write(run: int | str, context: Context, *, to: Path | None = None) -> Path:
    """Write a run's page; its path. Default ``reports/run_<id>.html`` in the home.

    Raises StoreError ``STORE_NOT_FOUND`` (no such run), ``STORE_CONFLICT`` (a run that left nothing to report),
    ``STORE_PATH`` (the file cannot be written), ArtifactError when the run's files are gone or damaged.
    """
    from assay.runs.report import write_report

    row = context.record.experiments.get(run)
    evidence = keep.evidence_of(row["id"], context)
    if evidence is None:
        raise StoreError(
            f"run {row['id']} is {row['status']} and left nothing to report",
            code="STORE_CONFLICT",
            hint="Only a completed training or backtest has a report; assay runs list --status completed shows them.",
        )
    candles = {s: load_snapshot(d, context.snapshots) for s, d in evidence.document["snapshots"].items()}
    path = context.home / "reports" / f"run_{row['id']}.html" if to is None else to
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(evidence, candles, path)
    except OSError as error:
        raise StoreError(f"report {path}: {error.strerror}", code="STORE_PATH") from error
    return path
