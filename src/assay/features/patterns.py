"""Swing events: names and columns."""

from assay.features.columns import Feature


def pattern_feature(name: str) -> Feature | None:
    """The lag column of that name, None if the name is none."""
    return None
