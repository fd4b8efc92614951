"""Errors of the record, by their code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from assay.kernel.errors import StoreError


@contextmanager
def coded(code: str) -> Iterator[None]:
    with pytest.raises(StoreError) as told:
        yield
    assert told.value.code == code, told.value


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as told:
        act()
    return told.value.code
