"""What a refusal of the record is."""

from typing import Any

import pytest

from assay.kernel.errors import StoreError


def refused(code: str, text: str | None = None) -> Any:
    """The block raises a StoreError of that code, whose text has `text` in it."""
    return pytest.raises(StoreError, match=text, check=lambda error: error.code == code)
