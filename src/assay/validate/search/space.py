"""Search space: named dimensions and constraints, and their text form."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.spec import canonical
from assay.learn import Constraint, Strategy
from assay.validate.search.dimensions import MOST_POINTS, Dimension, choices, dimension

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Space:
    """Every point that a search may draw.

    dimensions:  by name, in declared order.
    constraints: conditions that each point satisfies.
    fixed:       values of parameters that are not searched but that constraints name.
    """

    dimensions: Mapping[str, Dimension]
    constraints: tuple[Constraint, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        values: Mapping[str, object],
        constraints: Sequence[str] = (),
        *,
        names: Iterable[str] | None = None,
        fixed: Mapping[str, object] | None = None,
    ) -> "Space":
        """A space from Python values or from the tables of a document; see `dimension` for what each may be.

        names: names that the searched thing has; another one is refused with the nearest.
        Raises ConfigError ``CONFIG_SPACE``: empty, inverted or zero-width ranges, a log range with 0, unknown names.
        """
        _demand_names(values)
        if names is not None:
            _demand_known(values, set(names))
        parts = {name: dimension(name, value) for name, value in values.items()}
        fixed = {n: v for n, v in (fixed or {}).items() if n not in parts}
        return cls(parts, tuple(Constraint(text, {*parts, *fixed}) for text in constraints), fixed)

    @classmethod
    def of_strategy(
        cls, rule: Strategy, value: Mapping[str, object] | None = None, *, values: Mapping[str, object] | None = None
    ) -> "Space":
        """The space that a rule declares; `given` replaces it, and leaves only these parameters to be searched.

        values: of all parameters, for those that are not searched; the rule's defaults where None is given. The rule's
        constraints hold; ``2:4`` of a parameter that is a float is a range of floats. Raises ConfigError
        ``CONFIG_SPACE``, also for a rule that declares nothing to search.
        """
        values = rule.defaults if values is None else values
        if value is not None:
            base = cls.of(_as_typed(rule, value), names=rule.parameters, fixed=values)
            return cls(base.dimensions, rule.constraints, base.fixed)
        parts = {n: choices(n, s) if isinstance(s, tuple) else dimension(n, s) for n, s in rule.space.items()}
        if not parts:
            raise ConfigError(f"{rule.name} declares no parameter to search", code="CONFIG_SPACE")
        return cls(parts, rule.constraints, {n: v for n, v in values.items() if n not in parts})

    @property
    def count(self) -> int | None:
        """Points before constraints, all values of each dimension; None where one is continuous."""
        counts = [each.count for each in self.dimensions.values()]
        return None if None in counts else prod(c for c in counts if c is not None)

    def holds(self, point: Mapping[str, object]) -> bool:
        """Whether the point satisfies every constraint."""
        values = {**self.fixed, **point}
        return all(constraint(values) for constraint in self.constraints)

    def at(self, shares: Iterable[float]) -> Point:
        """The point at these shares in [0, 1), one a dimension; constraints are not asked."""
        pairs = zip(self.dimensions.items(), shares, strict=True)
        return {name: each.at(float(share)) for (name, each), share in pairs}

    def point_at(self, index: int) -> Point:
        """The point of this number in the whole product, last name fastest. Only where `count` is a number."""
        values: Point = {}
        for name, each in reversed(list(self.dimensions.items())):
            index, place = divmod(index, each.count or 1)
            values[name] = each.nth(place)
        return {name: values[name] for name in self.dimensions}

    def grid_sizes(self) -> dict[str, int]:
        """Grid points a dimension."""
        return {name: len(each.grid()) for name, each in self.dimensions.items()}

    def grid(self) -> Iterator[Point]:
        """Points of the grid that satisfy the constraints, lazily: declared order, last name fastest."""
        for values in itertools.product(*(each.grid() for each in self.dimensions.values())):
            point = dict(zip(self.dimensions, values, strict=True))
            if self.holds(point):
                yield point

    def positions(self, parameters: Mapping[str, NDArray[Any]]) -> FloatArray:
        """``(n, k)``: where each parameter lies in its dimension, 0..1, from columns ``(n,)`` by name."""
        columns = [each.positions(parameters[name]) for name, each in self.dimensions.items()]
        return np.column_stack(columns)

    def grid_mask(self) -> BoolArray:
        """``(P,)``: which points of the whole grid, in its order, satisfy the constraints."""
        names = list(self.dimensions)
        values = {name: tuple(each.grid()) for name, each in self.dimensions.items()}
        keep = np.ones([len(values[name]) for name in names], np.bool_)
        for constraint in self.constraints:
            request = [name for name in names if name in constraint.names]
            document = [
                constraint({**self.fixed, **dict(zip(request, point, strict=True))})
                for point in itertools.product(*(values[name] for name in request))
            ]
            keep &= np.reshape(document, [len(values[name]) if name in request else 1 for name in names])
        return keep.ravel()

    def refusal(self, tries: int) -> ConfigError:
        """What to raise when this many draws in a row broke the constraints."""
        texts = ", ".join(c.text for c in self.constraints)
        return ConfigError(
            f"no point satisfies {printable(texts)}: {tries:,} were tried",
            code="CONFIG_SPACE",
            hint="widen the ranges or loosen the constraints",
        )

    def as_text(self) -> str:
        """One line that is equal for equal spaces."""
        parts = [f"{name}: {each!r}" for name, each in self.dimensions.items()]
        return "; ".join([*parts, *(c.text for c in self.constraints), repr(sorted(self.fixed.items()))])


def key(point: Mapping[str, object]) -> str:
    """Equal for equal points."""
    return canonical(dict(point))


def _demand_names(value: object) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f"the space is {printable(value)}, must be a table of names and values", code="CONFIG_SPACE")
    if not value:
        raise ConfigError("the space is empty: name at least one parameter to search", code="CONFIG_SPACE")
    for name in value:
        if not isinstance(name, str) or not name:
            raise ConfigError(f"the space has the name {printable(name)}, must be a text", code="CONFIG_SPACE")


def _demand_known(values: Mapping[str, object], valid_names: set[str]) -> None:
    for name in values:
        if name not in valid_names:
            near = did_you_mean(str(name), valid_names) or f"known: {', '.join(sorted(valid_names))}"
            raise ConfigError(
                f"the space names {printable(name)}, which is no parameter; {near}",
                code="CONFIG_SPACE",
                hint=near,
                field=str(name)[:128],
            )


def _as_typed(rule: Strategy, values: Mapping[str, object]) -> Mapping[str, object]:
    """The same with whole numbers as floats where the parameter is one."""
    if not isinstance(values, Mapping):
        return values
    floats = {name for name, parameter in rule.parameters.items() if parameter.type is float}
    return {name: _floats(value) if name in floats else value for name, value in values.items()}


def _floats(value: object) -> object:
    if isinstance(value, list | tuple):
        return type(value)(_floats(each) for each in value)
    if isinstance(value, Mapping) and value.get("type") == "int":
        return {**value, "type": "float"}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


_FORMS = "write k=low:high, k=low:high:points or k=a,b,c"
_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None}


def parse_space_text(text: str) -> tuple[str, object]:
    """The parameter's name, and its values as `dimension` takes them.

    ``k=low:high`` is a range, of integers where both ends are; ``k=low:high:points`` the same with so many points for a
    grid; ``k=a,b,c`` are choices: integers, numbers, ``true``, ``false``, ``none``, and what is none of these is text.

    >>> parse_space_text("fast=5:40"), parse_space_text("depth=1e-3:0.005:7")
    (('fast', (5, 40)), ('depth', {'type': 'float', 'low': 0.001, 'high': 0.005, 'points': 7}))
    >>> parse_space_text("hold=30,50,none"), parse_space_text("sizing=risk")
    (('hold', [30, 50, None]), ('sizing', ['risk']))

    Raises ConfigError ``CONFIG_SPACE`` with the text, and what is wrong in it.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not name:
        raise _wrong(text, name, "names no parameter" if equals else "has no '='")
    if not values:
        raise _wrong(text, name, "has no values")
    if ":" in values:
        return name, _range(text, name, values.split(":"))
    return name, _choices(text, name, values.split(","))


def _range(text: str, name: str, parts: list[str]) -> object:
    if any("," in part for part in parts):
        raise _wrong(text, name, "mixes a range with choices")
    if len(parts) > 3:
        raise _wrong(text, name, f"has {len(parts)} parts, a range has low, high and at most a number of points")
    ends = [_end(text, name, which, part) for which, part in zip(("low", "high"), parts, strict=False)]
    low, high = ends
    if low == high:
        raise _wrong(text, name, f"has no width: low and high are both {low}")
    if low > high:
        raise _wrong(text, name, f"is upside down: low {low} lies above high {high}")
    if len(parts) == 2:
        return low, high
    kind = "int" if isinstance(low, int) and isinstance(high, int) else "float"
    return {"type": kind, "low": low, "high": high, "points": _points(text, name, parts[2])}


def _end(text: str, name: str, which: str, part: str) -> int | float:
    value = _plain(part)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= float_info.max:
        raise _wrong(text, name, f"has {which} {printable(part.strip())}, must be a finite number")
    return value


def _points(text: str, name: str, part: str) -> int:
    count = _plain(part)
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST_POINTS:
        raise _wrong(text, name, f"has points {printable(part.strip())}, must be an integer from 2 to {MOST_POINTS:,}")
    return count


def _choices(text: str, name: str, parts: list[str]) -> list[object]:
    result: list[Any] = []
    for part in parts:
        value = _plain(part)
        if value == "":
            raise _wrong(text, name, "has an empty choice")
        if isinstance(value, int | float) and not abs(value) <= float_info.max:
            raise _wrong(text, name, f"has the choice {printable(part.strip())}, which is not finite")
        if any(value == each and isinstance(value, bool) is isinstance(each, bool) for each in result):
            raise _wrong(text, name, f"has the choice {printable(part.strip())} twice")
        result.append(value)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in result)
    mixed = numbers and any(isinstance(v, float) for v in result)
    return [float(v) for v in result] if mixed else result


def _plain(part: str) -> object:
    """The value of a text: a word, an integer, a number, else the text itself; ``1_000`` and ``٣`` are texts."""
    verdict = part.strip()
    if verdict.lower() in _WORDS:
        return _WORDS[verdict.lower()]
    if verdict.isascii() and "_" not in verdict:
        for kind in (int, float):
            try:
                return kind(verdict)
            except ValueError:
                continue
    return verdict


def _wrong(text: str, name: str, problem: str) -> ConfigError:
    return ConfigError(f"--space {printable(text)} {problem}", code="CONFIG_SPACE", hint=_FORMS, field=name[:128])
