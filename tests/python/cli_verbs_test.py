# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command, their exit codes and their errors."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import COMMAND
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def network(save: Any) -> str:
    """Three products with tails: enough for fusion, weights and an arena."""
    rng = np.random.default_rng(5)
    nodes, weights = [], []
    for i in range(3):
        array = rng.normal(size=(16, 16)).astype(np.float32)
        weights.append(numpy_helper.from_array(array, f"w{i}"))
        source = "x" if i == 0 else f"r{i - 1}"
        nodes.append(helper.make_node("MatMul", [source, f"w{i}"], [f"m{i}"], name=f"mul{i}"))
        nodes.append(helper.make_node("Relu", [f"m{i}"], [f"r{i}"], name=f"relu{i}"))
    nodes.append(helper.make_node("Softmax", ["r2"], ["y"], name="soft"))
    ports: dict[str, Any] = {"x": (TensorProto.FLOAT, ["batch", 16])}
    return str(save("net.onnx", nodes, ports, {"y": (TensorProto.FLOAT, ["batch", 16])}, weights))


VERBS = ("build", "run", "bench", "verify", "inspect", "doctor")


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_has_examples_and_fits_80_columns(cli: Any, verb: str) -> None:
    result = cli(*([verb] if verb else []), "--help")
    assert result.code == 0
    assert f"planish {verb or 'build'}" in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    if verb:
        assert "Example" in result.out


def test_build_run_and_save(cli: Any, network: str, tmp_path: Path) -> None:
    built = cli("build", network, "-o", "net.plan", "--json")
    assert built.code == 0, built
    assert built.json["nodes_before"] == 7
    assert built.json["steps"] <= 7
    assert (tmp_path / "net.plan").stat().st_size > 3 * 16 * 16 * 4
    for path in ("net.plan", network):
        ran = cli("run", path, "--shape", "x=2x16", "--json", "-o", "out.npz")
        assert ran.code == 0, ran
        assert ran.json["y"]["shape"] == [2, 16]
        np.testing.assert_allclose(np.load(tmp_path / "out.npz")["y"].sum(1), 1, rtol=1e-5)
    text = cli("run", "net.plan", "--shape", "batch=3")
    assert "float32 3x16" in text.out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "words"),
    [
        ((), 2, "invalid_argument", "expected a verb: build"),
        (("bulid",), 2, "invalid_argument", 'no verb "bulid"'),
        (("build", "NET"), 2, "invalid_argument", "--output is required"),
        (("build", "NET", "-o", "p", "--level", "9"), 2, "invalid_argument", "level"),
        (("build", "NET", "-o", "p", "--sahpes", "x=1"), 2, "invalid_argument", "--sahpes"),
        (("build", "NET", "-o", "p", "--shapes", "x"), 2, "invalid_argument", "NAME=VALUE"),
        (("build", "NET", "-o", "p", "--shapes", "x=1x16:2x16"), 2, "invalid_argument", "MIN:OPT"),
        (("build", "NET", "-o", "p", "--shapes", "z=1x16"), 2, "invalid_argument", '"z"'),
        (("build", "NET", "-o", "p", "--disable-pass", "z"), 2, "invalid_argument", 'pass "z"'),
        (("build", "none.onnx", "-o", "p"), 6, "file_error", "none.onnx"),
        (("build", ".", "-o", "p"), 6, "file_error", "regular file"),
        (("build", "text.onnx", "-o", "p"), 3, "invalid_model", "ONNX"),
        (("build", "odd.onnx", "-o", "p"), 3, "unsupported", "NoSuchOp"),
        (("build", "NET", "-o", "no/such/p"), 6, "file_error", "no/such/p"),
        (("build", "NET", "-o", "p", "--max-model-nodes", "3"), 7, "budget_exceeded", "nodes"),
        (("run", "NET", "--input", "x=wide.npy"), 4, "invalid_shape", "expected 16"),
        (("run", "NET", "--input", "x=double.npy"), 4, "invalid_type", "float64"),
        (("run", "NET", "--input", "z=wide.npy"), 2, "invalid_argument", 'no input "z"'),
        (("run", "NET", "--shape", "x=2x2x2"), 2, "invalid_argument", "2x2x2"),
        (("run", "NET", "--shape", "x=2y16"), 2, "invalid_argument", "like 1x3x224x224"),
        (("run", "NET", "--shape", f"x={10**12}x16"), 7, "budget_exceeded", "too large"),
        (("run", "cut.plan"), 5, "invalid_plan", ""),
        (("bench", "NET", "--streams", "0"), 2, "invalid_argument", "1 to 256"),
        (("verify", "cut.plan"), 2, "invalid_argument", "got a plan"),
        (("verify", "NET", "--against", "torch"), 2, "invalid_argument", "--against"),
        (("inspect", "NET", "NET"), 2, "invalid_argument", "expected one path"),
        (("inspect", "--diff", "NET"), 2, "invalid_argument", "two plans"),
    ],
)
def test_every_kind_of_error_has_its_exit_code(
    cli: Any,
    network: str,
    save: Any,
    tmp_path: Path,
    arguments: tuple[str, ...],
    exit_code: int,
    code: str,
    words: str,
) -> None:
    (tmp_path / "text.onnx").write_text("this is no model at all\n" * 9)
    save(
        "odd.onnx",
        [helper.make_node("NoSuchOp", ["x"], ["y"], name="odd")],
        {"x": (TensorProto.FLOAT, [1])},
        {"y": (TensorProto.FLOAT, [1])},
    )
    np.save(tmp_path / "wide.npy", np.zeros((2, 17), np.float32))
    np.save(tmp_path / "double.npy", np.zeros((2, 16)))
    (tmp_path / "cut.plan").write_bytes(b"\x89PLAN\r\n\x1a" + bytes(40))
    given = [network if a == "NET" else a for a in arguments]
    before = sorted(p.name for p in tmp_path.iterdir())
    text = cli(*given)
    assert text.code == exit_code, text
    assert text.err.startswith(f"planish: {code}: ")
    assert words in text.err
    assert not text.out or arguments[0] == "bench"
    result = cli(*given, "--json")
    assert result.code == exit_code
    assert result.json["error"]["code"] == code
    assert words in result.json["error"]["message"]
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_an_old_plan_survives_a_failed_build(cli: Any, network: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("precious")
    assert cli("build", network, "-o", "p", "--max-model-nodes", "3").code == 7
    assert (tmp_path / "p").read_text() == "precious"


def test_ctrl_c_leaves_nothing_half_written(network: str, tmp_path: Path) -> None:
    many = [COMMAND, "build", network, "-o", "p"]
    for delay in (0.0, 0.01, 0.03):
        process = subprocess.Popen(many, cwd=tmp_path, stderr=subprocess.PIPE)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode in (0, 130, -signal.SIGINT)
        left = {p.name for p in tmp_path.iterdir()} - {network}
        assert left <= {"p"}
        if process.returncode == 0:
            (tmp_path / "p").unlink()


def test_verify_says_what_differs(cli: Any, network: str) -> None:
    result = cli("verify", network, "--python", sys.executable, "--shape", "x=1x16,5x16", "--json")
    assert result.code == 0, result
    assert result.json["against"] == "onnxruntime"
    assert [r["inputs"]["x"] for r in result.json["runs"]] == ["float32 1x16", "float32 5x16"]
    assert all(o["same"] for r in result.json["runs"] for o in r["outputs"])
    strict = cli("verify", network, "--against", "reference", "--within", "0", "--shape", "x=64x16")
    assert strict.code in (0, 1)
    assert ("DIFFERS" in strict.out) == (strict.code == 1)
    assert max(map(len, strict.out.splitlines())) <= 80


def test_verify_takes_strings_and_sequences(cli: Any, save: Any, identity: Any) -> None:
    strings = identity(TensorProto.STRING, ["n"], "strings.onnx")
    sequence = save(
        "split.onnx",
        [helper.make_node("SplitToSequence", ["x"], ["s"], axis=0)],
        {"x": (TensorProto.FLOAT, [3, 2])},
        {"s": helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, None))},
    )
    for path in (strings, sequence):
        for against in ("onnxruntime", "reference"):
            result = cli("verify", path, "--against", against, "--python", sys.executable)
            assert result.code == 0, result


def test_bench_tells_all_that_it_measured(cli: Any, network: str, tmp_path: Path) -> None:
    flags = ("--seconds", "0.2", "--warm-up", "0.05", "--streams", "2", "--threads", "1")
    result = cli("bench", network, *flags, "--layers", "--trace", "trace.json", "--json")
    assert result.code == 0, result
    out = result.json
    order = [out["latency_ms"][k] for k in ("min", "median", "p90", "p95", "p99", "max")]
    assert order == sorted(order)
    assert out["latency_ms"]["min"] > 0
    # Two streams, none of which may be counted while it is made ready.
    runs = out["throughput"] * out["latency_ms"]["mean"] / 1e3
    assert 1 < runs < 2.5
    assert out["arena"] >= 0
    assert "device_arena" not in out
    assert out["weights"] >= 3 * 16 * 16 * 4
    assert out["inputs"] == {"x": "1x16"}
    assert all(step["ms"] >= 0 for step in out["steps"])
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == len(out["steps"])
    for event in events:
        assert event["ph"] == "X"
        assert event["dur"] >= 0
        assert event["args"]["node"]
    text = cli("bench", network, *flags, "--layers", "--shapes", "x=1x16:4x16:8x16")
    assert "x 4x16" in text.out
    assert max(map(len, text.out.splitlines())) <= 80


def test_inspect_shows_models_and_plans(cli: Any, network: str) -> None:
    assert cli("build", network, "-o", "a.plan").code == 0
    assert cli("build", network, "-o", "b.plan", "--disable-pass", "fuse-tails").code == 0
    for path in (network, "a.plan"):
        text = cli("inspect", path, "--steps")
        assert text.code == 0, text
        assert "Softmax" in text.out
        assert max(map(len, text.out.splitlines())) <= 80
        program = cli("inspect", path, "--json").json["programs"][0]
        assert len(program["outputs"]) == 1
        dot = cli("inspect", path, "--dot").out
        assert dot.startswith("digraph")
        assert dot.count("->") >= len(program["steps"])
    same = cli("inspect", "--diff", "a.plan", "a.plan")
    assert (same.code, same.out) == (0, "the plans are the same\n")
    other = cli("inspect", "--diff", "a.plan", "b.plan", "--json")
    assert other.code == 1
    assert other.json["differences"]


def page_data(path: Path) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())
    assert found
    return json.loads(found.group(1))


def test_the_page_is_self_contained(cli: Any, network: str, tmp_path: Path) -> None:
    assert cli("inspect", network, "--html", "a.html").code == 0
    text = (tmp_path / "a.html").read_text()
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    data = page_data(tmp_path / "a.html")
    assert len(data["before"]["program"]["steps"]) == 7
    assert data["measured"]["inputs"] == [{"name": "x", "shape": "1x16"}]
    assert len(data["measured"]["steps"]) == len(data["programs"][0]["steps"])
    for place in data["layout"]["placements"]:
        assert place["offset"] + place["bytes"] <= data["layout"]["bytes"]
        assert place["first_step"] <= place["last_step"] < len(data["programs"][0]["steps"])


def test_the_page_of_a_plan_shows_the_graph_that_it_carries(
    cli: Any, network: str, tmp_path: Path
) -> None:
    assert cli("build", network, "-o", "a.plan", "--embed-graph").code == 0
    assert cli("build", network, "-o", "b.plan").code == 0
    assert cli("inspect", "a.plan", "--html", "a.html").code == 0
    assert cli("inspect", "b.plan", "--html", "b.html", "--no-run").code == 0
    assert page_data(tmp_path / "a.html")["before"]["program"]["steps"]
    assert page_data(tmp_path / "b.html")["before"] is None
    assert page_data(tmp_path / "b.html")["measured"] is None


def test_names_cannot_break_the_page(cli: Any, save: Any, tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script>{{DATA}}"
    save(
        "evil.onnx",
        [helper.make_node("Relu", [name], ["y"], name=name)],
        {name: (TensorProto.FLOAT, [2])},
        {"y": (TensorProto.FLOAT, [2])},
    )
    assert cli("inspect", "evil.onnx", "--html", "e.html").code == 0
    text = (tmp_path / "e.html").read_text()
    assert "<script>alert" not in text
    assert page_data(tmp_path / "e.html")["inputs"][0]["name"] == name


def test_doctor(cli: Any, network: str) -> None:
    result = cli("doctor", "--json")
    assert result.code == 0
    flags = ("--device", "cpu", "--json")
    engine_isa = cli("inspect", network, *flags).json["target"]["isa"]
    found = {c["what"]: c["found"] for c in result.json["checks"]}
    assert found.keys() >= {"processor", "memory", "NVIDIA driver", "NVRTC"}
    # What a build takes here.
    isa = {"plain": "plain x86-64", "avx2": "AVX2", "avx512": "AVX-512"}[engine_isa]
    assert found["processor"].startswith(isa)
    if "engines on GPUs" not in found:
        assert len(found["NVIDIA driver"]) > len("none, the CPU computes: ")
