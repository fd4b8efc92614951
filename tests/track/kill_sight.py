"""What is seen while `tests.track.kill_loop` kills, and what is left afterwards."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.track.kill_work import Plan


def read(plan: Plan) -> dict[str, Any]:
    """Read rows and files until told to end; what was half there."""
    from assay.track.tracking_store import open_store

    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.__setitem__(0, False))
    record, faults, reads = open_store(plan.url), [], 0
    while going[0]:
        found = bad_rows(record, plan, newest=5) + bad_files(plan, newest=3)
        faults += [fault for fault in found if fault not in faults]
        reads += 1
        time.sleep(0.002)
    record.close()
    return {"reads": reads, "faults": len(faults), "first": faults[:3]}


def bad_rows(record: Any, plan: Plan, *, newest: int = 1_000_000) -> list[str]:
    """Rows of models that say they have files, and have not all of them; a mark of retention that is newer excuses."""
    from assay.kernel.errors import ArtifactError
    from assay.track.loading import ModelPaths, check_files

    places = ModelPaths(Path(plan.home) / "artifacts", Path(plan.home) / "models")
    bad = []
    for row in record.models.recent(limit=newest):
        try:
            if row["deleting_at"] is None:
                check_files(row, places)
        except ArtifactError as error:
            if record.models.get(row["id"])["deleting_at"] is None:
                bad.append(f"row {row['id']}: {error.code} {error.message}")
    return bad


def bad_files(plan: Plan, *, newest: int = 1_000_000) -> list[str]:
    """Files under their final names that are not whole; those that retention takes meanwhile are gone, not half."""
    from assay.kernel.errors import ArtifactError
    from assay.track.model_files import pkl_envelope
    from assay.track.model_files.artifact_store import Blobs
    from assay.track.model_files.manifest import MANIFEST, read_checked_parts

    blobs, bad = Blobs(Path(plan.home) / "artifacts"), []
    folders = [p for p in blobs.folder.glob("*") if len(p.name) == 64]
    files = list((Path(plan.home) / "models").glob("*/*/model_*.pkl"))
    for path in _newest(folders, newest) + _newest(files, newest):
        try:
            if path.suffix == ".pkl":
                pkl_envelope.read(path)
            elif (path / MANIFEST).exists():
                read_checked_parts(blobs, path.name)
        except ArtifactError as error:
            if path.exists():
                bad.append(f"{path.name}: {error.code}")
    return bad


def _newest(paths: list[Path], count: int) -> list[Path]:
    def made(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    return sorted(paths, key=made, reverse=True)[:count]


def damage(told: dict[str, Any]) -> int:
    """How many promises a loop found broken."""
    left, names = told["left"], ("rows_without_files", "half_files", "verify_faults", "runs_that_live")
    names += ("runs_with_two_models", "models_of_unfinished_runs", "files_left_without_a_row", "half_removed")
    return int(told["reader"]["faults"]) + sum(int(left[name]) for name in names)


def examined(plan: Plan) -> dict[str, Any]:
    """What is left: each of these is 0 or says what it counts."""
    import sqlalchemy as sa

    from assay.runs.context import Context
    from assay.runs.model_views import verify_models
    from assay.track.schema.tables import EXPERIMENTS, MODELS
    from assay.track.tracking_store import open_store

    home = Path(plan.home)
    with open_store(plan.url) as record:
        bad = bad_rows(record, plan)
        with record.database.read() as connection:
            e, m = EXPERIMENTS.c, MODELS.c
            query = sa.select(e.status, sa.func.count()).group_by(e.status)
            runs = {str(status): int(count) for status, count in connection.execute(query)}
            per_run = sa.select(sa.func.count()).select_from(MODELS).group_by(m.experiment_id)
            doubled = [n for n in connection.execute(per_run).scalars() if n > 1] if plan.mode != "retain" else []
            with_model = sa.select(sa.func.count()).where(e.status != "completed", m.experiment_id == e.id)
            unfinished = int(connection.execute(with_model).scalar_one())
        models = len(record.models.recent(limit=1_000_000))
        ledger = record.ledger.check()
        context = Context(home=home, record_url=plan.url, candles_url="")
        found = verify_models([], context, every=False).document
        context.record.close()
        orphans, stray = _collected(record, home)
        with record.database.read() as connection:
            removed = connection.execute(sa.select(m.manifest_sha256).where(m.deleted_at.is_not(None))).scalars().all()
            marked = sa.select(sa.func.count()).where(m.deleting_at.is_not(None), m.deleted_at.is_(None))
            half_removed = int(connection.execute(marked).scalar_one())
    half_removed += sum((home / "artifacts" / str(name)).exists() for name in removed)
    return {
        "rows_without_files": len(bad),
        "half_files": len(bad_files(plan)),
        "verify_faults": len(found["faults"]),
        "verified": found["checked"],
        "runs": runs,
        "runs_that_live": runs.get("running", 0),
        "runs_with_two_models": len(doubled),
        "models_of_unfinished_runs": unfinished,
        "models": models,
        "trials": ledger,
        "orphans_collected": orphans,
        "removed": len(removed),
        "half_removed": half_removed,
        "files_left_without_a_row": stray,
        "first": bad[:2],
    }


def _collected(record: Any, home: Path) -> tuple[int, int]:
    """Everything is made old, and retention passes twice; then every file belongs to a row."""
    from assay.track.registry.retention import prune_files

    for path in home.rglob("*"):
        os.utime(path, (0, 0))
    places = {"artifacts": home / "artifacts", "models": home / "models"}
    went = [prune_files(record, **places, days=36_500) for _ in range(2)]
    went.append(prune_files(record, **places, days=36_500))
    return sum(len(p.orphans) for p in went if not p.dry_run), len(went[-1].orphans)
