"""Eight numbers of eight accounts at once, as one value of compiled code: what the processor calls a vector.

A `Lanes` lives in registers inside Numba functions only. Each operation is the IEEE operation on each of the eight, so
a lane holds the bits that a loop over scalars would give.
"""

from collections.abc import Callable, Sequence
from operator import add, ge, gt, lt, mul, sub, truediv
from typing import Any, Protocol

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.datamodel.manager import DataModelManager
from numba.core.errors import TypingError
from numba.core.typing.context import Context as TypingContext
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8
Values = Sequence[ir.Value]


class _ArrayValue(Protocol):
    """An array in compiled code. data: pointer to its first number."""

    data: ir.Value


class Lowering(Protocol):
    """What is used of Numba's target context, which has no types of its own."""

    def get_dummy_value(self) -> ir.Value: ...
    def make_array(self, kind: types.Type) -> "Callable[[Lowering, ir.IRBuilder, ir.Value], _ArrayValue]": ...
    def make_tuple(self, builder: ir.IRBuilder, kind: types.Type, values: Sequence[ir.Value]) -> ir.Value: ...


Build = Callable[[Lowering, ir.IRBuilder, Signature, Values], ir.Value]
Intrinsic = tuple[Signature, Build]
Operation = Callable[..., object]
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

    def __init__(self, dmm: DataModelManager, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, _VECTOR if fe_type == NUMBERS else _MASK)  # type: ignore[no-untyped-call]


def _binary(
    operation: Operation, result: types.Type, build: Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]
) -> None:
    @_typed(operation)
    def typed(context: TypingContext) -> Callable[[types.Type, types.Type], types.Type | None]:
        return lambda a, b: result if a == NUMBERS and b == NUMBERS else None

    @_lowered(operation, NUMBERS, NUMBERS)
    def lowered(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        return build(builder, *args)


def _arithmetic(operation: Operation, name: str) -> None:
    _binary(operation, NUMBERS, lambda builder, one, other: getattr(builder, name)(one, other))


def _comparison(operation: Operation, sign: str) -> None:
    _binary(operation, MASK, lambda builder, one, other: builder.fcmp_ordered(sign, one, other))


_arithmetic(add, "fadd")
_arithmetic(sub, "fsub")
_arithmetic(mul, "fmul")
_arithmetic(truediv, "fdiv")
_comparison(lt, "<")
_comparison(gt, ">")
_comparison(ge, ">=")


@_compiled
def broadcast(typing: TypingContext, value: types.Type) -> Intrinsic:
    """The same number in all lanes."""

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], _PLACE(0))
        return _shuffled(builder, one, one, [0] * LANES)

    return NUMBERS(types.float64), build


@_compiled
def where(typing: TypingContext, mask: types.Type, yes: types.Type, no: types.Type) -> Intrinsic:
    """Of each lane the one or the other."""
    return NUMBERS(MASK, NUMBERS, NUMBERS), lambda context, builder, signature, args: builder.select(*args)


@_compiled
def both(typing: TypingContext, one: types.Type, other: types.Type) -> Intrinsic:
    """Lanes where both hold."""
    return MASK(MASK, MASK), lambda context, builder, signature, args: builder.and_(*args)


@_compiled
def either(typing: TypingContext, one: types.Type, other: types.Type) -> Intrinsic:
    """Lanes where one of them holds."""
    return MASK(MASK, MASK), lambda context, builder, signature, args: builder.or_(*args)


@_compiled
def anywhere(typing: TypingContext, mask: types.Type) -> Intrinsic:
    """Whether it holds in some lane."""

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(LANES)(0))

    return types.boolean(MASK), build


@_compiled
def fetch(typing: TypingContext, array: types.Type, at: types.Type) -> Intrinsic:
    """Ask for the cache line of a place, without waiting for it."""

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        where, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [where, number, number, number])
        request = _function_of(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(_address(context, builder, signature.args[0], *args), where)
        builder.call(request, [address, number(0), number(3), number(1)])  # to read, into all caches, data
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@_compiled
def lane_mask(typing: TypingContext, mask: types.Type) -> Intrinsic:
    """A uint64 whose k-th bit says whether it holds in lane k."""

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        return builder.zext(builder.bitcast(args[0], ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(MASK), build


@_compiled
def lowest_bit(typing: TypingContext, verdict: types.Type) -> Intrinsic:
    """Place of the lowest bit that is set of a uint64, 64 where none is."""
    return types.intp(types.uint64), lambda context, builder, signature, args: builder.cttz(args[0], ir.IntType(1)(0))


def _demand_neighbours(array: types.Type) -> None:
    """Refuse to compile for an array whose numbers may lie apart: they would be taken from between them."""
    vector = isinstance(array, types.Array) and array.dtype == types.float64 and array.ndim == 1 and array.layout == "C"
    if not vector:
        raise TypingError(f"lanes are read from a float64 vector without gaps, not from {array}")


def _address(context: Lowering, builder: ir.IRBuilder, kind: types.Type, array: ir.Value, at: ir.Value) -> ir.Value:
    data = context.make_array(kind)(context, builder, array).data
    return _place_of(builder, data, at)


def _read(context: Lowering, builder: ir.IRBuilder, kind: types.Type, array: ir.Value, at: ir.Value) -> ir.Value:
    address = _address(context, builder, kind, array, at)
    return builder.load(builder.bitcast(address, _VECTOR.as_pointer()), align=8)


def _shuffled(builder: ir.IRBuilder, one: ir.Value, other: ir.Value, order: Sequence[int]) -> ir.Value:
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_PLACE, LANES), order))


@_compiled
def load_lanes(typing: TypingContext, array: types.Type, at: types.Type) -> Intrinsic:
    """Eight neighbours of a float64 vector, from place `at` on; nobody checks the bounds."""
    _demand_neighbours(array)

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        return _read(context, builder, signature.args[0], *args)

    return NUMBERS(array, types.intp), build


@_compiled
def store(typing: TypingContext, array: types.Type, at: types.Type, value: types.Type) -> Intrinsic:
    """Write what `load_lanes` would read."""
    _demand_neighbours(array)

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        address = _address(context, builder, signature.args[0], *args[:2])
        builder.store(args[2], builder.bitcast(address, _VECTOR.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, NUMBERS), build


@_compiled
def transpose_lanes(typing: TypingContext, array: types.Type, at: types.Type, step: types.Type) -> Intrinsic:
    """Eight runs of eight neighbours of a float64 vector, `step` apart: the k-th value has the k-th of each."""
    _demand_neighbours(array)

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
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
def lesser(typing: TypingContext, one: types.Type, other: types.Type) -> Intrinsic:
    """The smaller of each lane; the first where they do not compare."""

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        return builder.select(builder.fcmp_ordered("<", args[1], args[0]), args[1], args[0])

    return NUMBERS(NUMBERS, NUMBERS), build


@_compiled
def lane_maximum(typing: TypingContext, one: types.Type, other: types.Type) -> Intrinsic:
    """The greater of each lane; the first where they do not compare."""

    def build(context: Lowering, builder: ir.IRBuilder, signature: Signature, args: Values) -> ir.Value:
        return builder.select(builder.fcmp_ordered(">", args[1], args[0]), args[1], args[0])

    return NUMBERS(NUMBERS, NUMBERS), build
