"""Search space: named dimensions and constraints."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.errors import ConfigError, printable
from assay.kernel.spec import canonical
from assay.kernel.suggestions import did_you_mean
from assay.learn import Constraint, Strategy
from assay.validate.search.dimensions import Dimension, choices, dimension

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
        values: Mapping[str, Any],
        constraints: Sequence[str] = (),
        *,
        names: Iterable[str] | None = None,
        fixed: Mapping[str, Any] | None = None,
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
        cls, rule: Strategy, value: Mapping[str, Any] | None = None, *, values: Mapping[str, Any] | None = None
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

    def holds(self, point: Mapping[str, Any]) -> bool:
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


def key(point: Mapping[str, Any]) -> str:
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


def _demand_known(values: Mapping[str, Any], valid_names: set[str]) -> None:
    for name in values:
        if name not in valid_names:
            near = did_you_mean(str(name), valid_names) or f"known: {', '.join(sorted(valid_names))}"
            raise ConfigError(
                f"the space names {printable(name)}, which is no parameter; {near}",
                code="CONFIG_SPACE",
                hint=near,
                field=str(name)[:128],
            )


def _as_typed(rule: Strategy, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with whole numbers as floats where the parameter is one."""
    if not isinstance(values, Mapping):
        return values
    floats = {name for name, parameter in rule.parameters.items() if parameter.type is float}
    return {name: _floats(value) if name in floats else value for name, value in values.items()}


def _floats(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_floats(each) for each in value)
    if isinstance(value, Mapping) and value.get("type") == "int":
        return {**value, "type": "float"}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
