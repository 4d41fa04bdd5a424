# SPDX-License-Identifier: Apache-2.0
"""Arrays of the caller's kind in, the same kind out.

numpy arrays, ml_dtypes arrays, objects with DLPack (torch, cupy, jax, ...) or with the buffer
protocol are taken without a copy where their layout allows; strings are object or str arrays,
sequences are lists, an absent optional is None.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planish import _planish
from planish._error import Error

# Names by their number in onnx.TensorProto.DataType.
NAMES = [
    "undefined",
    "float32",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "string",
    "bool",
    "float16",
    "float64",
    "uint32",
    "uint64",
    "complex64",
    "complex128",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "uint4",
    "int4",
    "float4_e2m1fn",
    "float8_e8m0fnu",
    "uint2",
    "int2",
]
NUMBERS = {name: number for number, name in enumerate(NAMES)}
STRING = NUMBERS["string"]
BITS = {NUMBERS[n]: 4 for n in ("uint4", "int4", "float4_e2m1fn")} | {
    NUMBERS[n]: 2 for n in ("uint2", "int2")
}
_ML = set(NAMES[16:])  # what numpy lacks

_numpy_types: dict[int, np.dtype[Any]] = {}


def numpy_dtype(number: int) -> np.dtype[Any]:
    """The array type of a dtype number; ml_dtypes is asked for what numpy lacks."""
    known = _numpy_types.get(number)
    if known is not None:
        return known
    name = NAMES[number]
    if name == "string":
        made: np.dtype[Any] = np.dtype(object)
    elif name in _ML:
        try:
            import ml_dtypes
        except ImportError:
            raise Error(
                f"arrays of {name} need the package ml_dtypes",
                "unsupported",
                None,
                "pip install ml_dtypes",
            ) from None
        kind = getattr(ml_dtypes, name, None)
        if kind is None:
            raise Error(
                f"this version of ml_dtypes has no {name}", "unsupported", None, "update ml_dtypes"
            )
        made = np.dtype(kind)
    else:
        made = np.dtype(name)
    _numpy_types[number] = made
    return made


_numbers: dict[np.dtype[Any], int] = {}  # of types that were seen: their names take long to ask


def _number_of(array: NDArray[Any], what: str) -> int:
    known = _numbers.get(array.dtype)
    if known is not None:
        return known
    if array.dtype.kind in "OUS":
        return STRING
    number = NUMBERS.get(array.dtype.name, 0)
    if number == 0:
        raise Error(f"{what}: arrays of {array.dtype} are not supported", "invalid_type")
    _numbers[array.dtype] = number
    return number


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _pack(array: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """One byte an element to packed elements, low bits first."""
    codes = array.reshape(-1).view(np.uint8) & np.uint8((1 << bits) - 1)
    per = 8 // bits
    padded = np.zeros(-(-codes.size // per) * per, np.uint8)
    padded[: codes.size] = codes
    out = np.zeros(padded.size // per, np.uint8)
    for i in range(per):
        out |= padded[i::per] << np.uint8(bits * i)
    return out


def _unpack(packed: NDArray[np.uint8], number: int, dims: list[int]) -> NDArray[Any]:
    bits = BITS[number]
    per = 8 // bits
    codes = np.empty(packed.size * per, np.uint8)
    for i in range(per):
        codes[i::per] = (packed >> np.uint8(bits * i)) & np.uint8((1 << bits) - 1)
    count = int(np.prod(dims, dtype=np.int64))
    codes = codes[:count]
    if NAMES[number].startswith("int"):
        sign = np.uint8(1 << (bits - 1))
        codes = ((codes ^ sign) - sign).astype(np.uint8)
    return codes.view(numpy_dtype(number)).reshape(dims)


def _strings(array: NDArray[Any], what: str) -> _planish.Value:
    values = []
    for item in array.reshape(-1).tolist():
        if isinstance(item, bytes):
            values.append(item)
        elif isinstance(item, str):
            try:
                values.append(item.encode("utf-8"))
            except UnicodeEncodeError:
                raise Error(f"{what}: {item!r} is not valid UTF-8", "invalid_value") from None
        else:
            raise Error(
                f"{what}: expected an array of strings, got an element of type {type(item).__name__}",
                "invalid_type",
            )
    return _planish.strings(list(array.shape), values)


def _from_numpy(array: NDArray[Any], what: str) -> _planish.Value:
    number = _number_of(array, what)
    if number == STRING:
        return _strings(array, what)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    dims = list(array.shape)
    if number in BITS:
        array = _pack(np.ascontiguousarray(array), BITS[number])
    elif not (array.flags.c_contiguous and array.flags.aligned):
        array = np.array(array, order="C", copy=True)
    return _planish.tensor(number, dims, _address(array), array.nbytes, array)


def _as_numpy(value: Any, what: str) -> NDArray[Any]:
    """A numpy view of anything that can give one without computing."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except Exception as error:
            # What numpy cannot take: bfloat16 tensors, tensors that require gradients, other devices.
            view = _torch_view(value)
            if view is None:
                raise Error(f"{what}: {error}", "invalid_type") from None
            return view
    if isinstance(value, bool | int | float | complex | str | bytes):
        raise Error(
            f"{what}: expected an array, got {type(value).__name__}",
            "invalid_type",
            None,
            "wrap it: numpy.asarray(value, dtype)",
        )
    try:
        return np.asarray(memoryview(value))
    except TypeError:
        raise Error(
            f"{what}: expected an array, got {type(value).__name__}", "invalid_type"
        ) from None


def _torch_view(value: Any) -> NDArray[Any] | None:
    """A torch tensor that DLPack does not carry to numpy, by its bytes."""
    if type(value).__module__.split(".")[0] != "torch" or value.device.type != "cpu":
        return None
    value = value.detach()
    name = str(value.dtype).removeprefix("torch.")
    try:
        return np.asarray(value.numpy())
    except TypeError:
        pass
    if name not in _ML:
        return None
    torch = sys.modules["torch"]
    raw = value.contiguous().view(torch.uint8 if value.element_size() == 1 else torch.int16).numpy()
    return raw.view(numpy_dtype(NUMBERS[name]))


def to_value(value: Any, what: str) -> _planish.Value:
    """Any datum as a handle. Its memory must not change until the run is over."""
    if type(value) is np.ndarray:
        return _from_numpy(value, what)
    if value is None:
        return _planish.none()
    if isinstance(value, list | tuple):
        return _planish.sequence(
            [to_value(item, f"{what}, item {i}") for i, item in enumerate(value)]
        )
    return _from_numpy(_as_numpy(value, what), what)


class _Memory:
    """Shows a handle's memory through numpy's array interface and keeps it alive."""

    def __init__(self, value: _planish.Value, shape: tuple[int, ...], typestr: str) -> None:
        self._value = value
        self.__array_interface__ = {
            "shape": shape,
            "typestr": typestr,
            "data": (value.address, False),
            "version": 3,
        }


def _tensor_to_numpy(value: _planish.Value) -> NDArray[Any]:
    number, dims = value.dtype, value.dims
    if number == STRING:
        out = np.empty(dims, object)
        out.reshape(-1)[:] = [item.decode("utf-8", "replace") for item in value.strings()]
        return out
    dtype = numpy_dtype(number)
    if value.bytes == 0:
        return np.empty(dims, dtype)
    if number in BITS:
        return _unpack(np.asarray(_Memory(value, (value.bytes,), "|u1")), number, dims)
    if NAMES[number] in _ML:
        raw = np.asarray(_Memory(value, (value.bytes,), "|u1"))
        return raw.view(dtype).reshape(dims)
    return np.asarray(_Memory(value, tuple(dims), dtype.str))


def from_value(value: _planish.Value) -> Any:
    """A handle as numpy array, list, dict or None."""
    kind = value.kind
    if kind == 1:
        return _tensor_to_numpy(value)
    if kind == 2:
        return [from_value(item) for item in value.items()]
    if kind == 3:
        keys, values = from_value(value.keys()), from_value(value.values())
        return dict(zip(keys.tolist(), values.tolist(), strict=True))
    return None


def converter(inputs: list[Any]) -> Callable[[NDArray[Any]], Any]:
    """How results reach the caller: as torch (or other DLPack) arrays if all arrays given were such."""
    if all(type(v) is np.ndarray for v in inputs):
        return lambda array: array
    kinds = {
        type(v).__module__.split(".")[0]
        for v in inputs
        if v is not None and not isinstance(v, list | tuple)
    }
    if len(kinds) != 1 or kinds <= {"numpy", "builtins", "ml_dtypes"}:
        return lambda array: array
    module = sys.modules.get(kinds.pop())
    from_dlpack = getattr(module, "from_dlpack", None)
    if from_dlpack is None:
        return lambda array: array

    def convert(array: NDArray[Any]) -> Any:
        if array.dtype == object or array.dtype.name in _ML:
            return array
        return from_dlpack(array)

    return convert


def into_value(array: Any, what: str) -> _planish.Value:
    """The memory of a writable array for an output: written in place, so it is never copied."""
    view = _as_numpy(array, what)
    number = _number_of(view, what)
    if number == STRING or number in BITS:
        raise Error(f"{what}: outputs of {NAMES[number]} cannot be bound", "unsupported")
    if not (view.flags.c_contiguous and view.flags.writeable and view.flags.aligned):
        raise Error(f"{what}: expected a writable, contiguous array", "invalid_argument")
    return _planish.tensor(number, list(view.shape), _address(view), view.nbytes, view)
