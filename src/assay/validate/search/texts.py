"""A dimension as a command line writes it."""

from typing import Any


def searched(text: str) -> tuple[str, Any]:
    """Name, and what `dimension` takes."""
    name, _, rest = text.partition("=")
    if ":" in rest:
        parts = [float(x) if "." in x or "e" in x else int(x) for x in rest.split(":")]
        kind = "int" if all(isinstance(x, int) for x in parts[:2]) else "float"
        table = {"type": kind, "low": parts[0], "high": parts[1]}
        return name, table | ({"points": parts[2]} if len(parts) > 2 else {})
    import tomllib
    return name, tomllib.loads(f"v=[{rest}]")["v"]
