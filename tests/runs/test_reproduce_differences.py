"""Where two results part, case by case."""

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.runs.run_views import documents, leaves, tables

HOUR = 3_600_000


def table(**changed: Any) -> pl.DataFrame:
    columns = {
        "symbol": ["A", "A", "B"], "timestamp": [0, HOUR, 0], "target": [0.0, math.nan, 1.0], "fold": [1, None, 2],
        "open": [True, False, True],
    }  # fmt: skip
    return pl.DataFrame(columns | changed, strict=False)


def test_equal_to_the_last_bit() -> None:
    other_nan = np.array([0.0, 0.0, 1.0])
    other_nan.view(np.uint64)[1] = 0x7FF8_0000_0000_0007
    for now in (table(), table(target=other_nan)):
        found = tables("decisions", table(), now)
        assert (found.equal, found.size, found.as_dict()["place"]) == (True, 3, "")


@pytest.mark.parametrize(
    ("changed", "place", "was", "now"),
    [
        ({"target": [-0.0, math.nan, 1.0]}, "row 0, target (A 1970-01-01T00:00:00.000Z)", 0.0, -0.0),
        ({"target": [0.0, None, 1.0]}, "row 1, target (A 1970-01-01T01:00:00.000Z)", "nan", None),
        ({"target": [0.0, math.nan, math.nextafter(1.0, 2)]}, "row 2, target (B 1970-01-01T00:00:00.000Z)", 1.0,
         1.0000000000000002),
        ({"fold": [1, 0, 2]}, "row 1, fold (A 1970-01-01T01:00:00.000Z)", None, 0),
        ({"symbol": ["A", "C", "B"]}, "row 1, symbol (A 1970-01-01T01:00:00.000Z)", "A", "C"),
        ({"open": [True, True, False], "fold": [1, None, 3]}, "row 1, open (A 1970-01-01T01:00:00.000Z)", False, True),
    ],
    ids=["minus zero", "null is no NaN", "the last bit", "null", "text", "the topmost row of several columns"],
)  # fmt: skip
def test_the_first_difference_has_row_and_both_values(changed: dict[str, Any], place: str, was: Any, now: Any) -> None:
    found = tables("decisions", table(), table(**changed)).as_dict()
    assert (found["equal"], found["place"]) == (False, place)
    assert (found["was"], found["now"]) == (was, now)
    assert math.copysign(1, now or 1) == math.copysign(1, found["now"] or 1) if isinstance(now, float) else True
    json.dumps(found, allow_nan=False)


def test_other_shapes_are_named() -> None:
    short, wide = tables("t", table(), table()[:2]), tables("t", table(), table().drop("open"))
    assert (short.place, short.was, short.now) == ("rows", 3, 2)
    assert wide.place == "columns" and "open" in wide.was and "open" not in wide.now
    retyped = tables("t", table(), table(fold=[1.0, None, 2.0]))
    assert retyped.place == "columns" and retyped.now["fold"] == "Float64"
    assert tables("t", None, table()).now == "3 rows" and not tables("t", None, table()).equal
    assert tables("t", None, None).equal
    assert tables("t", table()[:0], table()[:0]).equal


def test_documents_part_at_a_leaf() -> None:
    was = {"a": {"b": [1, 2.5, None]}, "c": "x"}
    assert documents("metrics", was, json.loads(json.dumps(was))).size == 4
    for now, place, one, other in (
        ({"a": {"b": [1, 2.5000000000000004, None]}, "c": "y"}, "a.b[1]", 2.5, 2.5000000000000004),
        ({"a": {"b": [1, 2.5]}, "c": "x"}, "a.b", [1, 2.5, None], [1, 2.5]),
        ({"a": {"b": [1, 2.5, None]}}, "c", "x", "absent"),
        ({**was, "d": 0}, "d", "absent", 0),
        ({**was, "c": {"x": 1}}, "c", "x", {"x": 1}),
    ):
        found = documents("metrics", was, now)
        assert (found.equal, found.place, found.was, found.now) == (False, place, one, other)
    assert documents("model", "ab", "ab").equal and documents("model", "ab", "ac").place == "model"
    assert [path for path, _, _ in leaves({"a": []}, {"a": []})] == []
