# SPDX-License-Identifier: Apache-2.0
"""Resize by scales that do not divide evenly: the CPU's kernel against the portable one."""

from __future__ import annotations

import numpy as np
import planish
import pytest

COORDINATES = (
    "align_corners",
    "asymmetric",
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("scale", [0.5, 0.6, 1.3, 1.7, 2.0])
def test_scales(mode: str, coordinates: str, scale: float) -> None:
    net = planish.Network()
    x = net.add_input("x", "float32", [1, 3, 7, 9])
    scales = net.add_constant(np.array([1, 1, scale, scale], np.float32))
    y = net.add("Resize", [x, None, scales], mode=mode, coordinate_transformation_mode=coordinates)
    net.mark_output(y, "y")
    image = {"x": np.random.default_rng(0).normal(size=(1, 3, 7, 9)).astype(np.float32)}
    engine = net.build(threads=1)
    assert "cpu.resize" in {s["kernel"] for s in engine.describe()["programs"][0]["steps"]}
    expected = net.build(reference=True).run(image)["y"]
    np.testing.assert_allclose(engine.run(image)["y"], expected, atol=1e-5)
