# SPDX-License-Identifier: Apache-2.0
"""Ops of com.microsoft against ONNX Runtime, which defines them: each model's inputs and outputs go
into a folder of ONNX's test format, which planish_dev imports, runs and compares."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[2]


def find_binary() -> Path | None:
    named = os.environ.get("PLANISH_DEV")
    places = (
        [Path(named)]
        if named
        else [ROOT / "build/release/bin/planish_dev", ROOT / "build/bin/planish_dev"]
    )
    return next((p for p in places if p.is_file()), None)


@dataclass
class Case:
    """One node: arrays of the inputs (None: absent), which are constants, outputs wanted."""

    op: str
    inputs: list[Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: set[int] = field(default_factory=set)
    outputs: list[str] = field(default_factory=lambda: ["y"])
    domain: str = "com.microsoft"
    name: str = ""

    @property
    def label(self) -> str:
        return f"{self.op}{'-' + self.name if self.name else ''}"

    def model(self) -> Any:
        names = [f"i{k}" if v is not None else "" for k, v in enumerate(self.inputs)]
        node = onnx.helper.make_node(
            self.op, names, self.outputs, "n", domain=self.domain, **self.attributes
        )
        given = [(n, v) for n, v in zip(names, self.inputs, strict=True) if n]
        inputs = [
            onnx.helper.make_tensor_value_info(
                n, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape
            )
            for k, (n, v) in enumerate(given)
            if int(n[1:]) not in self.constants
        ]
        constants = [
            onnx.numpy_helper.from_array(v, n) for n, v in given if int(n[1:]) in self.constants
        ]
        outputs = [onnx.ValueInfoProto(name=n) for n in self.outputs if n]
        graph = onnx.helper.make_graph([node], "g", inputs, outputs, constants)
        imports = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
        return onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)


RNG = np.random.default_rng(7)


def f(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def u8(*shape: int) -> Any:
    return RNG.integers(0, 255, shape).astype(np.uint8)


def scale(value: float = 0.0531) -> Any:
    return np.array(value, np.float32)


def zero(value: int = 120) -> Any:
    return np.array(value, np.uint8)


def angles(rows: int, half: int) -> tuple[Any, Any]:
    a = RNG.uniform(0, 6, (rows, half)).astype(np.float32)
    return np.cos(a), np.sin(a)


def ints(*values: int, dtype: Any = np.int32) -> Any:
    return np.array(values, dtype)


COS, SIN = angles(16, 4)
COS8, SIN8 = angles(16, 8)
MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)

CASES = [
    *(
        Case("FusedConv", [f(1, 3, 6, 6), f(4, 3, 3, 3), f(4)], {"activation": a, **p}, name=a)  # type: ignore[dict-item]
        for a, p in [
            ("Relu", {}),
            ("LeakyRelu", {"activation_params": [0.3]}),
            ("Clip", {"activation_params": [-0.5, 0.5]}),
            ("HardSigmoid", {"activation_params": [0.3, 0.4]}),
            ("Tanh", {"pads": [1, 1, 1, 1]}),
        ]
    ),
    Case(
        "FusedConv",
        [f(1, 3, 6, 6), f(4, 3, 3, 3), f(4), f(1, 4, 4, 4)],
        {"activation": "Relu"},
        name="sum",
    ),
    Case("FusedGemm", [f(3, 4), f(5, 4), f(5)], {"activation": "Relu", "transB": 1}),
    Case("FusedMatMul", [f(2, 4, 3), f(2, 5, 4)], {"transA": 1, "transB": 1, "alpha": 0.5}),
    Case("FusedMatMul", [f(4, 2, 3), f(2, 3, 5)], {"transBatchA": 1}, name="batch"),
    Case(
        "FusedMatMul",
        [f(3, 2, 4), f(2, 3, 5)],
        {"transBatchA": 1, "transA": 1},
        name="batch-turned",
    ),
    Case("Gelu", [f(2, 5)]),
    Case("BiasGelu", [f(2, 5), f(5)]),
    Case("FastGelu", [f(2, 5)]),
    Case("FastGelu", [f(2, 5), f(5)], name="bias"),
    Case("QuickGelu", [f(2, 5)], {"alpha": 1.3}),
    Case(
        "SimplifiedLayerNormalization", [f(2, 3, 8), f(8)], {"axis": -1, "epsilon": 1e-5}, domain=""
    ),
    Case("SkipLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8), f(8), f(8)], {"epsilon": 1e-5}),
    Case(
        "SkipLayerNormalization",
        [f(2, 3, 8), f(2, 3, 8), f(8)],
        {"epsilon": 1e-5},
        outputs=["y", "", "", "s"],
        name="sum",
    ),
    Case(
        "SkipSimplifiedLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8), f(8)], {"epsilon": 1e-5}
    ),
    Case(
        "EmbedLayerNormalization",
        [
            RNG.integers(0, 9, (2, 4)).astype(np.int32),
            RNG.integers(0, 2, (2, 4)).astype(np.int32),
            *(f(9, 8), f(6, 8), f(2, 8), f(8), f(8)),
            np.array([[1, 1, 0, 0], [1, 1, 1, 1]], np.int32),
        ],
        {"epsilon": 1e-6},
        outputs=["y", "count"],
    ),
    Case(
        "EmbedLayerNormalization",
        [RNG.integers(0, 9, (2, 4)).astype(np.int32), None, f(9, 8), f(6, 8), None, f(8), f(8)],
        outputs=["y", "count"],
        name="plain",
    ),
    Case("Attention", [f(2, 5, 8), f(8, 24), f(24)], {"num_heads": 2}),
    Case("Attention", [f(2, 5, 8), f(8, 24), f(24), MASK], {"num_heads": 2}, name="mask"),
    Case("Attention", [f(2, 5, 8), f(8, 24), f(24), ints(3, 5)], {"num_heads": 2}, name="lengths"),
    Case(
        "Attention",
        [f(2, 5, 8), f(8, 24), f(24)],
        {"num_heads": 2, "unidirectional": 1},
        name="causal",
    ),
    Case(
        "Attention",
        [f(2, 5, 8), f(8, 20), f(20)],
        {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 4]},
        name="sizes",
    ),
    Case(
        "Attention",
        [f(2, 1, 8), f(8, 24), f(24), None, f(2, 2, 2, 3, 4)],
        {"num_heads": 2, "unidirectional": 1},
        outputs=["y", "present"],
        name="past",
    ),
    Case(
        "Attention",
        [f(2, 5, 8), f(8, 24), f(24), MASK, None, f(2, 2, 5, 5)],
        {"num_heads": 2},
        name="bias",
    ),
    Case("MultiHeadAttention", [f(2, 5, 8), f(2, 7, 8), f(2, 7, 8)], {"num_heads": 2}),
    Case(
        "MultiHeadAttention",
        [f(2, 5, 8), f(2, 7, 8), f(2, 7, 8), f(24)],
        {"num_heads": 2, "scale": 0.3},
        name="bias",
    ),
    Case(
        "MultiHeadAttention",
        [f(2, 5, 8), f(2, 5, 8), f(2, 5, 8), None, MASK],
        {"num_heads": 2},
        name="padding",
    ),
    Case(
        "MultiHeadAttention",
        [f(2, 5, 8), f(2, 2, 7, 4), f(2, 2, 7, 4)],
        {"num_heads": 2},
        name="heads",
    ),
    Case(
        "MultiHeadAttention",
        [f(2, 1, 8), f(2, 1, 8), f(2, 1, 8), None, None, None, f(2, 2, 3, 4), f(2, 2, 3, 4)],
        {"num_heads": 2},
        outputs=["y", "k", "v"],
        name="past",
    ),
    Case(
        "MultiHeadAttention",
        [f(2, 5, 8), f(2, 5, 8), f(2, 5, 8), None, None, f(1, 2, 5, 5)],
        {"num_heads": 2, "unidirectional": 1},
        name="attention-bias",
    ),
    Case(
        "RotaryEmbedding",
        [f(2, 3, 16), ints(2, dtype=np.int64), COS, SIN],
        {"num_heads": 0},
        name="offset",
    ),
    Case(
        "RotaryEmbedding",
        [f(2, 2, 3, 8), np.array([[0, 1, 2], [4, 5, 6]], np.int64), COS, SIN],
        {"interleaved": 1},
        name="interleaved",
    ),
    Case(
        "RotaryEmbedding",
        [f(2, 3, 24), np.array([[0, 1, 2], [4, 5, 6]], np.int64), COS, SIN],
        {"num_heads": 2, "rotary_embedding_dim": 8},
        name="part",
    ),
    Case(
        "GroupQueryAttention",
        [f(2, 4, 32), f(2, 4, 16), f(2, 4, 16), None, None, ints(3, 3), np.array(4, np.int32)],
        {"num_heads": 4, "kv_num_heads": 2},
        outputs=["y", "k", "v"],
        name="prompt",
    ),
    Case(
        "GroupQueryAttention",
        [
            *(f(2, 1, 64), f(2, 1, 32), f(2, 1, 32), f(2, 2, 3, 16), f(2, 2, 3, 16)),
            *(ints(3, 3), np.array(4, np.int32), COS8, SIN8),
        ],
        {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1},
        outputs=["y", "k", "v"],
        name="step",
    ),
    Case(
        "GroupQueryAttention",
        [f(2, 4, 128), None, None, None, None, ints(3, 3), np.array(4, np.int32), COS8, SIN8],
        {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1, "rotary_interleaved": 1},
        outputs=["y", "k", "v"],
        name="packed",
    ),
    Case(
        "GroupQueryAttention",
        [f(1, 6, 32), f(1, 6, 16), f(1, 6, 16), None, None, ints(5), np.array(6, np.int32)],
        {"num_heads": 4, "kv_num_heads": 2, "local_window_size": 3, "softcap": 2.0, "scale": 0.5},
        outputs=["y", "k", "v"],
        name="window",
    ),
    Case(
        "QLinearAdd",
        [u8(2, 3), scale(), zero(), u8(2, 3), scale(0.1037), zero(5), scale(0.2113), zero(9)],
    ),
    Case(
        "QLinearMul",
        [u8(2, 3), scale(), zero(), u8(3), scale(0.1037), zero(5), scale(0.2113), zero(9)],
    ),
    Case(
        "QLinearSigmoid",
        [u8(2, 30), scale(), zero(), scale(1 / 256), zero(0)],
        constants={1, 2, 3, 4},
    ),
    Case(
        "QLinearLeakyRelu",
        [u8(2, 30), scale(), zero(), scale(), zero(100)],
        {"alpha": 0.1},
        constants={1, 2, 3, 4},
    ),
    Case(
        "QLinearSoftmax",
        [u8(2, 8), scale(), zero(), scale(1 / 256), zero(0)],
        {"opset": 13, "axis": -1},
        {1, 2, 3, 4},
    ),
    Case(
        "QLinearAveragePool",
        [u8(1, 2, 6, 6), scale(), zero(), scale(0.0617), zero(100)],
        {"kernel_shape": [2, 2], "strides": [2, 2]},
    ),
    Case(
        "QLinearGlobalAveragePool",
        [u8(1, 2, 6, 6), scale(), zero(), scale(), zero(100)],
        {"channels_last": 0},
    ),
    Case(
        "QLinearGlobalAveragePool",
        [u8(1, 6, 6, 2), scale(), zero(), scale(), zero(100)],
        {"channels_last": 1},
        name="last",
    ),
    Case(
        "QLinearConcat",
        [scale(0.1037), zero(3), u8(2, 3), scale(), zero(), u8(2, 2), scale(0.07), zero(5)],
        {"axis": 1},
        constants={0, 1, 3, 4, 6, 7},
    ),
    Case(
        "DynamicQuantizeMatMul",
        [f(3, 8), u8(8, 5), scale(0.02), zero(128), f(5)],
        constants={1},
    ),
    Case(
        "MatMulIntegerToFloat",
        [u8(3, 8), u8(8, 5), scale(), scale(0.02), zero(3), zero(128), f(5)],
        constants={1},
    ),
    Case(
        "MatMulNBits",
        [f(2, 32), u8(5, 2, 8), f(10)],
        {"K": 32, "N": 5, "bits": 4, "block_size": 16},
        {1, 2},
    ),
    Case(
        "MatMulNBits",
        [f(2, 40), u8(5, 3, 8), f(15), u8(5 * 2), None, f(5)],
        {"K": 40, "N": 5, "bits": 4, "block_size": 16},
        {1, 2, 3, 5},
        name="zero-points",
    ),
    Case(
        "MatMulNBits",
        [f(2, 32), u8(5, 2, 16), f(10)],
        {"K": 32, "N": 5, "bits": 8, "block_size": 16},
        {1, 2},
        name="bytes",
    ),
    Case("NhwcMaxPool", [u8(1, 6, 6, 2)], {"kernel_shape": [2, 2], "strides": [2, 2]}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.label)
def test_agrees_with_onnxruntime(case: Case, tmp_path: Path) -> None:
    binary = find_binary()
    if binary is None:
        pytest.skip("planish_dev is not built")
    model = case.model()
    given = {
        f"i{k}": v for k, v in enumerate(case.inputs) if v is not None and k not in case.constants
    }
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run([n for n in case.outputs if n], given)

    data = tmp_path / "test_data_set_0"
    data.mkdir()
    # The declared outputs need types, which ONNX Runtime has found.
    for value, array in zip(model.graph.output, outputs, strict=True):
        value.CopyFrom(
            onnx.helper.make_tensor_value_info(
                value.name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
        )
    onnx.save(model, tmp_path / "model.onnx")
    for stem, arrays in (("input", given.values()), ("output", outputs)):
        for k, array in enumerate(arrays):
            (data / f"{stem}_{k}.pb").write_bytes(
                onnx.numpy_helper.from_array(array).SerializeToString()
            )
    run = subprocess.run(
        [binary, "suite", "--verbose", "--rtol", "1e-4", "--atol", "1e-5", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr
