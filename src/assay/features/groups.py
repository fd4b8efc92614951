"""Modules of all feature groups, in the order in which the registry lists them."""

from importlib import import_module

GROUPS = (
    "price", "volatility", "technical", "volume", "candles", "calendar", "sessions", "fibonacci", "rolling",
    "multi_timeframe",
    "interactions", "exogenous", "regime", "classic",
)  # fmt: skip


def load() -> None:
    """Import every group once."""
    for group in GROUPS:
        import_module(f"assay.features.{group}")
