"""Files that remember, count, draw lots, look at clock or process, or simply look ahead where it is hard to see."""

from assay.testing.attacks.own_file import OwnFile

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
