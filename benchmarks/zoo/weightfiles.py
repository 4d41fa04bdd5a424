# SPDX-License-Identifier: Apache-2.0
"""Reads files of trained weights without torch: safetensors, and torch's two pickle formats.

A pickle can name any function of the process. This reader resolves only the few names that tensors
are made of, gives each a harmless meaning of its own, and refuses everything else.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_SAFETENSORS_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "<i1", "U8": "<u1", "BOOL": "?",
}  # fmt: skip

_TORCH_STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1",
    "BoolStorage": "?",
}  # fmt: skip

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class WeightFileError(ValueError):
    """A weight file that is damaged, or that asks for more than tensors."""


def read_weights(path: Path) -> dict[str, Array]:
    """Every tensor of the file, by name."""
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    return read_torch(path)


def read_safetensors(path: Path) -> dict[str, Array]:
    blob = path.read_bytes()
    if len(blob) < 8:
        raise WeightFileError(f"{path.name}: shorter than its header's length field")
    (length,) = struct.unpack_from("<Q", blob)
    if length > len(blob) - 8:
        raise WeightFileError(f"{path.name}: header of {length} bytes in a file of {len(blob)}")
    try:
        header = json.loads(blob[8 : 8 + length])
    except ValueError as error:
        raise WeightFileError(f"{path.name}: header is not JSON: {error}") from None
    body = memoryview(blob)[8 + length :]
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype = np.dtype(_SAFETENSORS_DTYPES[entry["dtype"]])
        shape = tuple(int(d) for d in entry["shape"])
        begin, end = (int(o) for o in entry["data_offsets"])
        if not 0 <= begin <= end <= len(body) or any(d < 0 for d in shape):
            raise WeightFileError(f"{path.name}: {name} lies outside the file")
        if end - begin != _elements(shape) * dtype.itemsize:
            raise WeightFileError(f"{path.name}: {name} has {end - begin} bytes for {shape}")
        tensors[name] = np.frombuffer(body[begin:end], dtype).reshape(shape)
    return tensors


@dataclass
class _Storage:
    """A run of elements; legacy files bring the bytes after the pickle that refers to them."""

    key: str
    dtype: np.dtype[Any]
    count: int
    data: Array | None = None


@dataclass
class _Tensor:
    """A strided view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> Array:
        if self.storage.data is None:
            raise WeightFileError(f"storage {self.storage.key} is missing")
        elements = _elements(self.shape)
        if len(self.shape) != len(self.stride) or min((self.offset, *self.shape, *self.stride)) < 0:
            raise WeightFileError(f"storage {self.storage.key}: a view that makes no sense")
        last = self.offset + sum((d - 1) * s for d, s in zip(self.shape, self.stride, strict=True))
        if elements and last >= self.storage.count:
            raise WeightFileError(f"storage {self.storage.key}: a view past its end")
        if not elements:
            return np.zeros(self.shape, self.storage.dtype)
        size = self.storage.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            self.storage.data[self.offset :], self.shape, [s * size for s in self.stride]
        )
        return np.ascontiguousarray(view)


def _elements(shape: tuple[int, ...]) -> int:
    total = 1
    for d in shape:
        total *= d
    return total


def _rebuild_tensor(
    storage: object, offset: object, shape: object, stride: object, *_: object
) -> Any:
    if not isinstance(storage, _Storage) or not isinstance(offset, int):
        raise WeightFileError("a tensor without a storage")
    if not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise WeightFileError("a tensor without a shape")
    if not all(isinstance(d, int) for d in (*shape, *stride)):
        raise WeightFileError("a tensor with a shape that is not whole numbers")
    return _Tensor(storage, offset, shape, stride)


def _rebuild_parameter(data: object, *_: object) -> object:
    return data


class _Unpickler(pickle.Unpickler):
    """Knows tensors, parameters, storages and OrderedDict; any other global is refused."""

    _globals: dict[tuple[str, str], Callable[..., object] | str] = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        **{("torch", name): dtype for name, dtype in _TORCH_STORAGES.items()},
    }

    def __init__(self, stream: BinaryIO, find: Callable[[_Storage], None]) -> None:
        super().__init__(stream, encoding="utf-8")
        self._find = find
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._globals[(module, name)]
        except KeyError:
            raise WeightFileError(f"the file asks for {module}.{name}, not a tensor") from None

    def persistent_load(self, identity: Any) -> _Storage:
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
            raise WeightFileError("a reference that is not to a storage")
        _, kind, key, _, count = identity[:5]
        if not isinstance(kind, str) or not isinstance(key, str) or not isinstance(count, int):
            raise WeightFileError("a storage without kind, key or count")
        storage = self.storages.get(key)
        if storage is None:
            storage = self.storages[key] = _Storage(key, np.dtype(kind), count)
            self._find(storage)
        return storage


def read_torch(path: Path) -> dict[str, Array]:
    try:
        tree = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
    except (pickle.UnpicklingError, EOFError, struct.error, KeyError, zipfile.BadZipFile) as error:
        raise WeightFileError(f"{path.name}: not a torch file: {error}") from None
    if isinstance(tree, dict) and isinstance(tree.get("state_dict"), dict):
        tree = tree["state_dict"]
    if not isinstance(tree, dict):
        raise WeightFileError(f"{path.name}: not a table of tensors")
    return {str(name): t.array() for name, t in tree.items() if isinstance(t, _Tensor)}


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        index = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
        if index is None:
            raise WeightFileError(f"{path.name}: a zip file without data.pkl")
        root = index[: -len("data.pkl")]

        def find(storage: _Storage) -> None:
            storage.data = _checked(archive.read(f"{root}data/{storage.key}"), storage)

        return _Unpickler(io.BytesIO(archive.read(index)), find).load()


def _read_legacy(path: Path) -> object:
    """Magic, protocol, machine, the objects, the storages' keys, then each storage's bytes."""
    with path.open("rb") as stream:

        def plain() -> object:
            return _Unpickler(stream, lambda storage: None).load()

        if plain() != _LEGACY_MAGIC:
            raise WeightFileError(f"{path.name}: neither a zip file nor torch's older format")
        plain()
        plain()
        reader = _Unpickler(stream, lambda storage: None)
        tree = reader.load()
        keys = plain()
        if not isinstance(keys, list):
            raise WeightFileError(f"{path.name}: no list of storages")
        for key in keys:
            storage = reader.storages[key]
            (count,) = struct.unpack("<q", stream.read(8))
            if count != storage.count:
                raise WeightFileError(f"{path.name}: storage {key} has {count} elements")
            storage.data = _checked(stream.read(count * storage.dtype.itemsize), storage)
        return tree


def _checked(blob: bytes, storage: _Storage) -> Array:
    if storage.count < 0 or len(blob) != storage.count * storage.dtype.itemsize:
        raise WeightFileError(
            f"storage {storage.key}: {len(blob)} bytes for {storage.count} elements"
        )
    return np.frombuffer(blob, storage.dtype)
