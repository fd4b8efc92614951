"""Parameters of a rule and the constraints between them.

A *structural* parameter changes an indicator: the rule is computed anew for each value. A *threshold* only compares
with a column that the rule has computed: each value filters a short list of bars. An *exit* touches neither: it is
replayed from the entries.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from sys import float_info
from typing import Any

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.errors import ConfigError, did_you_mean, printable

AT_LEAST, AT_MOST = ">=", "<="
Value = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of numbers to search, both ends included: integers where both ends are, else floats.

    step: grid of the values, > 0; None is continuous (integers: 1).   log: drawn evenly in the logarithm; low > 0.
    Raises ConfigError ``CONFIG_SPACE`` for ends that are not finite or not low < high.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        numbers = [self.low, self.high] + ([] if self.step is None else [self.step])
        if not all(_is_number(x) and _is_finite(x) for x in numbers) or not self.low < self.high:
            raise ConfigError(
                f"range {printable(self.low)}..{printable(self.high)}: low must lie below high, both finite",
                code="CONFIG_SPACE",
            )
        if self.step is not None and self.step <= 0:
            raise ConfigError(f"step is {printable(self.step)}, must be > 0", code="CONFIG_SPACE")
        if self.log and self.low <= 0:
            raise ConfigError(f"a logarithmic range needs low > 0, has {printable(self.low)}", code="CONFIG_SPACE")

    @property
    def integers(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, int | None)


Search = Range | tuple[Value, ...] | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """What every kind of parameter declares; use one of the kinds below.

    default: value where none is given; its type is the parameter's. None: off, or left to the rule.
    search:  `Range`, a tuple of choices, or None for a parameter that is not searched.
    unit:    for people: ``bars``, ``fraction`` …
    zero:    whether 0 may be given (else numbers must be > 0, counts >= 1).
    most:    largest value that may be given.
    options: all values that a text may have; empty for numbers.
    book:    order-book column that the parameter speaks of; giving it without that column is ``CONFIG_BOOK_DATA``.
    """

    default: Value
    _: KW_ONLY
    search: Search = None
    unit: str = ""
    zero: bool = False
    most: float | None = None
    options: tuple[str, ...] = ()
    book: str = ""

    @property
    def type(self) -> type:
        """bool, int, float or str: of the default, or of what is searched where the default is None."""
        if self.options:
            return str
        if self.default is not None:
            return type(self.default)
        if isinstance(self.search, tuple) and self.search:
            return type(self.search[0])
        return int if isinstance(self.search, Range) and self.search.integers else float

    def check(self, name: str, value: Any) -> Value:
        """The value as this parameter's type. Raises ConfigError ``CONFIG_PARAMETER`` with what would be right."""
        if value is None and self.default is None:
            return None
        kind = self.type
        if kind is float and _is_number(value) and _is_finite(value):
            value = float(value)
        right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
        if right and kind is str:
            right = not self.options or value in self.options
        if right and kind in (int, float):
            right = _is_finite(value) and (value > 0 or (self.zero and value == 0))
            right = right and (self.most is None or value <= self.most)
        if not right:
            raise ConfigError(
                f"{name} is {printable(value)}, must be {self._wanted()}", code="CONFIG_PARAMETER", field=name
            )
        typed: Value = value
        return typed

    def _wanted(self) -> str:
        if self.type is str:
            return f"one of {', '.join(self.options)}" if self.options else "a text"
        if self.type is bool:
            return "true or false"
        least = "an integer >= 0" if self.zero else "an integer >= 1"
        if self.type is float:
            least = f"a finite number {'>=' if self.zero else '>'} 0"
        return least if self.most is None else f"{least} and <= {self.most:g}"


@dataclass(frozen=True, slots=True)
class Structural(Parameter):
    """Changes what the rule computes: one call of the rule for each set of these."""


@dataclass(frozen=True, slots=True)
class Threshold(Parameter):
    """Only compares: a bar passes where the column that the rule gives for it is >= the value (`AT_MOST`: <=).

    A NaN in the column never passes. A value of None leaves the condition out.
    """

    _: KW_ONLY
    holds: str = AT_LEAST

    def passes(self, column: FloatArray, value: float) -> BoolArray:
        """``(n,)``: where the column passes the value."""
        passed: BoolArray = column >= value if self.holds == AT_LEAST else column <= value
        return passed


@dataclass(frozen=True, slots=True)
class Exit(Parameter):
    """Stop, take, hold or size: acts on an entry, never on whether there is one. The names are those of `EXITS`."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: float) -> bool:
    """An integer may be too large to be asked by `isfinite`."""
    return abs(value) <= float_info.max


SIZINGS = ("fixed", "risk")
EXITS = ("atr_multiplier_sl", "atr_multiplier_tp", "risk_reward_ratio", "max_holding_periods")


def sizing_parameters(default: str) -> dict[str, Parameter]:
    """The exits that size a position; each rule has them. default: ``fixed`` or ``risk``."""
    return {
        "sizing": Exit(default, options=SIZINGS),
        "share": Exit(1.0, unit="of equity", most=1.0),
        "risk_per_trade": Exit(0.02, unit="of equity", most=1.0),
        "max_share": Exit(1.0, unit="of equity", most=1.0),
    }


_LONGEST = 200
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


class Constraint:
    """One condition, such as ``fast < slow``: names, numbers, ``+ - * /``, comparisons and ``and``.

    Raises ConfigError ``CONFIG_SPACE`` for any other syntax and for a name that is not in `names`.
    """

    def __init__(self, text: str, names: Iterable[str]) -> None:
        self.text = text
        try:
            tree = ast.parse(text[: _LONGEST + 1], mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(f"constraint {printable(text)} cannot be read: {error}", code="CONFIG_SPACE") from error
        if len(text) > _LONGEST:
            raise ConfigError(f"constraint {printable(text)} is longer than {_LONGEST} letters", code="CONFIG_SPACE")
        available = set(names)
        self.names = tuple(sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}))
        for name in self.names:
            if name not in available:
                raise ConfigError(
                    f"constraint {printable(text)} names {printable(name)}, which is no parameter; "
                    f"{did_you_mean(name, available)}",
                    code="CONFIG_SPACE",
                )
        self._condition(tree)
        self._tree = tree

    def __call__(self, values: Mapping[str, object]) -> bool:
        """Whether the values satisfy it; a parameter that is off (None) or a division by 0 does not."""
        if any(values[name] is None for name in self.names):
            return False
        try:
            return bool(_value(self._tree, values))
        except ZeroDivisionError:
            return False

    def __repr__(self) -> str:
        return f"Constraint({self.text!r})"

    def _condition(self, node: ast.expr) -> None:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            for part in node.values:
                self._condition(part)
        elif isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
            for part in (node.left, *node.comparators):
                self._number(part)
        else:
            self._refuse(node)

    def _number(self, node: ast.expr) -> None:
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            self._number(node.left)
            self._number(node.right)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            self._number(node.operand)
        elif not (isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and type(node.value) in (int, float))):
            self._refuse(node)

    def _refuse(self, node: ast.expr) -> None:
        raise ConfigError(
            f"constraint {printable(self.text)}: {printable(ast.unparse(node))} is not allowed; use parameter "
            f"names, numbers, "
            "+ - * /, comparisons and 'and'",
            code="CONFIG_SPACE",
        )


def _value(node: ast.expr, values: Mapping[str, object]) -> Any:
    if isinstance(node, ast.BoolOp):
        return all(_value(part, values) for part in node.values)
    if isinstance(node, ast.Compare):
        terms = [_value(part, values) for part in (node.left, *node.comparators)]
        return all(_COMPARE[type(op)](a, b) for op, a, b in zip(node.ops, terms, terms[1:], strict=False))
    if isinstance(node, ast.BinOp):
        return _ARITHMETIC[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand, values)
    return values[node.id] if isinstance(node, ast.Name) else node.value  # type: ignore[attr-defined]
