# SPDX-License-Identifier: Apache-2.0
"""Planish compiles trained networks (ONNX) into fast engines and runs them.

>>> engine = planish.build("model.onnx")
>>> engine.save("model.plan")
>>> out = planish.load("model.plan").run({"x": array})
"""

from __future__ import annotations

from typing import Any

from planish import _planish
from planish._engine import Context, Engine, Memory, TensorInfo, build, load, set_log
from planish._error import Error
from planish.network import Network

__version__: str = _planish.version()

__all__ = [
    "Context",
    "Engine",
    "Error",
    "Memory",
    "Network",
    "TensorInfo",
    "__version__",
    "build",
    "load",
    "set_log",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for, since it needs the package onnx.
    if name == "onnx_backend":
        import importlib

        return importlib.import_module("planish.onnx_backend")
    raise AttributeError(f"module 'planish' has no attribute {name!r}")
