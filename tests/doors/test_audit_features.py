"""`assay audit --features-file`: columns of the user's own, each asked by itself."""

from pathlib import Path

import pytest

from assay.features.registry import feature_registry
from tests.doors.commands import assay, told

HEAD = """import numpy as np

from assay.features import feature

"""
GAP = '''
@feature(lookback=1, unit="ratio")
def my_gap(study):
    """Open less the close before."""
    bars = study.bars
    gap = np.full(len(bars), np.nan)
    gap[1:] = bars.open[1:] / bars.close[:-1] - 1
    return gap
'''
RANGE = '''
@feature(lookback=19, unit="z")
def my_place(study):
    """Where the close stands in its last 20."""
    close = study.bars.close
    out = np.full(len(close), np.nan)
    if len(close) >= 20:
        seen = np.lib.stride_tricks.sliding_window_view(close, 20)
        out[19:] = (close[19:] - seen.mean(axis=1)) / seen.std(axis=1)
    return out
'''

FILTERED = '''
@feature(lookback=300, unit="ratio")
def my_filter(study):
    """A causal filter, computed by an FFT of the whole series."""
    close = study.bars.close
    n = len(close)
    weights = np.where(np.arange(n) < 300, 0.9 ** np.arange(n), 0.0)
    return np.fft.irfft(np.fft.rfft(close, 2 * n) * np.fft.rfft(weights, 2 * n), 2 * n)[:n]
'''


def file(folder: Path, *features: str, head: str = HEAD) -> Path:
    path = folder / "my_features.py"
    path.write_text(head + "\n".join(features))
    return path


def asked(path: Path, *more: object) -> dict[str, object]:
    said = assay("audit", "--features-file", path, *more, "--json")
    assert said.code != 0, said.out
    return said.error | {"exit": said.code}


def test_honest_features_pass_and_the_book_forgets_them(tmp_path: Path) -> None:
    path = file(tmp_path, GAP, RANGE)
    for _ in range(2):  # a name would be taken the second time
        found = told("audit", "--features-file", path)
    assert found["passed"] and found["complete"] and found["violations"] == []
    assert found["features"] == {
        "my_gap": {"lookback": 1, "unit": "ratio"}, "my_place": {"lookback": 19, "unit": "z"},
    }  # fmt: skip
    alone, closed = {"truncate": 40, "scramble": 120, "warm-up": 10}, {"truncate", "scramble", "state", "calendar"}
    assert all(found["checks"][probe] >= least for probe, least in alone.items()) and closed < set(found["checks"])
    assert found["checks"]["outside"] == 1
    assert "my_gap" not in feature_registry()
    people = assay("audit", "--features-file", path)
    assert people.code == 0 and "my_features.py on" in people.out and "causality audit passed" in people.out


@pytest.mark.parametrize(
    ("name", "feature", "probe"),
    [
        ("next_close", "return np.append(study.bars.close[1:], np.nan)", "truncate"),
        ("of_all", "return (study.bars.close - study.bars.close.mean()) / study.bars.close.std()", "truncate"),
        (
            "filled",
            "x = np.r_[study.bars.close[9:], [study.bars.close[-1]] * 9][:len(study.bars)]; return x",
            "truncate",
        ),
    ],
)
def test_one_that_peeks_is_named_with_bar_and_change(tmp_path: Path, name: str, feature: str, probe: str) -> None:
    leak = f"\n@feature(lookback=0, unit='other')\ndef {name}(study):\n    {feature}\n"
    path = file(tmp_path, GAP, leak)
    error = asked(path)
    assert (error["exit"], error["code"]) == (3, "LEAK_AUDIT")
    first = error["facts"]["violations"][0]  # type: ignore[index]
    assert (first["probe"], first["name"]) == (probe, name)
    assert f"feature '{name}' at row {first['row']}" in str(error["message"]) and "bar of 20" in str(error["message"])
    assert {v["name"] for v in error["facts"]["violations"]} == {name}  # type: ignore[index]
    people = assay("audit", "--features-file", path)
    assert people.code == 3 and "causality audit failed" in people.out


def test_one_whose_lookback_is_too_short_is_told_how_many_rows_would_do(tmp_path: Path) -> None:
    error = asked(file(tmp_path, RANGE.replace("lookback=19", "lookback=12")))
    assert error["code"] == "LEAK_AUDIT" and "LEAK_WARMUP: feature 'my_place'" in str(error["message"])
    assert "24 rows would do" in str(error["message"]) or "48 rows would do" in str(error["message"])


BAD = "\n@feature(lookback=0, unit='other')\ndef bad(study):\n    "


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ("return study.bars.close[1:]", "CONFIG_FEATURE", "feature bad gives shape (1999,) for 2000 bars"),
        ("return 'up'", "CONFIG_FEATURE", "feature bad gives 'up', no array of numbers"),
        ("return None", "CONFIG_FEATURE", "gives shape () for 2000 bars"),
        ("return np.where(np.arange(len(study.bars)) == 7, np.inf, 1.0)", "CONFIG_FEATURE", "is infinite at row 7"),
        ("return np.random.default_rng().random(len(study.bars))", "CONFIG_FEATURE", "another value at row 0"),
        ("study.bars.close[3] = 1.0; return study.bars.open", "CONFIG_FEATURE", "writes into the bars"),
        (
            "return study.bars.nope",
            "TRAIN_FEATURE",
            "py:8: feature bad: AttributeError: 'Bars' object has no attribute",
        ),
        ("return study.column('nope')", "CONFIG_FEATURE", "feature 'nope' is unknown"),
    ],
)
def test_one_that_gives_no_column_is_refused(tmp_path: Path, body: str, code: str, text: str) -> None:
    error = asked(file(tmp_path, BAD + body))
    assert error["code"] == code and text in str(error["message"]), error


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        ("x = 1\n", "CONFIG_FEATURE_FILE", "feature file 'my_features.py' declares no feature"),
        ("x = 1\ndef f(:\n", "CONFIG_FEATURE_FILE", "line 2: invalid syntax"),
        ("x = 1\n\nboom()\n", "CONFIG_FEATURE_FILE", "line 3: NameError"),
        ("x = 1\n\ny = '\0'\n", "CONFIG_FEATURE_FILE", "line 3: source code"),
        (
            HEAD + BAD.replace("0", "1_000_000") + "return 1\n",
            "CONFIG_FEATURE_FILE",
            "lookback is 1,000,000 bars of 1h",
        ),
        ("raise SystemExit\n", "CONFIG_FEATURE_FILE", "line 1: SystemExit"),
        (HEAD + BAD.replace("bad", "rsi_14") + "return 1\n", "CONFIG_FEATURE_DUPLICATE", "my_features.py:6: feature"),
        (HEAD + BAD.replace("bad", "future_price") + "return 1\n", "CONFIG_FEATURE", "my_features.py:6: feature name"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(tmp_path: Path, source: str, code: str, text: str) -> None:
    error = asked(file(tmp_path, head=source))
    assert error["code"] == code and text in str(error["message"]), error


def test_no_file_half_a_market_and_two_things_at_once_are_refused(tmp_path: Path, stocked: Path) -> None:
    assert asked(tmp_path / "none.py")["code"] == "CONFIG_FEATURE_FILE"
    path = file(tmp_path, GAP)
    assert asked(path, "-e", "test")["code"] == "CONFIG_AUDIT"
    assert asked(path, "--planted")["code"] == "CONFIG_AUDIT"
    found = told("audit", "--features-file", path, "-e", "test", "-s", "GOLD/USDT:USDT", home=stocked)
    assert found["passed"] and "test GOLD/USDT:USDT 1h" in found["name"]


def test_a_column_that_the_bars_cannot_give_is_not_asked_and_so_told(tmp_path: Path) -> None:
    needy = BAD.replace("unit='other'", "unit='other', needs=('column:depth',)") + "return study.bars.columns['depth']"
    found = told("audit", "--features-file", file(tmp_path, GAP, needy))
    assert not found["passed"] and not found["complete"] and found["violations"] == []
    assert found["notes"] == ["feature 'bad' was not asked: the bars have no column depth"]


@pytest.mark.parametrize(
    "body", ["np.full(len(study.bars), np.nan)", "np.where(np.arange(len(study.bars)) < 5, 1, np.nan)"]
)
def test_a_column_without_a_number_passes_nothing(tmp_path: Path, body: str) -> None:
    path = file(tmp_path, GAP, BAD.replace("0", "5") + f"return {body}")
    found = told("audit", "--features-file", path)
    assert not found["passed"] and not found["complete"] and found["violations"] == []
    assert found["notes"] == ["feature 'bad' gives no finite number in 2,010 bars: nothing to ask"]
    assert "is not complete" in assay("audit", "--features-file", path).out.replace(" \n", " ")


def test_a_filter_by_fft_is_refused_for_its_rounding(tmp_path: Path) -> None:
    error = asked(file(tmp_path, FILTERED))
    texts = [each["text"] for each in error["facts"]["violations"]]  # type: ignore[index]
    assert error["code"] == "LEAK_AUDIT" and texts
    assert all("at rounding level" in text and "fixed window" in text for text in texts), texts
