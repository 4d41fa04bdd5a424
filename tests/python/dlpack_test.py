# SPDX-License-Identifier: Apache-2.0
"""Arrays that only speak DLPack go in, as torch's do; what comes out speaks it too."""

from __future__ import annotations

import gc
import sys
import types
from typing import Any

import numpy as np
import planish
import pytest


class Foreign:
    """An array of another library: nothing of numpy's but DLPack."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.asked = 0

    def __dlpack__(self, **arguments: Any) -> Any:
        self.asked += 1
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self.array.__dlpack_device__()
        return device


class OnAnotherDevice(Foreign):
    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)  # CUDA

    def __dlpack__(self, **arguments: Any) -> Any:
        raise BufferError("the tensor is on a GPU")


def doubling(dtype: str = "float32") -> planish.Engine:
    net = planish.Network()
    x = net.add_input("x", dtype, ["n", 3])
    net.mark_output(net.add("Add", [x, x]), "y")
    return net.build(threads=1)


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int8", "uint8", "int32", "int64"]
)
def test_in(dtype: str) -> None:
    x = Foreign(np.arange(12).reshape(4, 3).astype(dtype))
    out = doubling(dtype).run({"x": x})["y"]
    assert x.asked == 1
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, 2 * x.array)


def test_in_with_strides() -> None:
    whole = np.arange(48, dtype=np.float32).reshape(8, 6)
    for view in (whole[::2, ::2], whole[:3, :4].T[:, :], np.asfortranarray(whole[:, :3])):
        if view.shape[1] != 3:
            continue
        np.testing.assert_array_equal(doubling().run({"x": Foreign(view)})["y"], 2 * view)


def test_in_without_elements() -> None:
    out = doubling().run({"x": Foreign(np.zeros((0, 3), np.float32))})["y"]
    assert out.shape == (0, 3)


def test_another_device_is_refused_in_a_sentence() -> None:
    engine = doubling()
    with pytest.raises(planish.Error, match=r'input "x".*on a GPU') as caught:
        engine.run({"x": OnAnotherDevice(np.zeros((1, 3), np.float32))})
    assert caught.value.code == "invalid_type"
    assert engine.run({"x": np.ones((1, 3), np.float32)})["y"].sum() == 6


def test_bound_output() -> None:
    y = Foreign(np.full((2, 3), np.nan, np.float32))
    out = doubling().run({"x": np.ones((2, 3), np.float32)}, outputs={"y": y})
    assert out["y"] is y
    np.testing.assert_array_equal(y.array, np.full((2, 3), 2, np.float32))


def test_out_shares_memory_and_outlives_the_engine() -> None:
    engine = doubling()
    y = engine.run({"x": np.ones((2, 3), np.float32)})["y"]
    assert y.__dlpack_device__()[0] == 1  # CPU
    shared = np.from_dlpack(y)
    assert np.shares_memory(shared, y)
    expected = shared.copy()
    del y, engine
    gc.collect()
    np.testing.assert_array_equal(shared, expected)


def test_results_are_of_the_callers_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("foreign_library")
    library.from_dlpack = Foreign  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "foreign_library", library)
    monkeypatch.setattr(Foreign, "__module__", "foreign_library")
    x = np.ones((2, 3), np.float32)
    y = doubling().run({"x": Foreign(x)})["y"]
    assert isinstance(y, Foreign)
    np.testing.assert_array_equal(np.from_dlpack(y), 2 * x)
    assert isinstance(doubling().run({"x": x})["y"], np.ndarray)
