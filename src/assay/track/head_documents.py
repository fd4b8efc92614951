"""Heads of the ledger as they were published: in run documents, manifests of models, reports.

Whoever owns the record's file can cut the ledger; what was judged by it lies elsewhere, and says what it held.
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

from assay.track.canonical_json import canonical
from assay.track.ledger_heads import Published, read_head
from assay.track.model_files.artifact_store import disk, write_checked
from assay.track.model_files.manifest import MANIFEST
from assay.track.tracking_store import TrackingStore

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
    heads: dict[str, Any] = {}
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


def _head_in(file: Path) -> Any:
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


def _remembered(place: Path) -> dict[str, Any]:
    try:
        result = json.loads(place.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):  # gone or damaged: all is read again
        return {}
    return result if isinstance(result, dict) else {}


def _remember(place: Path, heads: dict[str, Any]) -> None:
    staged = place.with_name(f".{HEADS_CACHE}.{uuid4().hex}")
    with disk(place.parent):
        write_checked(staged, canonical(heads).encode())
        staged.replace(place)
