"""The composition root: settings in, open stores out. Nothing below imports it."""

import os
from pathlib import Path

from assay.kernel.errors import ConfigError, shown
from assay.runs.context import Context, Listener
from assay.settings import load


def context(*, home: Path | None = None, listener: Listener | None = None) -> tuple[Context, tuple[str, ...]]:
    """A context over the home folder, and warnings about settings that look misspelt.

    home: overrides ``ASSAY_HOME``; default ``.assay`` in the working folder. The folder is made if it is not there.
    Raises ConfigError ``CONFIG_FIELD`` naming folder and reason when it cannot be written to.
    """
    settings, warnings = load(home=home)
    _demand_writable(settings.home)
    opened = Context(
        home=settings.home,
        record_url=settings.record,
        candles_url=settings.candles,
        base_timeframe=settings.timeframe,
        workers=settings.workers,
        **({} if listener is None else {"listener": listener}),
    )
    return opened, warnings


def _demand_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"home {shown(str(home))} cannot be made: {error.strerror}", code="CONFIG_FIELD", field="home"
        ) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigError(
            f"home {shown(str(home))} is not writable for this user",
            code="CONFIG_FIELD",
            hint="Choose another folder with --home or ASSAY_HOME, or give yourself the right to write there.",
            field="home",
        )
