# SPDX-License-Identifier: Apache-2.0
"""What verify calls the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

# Stands in for the interpreter that has ONNX Runtime: the model is taken to be the identity, and
# its results are the input, changed by the text in CHANGE.
STAND_IN = """#!{python}
import json, sys, numpy
folder = sys.argv[3]
open({log!r}, "a").write("called\\n")
made = []
job = json.load(open(folder + "/job.json"))
for number, run in enumerate(job["runs"]):
    y = numpy.load(run["x"])
    {change}
    numpy.save(folder + "/y%d.npy" % number, y)
    made.append({{"y": folder + "/y%d.npy" % number}})
json.dump(made, open(folder + "/made.json", "w"))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Any:
    def make(change: str = "") -> tuple[str, ...]:
        text = STAND_IN.format(python=sys.executable, log=str(tmp_path / "log"), change=change)
        (tmp_path / "stand_in").write_text(text)
        (tmp_path / "stand_in").chmod(0o755)
        return ("--against", "onnxruntime", "--python", str(tmp_path / "stand_in"))

    return make


CASES: list[tuple[int, Any, str]] = [
    (TensorProto.INT64, np.array([18708, 3, -4], np.int64), "y[0] += 1"),
    (TensorProto.INT64, np.array([2**62 + 1, 3, -4], np.int64), "y[0] -= 1"),
    (TensorProto.UINT64, np.array([2**64 - 1, 3, 4], np.uint64), "y[0] = 2**64 - 2"),
    (TensorProto.INT32, np.array([100000, 3, -4], np.int32), "y[1] += 1"),
    (TensorProto.BOOL, np.array([True, False, True]), "y[1] = True"),
    (TensorProto.UINT4, np.array([15, 3, 4], np.uint8), "y[2] = 5"),
    (TensorProto.COMPLEX64, np.array([1 + 2j, 3, 4], np.complex64), "y[0] = 1 - 2j"),
    (TensorProto.COMPLEX128, np.array([1 + 2j, 3, 4], np.complex128), "y[1] = 3 + 1j"),
    (TensorProto.FLOAT, np.array([1, 2, 3], np.float32), "y[1] = 2.1"),
    (TensorProto.STRING, np.array(["tin", "brass", "iron"]), "y[1] = 'oak'"),
]


@pytest.mark.parametrize(("dtype", "array", "change"), CASES)
def test_every_type_can_differ(
    cli: Any, identity: Any, stand_in: Any, tmp_path: Path, dtype: int, array: Any, change: str
) -> None:
    np.save(tmp_path / "x.npy", array)
    model = identity(dtype, (3,))
    same = cli("verify", model, "--input", "x=x.npy", *stand_in(), "--json")
    assert same.code == 0, same
    other = cli("verify", model, "--input", "x=x.npy", *stand_in(change))
    assert other.code == 1, other
    assert "expected" in other.out
    assert max(map(len, other.out.splitlines())) <= 80


def test_whole_numbers_are_told_with_all_digits(
    cli: Any, identity: Any, stand_in: Any, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.array([3, 2**62 + 1, 5], np.int64))
    model = identity(TensorProto.INT64, (3,))
    result = cli("verify", model, "--input", "x=x.npy", *stand_in("y[1] -= 1"))
    words = f"element 1 is {2**62 + 1}, expected {2**62}; 1 of 3 differ"
    assert words in " ".join(result.out.split())


def test_the_other_engine_is_started_once(
    cli: Any, identity: Any, stand_in: Any, tmp_path: Path
) -> None:
    shapes = ("--shape", "x=1x3,2x3,5x3")
    result = cli("verify", identity(), *shapes, *stand_in(), "--json")
    assert result.code == 0, result
    assert [r["inputs"]["x"] for r in result.json["runs"]] == [
        "float32 1x3",
        "float32 2x3",
        "float32 5x3",
    ]
    assert (tmp_path / "log").read_text().count("called") == 1


@pytest.fixture
def zip_map(tmp_path: Path) -> str:
    """Scores of three classes as a sequence of maps."""
    node = helper.make_node(
        "ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["tin", "iron", "brass"]
    )
    value = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, value))
    graph = helper.make_graph(
        [node],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_value_info("y", kind)],
    )
    opsets = [helper.make_opsetid("", 22), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.save(model, tmp_path / "zip.onnx")
    return "zip.onnx"


@pytest.mark.parametrize("against", ["onnxruntime", "reference"])
def test_maps_can_be_the_same(cli: Any, zip_map: str, against: str) -> None:
    result = cli("verify", zip_map, "--against", against, "--python", sys.executable, "--json")
    assert result.code == 0, result


@pytest.mark.parametrize(
    ("keys", "change", "words"),
    [
        (["iron", "brass", "tin"], "", ""),
        (["iron", "brass", "tin"], "values[0] += 0.1", "largest at element"),
        (["iron", "brass", "lead"], "", '"tin"'),
        (["iron", "brass", "tin", "lead"], "values = numpy.append(values, values[:1])", '"lead"'),
    ],
    ids=["same", "value", "key", "more"],
)
def test_maps_are_matched_by_their_keys(
    cli: Any, zip_map: str, stand_in: Any, tmp_path: Path, keys: Any, change: str, words: str
) -> None:
    lines = [
        "rows = []",
        "for at, row in enumerate(y):",
        f"    keys, values = numpy.array({keys!r}), row[[1, 2, 0]]",
        f"    {change or 'pass'}",
        "    files = {'keys': folder + '/k%d.npy' % at, 'values': folder + '/v%d.npy' % at}",
        "    numpy.save(files['keys'], keys)",
        "    numpy.save(files['values'], values)",
        "    rows.append(files)",
        "made.append({'y': rows})",
        "continue",
    ]
    result = cli("verify", zip_map, *stand_in("\n    ".join(lines)))
    assert result.code == (1 if words else 0), result
    assert words in result.out


@pytest.fixture
def chain(save: Any) -> str:
    """Steps that are exact, one that is not, and steps after it, with a body of control flow."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["sums"], name="first"),
        helper.make_node("MaxPool", ["sums"], ["greatest"], name="pool", kernel_shape=[2, 2]),
        helper.make_node("Softmax", ["greatest"], ["shares"], name="softmax", axis=-1),
        helper.make_node("Concat", ["shares", "greatest"], ["y"], name="last", axis=1),
    ]
    ones = helper.make_tensor("w", TensorProto.FLOAT, [8, 3, 1, 1], np.ones(24, np.float32))
    shape = ["n", 3, "h", "w"]
    return save(
        "chain.onnx",
        nodes,
        {"x": (TensorProto.FLOAT, shape)},
        {"y": (TensorProto.FLOAT, ["n", 16, "k", "l"])},
        [ones],
    )


def write_whole_numbers(folder: Path, *shape: int) -> None:
    rng = np.random.default_rng(1)
    np.save(folder / "x.npy", rng.integers(-8, 8, shape).astype(np.float32))


AGAINST = ("--against", "reference", "--device", "cpu", "--per-layer")


@pytest.mark.parametrize(
    "flags", [(), ("--shapes", "x=2x3x9x6"), ("--shapes", "x=1x3x4x4:2x3x9x6:4x3x20x20")]
)
def test_the_first_step_that_differs_is_named(
    cli: Any, chain: str, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    write_whole_numbers(tmp_path, 2, 3, 9, 6)
    given = ("--input", "x=x.npy", *flags)
    same = cli("verify", chain, *given, *AGAINST, "--json")
    assert same.code == 0, same
    layers = same.json["runs"][0]["layers"]
    assert layers["first"] is None
    assert layers["compared"] == len(layers["rows"]) <= layers["outputs"]
    seen = {row["output"].partition("~")[0] for row in layers["rows"]}
    assert seen == {"sums", "greatest", "shares", "y"}

    other = cli("verify", chain, *given, *AGAINST, "--within", "0", "--json")
    assert other.code == 1, other
    layers = other.json["runs"][0]["layers"]
    first = layers["first"]
    assert first["node"].startswith("softmax")
    assert first["output"].partition("~")[0] == "shares"
    assert 0 < first["relative"] < 1e-4
    # What comes before is the same to the last bit.
    at = layers["rows"].index(first)
    assert at >= 2
    assert all(row["same"] and row["relative"] == 0 for row in layers["rows"][:at])


def test_the_table_of_steps(cli: Any, chain: str, tmp_path: Path) -> None:
    write_whole_numbers(tmp_path, 2, 3, 9, 6)
    result = cli("verify", chain, "--input", "x=x.npy", *AGAINST, "--within", "0")
    assert result.code == 1, result
    assert result.out.count("FIRST") == 1
    text = " ".join(result.out.split())
    assert "first that differs: step" in text
    assert 'output "shares' in text
    assert "results of steps compared with the reference" in text
    assert max(map(len, result.out.splitlines())) <= 80


def test_steps_are_compared_at_every_shape(cli: Any, chain: str) -> None:
    result = cli("verify", chain, "--shape", "x=1x3x4x4,3x3x8x5", *AGAINST, "--json")
    assert result.code == 0, result
    kinds = [
        {row["output"].partition("~")[0]: row["value"] for row in run["layers"]["rows"]}
        for run in result.json["runs"]
    ]
    assert kinds[0]["y"] == "float32 1x16x3x3"
    assert kinds[1]["y"] == "float32 3x16x7x4"


def test_outputs_may_be_compared_with_another_engine_than_steps(
    cli: Any, identity: Any, stand_in: Any, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.array([1, 2, 3], np.float32))
    flags = ("--input", "x=x.npy", *stand_in("y[1] = 5"), "--per-layer")
    result = cli("verify", identity(TensorProto.FLOAT, (3,)), *flags, "--json")
    assert result.code == 1, result
    assert result.json["runs"][0]["outputs"][0]["same"] is False
    assert result.json["runs"][0]["layers"]["first"] is None


def test_names_that_look_like_axes_are_names(cli: Any, save: Any) -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Exp", ["a"], ["a~10"]),
        helper.make_node("MatMul", ["a~10", "a"], ["a~"]),
    ]
    kind = (TensorProto.FLOAT, (4, 4))
    model = save("names.onnx", nodes, {"x": kind}, {"a": kind, "a~10": kind, "a~": kind})
    result = cli("verify", model, *AGAINST, "--json")
    assert result.code == 0, result
    rows = result.json["runs"][0]["layers"]["rows"]
    assert [row["output"] for row in rows] == ["a", "a~10", "a~"]
