"""Conditions between parameters, written as text and never evaluated as code."""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from assay.kernel.errors import ConfigError, printable
from assay.kernel.suggestions import did_you_mean

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

    def __call__(self, values: Mapping[str, Any]) -> bool:
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


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
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
