"""A setting's text as the value that it means."""

import tomllib
from typing import Any


def parse_value(text: str) -> Any:
    """A setting's text as a TOML value; what is none is text. ``none`` is null."""
    if text == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
