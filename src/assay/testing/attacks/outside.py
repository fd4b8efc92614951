"""Files that reach out: for the candles on disk, another process, the network, the environment."""

from assay.testing.attacks.own_file import OwnFile

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
