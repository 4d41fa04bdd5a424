# SPDX-License-Identifier: Apache-2.0
"""Planish through its C interface, for any Python: the tools of this folder run where the package's
own extension module need not fit the interpreter.

engine = Engine.build("model.onnx", device="cuda", precision="fp16")
outputs = engine.run({"x": array})
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Numbers of onnx.TensorProto.DataType.
DTYPES: dict[int, Any] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
    14: np.complex64,
    15: np.complex128,
    16: ml_dtypes.bfloat16,
}
NUMBERS = {np.dtype(v): k for k, v in DTYPES.items()}


class Error(RuntimeError):
    """A failed call, with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def _load() -> ctypes.CDLL:
    folder = Path(os.environ.get("PLANISH_LIB", Path(__file__).parents[2] / "build/release/lib"))
    ctypes.CDLL(str(next(folder.glob("libplanish_runtime.so*"))), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(next(folder.glob("libplanish.so*"))), mode=ctypes.RTLD_GLOBAL)
    for name in ("message", "hint"):
        getattr(library, f"planish_error_{name}").restype = ctypes.c_char_p
    for name in ("planish_status_name", "planish_engine_io_name", "planish_tensor_string"):
        getattr(library, name).restype = ctypes.c_char_p
    library.planish_tensor_data.restype = ctypes.c_void_p
    library.planish_tensor_bytes.restype = ctypes.c_size_t
    library.planish_tensor_dims.restype = ctypes.POINTER(ctypes.c_int64)
    return library


lib = _load()


def check(status: int) -> None:
    """Raises what the library says of a failed call."""
    if status != 0:
        text = (lib.planish_error_message() or b"").decode()
        hint = (lib.planish_error_hint() or b"").decode()
        raise Error(lib.planish_status_name(status).decode(), f"{text} ({hint})" if hint else text)


def _options(options: Mapping[str, Any], shapes: Mapping[str, tuple[str, str, str]]) -> Any:
    handle = ctypes.c_void_p()
    check(lib.planish_options_create(ctypes.byref(handle)))
    for name, value in options.items():
        check(lib.planish_options_set(handle, name.encode(), str(value).encode()))
    for name, (least, usual, greatest) in shapes.items():
        check(
            lib.planish_options_set_shape(
                handle, 0, name.encode(), least.encode(), usual.encode(), greatest.encode()
            )
        )
    return handle


def _value(array: Array) -> Any:
    array = np.asarray(array, order="C")  # ascontiguousarray makes a scalar an array of one
    return pointer_value(NUMBERS[array.dtype], array.shape, array.ctypes.data, array.nbytes), array


def pointer_value(dtype: int, shape: tuple[int, ...], address: int, nbytes: int) -> Any:
    """A tensor over memory of the host or the GPU."""
    dims = (ctypes.c_int64 * max(1, len(shape)))(*shape)
    handle = ctypes.c_void_p()
    check(
        lib.planish_tensor_create(
            dtype,
            len(shape),
            dims,
            ctypes.c_void_p(address),
            ctypes.c_size_t(nbytes),
            None,
            None,
            ctypes.byref(handle),
        )
    )
    return handle


def _array(value: Any) -> Array:
    dtype = DTYPES[lib.planish_tensor_dtype(value)]
    rank = lib.planish_tensor_rank(value)
    dims = [lib.planish_tensor_dims(value)[i] for i in range(rank)]
    count = int(np.prod(dims, dtype=np.int64))
    out = np.empty(dims, dtype)
    if count:
        ctypes.memmove(out.ctypes.data, lib.planish_tensor_data(value), out.nbytes)
    return out


class Engine:
    """An engine with one context."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        inputs = lib.planish_engine_input_count(handle)
        outputs = lib.planish_engine_output_count(handle)
        names = [lib.planish_engine_io_name(handle, i).decode() for i in range(inputs + outputs)]
        self.inputs, self.outputs = names[:inputs], names[inputs:]
        self.context = ctypes.c_void_p()
        check(lib.planish_context_create(handle, 0, ctypes.byref(self.context)))

    @classmethod
    def build(
        cls,
        model: str | Path,
        shapes: Mapping[str, tuple[str, str, str]] | None = None,
        **options: Any,
    ) -> Engine:
        """An engine from a model's file."""
        handle = ctypes.c_void_p()
        settings = _options(options, shapes or {})
        try:
            check(lib.planish_build_file(str(model).encode(), settings, ctypes.byref(handle)))
        finally:
            lib.planish_options_release(settings)
        return cls(handle)

    def describe(self) -> Any:
        """Everything known of the engine."""
        text = ctypes.c_char_p()
        check(lib.planish_engine_describe(self.handle, ctypes.byref(text)))
        return json.loads(text.value or b"{}")

    def set_input(self, name: str, value: Any) -> None:
        """Binds an input; the value's memory must stay."""
        check(lib.planish_context_set_input(self.context, self.inputs.index(name), value))

    def set_output(self, name: str, value: Any) -> None:
        """Binds an output."""
        check(lib.planish_context_set_output(self.context, self.outputs.index(name), value))

    def set_stream(self, stream: int, wait: bool) -> None:
        """Runs join a stream of the GPU."""
        check(lib.planish_context_set_stream(self.context, ctypes.c_void_p(stream), 0, int(wait)))

    def enqueue(self) -> None:
        """Runs with what is bound."""
        check(lib.planish_context_run(self.context))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs on arrays."""
        kept = [(_value(array), name) for name, array in feeds.items()]
        for (value, _), name in kept:
            self.set_input(name, value)
        self.enqueue()
        out = {}
        for i, name in enumerate(self.outputs):
            value = ctypes.c_void_p()
            check(lib.planish_context_output(self.context, i, ctypes.byref(value)))
            out[name] = _array(value)
            lib.planish_value_release(value)
        for (value, _), _name in kept:
            lib.planish_value_release(value)
        return out

    def close(self) -> None:
        """Gives the context and the engine back."""
        lib.planish_context_release(self.context)
        lib.planish_engine_release(self.handle)
        self.context = self.handle = ctypes.c_void_p()


def describe_gpu() -> Any:
    """Driver, devices, compiler; without the machine's paths, since reports are published."""
    text = ctypes.c_char_p()
    check(lib.planish_describe_gpu(None, ctypes.byref(text)))
    about = json.loads(text.value or b"{}")
    return {k: v for k, v in about.items() if k not in ("compiler_path", "kernel_cache")}
