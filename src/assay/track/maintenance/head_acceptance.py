"""Accept a ledger that has lost rows: published heads, and what is missing still counted."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.parse import JsonObject, JsonValue
from assay.kernel.timeframe import current_ms
from assay.track.codecs import canonical, parse_instant
from assay.track.database import again
from assay.track.ledger_heads import FIRST, BrokenChain, End, Published, chain_id, check_heads, count_missing, read_head
from assay.track.model_files.artifact_store import disk, write_checked
from assay.track.model_files.manifest import MANIFEST
from assay.track.schema.service import EVENTS
from assay.track.schema.tables import LEDGER_EPOCHS, TRIAL_HEADS, TRIALS
from assay.track.tracking_store import TrackingStore

ACTION = "ledger.accept_head"
_H, _T, _E = TRIAL_HEADS.c, TRIALS.c, LEDGER_EPOCHS.c


@dataclass(frozen=True, slots=True)
class Accepted:
    """A chain that goes on without rows. seq: number from which on it is walked; missing: rows and configurations."""

    market_key: str
    seq: int
    missing_rows: int
    missing_configs: int


@dataclass(frozen=True, slots=True)
class _StoredHead:
    """The end of a chain as the table of heads has it."""

    seq: int
    n_configs: int
    row_hash: str


def accept_ledger_head(
    record: TrackingStore, published: Iterable[Published], *, reason: str, by: str = ""
) -> list[Accepted]:
    """Accept every chain that lacks rows as it is now; from here on it is walked anew, and what is missing counts on.

    How much is missing is told by the table of heads and by the heads that were published. Reason and name are kept for
    ever, in the ledger and among the events. ConfigError ``CONFIG_FIELD`` without a reason; StoreError
    ``STORE_CONFLICT`` where nothing is missing, ``STORE_CORRUPT`` for a chain whose head lies before its rows.
    """
    if not reason.strip() or not reason.strip().isprintable():
        raise ConfigError(
            f"reason is {printable(reason)}: one line of plain text is kept with what is missing", field="reason"
        )
    heads = list(published)
    return again(record.database, lambda: _accept(record, heads, reason.strip(), by.strip()))


def _accept(record: TrackingStore, published: list[Published], reason: str, by: str) -> list[Accepted]:
    with record.database.write() as connection:
        due = _due(connection, published)
        value = _stored_heads(connection)
        keys = sorted({*due, *value, *record.ledger.chains()})
        result = [(key, _lacking(connection, record, key, due.get(key), value.get(key))) for key in keys]
        lacking = [(key, each) for key, each in result if each is not None]
        if not lacking and not _ids_are_missing(connection):
            raise StoreError("no row of the trial ledger is missing: there is nothing to accept", code="STORE_CONFLICT")
        lacking = lacking or [("", (0, FIRST, 0, 0))]
        for key, (seq, row_hash, lost_rows, lost) in lacking:
            row = {
                "market_key": key, "seq": seq, "row_hash": row_hash, "missing_rows": lost_rows, "missing_configs": lost,
                "highest_id": _highest(connection), "reason": reason, "accepted_by": by,
                "created_at": parse_instant(current_ms()),
            }  # fmt: skip
            connection.execute(sa.insert(LEDGER_EPOCHS).values(row))
        done = [Accepted(key, seq, lost_rows, lost) for key, (seq, _, lost_rows, lost) in lacking]
        details = [{"market": d.market_key, "rows": d.missing_rows, "configs": d.missing_configs} for d in done]
        event = {
            "timestamp": parse_instant(current_ms()), "actor": by or "unknown", "action": ACTION, "subject": "ledger",
            "details": {"reason": reason, "missing": details},
        }  # fmt: skip
        connection.execute(sa.insert(EVENTS).values(event))
        return done


def _due(connection: sa.Connection, published: list[Published]) -> dict[str, End]:
    """The furthest end of each chain that was published of this ledger and not accepted to be missing since."""
    own = chain_id(connection)
    accepted = dict(connection.execute(sa.select(_E.market_key, sa.func.max(_E.id)).group_by(_E.market_key)).all())
    result: dict[str, End] = {}
    for head in (each.head for each in published if each.head.chain == own):
        for key, end in head.ends.items():
            if head.epoch >= accepted.get(key, 0) and end.seq >= (result[key].seq if key in result else 0):
                result[key] = end
    return result


def _stored_heads(connection: sa.Connection) -> dict[str, _StoredHead]:
    return {
        row.market_key: _StoredHead(row.seq, row.n_configs, row.row_hash)
        for row in connection.execute(sa.select(TRIAL_HEADS))
    }


def _lacking(
    connection: sa.Connection, record: TrackingStore, key: str, due: End | None, values: _StoredHead | None
) -> tuple[int, str, int, int] | None:
    """Where the chain is walked from on, and rows and configurations that it lacks; None for one that is whole."""
    if _is_whole(connection, record, key, due):
        return None
    total = sa.select(sa.func.max(_T.seq), sa.func.sum(_T.n_configs), sa.func.count()).where(_T.market_key == key)
    last, configs, rows = (int(value or 0) for value in connection.execute(total).one())
    lost = count_missing(connection, key)
    wanted = max(0 if due is None else due.looks, 0 if values is None else int(values.n_configs))
    wanted_rows = max(0 if due is None else due.seq, 0 if values is None else int(values.seq), last)
    if values is not None and int(values.seq) < last:
        raise StoreError(
            f"trial ledger: the head of {key} lies before its rows; restore a backup", code="STORE_CORRUPT"
        )
    if values is None and last:
        values = _set_head(connection, key, last, configs)
    base = (0, FIRST) if values is None else (int(values.seq), str(values.row_hash))
    return *base, wanted_rows - rows, max(0, wanted - configs - lost)


def _is_whole(connection: sa.Connection, record: TrackingStore, key: str, due: End | None) -> bool:
    try:
        record.ledger.check_chain(key)
        check_heads(connection, key)
    except BrokenChain:
        return False
    if due is None or not due.seq:
        return True
    query = sa.select(_T.row_hash).where(_T.market_key == key, _T.seq == due.seq)
    return connection.execute(query).scalar() == due.row_hash


def _set_head(connection: sa.Connection, key: str, last: int, configs: int) -> _StoredHead:
    row_hash = connection.execute(sa.select(_T.row_hash).where(_T.market_key == key, _T.seq == last)).scalar_one()
    values = {"market_key": key, "seq": last, "n_configs": configs, "row_hash": row_hash}
    connection.execute(sa.insert(TRIAL_HEADS).values(values))
    row = connection.execute(sa.select(TRIAL_HEADS).where(_H.market_key == key)).one()
    return _StoredHead(row.seq, row.n_configs, row.row_hash)


def _highest(connection: sa.Connection) -> int:
    """The highest id that the table of trials has given out; on PostgreSQL, which skips some, 0."""
    if connection.dialect.name != "sqlite":
        return 0
    return int(connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'trials'").scalar() or 0)


def _ids_are_missing(connection: sa.Connection) -> bool:
    highest = int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_T.id), 0))).scalar_one())
    accepted = int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_E.highest_id), 0))).scalar_one())
    return _highest(connection) > max(highest, accepted)


HEADS_CACHE = "ledger_heads.json"  # in the home: what was read of files that do not change
EVIDENCE = "evidence"
_HASH = re.compile(r"[0-9a-f]{64}")
_META = re.compile(rb'<meta name="assay-ledger-head" content="([^"]*)">')
_PAGE_BEGINS = 64 * 1024


def find_published_heads(
    record: TrackingStore, *, home: Path, artifacts: Path, afresh: bool = False
) -> list[Published]:
    """Every head that is found from the record's tables and in the home's folders, those of this record's runs first.

    What was read once of a content-addressed folder is remembered in the home and not read again, unless `afresh`: then
    all is. Damaged files say nothing. Cost: a listing of the artifacts, and a read of each file that is new.
    """
    place = home / HEADS_CACHE
    remembered = {} if afresh else _remembered(place)
    heads: JsonObject = {}
    for name, file in _files(home, artifacts):
        heads[name] = remembered[name] if name in remembered else _head_in(file)
    if heads != remembered and not afresh:
        _remember(place, heads)
    own = record.artifacts.blobs(EVIDENCE)
    result = [(name, read_head(document)) for name, document in heads.items()]
    files = [Published(_where(name, own), h, name.split("/")[0] in own) for name, h in result if h is not None]
    return sorted(files, key=lambda each: not each.own) + _of_models(record)


def _files(home: Path, artifacts: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of what may hold a head; the name of what can change says when it was changed."""
    folders = sorted(artifacts.iterdir()) if artifacts.is_dir() else []
    for folder in (each for each in folders if _HASH.fullmatch(each.name)):
        for file in (folder / "run.json", folder / MANIFEST):
            if file.is_file():
                yield f"{folder.name}/{file.name}", file
    for page in sorted((home / "reports").glob("*.html")):
        yield f"reports/{page.name} {page.stat().st_mtime_ns}", page


def _head_in(file: Path) -> JsonValue:
    if file.suffix == ".html":
        with file.open("rb") as page:
            result = _META.search(page.read(_PAGE_BEGINS))
        text: str | bytes = b"" if result is None else unescape(result[1].decode("utf-8", "replace"))
    else:
        text = file.read_bytes()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if file.suffix == ".html" or not isinstance(document, dict):
        return document
    return document.get("head") or document.get("ledger_head")


def _of_models(record: TrackingStore) -> list[Published]:
    heads = ((number, read_head((verdict or {}).get("head"))) for number, verdict in record.models.verdicts())
    return [Published(f"model {number}", head) for number, head in heads if head is not None]


def _where(name: str, own: dict[str, int]) -> str:
    folder, _, file = name.partition("/")
    if folder in own:
        return f"run {own[folder]}"
    return f"the page {file.split(' ')[0]}" if folder == "reports" else f"{file} of {folder[:12]}…"


def _remembered(place: Path) -> JsonObject:
    try:
        result = json.loads(place.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):  # gone or damaged: all is read again
        return {}
    return result if isinstance(result, dict) else {}


def _remember(place: Path, heads: JsonObject) -> None:
    staged = place.with_name(f".{HEADS_CACHE}.{uuid4().hex}")
    with disk(place.parent):
        write_checked(staged, canonical(heads).encode())
        staged.replace(place)
