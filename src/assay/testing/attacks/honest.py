"""Honest strategy files, written as people write them: none may raise an alarm."""

from collections.abc import Mapping
from types import MappingProxyType

from assay.testing.attacks.own_file import OwnFile

_MEAN = "mean = pd.Series(close).rolling(w).mean().to_numpy()\nsignal = np.nan_to_num(close / mean - 1) * 4"


def _honest(
    name: str, body: str, head: str = "", *, options: str = "", modules: Mapping[str, str] = MappingProxyType({})
) -> OwnFile:  # fmt: skip
    return OwnFile(name, "", body, head, options, judged=True, modules=modules)


_LOOP = """
@njit
def faded(values, share):
    out = np.zeros(len(values))
    for i in range(1, len(values)):
        out[i] = values[i] * share + 0.5 * (values[i - 1] if i else 0.0)
    return out
"""
_HELPER = "import numpy as np\n\nSCALE = 1.0\n\n\ndef scaled(values):\n    return np.tanh(values) * SCALE\n"

HONEST: tuple[OwnFile, ...] = (
    _honest("plain", "pass"),
    _honest("module_constants", "signal = past * SCALE", "SCALE, LIMITS = 1.5, (1, 2)"),
    _honest("numba", "signal = faded(past, 0.8)", "from numba import njit\n" + _LOOP),
    _honest("numba_cached", "signal = faded(past, 0.8)",
            "from numba import njit\n" + _LOOP.replace("@njit", "@njit(cache=True)")),
    _honest("talib", "signal = np.nan_to_num(talib.RSI(close, 14) - 50) / 500",
            "import talib", options="calendar=False"),
    _honest("pandas_rolling", _MEAN.replace("4", "1"), "import pandas as pd"),
    _honest("pandas_times", "hours = pd.to_datetime(bars.timestamp, unit='ms', utc=True).hour\n"
            "signal = np.where(hours < 12, past, 0.0)", "import pandas as pd"),
    _honest("polars_expressions", "table = pl.DataFrame({'c': close}).with_columns(m=pl.col('c').rolling_max(w))\n"
            "signal = np.nan_to_num(close / table['m'].to_numpy() - 1)", "import polars as pl"),
    _honest("polars_lazy", "out = pl.LazyFrame({'p': past}).select(pl.col('p').clip(-0.05, 0.05)).collect()\n"
            "signal = out['p'].to_numpy()", "import polars as pl"),
    _honest("scipy_filter", "signal = lfilter([0.5, 0.5], [1.0], past)", "from scipy.signal import lfilter"),
    _honest("scipy_statistics", "signal = norm.cdf(past * 20) * 0.04 - 0.02", "from scipy.stats import norm"),
    _honest("sklearn", "signal = 0.02 * (Binarizer(threshold=0.01).fit_transform(past.reshape(-1, 1))[:, 0] - 0.5)",
            "from sklearn.preprocessing import Binarizer"),
    _honest("cached_pure_function", "signal = past * weight(w)",
            "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef weight(w):\n    return 1.0 + w / 100"),
    _honest("dataclass", "signal = past * BAND.width",
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Band:\n    width: float = 1.2\n"
            "BAND = Band()"),
    _honest("enumeration_and_types", "signal = past * Mode.FAST.value",
            "from enum import Enum\nfrom typing import Final\nclass Mode(Enum):\n    FAST = 1.1\nX: Final = 1"),
    _honest("warnings", "warnings.warn('few bars') if n < 10 else None\nsignal = past", "import warnings"),
    _honest("suppressed_division", "with np.errstate(all='ignore'):\n    signal = np.nan_to_num(past / (past != 0))"),
    _honest("prints", "print('bars', n)\nprint('x' * 10_000)"),
    _honest("logs", "LOG.warning('rows %d', n)", "import logging\nLOG = logging.getLogger(__name__)"),
    _honest("logs_with_a_handler", "LOG.info('rows %d', n)",
            "import logging\nLOG = logging.getLogger('own')\nLOG.addHandler(logging.StreamHandler())\n"
            "LOG.setLevel(logging.INFO)"),
    _honest("seeded_generator", "signal = past + 1e-9 * np.random.default_rng(0).random(w).sum()"),
    _honest("hour_of_day", "hour = bars.timestamp // 3_600_000 % 24\nsignal = np.where(hour == 14, 0.02, 0.0)"),
    _honest("weekday", "day = (bars.timestamp // 86_400_000 + 3) % 7\nsignal = np.where(day < 5, past, 0.0)"),
    _honest("month_and_day", "dates = bars.timestamp.astype('datetime64[ms]')\n"
            "month = dates.astype('datetime64[M]').astype(int) % 12\nsignal = np.where(month == 0, past, 0.5 * past)"),
    _honest("datetime_objects", "hours = [datetime.fromtimestamp(t / 1000, UTC).hour for t in bars.timestamp]\n"
            "signal = np.where(np.array(hours) > 8, past, 0.0)", "from datetime import UTC, datetime"),
    _honest("datetime_arithmetic", "start = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)\n"
            "assert isinstance(start, datetime.datetime) and isinstance(start, datetime.date)\n"
            "signal = past * (1 + (start + datetime.timedelta(days=1)).day / 100)", "import datetime"),
    _honest("new_york_session", "zone = ZoneInfo('America/New_York')\n"
            "hours = np.array([datetime.fromtimestamp(t / 1000, zone).hour for t in bars.timestamp])\n"
            "signal = np.where((hours >= 9) & (hours < 16), past, 0.0)",
            "from datetime import datetime\nfrom zoneinfo import ZoneInfo"),
    _honest("measures_its_time", "began = time.perf_counter()\nsignal = past * 1.0\n"
            "LOG.debug('%.3f s', time.perf_counter() - began)",
            "import logging\nimport time\nLOG = logging.getLogger(__name__)"),
    _honest("helper_beside", "signal = scaled(past)", "from my_helper import scaled",
            modules={"my_helper.py": _HELPER}),
    _honest("package_beside", "signal = mine.shapes.scaled(past)", "import mine.shapes",
            modules={"mine/__init__.py": "", "mine/shapes.py": _HELPER}),
    _honest("helper_in_the_call", "from late_helper import scaled\nsignal = scaled(past)",
            modules={"late_helper.py": _HELPER}),
    _honest("sets_thread_count", "signal = past * 1.0", "import os\nos.environ['OMP_NUM_THREADS'] = '1'"),
    _honest("threads", "with ThreadPoolExecutor(2) as pool:\n"
            "    signal = np.concatenate(list(pool.map(np.array, [past])))",
            "from concurrent.futures import ThreadPoolExecutor"),
    _honest("memory_that_is_rebuilt", "SEEN.clear()\nSEEN.update(enumerate(past))\n"
            "signal = np.array([SEEN[i] for i in range(n)])", "SEEN = {}"),
    _honest("duckdb_in_memory", "rows = duckdb.sql('select 1.5 as x').fetchall()\nsignal = past * float(rows[0][0])",
            "import duckdb"),
    _honest("asks_for_its_own_file", "signal = past * (1.0 if __file__ else 2.0)"),
    _honest("dates_that_are_declared", "signal = np.where(bars.timestamp > 1_580_000_000_000, past, -past)",
            options="calendar=True"),
)  # fmt: skip
