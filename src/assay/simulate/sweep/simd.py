"""Eight numbers of eight accounts at once, as one value of compiled code: what the processor calls a vector.

A `Lanes` lives in registers inside Numba functions only. Each operation is the IEEE operation on each of the eight, so
a lane holds the bits that a loop over scalars would give.
"""

from collections.abc import Callable, Sequence
from operator import add, ge, gt, lt, mul, sub, truediv
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8
_typed: Any = type_callable
_lowered: Any = lower_builtin
_place_of: Any = cgutils.gep
_function_of: Any = cgutils.get_or_insert_function
_compiled: Any = intrinsic  # its functions are called without the compiler's own first argument
_DOUBLE, _PLACE = ir.DoubleType(), ir.IntType(32)
_VECTOR, _MASK = ir.VectorType(_DOUBLE, LANES), ir.VectorType(ir.IntType(1), LANES)


class _Lanes(types.Type):
    """Eight float64, or eight booleans."""


NUMBERS, MASK = _Lanes(name="Lanes"), _Lanes(name="LanesMask")
_EIGHT: Any = types.UniTuple(NUMBERS, LANES)  # type: ignore[no-untyped-call]


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    """A vector register."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VECTOR if fe_type == NUMBERS else _MASK)  # type: ignore[no-untyped-call]


def _binary(operation: Any, result: Any, build: Callable[[Any, Any, Any], Any]) -> None:
    @_typed(operation)
    def typed(context: Any) -> Any:
        return lambda a, b: result if a == NUMBERS and b == NUMBERS else None

    @_lowered(operation, NUMBERS, NUMBERS)
    def lowered(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return build(builder, *args)


def _arithmetic(operation: Any, name: str) -> None:
    _binary(operation, NUMBERS, lambda builder, one, other: getattr(builder, name)(one, other))


def _comparison(operation: Any, sign: str) -> None:
    _binary(operation, MASK, lambda builder, one, other: builder.fcmp_ordered(sign, one, other))


_arithmetic(add, "fadd")
_arithmetic(sub, "fsub")
_arithmetic(mul, "fmul")
_arithmetic(truediv, "fdiv")
_comparison(lt, "<")
_comparison(gt, ">")
_comparison(ge, ">=")


@_compiled
def broadcast(typing: Any, value: Any) -> Any:
    """The same number in all lanes."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], _PLACE(0))
        return _shuffled(builder, one, one, [0] * LANES)

    return NUMBERS(types.float64), build


@_compiled
def where(typing: Any, mask: Any, yes: Any, no: Any) -> Any:
    """Of each lane the one or the other."""
    return NUMBERS(MASK, NUMBERS, NUMBERS), lambda context, builder, signature, args: builder.select(*args)


@_compiled
def both(typing: Any, one: Any, other: Any) -> Any:
    """Lanes where both hold."""
    return MASK(MASK, MASK), lambda context, builder, signature, args: builder.and_(*args)


@_compiled
def either(typing: Any, one: Any, other: Any) -> Any:
    """Lanes where one of them holds."""
    return MASK(MASK, MASK), lambda context, builder, signature, args: builder.or_(*args)


@_compiled
def anywhere(typing: Any, mask: Any) -> Any:
    """Whether it holds in some lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(LANES)(0))

    return types.boolean(MASK), build


@_compiled
def fetch(typing: Any, array: Any, at: Any) -> Any:
    """Ask for the cache line of a place, without waiting for it."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [where, number, number, number])
        request = _function_of(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(_address(context, builder, signature.args[0], *args), where)
        builder.call(request, [address, number(0), number(3), number(1)])  # to read, into all caches, data
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@_compiled
def lane_mask(typing: Any, mask: Any) -> Any:
    """A uint64 whose k-th bit says whether it holds in lane k."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(MASK), build


@_compiled
def lowest_bit(typing: Any, verdict: Any) -> Any:
    """Place of the lowest bit that is set of a uint64, 64 where none is."""
    return types.intp(types.uint64), lambda context, builder, signature, args: builder.cttz(args[0], ir.IntType(1)(0))


def _demand_neighbours(array: Any) -> None:
    """Refuse to compile for an array whose numbers may lie apart: they would be taken from between them."""
    if array.dtype != types.float64 or array.ndim != 1 or array.layout != "C":
        raise TypingError(f"lanes are read from a float64 vector without gaps, not from {array}")


def _address(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return _place_of(builder, data, at)


def _read(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    address = _address(context, builder, kind, array, at)
    return builder.load(builder.bitcast(address, _VECTOR.as_pointer()), align=8)


def _shuffled(builder: Any, one: Any, other: Any, order: Sequence[int]) -> Any:
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_PLACE, LANES), order))


@_compiled
def load_lanes(typing: Any, array: Any, at: Any) -> Any:
    """Eight neighbours of a float64 vector, from place `at` on; nobody checks the bounds."""
    _demand_neighbours(array)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _read(context, builder, signature.args[0], *args)

    return NUMBERS(array, types.intp), build


@_compiled
def store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    """Write what `load_lanes` would read."""
    _demand_neighbours(array)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], *args[:2])
        builder.store(args[2], builder.bitcast(address, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, NUMBERS), build


@_compiled
def transpose_lanes(typing: Any, array: Any, at: Any, step: Any) -> Any:
    """Eight runs of eight neighbours of a float64 vector, `step` apart: the k-th value has the k-th of each."""
    _demand_neighbours(array)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        runs, place = [], args[1]
        for _ in range(LANES):
            runs.append(_read(context, builder, signature.args[0], args[0], place))
            place = builder.add(place, args[2])
        for span in (1, 2, 4):  # places that differ by `span` change sides between runs that do
            for one in [run for run in range(LANES) if not run & span]:
                pair = runs[one], runs[one | span]
                near = [k if not k & span else LANES + (k ^ span) for k in range(LANES)]
                far = [k | span if not k & span else LANES + k for k in range(LANES)]
                runs[one], runs[one | span] = (_shuffled(builder, *pair, order) for order in (near, far))
        return context.make_tuple(builder, signature.return_type, runs)

    return _EIGHT(array, types.intp, types.intp), build


@_compiled
def lesser(typing: Any, one: Any, other: Any) -> Any:
    """The smaller of each lane; the first where they do not compare."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[1], args[0]), args[1], args[0])

    return NUMBERS(NUMBERS, NUMBERS), build


@_compiled
def lane_maximum(typing: Any, one: Any, other: Any) -> Any:
    """The greater of each lane; the first where they do not compare."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[1], args[0]), args[1], args[0])

    return NUMBERS(NUMBERS, NUMBERS), build
