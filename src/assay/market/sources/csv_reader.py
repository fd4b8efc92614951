"""Read a CSV as columns of text; no types are guessed."""

import csv
import io

import numpy as np
import polars as pl

from assay.kernel.arrays import IntArray
from assay.kernel.errors import DataError, printable

_DELIMITERS = ",;\t|"


def columns_of_text(content: bytes, source: str) -> pl.DataFrame:
    """``(rows, fields)`` frame of strings with the header's names; an empty cell is null.

    Accepts a UTF-8 byte order mark, any line ends, quotes, blank lines, and comma, semicolon, tab or bar between
    fields. Errors: ``DATA_EMPTY`` (no row), ``DATA_CSV`` (not UTF-8, a row with too many or too few fields).
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{source}: the text is UTF-16, must be UTF-8", code="DATA_CSV")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    content = content.lstrip(b"\n ")
    _check_text(content, source)
    head, _, body = content.partition(b"\n")
    if not body.strip():
        raise DataError(f"{source}: 0 rows", code="DATA_EMPTY", hint="The file holds no candles.", rows=0)
    delimiter = next((d for d in _DELIMITERS if d.encode() in head), ",")
    if b"\n\n" in body or body[:1] == b"\n":
        body = b"\n".join(piece for piece in body.split(b"\n") if piece.strip())
    if b'"' in content:
        return _quoted(head + b"\n" + body, delimiter, source)
    names = _unique(head.decode().split(delimiter), source)
    raw = np.frombuffer(body if body.endswith(b"\n") else body + b"\n", np.uint8)
    ends, marks = np.flatnonzero(raw == ord("\n")), np.flatnonzero(raw == ord(delimiter))
    _check_widths(np.diff(np.searchsorted(marks, ends), prepend=0) + 1, len(names), source)
    places = [f"{i}" for i in range(len(names))]
    frame = pl.read_csv(
        body, has_header=False, separator=delimiter, infer_schema=False, quote_char=None, new_columns=places
    )
    return frame.rename(dict(zip(places, names, strict=True)))


def _quoted(content: bytes, delimiter: str, source: str) -> pl.DataFrame:
    """The slower way, for text with quotes. ``DATA_CSV`` for a quote that is not closed or stands inside a cell."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter, strict=True))
    except csv.Error as wrong:
        raise DataError(f"{source}: the quotes do not fit: {wrong}", code="DATA_CSV") from wrong
    names = _unique(rows[0], source)
    _check_widths(np.array([len(row) for row in rows[1:]]), len(names), source)
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else ([] for _ in names)
    return pl.DataFrame([pl.Series(name, column, dtype=pl.String) for name, column in zip(names, columns, strict=True)])


def _check_text(content: bytes, source: str) -> None:
    if b"\0" in content:
        raise DataError(f"{source}: NUL byte at {content.index(0)}; this is no text", code="DATA_CSV")
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        raise DataError(f"{source}: byte {wrong.start} is not UTF-8", code="DATA_CSV", byte=wrong.start) from wrong


def _unique(header: list[str], source: str) -> list[str]:
    names = [name.strip() for name in header]
    folded = [name.casefold() for name in names]
    twice = [name for name in names if name and folded.count(name.casefold()) > 1]
    if twice:
        raise DataError(f"{source}: column {printable(twice[0])} stands twice in the header", code="DATA_SCHEMA")
    return [name or f"column {i + 1}" for i, name in enumerate(names)]


def _check_widths(widths: IntArray, width: int, source: str) -> None:
    """Raise ``DATA_CSV`` at the first row whose number of fields is not the header's. Row 1 follows the header."""
    wrong = np.flatnonzero(widths != width)
    if len(wrong):
        row, fields = int(wrong[0]) + 1, int(widths[wrong[0]])
        raise DataError(
            f"{source}: row {row} has {fields} fields, the header has {width} ({len(wrong)} such rows)",
            code="DATA_CSV",
            hint="Quote cells that hold the delimiter.",
            row=row,
        )
