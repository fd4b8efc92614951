"""How a command line writes a searched parameter."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.validate.search.dimensions import Categorical, FloatRange, IntRange
from assay.validate.search.space import Space, parse_space_text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("k=5:40", IntRange(5, 40)),
        ("k=-5:-1", IntRange(-5, -1)),
        (" k = 5 : 40 ", IntRange(5, 40)),
        ("k=5:40:8", IntRange(5, 40, points=8)),
        ("k=0.5:2", FloatRange(0.5, 2.0)),
        ("k=1:2.0", FloatRange(1.0, 2.0)),
        ("k=1e-3:5e-3", FloatRange(0.001, 0.005)),
        ("k=0.1:0.5:3", FloatRange(0.1, 0.5, points=3)),
        ("k=5", Categorical((5,), True)),
        ("k=50,100,200", Categorical((50, 100, 200), True)),
        ("k=200,50", Categorical((200, 50), False)),
        ("k=1,2.5", Categorical((1.0, 2.5), True)),
        ("k=true,FALSE", Categorical((True, False), False)),
        ("k=30,none", Categorical((30, None), False)),
        ("k=true,1", Categorical((True, 1), False)),
        ("k=fixed, risk", Categorical(("fixed", "risk"), False)),
        ("k=a=b", Categorical(("a=b",), False)),
        ("k=1_000,2", Categorical(("1_000", 2), False)),
    ],
)
def test_what_a_text_means(text: str, wanted: Any) -> None:
    name, values = parse_space_text(text)
    found = Space.of({name: values}).dimensions
    assert found == {"k": wanted}
    assert [type(v) for v in found["k"].grid()] == [type(v) for v in wanted.grid()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no '='"),
        ("k", "has no '='"),
        ("5:5", "has no '='"),
        ("=1:2", "names no parameter"),
        ("k=", "has no values"),
        ("k=5:5", "has no width: low and high are both 5"),
        ("k=9:3", "is upside down: low 9 lies above high 3"),
        ("k=:3", "has low '', must be a finite number"),
        ("k=3:", "has high ''"),
        ("k=:", "has low ''"),
        ("k=a:b", "has low 'a'"),
        ("k=1:true", "has high 'true'"),
        ("k=nan:1", "has low 'nan', must be a finite number"),
        ("k=1:inf", "has high 'inf'"),
        ("k=1e400:2", "has low '1e400'"),
        ("k=1_000:2_000", "has low '1_000'"),
        ("k=0x10:20", "has low '0x10'"),
        ("k=" + "9" * 5000 + ":1", "has low '9999"),
        ("k=1:2:3:4", "has 4 parts"),
        ("k=1:2:", "has points ''"),
        ("k=1:2:x", "has points 'x'"),
        ("k=1:2:1", "has points '1', must be an integer from 2 to 1,000,000"),
        ("k=1:2:2.5", "has points '2.5'"),
        ("k=1:2:99999999999", "has points '99999999999'"),
        ("k=1,2:3", "mixes a range with choices"),
        ("k=1,2,", "has an empty choice"),
        ("k=nan,1", "choice 'nan', which is not finite"),
        ("k=1,1.0", "choice '1.0' twice"),
        ("k=a,b,a", "choice 'a' twice"),
    ],
)
def test_what_is_refused_with_its_text(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_space_text(text)
    assert said in caught.value.message
    assert caught.value.message.startswith(f"--space '{text[:40]}")
    assert caught.value.code == "CONFIG_SPACE"
    assert "k=low:high:points" in caught.value.hint


@given(st.text(max_size=30) | st.from_regex(r"k=[0-9:.,a-]{0,12}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        name, values = parse_space_text(text)
        Space.of({name: values})
    except ConfigError as error:
        assert error.code == "CONFIG_SPACE"


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_numbers_come_back(low: int, width: int, start: float, step: float) -> None:
    assert parse_space_text(f"k={low}:{low + width}") == ("k", (low, low + width))
    assert parse_space_text(f"k={start!r}:{start + step!r}") == ("k", (start, start + step))
