# SPDX-License-Identifier: Apache-2.0
"""The built command, and models for it."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

COMMAND = Path(sysconfig.get_path("scripts")) / "planish"


class Result:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Result]:
    """Runs the command in tmp_path with the given arguments."""

    def run(*arguments: object, timeout: float = 120) -> Result:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "COLUMNS": "80"},
        )
        return Result(done)

    return run


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """Writes a model of the given nodes, inputs and outputs into tmp_path."""

    def make(
        name: str,
        nodes: list[onnx.NodeProto],
        inputs: dict[str, tuple[int, Any] | onnx.TypeProto],
        outputs: dict[str, tuple[int, Any] | onnx.TypeProto],
        initializers: list[onnx.TensorProto] | None = None,
    ) -> str:
        def info(key: str, kind: tuple[int, Any] | onnx.TypeProto) -> onnx.ValueInfoProto:
            if isinstance(kind, onnx.TypeProto):
                return helper.make_value_info(key, kind)
            return helper.make_tensor_value_info(key, *kind)

        graph = helper.make_graph(
            nodes,
            "test",
            [info(k, t) for k, t in inputs.items()],
            [info(k, t) for k, t in outputs.items()],
            initializers or [],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        onnx.save(model, tmp_path / name)
        return name

    return make


@pytest.fixture
def identity(save: Callable[..., str]) -> Callable[..., str]:
    """A model that gives its input `x` back as `y`."""

    def make(dtype: int = TensorProto.FLOAT, shape: Any = ("n", 3), name: str = "id.onnx") -> str:
        node = helper.make_node("Identity", ["x"], ["y"])
        return save(name, [node], {"x": (dtype, shape)}, {"y": (dtype, shape)})

    return make
