"""Components of a page: figures, tables, notes and key numbers, in sections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

from assay.runs.report.svg import Canvas

WIDE, HALF, NARROW = 1000.0, 480.0, 350.0


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend: class of its swatch, and what it stands for."""

    css: str
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, drawn once for wide and once for narrow screens; `half` puts two beside each other."""

    kind: ClassVar[str] = "figure"
    title: str
    wide: Markup
    narrow: Markup
    caption: str = ""
    legend: tuple[Key, ...] = ()
    half: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell; `heat` in [-1, 1] tints it."""

    text: str
    heat: float = 0.0
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows whose first cell names them; numbers stand right unless `words`; column `meaning` explains."""

    kind: ClassVar[str] = "table"
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    words: bool = False
    half: bool = False
    meaning: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence instead of a chart that cannot be drawn, or beside one."""

    kind: ClassVar[str] = "note"
    text: str
    half: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands, for machines."""

    kind: ClassVar[str] = "code"
    title: str
    text: str
    half: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A key number with its name, what it is measured in or against, and a mood: good, bad or none."""

    name: str
    value: str
    note: str = ""
    mood: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Key numbers in a row."""

    kind: ClassVar[str] = "cards"
    cards: tuple[Card, ...]
    half: bool = False


Part = Figure | Table | Note | Code | Cards


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the page."""

    anchor: str
    title: str
    lead: str
    parts: tuple[Part, ...]


def figure(
    title: str,
    draw: Callable[[float], Canvas],
    *,
    caption: str = "",
    legend: Sequence[Key] = (),
    half: bool = False,
) -> Figure:
    """A figure from a function of the drawing's width."""
    wide = draw(HALF if half else WIDE).svg()
    return Figure(title, wide, draw(NARROW).svg(), caption, tuple(legend), half)


def table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    *,
    caption: str = "",
    words: bool = False,
    half: bool = False,
    meaning: int = 0,
) -> Table:
    """A table from plain texts and cells."""
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    return Table(title, tuple(head), cells, caption, words, half, meaning)
