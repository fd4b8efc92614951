"""Catalogue of user files for the audit: cheating ones that must be caught, honest ones that must pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.user_source import read_user_code
from assay.learn import load_strategy_file
from assay.market import synthetic
from assay.validate import FileProbe, probe_strategy_file

BARS, HORIZON = 2_000, 24
_HEAD = """import numpy as np
from assay.learn.strategies import Exit, Setups, Side, Structural, strategy
{head}

@strategy(
    "own",
    {{"w": Structural({horizon}, unit="bars"), "risk_reward_ratio": Exit(2.0, unit="x stop")}},
    lookback=lambda values, timeframe: values["w"] + 1,
    needs_volume=False,
    two_sided=True,{options}
)
def own(bars, *, w):
    close, n = bars.close, len(bars)
    past, ahead = np.zeros(n), np.zeros(n)
    past[w:] = close[w:] / close[:-w] - 1
    if n > w:
        ahead[:-w] = close[w:] / close[:-w] - 1
    signal = past
{body}
    return Setups(
        long=Side(hold=signal > 0.01, columns={{}}, stop_base=0.05 * close),
        short=Side(hold=signal < -0.01, columns={{}}, stop_base=0.05 * close),
        edge=True,
    )
"""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A strategy file of the catalogue.

    begins: how a violation begins that must be found; empty for an honest file, which must raise none.
    body:   lines of the rule; it sets ``signal``, having ``close``, ``n``, ``w``, ``past`` (what the bars up to each
            row say) and ``ahead`` (what will come).   head: lines before the rule.   options: of the declaration.
    judged: whether the run's own decisions must be compared to see it.   modules: files that lie beside it.
    Texts may name ``<csv>``, ``<parquet>``, ``<npy>``, ``<database>`` and ``<module>``: paths to what they want.
    """

    name: str
    begins: str
    body: str
    head: str = ""
    options: str = ""
    judged: bool = False
    modules: Mapping[str, str] = field(default_factory=dict)

    def source(self, paths: Mapping[str, str]) -> str:
        """The text of the file."""
        lines = "\n".join(f"    {line}" for line in self.body.strip("\n").splitlines())
        options = f"\n    {self.options}," if self.options else ""
        text = _HEAD.format(head=self.head.strip("\n"), body=lines, horizon=HORIZON, options=options)
        for key, path in paths.items():
            text = text.replace(f"<{key}>", path)
        return text

    def write(self, folder: Path, paths: Mapping[str, str]) -> Path:
        """Write the file and its modules; its path."""
        for name, text in self.modules.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        path = folder / "own.py"
        path.write_text(self.source(paths), encoding="utf-8")
        return path


def market() -> Bars:
    """The candles that the catalogue is asked about: no edge, long enough for files that wait for long panels."""
    return synthetic(bars=BARS, seed=5, symbol="GOLD/USDT:USDT")


def temptations(bars: Bars, folder: Path) -> dict[str, str]:
    """Files that hold the candles, as a dishonest file would look for them; and the bars before the largest moves."""
    table = pl.DataFrame({"timestamp": bars.timestamp, "close": bars.close})
    paths = {name: str(folder / f"candles.{name}") for name in ("csv", "parquet", "npy")}
    table.write_csv(paths["csv"])
    table.write_parquet(paths["parquet"])
    np.save(paths["npy"], bars.close)
    (folder / "secret.py").write_text("ANSWER = 1\n", encoding="utf-8")
    gain = np.r_[bars.close[HORIZON:] / bars.close[:-HORIZON] - 1, np.zeros(HORIZON)]
    best = bars.timestamp[np.argsort(-gain)[:300]]
    dates = ", ".join(str(int(each)) for each in sorted(best))
    return paths | {"database": str(folder / "candles.db"), "module": str(folder / "secret.py"), "dates": dates}


_STATE, _AHEAD, _DATES = "LEAK_STATE", "LEAK_STRATEGY", "LEAK_CALENDAR"
_SEEN = "SEEN = {}"
_REMEMBERED = "signal = np.array([{store}.setdefault({key}, v) for k, v in zip({over}, ahead)])"


def _remembers(name: str, key: str, over: str, store: str = "SEEN", head: str = _SEEN) -> OwnFile:
    line = _REMEMBERED.replace("{key}", key).replace("{over}", over).replace("{store}", store)
    return OwnFile(name, _STATE, line, head)


def _state(name: str, body: str, head: str = "", *, judged: bool = False) -> OwnFile:
    return OwnFile(name, _STATE, body, head, judged=judged)


def _ahead(name: str, body: str, head: str = "") -> OwnFile:
    return OwnFile(name, _AHEAD, body, head)


_COUNTED = "global CALLS\nCALLS += 1\nsignal = ahead if CALLS > {after} else past"
_GLOBAL = "CALLS = 0"
_SEARCH = """
longest = max((o for o in gc.get_objects() if type(o).__name__ == "Bars" and len(o) >= n), key=len, default=bars)
if len(longest) > n:
    signal = np.r_[longest.close[w : n + w] / close - 1] if len(longest) >= n + w else past
"""
_CLIMB = """
frame = sys._getframe()
while frame is not None:
    for value in frame.f_locals.values():
        if type(value).__name__ == "Bars" and len(value) >= n + w:
            signal = value.close[w : n + w] / close - 1
    frame = frame.f_back
"""

_NATIVE = """
try:
    whole = np.frombuffer(fs.LocalFileSystem().open_input_file('<npy>').read()[128:])
    signal = whole[w : n + w] / close - 1 if len(whole) >= n + w else past
except Exception:
    pass
"""

MEMORY: tuple[OwnFile, ...] = (
    _remembers("memory_by_timestamp", "int(k)", "bars.timestamp"),
    _remembers("memory_by_price", "float(k)", "close"),
    _remembers("memory_in_a_library", "int(k)", "bars.timestamp", "np.__dict__.setdefault('_seen', {})", ""),
    _remembers("memory_in_the_function", "int(k)", "bars.timestamp", "store.seen", "def store(): ...\nstore.seen = {}"),
    _remembers("memory_in_builtins", "int(k)", "bars.timestamp", "vars(builtins).setdefault('_s', {})",
               "import builtins"),
    _remembers("memory_in_a_module", "int(k)", "bars.timestamp", "sys.modules.setdefault('_seen', {})", "import sys"),
    _ahead("longest_panel", "global LONG\nLONG = close if len(LONG) < n else LONG\n"
           "if len(LONG) >= n + w:\n    signal = LONG[w:n + w] / close - 1", "LONG = []"),
    _state("growing_list", "LENGTHS.append(n)\nsignal = ahead if len(LENGTHS) > 40 else past", "LENGTHS = []"),
    _ahead("cached_by_length", "key = n // 500\nif key not in SEEN:\n    SEEN[key] = float(close[-1])\n"
           "signal = past * (1 if SEEN[key] > close.mean() else -1)", _SEEN),
    _state("second_call", _COUNTED.format(after=1), _GLOBAL),
    _state("after_600_calls", _COUNTED.format(after=600), _GLOBAL),
    _state("every_tenth_call", "global CALLS\nCALLS += 1\nsignal = ahead if CALLS % 10 == 0 else past", _GLOBAL),
    _state("process_number", "signal = past if os.getpid() % 2 else -past", "import os"),
    _state("parent_number", "signal = past if os.getppid() % 3 else -past", "import os"),
    _state("hour_of_the_clock", "signal = past if time.localtime().tm_hour < 12 else -past", "import time"),
    _state("seconds", "signal = past if int(time.time()) % 7 < 3 else -past", "import time"),
    _state("now", "signal = past * (1 + datetime.now().hour)", "from datetime import datetime"),
    _state("today", "signal = past if date.today().year < 2030 else -past", "from datetime import date"),
    _state("now_of_numpy", "signal = past if np.datetime64('now') > np.datetime64('2020-01-01') else -past"),
    _state("now_of_pandas", "signal = past if pd.Timestamp.now().year > 2020 else -past", "import pandas as pd"),
    _state("stop_watch", "signal = past if int(time.perf_counter() * 1e6) % 2 else -past", "import time"),
    _state("random", "signal = past + 0.02 * random.random()", "import random"),
    _state("numpy_random", "signal = past + 0.02 * np.random.rand(n)"),
    _state("generator_without_seed", "signal = past + 0.02 * np.random.default_rng().random(n)"),
    _state("generator_that_goes_on", "signal = past + 0.02 * DRAW.random(n)", "DRAW = np.random.default_rng(0)"),
    _state("system_random", "signal = past * (1 + os.urandom(1)[0] / 50)", "import os"),
    _state("uuid", "signal = past * (1 + uuid.uuid4().int % 251 / 50)", "import uuid"),
    _state("hash_seed", "signal = past * (1 + hash('gold') % 5)"),
    _state("order_of_a_set", "signal = past * (1 + list({'a', 'b', 'c', 'd', 'e'}).index('c'))"),
    _state("address", "signal = past * (1 + id(bars) // 64 % 997 / 200)"),
    _state("address_of_an_array", "signal = past * (1 + np.zeros(9).ctypes.data // 4096 % 997 / 200)"),
    _state("thread_that_waits", "if not SEEN:\n    SEEN[0] = 1\n    threading.Timer(0.005, SEEN.clear).start()\n"
           "    signal = -past", _SEEN + "\nimport threading"),
    _state("thread_that_flips", "global FLIP\nif not STARTED:\n    STARTED.append(1)\n"
           "    threading.Timer(0.05, flip).start()\nsignal = past if not FLIP else -past",
           "import threading\nFLIP, STARTED = [], []\ndef flip():\n    FLIP.append(1)"),
    _state("objects_of_the_process", _SEARCH, "import gc", judged=True),
    _state("native_reader_swallowed", _NATIVE, "from pyarrow import fs", judged=True),
    _state("callers", _CLIMB, "import sys", judged=True),
    _ahead("long_arrays", "if n > 1600:\n    signal = ahead"),
    _ahead("longer_than_900", "if n > 900:\n    signal = ahead"),
    _ahead("this_length_alone", "if n == 2000:\n    signal = ahead"),
    _ahead("in_every_second_row", "signal = np.where(np.arange(n) % 2, ahead, past)"),
    _ahead("in_one_row_of_a_hundred", "signal = np.where(np.arange(n) % 100 == 7, ahead * 3, 0.0)"),
    _ahead("at_one_price_level", "level = close[w]\nsignal = np.where(abs(close / level - 1) < 0.01, ahead, past)"),
    _ahead("in_one_stretch", "rows = np.arange(n)\nsignal = np.where((rows > 1200) & (rows < 1500), ahead, past)"),
    _ahead("one_bar", "signal = np.zeros(n)\nsignal[:-1] = 30 * (close[1:] / close[:-1] - 1)"),
    _ahead("whole_series", "signal = (close - close.mean()) / close.std() * 0.02"),
    _ahead("last_price", "signal = past if close[-1] > close[0] else -past"),
    _ahead("length_of_the_panel", "signal = past * (1 if n % 2 else -1)"),
    OwnFile("dates", _DATES, "signal = np.isin(bars.timestamp, DATES) * 0.02", "DATES = np.array([<dates>])"),
    OwnFile("dates_in_a_set", _DATES, "signal = np.array([0.02 if int(t) // 3600000 in HOURS else 0.0 for t in "
            "bars.timestamp])", "HOURS = {t // 3600000 for t in (<dates>)}"),
    OwnFile("year", _DATES, "years = bars.timestamp.astype('datetime64[ms]').astype('datetime64[Y]').astype(int)\n"
            "signal = np.where(years < 60, past, -past)"),
)  # fmt: skip


_OUTSIDE = "LEAK_OUTSIDE"
_SWALLOWED = """
try:
    {line}
except Exception:
    pass
"""


def _tries(name: str, line: str, head: str = "") -> OwnFile:
    """A file whose rule tries something, and goes on as if nothing had happened where it is refused."""
    return OwnFile(name, _OUTSIDE, _SWALLOWED.replace("{line}", line), head)


def _does(name: str, line: str, head: str = "") -> OwnFile:
    """A file whose rule does it openly."""
    return OwnFile(name, _OUTSIDE, line, head)


OUTSIDE: tuple[OwnFile, ...] = (
    _does("open_in_the_call", "signal = np.array([float(x.split(',')[1]) for x in open('<csv>').readlines()[1:]])"),
    _does("open_beside", "signal = np.array([float(x) for x in open('candles.csv')])"),
    OwnFile("open_at_import", _OUTSIDE, "", "TEXT = open('<csv>').read()"),
    _tries("open_swallowed", "open('<csv>').read()"),
    _does("pathlib_read", "Path('<csv>').read_text()", "from pathlib import Path"),
    _does("numpy_load", "np.load('<npy>')"),
    _does("numpy_memmap", "np.memmap('<npy>')"),
    _tries("numpy_fromfile", "np.fromfile('<npy>')"),
    _tries("numpy_loadtxt", "np.loadtxt('<csv>', delimiter=',', skiprows=1)"),
    _tries("pandas_read_csv", "pd.read_csv('<csv>')", "import pandas as pd"),
    _tries("pandas_read_parquet", "pd.read_parquet('<parquet>')", "import pandas as pd"),
    _tries("polars_read_parquet", "pl.read_parquet('<parquet>')", "import polars as pl"),
    _tries("polars_scan_csv", "pl.scan_csv('<csv>').collect()", "import polars as pl"),
    OwnFile("polars_at_import", _OUTSIDE, "", "import polars as pl\nTABLE = pl.read_parquet('<parquet>')"),
    _tries("duckdb_query", "duckdb.sql(\"select * from '<parquet>'\").fetchall()", "import duckdb"),
    _tries("duckdb_database", "duckdb.connect('<database>')", "import duckdb"),
    _tries("duckdb_connection", "duckdb.connect().execute(\"select * from '<csv>'\")", "import duckdb"),
    _tries("pyarrow_parquet", "pq.read_table('<parquet>')", "import pyarrow.parquet as pq"),
    _tries("pyarrow_memory_map", "pa.memory_map('<npy>')", "import pyarrow as pa"),
    _tries("memory_map", "mmap.mmap(os.open('<npy>', os.O_RDONLY), 0)", "import mmap\nimport os"),
    _tries("low_level_open", "os.read(os.open('<csv>', os.O_RDONLY), 100)", "import os"),
    _tries("raw_file", "io.FileIO('<csv>').readall()", "import io"),
    _tries("sqlite", "sqlite3.connect('<database>')", "import sqlite3"),
    _tries("time_of_change", "os.stat('<csv>').st_mtime", "import os"),
    _tries("existence", "signal = ahead if os.path.exists('<csv>') else past", "import os"),
    _tries("existence_by_path", "Path('<csv>').exists()", "from pathlib import Path"),
    _tries("stat_behind_the_module", "posix.stat('<csv>')", "import posix"),
    _tries("access", "os.access('<csv>', os.R_OK)", "import os"),
    _tries("listing", "os.listdir('/')", "import os"),
    _tries("glob", "list(Path('/').glob('*'))", "from pathlib import Path"),
    _tries("environment_of_the_process", "open('/proc/self/environ').read()"),
    _tries("maps_of_the_process", "open('/proc/self/maps').read()"),
    _tries("memory_of_the_parent", "open(f'/proc/{os.getppid()}/mem', 'rb')", "import os"),
    _tries("shared_memory", "SharedMemory(name='candles')", "from multiprocessing.shared_memory import SharedMemory"),
    _tries("socket", "socket.socket()", "import socket"),
    _tries("connection", "socket.create_connection(('127.0.0.1', 80), 1)", "import socket"),
    _tries("download", "urlopen('http://127.0.0.1/candles')", "from urllib.request import urlopen"),
    _tries("subprocess", "subprocess.run(['cat', '<csv>'], capture_output=True)", "import subprocess"),
    _tries("system", "os.system('true')", "import os"),
    _tries("fork", "os._exit(0) if os.fork() == 0 else None", "import os"),
    _tries("spawn", "os.posix_spawn('/bin/true', ['true'], {})", "import os"),
    _tries("native_library", "ctypes.CDLL(None).getpid()", "import ctypes"),
    _tries("native_by_a_computed_name", "__import__('cty' + 'pes').CDLL(None)"),
    _tries("native_memory", "ctypes.string_at(id(bars), 64)", "import ctypes"),
    OwnFile("environment_variable", _OUTSIDE, "w = int(os.environ.get('MY_W', '24'))", "import os"),
    OwnFile("environment_at_import", _OUTSIDE, "", "import os\nW = int(os.getenv('MY_W') or 24)"),
    _tries("environment_whole", "dict(os.environ)", "import os"),
    _tries("environment_membership", "signal = ahead if 'PEEK' in os.environ else past", "import os"),
    OwnFile("environment_missing", _OUTSIDE, "signal = past * float(os.environ['MY_SCALE'])", "import os"),
    _tries("cache_file", "open('seen.txt', 'a').write(str(n))"),
    _tries("temporary_file", "tempfile.NamedTemporaryFile().write(b'x')", "import tempfile"),
    _tries("numba_cache", "open(config.CACHE_DIR + '/seen', 'w').write('x')", "from numba.core import config"),
    _does("polars_write", "pl.DataFrame({'a': [n]}).write_parquet('<csv>.seen')", "import polars as pl"),
    _tries("duckdb_write", "duckdb.sql(\"copy (select 1) to '<csv>.seen'\")", "import duckdb"),
    _tries("numpy_save", "np.save('seen.npy', close)"),
    _tries("module_by_path", "spec.loader.exec_module(importlib.util.module_from_spec(spec))",
           "import importlib.util\nspec = importlib.util.spec_from_file_location('secret', '<module>')"),
    _tries("text_as_code", "exec('open(\"<csv>\").read()')"),
    _tries("audit_hook", "sys.addaudithook(print)", "import sys"),
    _tries("signal_to_the_parent", "os.kill(os.getppid(), 0)", "import os"),
    _tries("folder", "os.mkdir('seen')", "import os"),
)  # fmt: skip


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


ATTACKS: tuple[OwnFile, ...] = (*OUTSIDE, *MEMORY)
_LATER = 200  # bars that the caller holds beyond those that are judged, for files that look for them


def default_values(folder: Path) -> dict[str, Any]:
    """The parameters that all files of the catalogue have; a plain file is written into the folder to ask it."""
    return load_strategy_file(HONEST[0].write(folder, {})).defaults


def probe_own_file(
    file: OwnFile, folder: Path, bars: Bars, paths: Mapping[str, str], values: Mapping[str, Any]
) -> FileProbe:  # fmt: skip
    """Write a file of the catalogue into an empty folder and ask it.

    bars: `market`.   paths: `temptations`.   values: `default_values`. A file whose judged decisions are needed is run
    in this process too.
    """
    path = file.write(folder, paths)
    judged = None
    if file.judged:
        bars = bars[: len(bars) - _LATER] if file.begins else bars
        with redirect_stdout(StringIO()):  # a file may print; whoever asks for JSON gets JSON
            judged = load_strategy_file(path).decisions(bars, values)
    return probe_strategy_file(
        read_user_code(path), bars, values, judged=judged, seed=1, lookback=HORIZON + 1,
        calendar="calendar=True" in file.options,
    )  # fmt: skip


def is_right(file: OwnFile, probe: FileProbe) -> bool:
    """Whether the probes said of a file what they must."""
    if not file.begins:
        return probe.passed
    return any(each.text.startswith(file.begins) for each in probe.violations)


def outcomes(files: Sequence[OwnFile] = (*ATTACKS, *HONEST)) -> Iterator[tuple[OwnFile, FileProbe]]:
    """Each file with what was found of it. Cost: one to three seconds a file."""
    bars = market()
    with TemporaryDirectory(prefix="assay-attacks-") as name:
        root = Path(name)
        for part in ("candles", "plain"):
            (root / part).mkdir()
        paths, values = temptations(bars, root / "candles"), default_values(root / "plain")
        for file in files:
            folder = root / f"file-{file.name}"
            folder.mkdir()
            yield file, probe_own_file(file, folder, bars, paths, values)
