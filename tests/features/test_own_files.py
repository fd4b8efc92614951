"""A user's file of features: what it declares, how its columns are found, and what of it is a digest."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.features import FeatureContext, feature, set_digest, table
from assay.features.compute import find_feature, is_own_column
from assay.features.registry import feature_registry, unregister_feature
from assay.features.training import check_features_file, check_own_columns, own_names, training_table
from assay.features.user_features import FeatureFile, find_imported_features, find_imported_source, load_feature_file
from assay.kernel.errors import ConfigError, TrainError
from assay.kernel.spec import TrainSpec
from assay.market.sources.synthetic import synthetic
from assay.validate import isolated_feature_file

BARS = synthetic(bars=60, seed=1)
SOURCE = """
import numpy as np
from assay.features import feature

K = 2.0

@feature(lookback=1, unit="ratio")
def my_double(study):
    return K * study.column("return_1")

@feature(lookback=0, unit="quote")
def my_top(study):
    return study.bars.high

@feature(lookback=1, unit="ratio", needs=("column:depth",))
def my_depth(study):
    return study.bars.columns["depth"]
"""
SPEC = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT",), timeframe="1h", features="mini5")


def loaded(folder: Path, source: str = SOURCE) -> FeatureFile:
    path = folder / "my.py"
    path.write_text(source)
    return load_feature_file(path)


def spec_of(own: FeatureFile, **changes: Any) -> TrainSpec:
    return TrainSpec(
        **{**SPEC.as_dict(), "symbols": SPEC.symbols, "features_digest": own.digest, **_whole(), **changes}
    )


def _whole() -> dict[str, Any]:
    return {"target": SPEC.target, "folds": SPEC.folds, "sizing": SPEC.sizing, "costs": SPEC.costs}


@pytest.fixture
def imported() -> Iterator[list[str]]:
    """Names that a test enters into the book of the process."""
    names: list[str] = []
    yield names
    for name in names:
        unregister_feature(name)


def test_the_hash_of_a_spec_without_a_file_is_the_one_that_it_always_had() -> None:
    plain = TrainSpec(exchange="binance", symbols=("BTC/USDT",), timeframe="1h")
    assert plain.hash == "3e26d184721a9c623ec4c13cc8947e48b4cc131d3696c41d16bffe9786b7d525"
    assert "features_digest" not in plain.as_dict()


def test_the_digest_is_part_of_the_spec() -> None:
    one, other = (TrainSpec(exchange="e", symbols=("A/B",), timeframe="1h", features_digest=d * 64) for d in "ab")
    assert one.hash != other.hash and one.as_dict()["features_digest"] == "a" * 64
    with pytest.raises(ConfigError, match="must be 64 hexadecimal digits") as refused:
        TrainSpec(exchange="e", symbols=("A/B",), timeframe="1h", features_digest="A" * 64)
    assert refused.value.code == "CONFIG_FEATURE_FILE"


def test_a_file_is_named_by_its_source_and_leaves_the_book_as_it_was(tmp_path: Path) -> None:
    before = dict(feature_registry())
    own = loaded(tmp_path)
    assert dict(feature_registry()) == before
    assert own.code is not None and (own.name, own.code.main.text, own.code.modules) == ("my.py", SOURCE.encode(), ())
    assert own.digest == hashlib.sha256(SOURCE.encode()).hexdigest()
    assert list(own.columns) == ["my_double", "my_top", "my_depth"]


def test_columns_stand_behind_a_set_and_where_a_list_names_them(tmp_path: Path) -> None:
    own = loaded(tmp_path)
    made = training_table(spec_of(own), BARS, own)
    plain = table(BARS, "mini5")
    assert made.names == (*plain.names, "my_double", "my_top_rel")
    assert made.absent["my_depth"] == "the bars have no column depth"
    np.testing.assert_array_equal(made.values[:, : len(plain.names)], plain.values)
    back = np.r_[np.nan, BARS.close[1:] / BARS.close[:-1] - 1]
    np.testing.assert_allclose(made.column("my_double"), 2 * back, rtol=1e-12)
    np.testing.assert_allclose(made.column("my_top_rel"), BARS.high / BARS.close - 1, rtol=0, atol=1e-12)
    listed = training_table(spec_of(own, features=("my_double_lag_3", "rsi_14")), BARS, own)
    assert listed.names == ("my_double_lag_3", "rsi_14")
    np.testing.assert_array_equal(listed.column("my_double_lag_3")[4:], made.column("my_double")[1:-3])
    again = training_table(spec_of(own), BARS, own, names=made.names)
    np.testing.assert_array_equal(again.values, made.values)


def test_own_names_are_own_with_their_lags_and_relative_forms(tmp_path: Path) -> None:
    own = loaded(tmp_path)
    names = ("rsi_14", "my_top", "my_top_rel", "my_top_lag_2_rel", "my_double_lag_3", "close_lag_1", "my_toplag_1")
    assert own_names(names, own) == names[1:5] and own_names(names, None) == ()
    assert not is_own_column("my_top", {}) and find_feature("my_top_lag_2", own.columns).delay == 2


def test_the_digest_of_a_list_speaks_of_the_declarations(tmp_path: Path) -> None:
    own = loaded(tmp_path)
    other = loaded(tmp_path, SOURCE.replace("lookback=1", "lookback=2"))
    one, two = (set_digest(["my_double"], own=each.columns) for each in (own, other))
    assert one != two


def test_the_spec_and_the_file_must_name_each_other(tmp_path: Path) -> None:
    own = loaded(tmp_path)
    other = loaded(tmp_path, SOURCE + "\n")
    check_features_file(SPEC, None)
    check_features_file(spec_of(own), own)
    for spec, given, text in (
        (spec_of(own), None, f"hash {own.digest}, and no file is given"),
        (SPEC, own, "my.py is given, and the spec names no file"),
        (spec_of(own), other, f"hash {own.digest}, my.py has {other.digest}"),
        (spec_of(own, features=("rsi_14",)), own, "names no column of my.py; it declares my_double, my_top, my_depth"),
    ):
        with pytest.raises(ConfigError, match=text) as refused:
            check_features_file(spec, given)
        assert refused.value.code == "CONFIG_FEATURE_FILE"


def test_a_file_that_was_imported_before_may_be_given_as_well(tmp_path: Path, imported: list[str]) -> None:
    imported.append("my_double")

    @feature(lookback=1, unit="ratio")
    def my_double(study: FeatureContext) -> np.ndarray[Any, Any]:
        return np.zeros(len(study.bars))

    own = loaded(tmp_path)
    assert feature_registry()["my_double"].compute is my_double
    made = training_table(spec_of(own, features=("my_double",)), BARS, own)
    assert made.column("my_double")[1:].any()  # of the file, not the zeros that were imported


def test_a_file_that_fails_leaves_what_was_imported(tmp_path: Path, imported: list[str]) -> None:
    imported.append("my_old")

    @feature(lookback=0, unit="ratio")
    def my_old(study: FeatureContext) -> np.ndarray[Any, Any]:
        return study.bars.close

    with pytest.raises(ConfigError, match="line 5: NameError"):
        loaded(tmp_path, SOURCE.replace("K = 2.0", "boom()"))
    assert "my_old" in feature_registry() and "my_double" not in feature_registry()


def test_a_function_cannot_change_the_columns_of_others(tmp_path: Path) -> None:
    own = loaded(tmp_path, SOURCE.replace("    return K *", '    study.column("return_1")[:] = 7.0\n    return K *'))
    made = training_table(spec_of(own, features=("my_double", "return_1")), BARS, own)
    np.testing.assert_array_equal(made.column("return_1"), table(BARS, ["return_1"]).column("return_1"))


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ("return 1 / 0", "TRAIN_FEATURE", "my.py:9: feature my_double: ZeroDivisionError"),
        ("return study.bars.close[1:]", "CONFIG_FEATURE", r"my.py: feature my_double gives shape \(59,\) for 60 bars"),
        ("return {}", "CONFIG_FEATURE", "my.py: feature my_double gives {}, no array of numbers"),
    ],
)
def test_what_a_function_does_wrong_is_said_with_the_file(tmp_path: Path, body: str, code: str, text: str) -> None:
    own = loaded(tmp_path, SOURCE.replace('return K * study.column("return_1")', body))
    with pytest.raises((ConfigError, TrainError), match=text) as refused:
        training_table(spec_of(own), BARS, own)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("return np.where(np.arange(60) == 30, np.inf, 1.0)", "my_double is infinite at row 30"),
        ("return np.full(60, np.nan)", "my_double gives no finite number in 59 rows"),
    ],
)
def test_an_infinity_and_a_column_without_a_number_are_refused(tmp_path: Path, body: str, text: str) -> None:
    own = loaded(tmp_path, SOURCE.replace('return K * study.column("return_1")', body))
    made = training_table(spec_of(own), BARS, own)
    with pytest.raises(ConfigError, match=text):
        check_own_columns(made, BARS, own)
    fine = loaded(tmp_path, SOURCE.replace('return K * study.column("return_1")', "return np.r_[np.inf, np.ones(59)]"))
    check_own_columns(training_table(spec_of(fine), BARS, fine), BARS, fine)  # before its lookback nothing counts


def test_a_zero_denominator_warns_nobody(tmp_path: Path) -> None:
    own = loaded(tmp_path, SOURCE.replace('return K * study.column("return_1")', "return study.bars.close / 0.0 * 0.0"))
    assert np.isnan(training_table(spec_of(own), BARS, own).column("my_double")).all()


def test_a_file_that_changes_or_goes_while_it_runs_is_refused(tmp_path: Path) -> None:
    own = loaded(tmp_path, SOURCE)
    own.demand_unchanged()
    own.path.write_text("x = 1")
    with pytest.raises(ConfigError, match="was changed while it ran"):
        own.demand_unchanged()
    own.path.unlink()
    with pytest.raises(ConfigError, match="was changed while it ran"):
        own.demand_unchanged()


def test_a_module_of_the_file_is_part_of_its_digest(tmp_path: Path) -> None:
    helper = tmp_path / "own_helper_of_features.py"
    helper.write_text("K = 2.0\n")
    source = SOURCE.replace("K = 2.0", "from own_helper_of_features import K")
    own = loaded(tmp_path, source)
    assert own.code is not None and [each.path for each in own.code.modules] == [helper.name]
    again = isolated_feature_file(Path("my.py"), own.code)  # from its source alone, as a model carries it
    assert again.digest == own.digest
    made = training_table(spec_of(own), BARS, again)
    helper.write_text("K = 3.0\n")
    with pytest.raises(ConfigError, match="was changed while it ran"):
        own.demand_unchanged()
    other = loaded(tmp_path, source)
    assert other.digest != own.digest
    now = training_table(spec_of(other), BARS, other)
    np.testing.assert_allclose(now.column("my_double"), 1.5 * made.column("my_double"), rtol=1e-12)


def imported_digest(source: str) -> str:
    names = ["my_double", "my_top", "my_depth"]
    try:
        exec(compile(source, "a cell", "exec"), {"__name__": "notebook"})
        own = find_imported_features(["my_double_lag_1"])
        assert own is not None and own.code is None and own.title == "imported columns"
        assert set(names) <= set(own.columns)
        return own.digest
    finally:
        for name in names:
            unregister_feature(name)


HELPED = SOURCE.replace("return K *", "return helper() + K *").replace(
    "K = 2.0", "K = 2.0\ndef helper():\n    return 1\n"
)


def test_imported_columns_are_named_by_their_code() -> None:
    assert find_imported_features(["rsi_14"]) is None
    was = imported_digest(SOURCE)
    assert imported_digest(SOURCE) == was == imported_digest(SOURCE.replace("\nK =", "\n\n# a remark\nK ="))
    edits = [
        SOURCE.replace("K = 2.0", "K = 2.5"),
        SOURCE.replace("return K *", "return -K *"),
        SOURCE.replace('"return_1"', '"return_2"'),
        SOURCE.replace("lookback=0", "lookback=1"),
        SOURCE.replace("my_double(study)", "my_double(study, k=1)"),
        HELPED,
        HELPED.replace("    return 1\n", "    return 3\n"),
        SOURCE.replace("K = 2.0", "K = np.arange(3)[2]"),
    ]
    assert len({was, *map(imported_digest, edits)}) == 1 + len(edits)


def test_columns_of_an_imported_file_are_found_by_its_digest(tmp_path: Path, imported: list[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    imported += ["my_double", "my_top", "my_depth"]
    exec(compile(SOURCE, str(path), "exec"), {"__name__": "mine"})
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()
    assert sorted(find_imported_source(digest)) == sorted(imported) and find_imported_source("0" * 64) == {}
    path.write_text(SOURCE + "\n")
    assert find_imported_source(digest) == {}
