"""Raw rows: how a kernel looks at one world without the cost of array objects.

A Numba array is counted and unpacked: a state of forty arrays costs 10 us to hand over and a
reference for every function that looks at it, more than the game itself.  So the world keeps a
*book*, one record with its rules as numbers and the address of each of its arrays, and a kernel
reads a world through bare typed pointers, indexed flat and unchecked like C arrays.  They live only
inside a kernel call, while Python holds the arrays.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj


def _pointer_to(kind: Any) -> Any:
    """Make the function that turns an address, int64, into a pointer to numbers of this kind."""

    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        """Pointer to the numbers at `address`."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

        return types.CPointer(kind)(types.int64), codegen

    return pointer


u8, i8 = _pointer_to(types.uint8), _pointer_to(types.int8)
i16, i32, i64 = _pointer_to(types.int16), _pointer_to(types.int32), _pointer_to(types.int64)
u64, f32, f64 = _pointer_to(types.uint64), _pointer_to(types.float32), _pointer_to(types.float64)


@intrinsic
def row(typingctx: Any, array: Any, b: Any) -> Any:
    """Pointer to the first number of `array[b]`; `array` is C-contiguous."""
    if not isinstance(array, types.Array) or array.layout != "C":
        return None
    signature = types.CPointer(array.dtype)(array, types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        view = arrayobj.make_array(sig.args[0])(context, builder, args[0])
        stride = cgutils.unpack_tuple(builder, view.strides)[0]
        data = builder.ptrtoint(view.data, stride.type)
        return builder.inttoptr(builder.add(data, builder.mul(stride, args[1])), view.data.type)

    return signature, codegen


@intrinsic
def lowest_bit(typingctx: Any, bits: Any) -> Any:
    """Position of the lowest set bit of a uint64 that is not 0, int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.true_bit)

    return types.int64(types.uint64), codegen


@intrinsic
def copy_bytes(typingctx: Any, target: Any, to: Any, source: Any, start: Any, n: Any) -> Any:
    """Copy n bytes from `source[start:]` to `target[to:]`, both uint8 rows that do not overlap."""
    signature = types.void(target, types.intp, source, types.intp, types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        goal, origin = builder.gep(args[0], [args[1]]), builder.gep(args[2], [args[3]])
        cgutils.raw_memcpy(builder, goal, origin, args[4], 1)
        return context.get_dummy_value()

    return signature, codegen
