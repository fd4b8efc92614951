"""A CSV as columns of text: what stands in the cells, nothing guessed."""

import csv
import io

import numpy as np
import polars as pl

from assay.kernel.errors import DataError, shown

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
    line = head.decode()
    delimiter = next((d for d in _DELIMITERS if d in line), ",")
    header = next(csv.reader([line], delimiter=delimiter))
    if b"\n\n" in body or body[:1] == b"\n":
        body = b"\n".join(piece for piece in body.split(b"\n") if piece.strip())
    _check_widths(body, delimiter, len(header), source)
    frame = pl.read_csv(
        body,
        has_header=False,
        separator=delimiter,
        infer_schema=False,
        new_columns=[f"{i}" for i in range(len(header))],
    )
    return frame.rename({f"{i}": name for i, name in enumerate(_unique(header, source))})


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
        raise DataError(f"{source}: column {shown(twice[0])} stands twice in the header", code="DATA_SCHEMA")
    return [name or f"column {i + 1}" for i, name in enumerate(names)]


def _check_widths(body: bytes, delimiter: str, width: int, source: str) -> None:
    """Raise ``DATA_CSV`` at the first row whose number of fields is not the header's. Row 1 follows the header."""
    if b'"' in body:
        widths = np.fromiter((len(row) for row in csv.reader(io.StringIO(body.decode()), delimiter=delimiter)), int)
    else:
        raw = np.frombuffer(body if body.endswith(b"\n") else body + b"\n", np.uint8)
        ends = np.flatnonzero(raw == ord("\n"))
        marks = np.flatnonzero(raw == ord(delimiter))
        widths = np.diff(np.searchsorted(marks, ends), prepend=0) + 1
    wrong = np.flatnonzero(widths != width)
    if len(wrong):
        row, fields = int(wrong[0]) + 1, int(widths[wrong[0]])
        raise DataError(
            f"{source}: row {row} has {fields} fields, the header has {width} ({len(wrong)} such rows)",
            code="DATA_CSV",
            hint="Quote cells that hold the delimiter.",
            row=row,
        )
