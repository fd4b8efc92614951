"""The closed process: what goes in and out of it, what it may not reach, and what becomes of it when it goes wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import AssayError, ConfigError, DataError, TrainError
from assay.kernel.user_source import UserCode, read_user_code
from assay.learn.strategies import load_strategy_file
from assay.market.sources.synthetic import synthetic
from assay.testing.attack_catalogue import HONEST, OwnFile, market
from assay.validate.isolation.allowlists import landlock_version, not_allowed, rights_of
from assay.validate.isolation.environment import SHIFT_DAYS, clock_reads, move_bars
from assay.validate.isolation.messages import (
    Broken,
    Message,
    TooLate,
    TooMuch,
    bars_message,
    bars_of,
    pack,
    receive,
    send,
)
from assay.validate.isolation.probes import PROBE_QUESTIONS, probe_feature_file, probe_strategy_file
from assay.validate.isolation.process import Confinement
from assay.validate.isolation.user_files import IsolatedFeatures, IsolatedStrategy

PLAIN = HONEST[0]
SHORT = 200


def code_of(folder: Path, body: str = "pass", head: str = "") -> UserCode:
    return read_user_code(OwnFile("own", "", body, head).write(folder, {}))


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return load_strategy_file(PLAIN.write(tmp_path_factory.mktemp("plain"), {})).defaults


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market()[:SHORT]


def test_the_process_decides_as_this_one_does(tmp_path: Path, bars: Bars, values: dict[str, object]) -> None:
    rule = load_strategy_file(PLAIN.write(tmp_path, {}))
    assert rule.source is not None
    with IsolatedStrategy(rule.source) as closed:
        for rows in (SHORT, 10, SHORT):  # 10: fewer than the lookback, so all flat
            here, there = rule.decisions(bars[:rows], values), closed.decide(bars[:rows], values)
            for name in ("target", "stop", "take", "hold"):
                np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
        assert closed.declared["strategy"]["name"] == rule.name and closed.attempts == []


def test_bars_go_through_the_pipe_whole() -> None:
    plain = synthetic(bars=50, seed=2)
    times = plain.timestamp[::10]
    joined = {"funding_rate": Joined(times, times + 5, np.linspace(0, 1, len(times)))}
    full = Bars(
        plain.instrument, plain.timestamp, plain.open, plain.high, plain.low, plain.close, plain.volume,
        {"spread_bps": plain.close * 0 + 3}, joined,
    )  # fmt: skip
    for each in (full, full[:0], Bars(full.instrument, full.timestamp, full.open, full.high, full.low, full.close)):
        data = pack(bars_message({"values": {}}, each))
        head = 16
        words = int.from_bytes(data[4:8], "little")
        from assay.validate.isolation.messages import unpack

        again = bars_of(unpack(data[head : head + words], data[head + words :]))
        assert again.digest() == each.digest()


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    out, into = os.pipe()
    try:
        os.write(into, noise)
        os.close(into)
        with pytest.raises(Broken):
            receive(out, most=1_000)
    finally:
        os.close(out)


def test_messages_that_lie_about_their_size_are_refused() -> None:
    good = pack(Message({}, {"a": np.zeros(3)}))
    lies = (
        good.replace(b"[3]", b"[9]"),
        good.replace(b"<f8", b"|O8"),
        good.replace(b"[3]", b"[-]"),
        good.replace(b'"facts": {}', b'"facts": []'),
    )
    for each in lies:
        out, into = os.pipe()
        os.write(into, each)
        os.close(into)
        with pytest.raises(Broken):
            receive(out, most=1_000)
        os.close(out)
    out, into = os.pipe()
    os.write(into, good)
    with pytest.raises(TooMuch):
        receive(out, most=8)
    with pytest.raises(TypeError, match="array a has type"):
        pack(Message({}, {"a": np.zeros(3, np.complex128)}))
    os.set_blocking(into, False)
    with pytest.raises(TooLate):
        send(into, Message({}, {"a": np.zeros(1 << 18)}), until=0.0)
    os.close(out)
    os.close(into)


@pytest.mark.parametrize(
    ("version", "files", "network", "scopes"),
    [(1, 0x1FFF, 0, 0), (2, 0x3FFF, 0, 0), (3, 0x7FFF, 0, 0), (4, 0x7FFF, 3, 0), (5, 0xFFFF, 3, 0), (7, 0xFFFF, 3, 3)],
)
def test_each_version_of_landlock_is_asked_for_what_it_has(version: int, files: int, network: int, scopes: int) -> None:
    found = rights_of(version)
    assert (found.files, found.network, found.scopes) == (files, network, scopes)


def test_landlock_refuses_what_no_hook_sees(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a").write_text("may")
    (tmp_path / "b").write_text("may not")
    script = f"""
import json
import socket
from pathlib import Path
from assay.validate.isolation.allowlists import restrict
made = socket.socket()
restrict([Path({str(tmp_path / "open")!r})], [])
found = [Path({str(tmp_path / "open" / "a")!r}).read_text()]
for tried in (
    lambda: Path({str(tmp_path / "b")!r}).read_text(),
    lambda: Path({str(tmp_path / "open" / "c")!r}).write_text(""),
    lambda: made.connect(("127.0.0.1", 9)),
):
    try:
        tried()
    except PermissionError:
        found.append("refused")
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["may", "refused", "refused", "refused"]


LIMITS = Confinement(seconds=5.0)


@pytest.mark.parametrize(
    ("body", "head", "text"),
    [
        ("os.abort()", "import os", "ended its process by SIGABRT at own.py:19"),
        ("os._exit(3)", "import os", "ended its process with exit status 3"),
        ("while True: pass", "", "gave no answer within 3 s"),
        ("time.sleep(100)", "import time", "gave no answer within 3 s"),
        ("raise ValueError('no')", "", "failed in line 19: ValueError: no"),
        ("raise SystemExit", "", "failed in line 19: SystemExit"),
        ("signal = signal[:-1]", "", "long.hold is bool (199,), must be"),
        ("np.ones(1 << 36)", "", "own failed in line 19"),
        ("def deep(): return deep()\ndeep()", "", "RecursionError"),
    ],
)
def test_what_goes_wrong_in_the_process_is_told_with_its_place(
    body: str, head: str, text: str, tmp_path: Path, bars: Bars, values: dict[str, object]
) -> None:
    code = code_of(tmp_path, body, head)
    with IsolatedStrategy(code, limits=Confinement(seconds=3.0)) as closed, pytest.raises(TrainError) as caught:
        closed.decide(bars, values)
    assert caught.value.code == "TRAIN_STRATEGY" and text in caught.value.message, caught.value.message


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("import nowhere_at_all", "line 3: ModuleNotFoundError"),
        ("x = 1 / 0", "line 3: ZeroDivisionError"),
        ("def f(:", "line 3: invalid syntax"),
        ("import os\nos.abort()", "ended its process by SIGABRT at own.py:4"),
        ("while True: pass", "gave no answer within 3 s"),
    ],
)
def test_a_file_that_does_not_load_is_refused(
    head: str, text: str, tmp_path: Path, bars: Bars, values: dict[str, object]
) -> None:
    code = code_of(tmp_path, head=head)
    with IsolatedStrategy(code, limits=Confinement(seconds=3.0)) as closed, pytest.raises(ConfigError) as caught:
        closed.decide(bars, values)
    assert caught.value.code == "CONFIG_STRATEGY_FILE" and text in caught.value.message, caught.value.message


def test_a_process_that_broke_off_is_replaced_and_leaves_no_folder(
    tmp_path: Path, bars: Bars, values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    code = code_of(tmp_path, "if len(bars) == 50: os.abort()", "import os")
    with IsolatedStrategy(code) as closed:
        first = closed.decide(bars, values)
        with pytest.raises(TrainError, match="SIGABRT"):
            closed.decide(bars[:50], values)
        assert np.array_equal(closed.decide(bars, values).target, first.target, equal_nan=True)
    assert not list((tmp_path / "tmp").iterdir())


def test_gigabytes_that_are_printed_go_nowhere(tmp_path: Path, bars: Bars, values: dict[str, object]) -> None:
    body = "for _ in range(40): print('x' * 50_000_000); os.write(1, b'x' * 1_000_000); os.write(2, b'x' * 1_000_000)"
    with IsolatedStrategy(code_of(tmp_path, body, "import os")) as closed:
        assert len(closed.decide(bars, values)) == SHORT


def test_an_answer_that_is_too_large_or_forged_is_refused(
    tmp_path: Path, bars: Bars, values: dict[str, object]
) -> None:
    limits = Confinement(seconds=5.0, output_bytes=1_000)
    with IsolatedStrategy(code_of(tmp_path), limits=limits) as closed, pytest.raises(TrainError, match="1,000 are all"):
        closed.decide(bars, values)
    body = "for number in range(3, 64):\n    try: os.write(number, b'forged')\n    except OSError: pass"
    with IsolatedStrategy(code_of(tmp_path, body, "import os"), limits=LIMITS) as closed, pytest.raises(TrainError):
        closed.decide(bars, values)


def test_the_closed_process_holds_no_other_bars(tmp_path: Path, bars: Bars, values: dict[str, object]) -> None:
    body = """
held = [o for o in gc.get_objects() if type(o).__name__ == "Bars"]
if n == 50:
    raise ValueError(f"{len(held)} held, the longest of {max(map(len, held))} bars")
"""
    with IsolatedStrategy(code_of(tmp_path, body, "import gc")) as closed:
        closed.decide(bars, values)
        with pytest.raises(TrainError, match="held, the longest of 50 bars"):
            closed.decide(bars[:50], values)


def test_attempts_cannot_be_taken_back(tmp_path: Path, bars: Bars, values: dict[str, object]) -> None:
    body = """
try:
    open('/etc/passwd')
except OSError:
    for each in gc.get_objects():
        if type(each).__name__ in ("Guard", "Channel"):
            vars(each).clear()
        elif isinstance(each, list) and each and type(each[-1]).__name__ == "Attempt":
            each.clear()
"""
    code = code_of(tmp_path, body, "import gc")
    found = probe_strategy_file(code, bars, values, lookback=25, limits=LIMITS)
    assert [each.text for each in found.violations] == ["LEAK_OUTSIDE: own.py:20 opens the file '/etc/passwd'"]


def test_the_shift_keeps_date_and_weekday(bars: Bars) -> None:
    day = 86_400_000
    assert SHIFT_DAYS % 7 == 0
    for stamp in (0, 951_782_400_000, 1_709_164_800_000):  # 1970-01-01, and two leap days
        was, now = (np.datetime64(t, "ms") for t in (stamp, stamp + SHIFT_DAYS * day))
        assert str(was)[4:] == str(now)[4:] and int(str(now)[:4]) - int(str(was)[:4]) == 28
    later = move_bars(bars)
    assert np.array_equal(later.timestamp - bars.timestamp, np.full(SHORT, SHIFT_DAYS * day))
    assert np.array_equal(later.close, bars.close) and np.all(later.known_at > later.timestamp)


def test_clocks_that_cannot_be_moved_are_seen_in_the_source(tmp_path: Path) -> None:
    text = "a = np.datetime64('now')\nb = pd.Timestamp.today()\nc = pd.to_datetime('now')\nd = np.datetime64('2020')\n"
    (tmp_path / "f.py").write_text(text)
    assert [line for _, _, line in clock_reads(read_user_code(tmp_path / "f.py"))] == [1, 2, 3]


def test_without_landlock_only_harmless_imports_are_run(tmp_path: Path, bars: Bars, values: dict[str, object]) -> None:
    none = Confinement(seconds=20.0, landlock=0)
    found = probe_strategy_file(code_of(tmp_path), bars, values, lookback=25, limits=none)
    assert found.passed and found.landlock == 0 and "no Landlock" in found.notes[-1]
    for head, text in (
        ("import os", "own.py:3 imports os"),
        ("import duckdb", "own.py:3 imports duckdb"),
        ("x = open", "own.py:3 names open"),
        ("x = __import__('o' + 's')", "own.py:3 names __import__"),
        ("exec('1')", "runs text as code"),
    ):
        with pytest.raises(ConfigError, match="this kernel has no Landlock") as caught:
            probe_strategy_file(code_of(tmp_path, head=head), bars, values, limits=none)
        assert text in caught.value.message, caught.value.message
    helper = HONEST[[each.name for each in HONEST].index("helper_beside")]
    assert not_allowed(read_user_code(helper.write(tmp_path, {}))) == ()


FEATURES = """import numpy as np

from assay.features import feature

SEEN = {}


@feature(lookback=1, unit="ratio"%s)
def my_move(study):
    close = study.bars.close
    out = np.full(len(close), np.nan)
    out[1:] = close[1:] / close[:-1] - 1
    %s
    return out
"""


def features(folder: Path, line: str = "pass", declared: str = "") -> UserCode:
    (folder / "mine.py").write_text(FEATURES % (declared, line))
    return read_user_code(folder / "mine.py")


def test_features_compute_as_in_this_process(tmp_path: Path, bars: Bars) -> None:
    with IsolatedFeatures(features(tmp_path)) as closed:
        made = closed.compute(bars)
        lagged = closed.compute(bars, ["my_move", "my_move_lag_2"])
    assert made.names == ("my_move",) and made.lookback == 1
    np.testing.assert_array_equal(made.values[1:, 0], bars.close[1:] / bars.close[:-1] - 1)
    assert lagged.lookback == 3 and np.array_equal(lagged.values[3:, 1], made.values[1:-2, 0])


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ("out[:-1] = out[1:]", "LEAK_FEATURE: feature 'my_move' in row"),
        ("out = np.array([SEEN.setdefault(int(t), v) for t, v in zip(study.bars.timestamp, np.r_[out[1:], 0.0])])",
         "LEAK_STATE: feature 'my_move'"),
        ("open('/etc/hostname')", "LEAK_OUTSIDE: mine.py:13 opens the file '/etc/hostname'"),
        ("out = out + (study.bars.timestamp > 2_000_000_000_000)", "LEAK_CALENDAR: feature 'my_move'"),
        ("out = out + np.random.rand()", "LEAK_STATE"),
    ],
)  # fmt: skip
def test_features_that_cheat_are_named(line: str, begins: str, tmp_path: Path, bars: Bars) -> None:
    found = probe_feature_file(features(tmp_path, line), bars, lookback=1, seed=1)
    assert found.violations and found.violations[0].text.startswith(begins), found


FILTERED = (
    "k = np.arange(len(close)); "
    "out = np.fft.irfft(np.fft.rfft(close, 2 * len(close)) * np.fft.rfft(0.9**k, 2 * len(close)), 2 * len(close))"
    "[: len(close)]"
)  # causal: each row is a sum over the rows up to it, computed by an FFT


def test_a_filter_by_fft_is_refused_for_its_rounding(tmp_path: Path, bars: Bars) -> None:
    probe = probe_feature_file(features(tmp_path, FILTERED), bars, lookback=1, seed=1)
    assert probe.violations
    for each in probe.violations:
        assert each.text.startswith("LEAK_FEATURE: feature 'my_move' in row") and "at rounding level" in each.text
        assert "fixed window" in each.text and "bit for bit" in each.text
    rounded = features(tmp_path, f"{FILTERED}; out = np.round(out, 6)")  # 1e-9 of a scale of about 1,000
    assert probe_feature_file(rounded, bars, lookback=1, seed=1).passed


@pytest.mark.parametrize(("line", "rounding"), [
    ("out[1:-1] += 1e-12 * (close[2:] / close[1:-1] - 1)", True),  # may be no more than rounding: refused all the same
    ("out[1:-1] += 1e-6 * (close[2:] / close[1:-1] - 1)", False),
    ("out[:-1] = 1e-12 * (close[1:] / close[:-1] - 1)", False),  # the whole column is as small
])  # fmt: skip
def test_a_peek_of_tiny_size_is_refused(line: str, rounding: bool, tmp_path: Path, bars: Bars) -> None:
    probe = probe_feature_file(features(tmp_path, line), bars, lookback=1, seed=1)
    assert {each.text.partition(":")[0] for each in probe.violations} == {"LEAK_FEATURE"}
    assert all(("at rounding level" in each.text) is rounding for each in probe.violations)


RARELY = """
    bits = np.ascontiguousarray(close).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    rare = np.flatnonzero((bits >> np.uint64(40)) % np.uint64(100) == 7)
    rare = rare[(rare > 0) & (rare < len(close) - 1)]
    out[rare] = close[rare + 1] / close[rare] - 1"""


def test_a_peek_in_one_row_of_a_hundred_is_seen_by_many_questions(tmp_path: Path) -> None:
    many = synthetic(bars=5_000, seed=4)
    probe = probe_feature_file(features(tmp_path, RARELY), many, lookback=1, seed=1, questions=40 * PROBE_QUESTIONS)
    assert probe.violations and probe.violations[0].text.startswith("LEAK_FEATURE")


def test_honest_features_pass_and_declared_dates_are_a_note(tmp_path: Path, bars: Bars) -> None:
    code = features(tmp_path)
    with IsolatedFeatures(code) as closed:
        judged = closed.compute(bars)
    assert probe_feature_file(code, bars, judged=judged, lookback=1).passed
    code = features(tmp_path, "out = out + (study.bars.timestamp > 2_000_000_000_000)", ", calendar=True")
    found = probe_feature_file(code, bars, lookback=1, calendar=["my_move"])
    assert found.passed and "as it declares (calendar=True)" in found.notes[0]


def test_decisions_of_another_length_are_refused(tmp_path: Path, bars: Bars, values: dict[str, object]) -> None:
    rule = load_strategy_file(PLAIN.write(tmp_path, {}))
    with pytest.raises(DataError, match="were judged on"):
        probe_strategy_file(code_of(tmp_path), bars, values, judged=rule.decisions(bars[:10], values))


def test_the_questions_do_not_depend_on_the_clock(tmp_path: Path, bars: Bars, values: dict[str, object]) -> None:
    found = [probe_strategy_file(code_of(tmp_path), bars, values, lookback=25, questions=q, seed=3) for q in (4, 4, 8)]
    assert found[0].checks == found[1].checks == {
        "state": 708, "truncate": 4, "scramble": 4, "calendar": 1, "outside": 1
    }  # fmt: skip
    assert found[2].checks["truncate"] == 8
    assert landlock_version() == found[0].landlock


def test_a_question_to_a_process_whose_file_is_none_of_ours_names_the_file(tmp_path: Path, bars: Bars) -> None:
    (tmp_path / "none.py").write_text("x = 1\n")
    with IsolatedStrategy(read_user_code(tmp_path / "none.py")) as closed, pytest.raises(AssayError) as caught:
        closed.decide(bars, {})
    assert caught.value.code == "CONFIG_STRATEGY_FILE" and "declares no strategy" in caught.value.message


def test_declared_dates_reach_lags_of_the_column(tmp_path: Path, bars: Bars) -> None:
    code = features(tmp_path, "out = out + (study.bars.timestamp > 2_000_000_000_000)", ", calendar=True")
    for declared, passes in (((), False), (("my_move",), True)):
        found = probe_feature_file(code, bars, ["my_move_lag_2"], lookback=3, calendar=declared, questions=2)
        assert found.passed is passes, found
