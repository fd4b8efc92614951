"""Text of others on a terminal: what would move its cursor or colour it is shown, not sent."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from assay.cli.escape import escape_control


class Terminal(Console):
    """A console whose own codes are the only ones that it sends."""

    def render_str(self, text: str, **more: Any) -> Text:
        """As the base class; escaped before it is laid out."""
        return super().render_str(escape_control(text), **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As the base class; whatever was no plain text escaped, too."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else escape_control(text), style, control)
