# SPDX-License-Identifier: Apache-2.0
"""Planish as an ``onnx.backend.base.Backend``: ONNX's own test runner works on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.backend.base import Backend, BackendRep

import planish


class PlanishRep(BackendRep):
    """An engine behind ONNX's interface."""

    def __init__(self, engine: planish.Engine) -> None:
        self._engine = engine

    def run(self, inputs: Any, **_: Any) -> tuple[Any, ...]:
        if isinstance(inputs, dict):
            feed = inputs
        else:
            given = inputs if isinstance(inputs, list | tuple) else [inputs]
            feed = {
                info.name: value for info, value in zip(self._engine.inputs, given, strict=True)
            }
        feed = {
            k: np.asarray(v) if isinstance(v, int | float | bool) else v for k, v in feed.items()
        }
        return tuple(self._engine.run(feed).values())


class PlanishBackend(Backend):
    """Builds each model, sends it through plan bytes, and runs what comes back."""

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **options: Any) -> PlanishRep:
        super().prepare(model, device, **options)
        engine = planish.build(model, device="cpu", **options)
        return PlanishRep(planish.load(engine.serialize()))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device.split(":")[0] == "CPU"


prepare = PlanishBackend.prepare
run_model = PlanishBackend.run_model
run_node = PlanishBackend.run_node
supports_device = PlanishBackend.supports_device
