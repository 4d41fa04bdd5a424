# SPDX-License-Identifier: Apache-2.0
"""Types that numpy lacks go in and out as ml_dtypes arrays, bit for bit."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import planish
import pytest

FLOATS = [
    "bfloat16",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]
PACKED = {"int4": 4, "uint4": 4, "float4_e2m1fn": 4, "int2": 2, "uint2": 2}


def bits(array: Any) -> Any:
    return np.ascontiguousarray(array).view(np.uint16 if array.dtype.itemsize == 2 else np.uint8)


def identity(dtype: str) -> planish.Engine:
    net = planish.Network()
    x = net.add_input("x", dtype, ["n"])
    net.mark_output(net.add("Identity", [x]), "y")
    return planish.load(net.build(threads=1).serialize(), threads=1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_pattern_of_bits(dtype: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype))
    codes = np.arange(256**kind.itemsize, dtype=f"u{kind.itemsize}")
    out = identity(dtype).run({"x": codes.view(kind)})["y"]
    assert out.dtype == kind
    np.testing.assert_array_equal(bits(out), codes)


@pytest.mark.parametrize("dtype", PACKED)
@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 64])
def test_packed(dtype: str, count: int) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype))
    codes = (np.arange(count) % 2 ** PACKED[dtype]).astype(np.uint8)
    if dtype.startswith("int"):
        x = (codes.astype(np.int8) - 2 ** (PACKED[dtype] - 1)).astype(kind)
    else:
        x = codes.view(kind)
    out = identity(dtype).run({"x": x})["y"]
    assert out.dtype == kind
    assert out.shape == (count,)
    np.testing.assert_array_equal(out.astype(np.float32), x.astype(np.float32))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_computed(dtype: str) -> None:
    kind = getattr(ml_dtypes, dtype)
    net = planish.Network()
    x = net.add_input("x", "float32", ["n"])
    number = {"bfloat16": 16, "float8_e4m3fn": 17, "float8_e5m2": 19}[dtype]
    net.mark_output(net.add("Cast", [x], to=number), "y")
    values = np.array([0, -0.0, 1, 1.1, -3.3, 100, 0.01], np.float32)
    out = net.build(threads=1).run({"x": values})["y"]
    np.testing.assert_array_equal(bits(out), bits(values.astype(kind)))


def test_bfloat16_sum() -> None:
    net = planish.Network()
    x = net.add_input("x", "bfloat16", ["n", 4])
    net.mark_output(net.add("Add", [x, x]), "y")
    engine = net.build(threads=1)
    values = np.arange(8).reshape(2, 4).astype(ml_dtypes.bfloat16)
    for given in (values, np.asfortranarray(values)):
        out = engine.run({"x": given})["y"]
        assert out.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(out.astype(np.float32), 2 * values.astype(np.float32))
    place = np.zeros((2, 4), ml_dtypes.bfloat16)
    assert engine.run({"x": values}, outputs={"y": place})["y"] is place
    np.testing.assert_array_equal(place.astype(np.float32), 2 * values.astype(np.float32))


def test_one_narrow_type_is_not_another() -> None:
    with pytest.raises(planish.Error) as caught:
        identity("float8_e5m2").run({"x": np.zeros(3, ml_dtypes.float8_e4m3fn)})
    assert caught.value.code == "invalid_type"
    with pytest.raises(planish.Error) as caught:
        identity("bfloat16").run({"x": np.zeros(3, np.uint16)})
    assert caught.value.code == "invalid_type"
