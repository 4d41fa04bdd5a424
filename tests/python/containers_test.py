# SPDX-License-Identifier: Apache-2.0
"""Strings, sequences and optionals through Engine.run."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import planish
import pytest
from onnx import TensorProto, helper

FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"])
STRINGS = helper.make_tensor_type_proto(TensorProto.STRING, ["n"])
SEQUENCE = helper.make_sequence_type_proto(FLOATS)
OPTIONAL = helper.make_optional_type_proto(FLOATS)


def engine(nodes: list[onnx.NodeProto], inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_value_info(k, t) for k, t in inputs.items()],
        [helper.make_value_info(k, t) for k, t in outputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return planish.load(planish.build(model, threads=1).serialize(), threads=1)


def one(op: str, inputs: dict[str, Any], output: Any, **attributes: Any) -> Any:
    return engine([helper.make_node(op, list(inputs), ["y"], **attributes)], inputs, {"y": output})


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "", "grün", "日本", "x" * 1000], object),
        np.array(["a", "bc"]),
        np.array([b"a", b"bc"]),
        np.array([b"a", "b"], object),
        np.array([], object),
        np.array(["zero\0inside", "line\nend"], object),
    ],
)
def test_strings(array: Any) -> None:
    out = one("Identity", {"x": STRINGS}, STRINGS).run({"x": array})["y"]
    assert out.dtype == object
    assert out.tolist() == [s.decode() if isinstance(s, bytes) else s for s in array.tolist()]


def test_strings_are_computed() -> None:
    concat = one("StringConcat", {"a": STRINGS, "b": STRINGS}, STRINGS)
    out = concat.run({"a": np.array(["x", "ä"]), "b": np.array(["1", "2"])})["y"]
    assert out.tolist() == ["x1", "ä2"]


@pytest.mark.parametrize("wrong", [np.array(["a", 1], object), np.array(["\udc80"]), "a", ["a"]])
def test_wrong_strings(wrong: Any) -> None:
    strings = one("Identity", {"x": STRINGS}, STRINGS)
    with pytest.raises(planish.Error) as caught:
        strings.run({"x": wrong})
    assert caught.value.code in ("invalid_type", "invalid_value")
    assert "x" in str(caught.value)


@pytest.mark.parametrize("lengths", [[], [3], [1, 0, 4]])
@pytest.mark.parametrize("kind", [list, tuple])
def test_sequences(lengths: list[int], kind: Any) -> None:
    items = kind(np.arange(n, dtype=np.float32) for n in lengths)
    out = one("Identity", {"x": SEQUENCE}, SEQUENCE).run({"x": items})["y"]
    assert isinstance(out, list)
    assert len(out) == len(items)
    for got, item in zip(out, items, strict=True):
        np.testing.assert_array_equal(got, item)


def test_sequences_are_computed() -> None:
    insert = one("SequenceInsert", {"s": SEQUENCE, "t": FLOATS}, SEQUENCE)
    out = insert.run({"s": [np.ones(1, np.float32)], "t": np.zeros(3, np.float32)})["y"]
    assert [a.tolist() for a in out] == [[1], [0, 0, 0]]
    joined = one("ConcatFromSequence", {"s": SEQUENCE}, FLOATS, axis=0)
    out = joined.run({"s": [np.ones(1, np.float32), np.zeros(2, np.float32)]})["y"]
    assert out.tolist() == [1, 0, 0]


def test_a_sequence_of_strings() -> None:
    kind = helper.make_sequence_type_proto(STRINGS)
    out = one("Identity", {"x": kind}, kind).run({"x": [np.array(["a", "b"]), np.array(["c"])]})
    assert [a.tolist() for a in out["y"]] == [["a", "b"], ["c"]]


@pytest.mark.parametrize("wrong", [np.zeros(3, np.float32), [np.zeros(3)], [3.0], None])
def test_wrong_sequences(wrong: Any) -> None:
    sequence = one("Identity", {"x": SEQUENCE}, SEQUENCE)
    with pytest.raises(planish.Error) as caught:
        sequence.run({"x": wrong})
    assert caught.value.code == "invalid_type"
    assert sequence.run({"x": []})["y"] == []


def test_optionals() -> None:
    optional = one("Identity", {"x": OPTIONAL}, OPTIONAL)
    assert optional.inputs[0].kind == "optional"
    assert optional.run({"x": None})["y"] is None
    out = optional.run({"x": np.arange(2, dtype=np.float32)})["y"]
    np.testing.assert_array_equal(out, [0, 1])
    has = one(
        "OptionalHasElement", {"x": OPTIONAL}, helper.make_tensor_type_proto(TensorProto.BOOL, [])
    )
    assert not has.run({"x": None})["y"]
    assert has.run({"x": np.zeros(2, np.float32)})["y"]


def test_an_optional_sequence() -> None:
    kind = helper.make_optional_type_proto(SEQUENCE)
    optional = one("Identity", {"x": kind}, kind)
    assert optional.run({"x": None})["y"] is None
    out = optional.run({"x": [np.ones(2, np.float32)]})["y"]
    assert [a.tolist() for a in out] == [[1, 1]]


def test_what_is_no_optional_must_be_there() -> None:
    tensor = one("Identity", {"x": FLOATS}, FLOATS)
    with pytest.raises(planish.Error) as caught:
        tensor.run({"x": None})
    assert caught.value.code == "invalid_type"
