import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, StoreError
from assay.market.stores.contract import CandleStore
from assay.market.stores.duckdb import DuckDbStore
from assay.market.stores.lock import alone
from assay.market.stores.memory import MemoryStore
from assay.market.stores.open import open_candles
from assay.testing.candle_store import BTC, ETH, CandleStoreContract, candles


class TestMemory(CandleStoreContract):
    @pytest.fixture
    def store(self) -> CandleStore:
        return MemoryStore()


class TestDuckDb(CandleStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> CandleStore:
        return DuckDbStore(tmp_path / "home" / "candles.duckdb", wait_seconds=5)
