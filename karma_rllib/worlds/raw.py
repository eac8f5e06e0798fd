"""Raw rows: how a kernel looks at one world without the cost of array objects.

A Numba array is counted: every function that receives one may add and drop a reference, and a
state of forty arrays then costs more than the game itself.  A `row` is a bare typed pointer to
`array[b]`, indexed flat and unchecked like a C array; it lives only inside a kernel call, while
Python holds the arrays.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj


@intrinsic
def row(typingctx: Any, array: Any, b: Any) -> Any:
    """Pointer to the first element of `array[b]`; `array` is C-contiguous."""
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
def copy_bytes(typingctx: Any, target: Any, to: Any, source: Any, start: Any, n: Any) -> Any:
    """Copy n bytes from `source[start:]` to `target[to:]`, both uint8 rows that do not overlap."""
    signature = types.void(target, types.intp, source, types.intp, types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        goal = builder.gep(args[0], [args[1]])
        origin = builder.gep(args[2], [args[3]])
        cgutils.raw_memcpy(builder, goal, origin, args[4], 1)
        return context.get_dummy_value()

    return signature, codegen
