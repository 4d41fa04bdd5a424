# SPDX-License-Identifier: Apache-2.0
"""Networks over sequences and tables: recurrent, one-dimensional convolution, perceptron, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from benchmarks.zoo.inputs import noise, spell, voice
from benchmarks.zoo.registry import Case, Feeds, Model, Rng, register
from benchmarks.zoo.writer import Net


def mlp() -> onnx.ModelProto:
    """So small that what an engine adds to each run is what counts."""
    net = Net("mlp", opset=17, seed=41)
    x = net.input("x", ("batch", 16))
    for i, (inside, outside) in enumerate(((16, 32), (32, 32))):
        with net.scope(f"fc{i}"):
            x = net.relu(net.gemm(x, inside, outside, gain=2.0))
    with net.scope("out"):
        x = net.gemm(x, 32, 4)
    net.output(x, "y", ("batch", 4))
    return net.model()


def _recurrent(
    net: Net, kind: str, name: str, x: str, inside: int, hidden: int, lengths: str, *, both: bool
) -> str:
    """LSTM or GRU on [length, batch, inside] with an empty state made at run time; gives
    [length, batch, directions * hidden], as torch reshapes it."""
    gates = 4 if kind == "LSTM" else 3
    directions = 2 if both else 1
    with net.scope(name):
        weight = net.weight("W", net.random((directions, gates * hidden, inside), inside**-0.5))
        again = net.weight("R", net.random((directions, gates * hidden, hidden), hidden**-0.5))
        bias = net.weight("B", net.random((directions, 2 * gates * hidden), 0.1))
        zero = onnx.numpy_helper.from_array(np.zeros(1, np.float32))
        size = net.size_vector(directions, net.dim(x, 1), hidden)
        state = net.op("ConstantOfShape", size, value=zero)
        states = [state, state] if kind == "LSTM" else [state]
        extra: dict[str, Any] = {} if kind == "LSTM" else {"linear_before_reset": 1}
        y, *_ = net.op_n(
            kind, len(states) + 1, x, weight, again, bias, lengths, *states,
            direction="bidirectional" if both else "forward", hidden_size=hidden, **extra,
        )  # fmt: skip
        if not both:
            return net.op("Squeeze", y, net.constant([1]))
        return net.op("Reshape", net.transpose(y, 0, 2, 1, 3), net.constant([0, 0, -1]))


def tagger() -> onnx.ModelProto:
    """Bidirectional LSTMs over padded sentences, with their lengths."""
    net = Net("tagger", opset=15, seed=42)
    ids = net.input("ids", ("batch", "length"), "int64")
    lengths = net.input("lengths", ("batch",), "int32")
    table = net.weight("embedding.weight", net.random((2000, 64)))
    x = net.transpose(net.op("Gather", table, ids), 1, 0, 2)
    x = _recurrent(net, "LSTM", "lstm.0", x, 64, 96, lengths, both=True)
    x = _recurrent(net, "LSTM", "lstm.1", x, 192, 96, lengths, both=True)
    x = net.transpose(x, 1, 0, 2)
    with net.scope("out"):
        x = net.linear(x, 192, 12, gain=4.0)
    net.output(net.op("LogSoftmax", x, axis=-1), "tags", ("batch", "length", 12))
    return net.model()


def _tagger_case(batch: int, length: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        lengths = np.maximum(length - 3 * np.arange(batch, dtype=np.int32), 1)
        return {
            "ids": rng.integers(0, 2000, (batch, length), dtype=np.int64),
            "lengths": lengths.astype(np.int32),
        }

    return Case(f"{batch}x{length}", feed)


def forecaster() -> onnx.ModelProto:
    """Stacked GRUs over a table of measurements; the last step decides."""
    net = Net("forecaster", opset=14, ir=7, seed=43)
    x = net.input("series", ("batch", "length", 8))
    x = net.transpose(x, 1, 0, 2)
    x = _recurrent(net, "GRU", "gru.0", x, 8, 64, "", both=False)
    x = _recurrent(net, "GRU", "gru.1", x, 64, 64, "", both=False)
    last = net.op("Gather", x, net.constant(-1), axis=0)
    with net.scope("out"):
        last = net.gemm(net.op("Elu", last, alpha=1.0), 64, 3)
    net.output(net.op("Softplus", last), "forecast", ("batch", 3))
    return net.model()


def wav2vec() -> onnx.ModelProto:
    """Strided 1-D convolutions on raw sound, a wide grouped one for positions, attention blocks."""
    net = Net("wav2vec", opset=17, seed=44)
    sound = net.input("sound", ("batch", "samples"))
    x = net.unsqueeze(sound, 1)
    inside = 1
    for i, (kernel, stride) in enumerate(((10, 5), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))):
        with net.scope(f"features.{i}"):
            x = net.conv1d(x, inside, 128, kernel, stride=stride, bias=i == 0)
            if i == 0:
                scale = net.weight("scale", net.uniform((128,), 0.8, 1.2))
                shift = net.weight("shift", net.random((128,), 0.1))
                x = net.op("InstanceNormalization", x, scale, shift, epsilon=1e-5)
        x = net.gelu(x)
        inside = 128
    x = net.transpose(x, 0, 2, 1)
    with net.scope("norm"):
        x = net.layer_norm(x, 128)
    with net.scope("position"):
        place = net.conv1d(net.transpose(x, 0, 2, 1), 128, 128, 32, pad=16, groups=8)
    place = net.gelu(net.slice(place, 2, 0, -1))
    x = net.op("Add", x, net.transpose(place, 0, 2, 1))
    batch, length = net.dim(x, 0), net.dim(x, 1)
    for layer in range(3):
        with net.scope(f"layers.{layer}"):
            parts = []
            for name in ("q", "k", "v"):
                with net.scope(name):
                    part = net.linear(x, 128, 128)
                    parts.append(net.heads(part, 4, 32, batch=batch, length=length))
            y = net.attend(parts[0], parts[1], parts[2], 32)
            y = net.reshape(net.transpose(y, 0, 2, 1, 3), batch, length, 128)
            with net.scope("norm1"):
                x = net.layer_norm(net.op("Add", x, y), 128)
            with net.scope("fc1"):
                y = net.gelu_tanh(net.linear(x, 128, 512, gain=2.0))
            with net.scope("fc2"):
                y = net.linear(y, 512, 128)
            with net.scope("norm2"):
                x = net.layer_norm(net.op("Add", x, y), 128)
    with net.scope("ctc"):
        x = net.linear(x, 128, 32)
    net.output(net.op("LogSoftmax", x, axis=-1), "letters", ("batch", None, 32))
    return net.model()


def _sound_case(batch: int, samples: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        starts = rng.integers(0, 16000, batch)
        return {"sound": np.stack([4.0 * voice(samples, 16000, int(s)) for s in starts])}

    return Case(spell((batch, samples)), feed)


def conformer() -> onnx.ModelProto:
    """Gated linear units by Split, depthwise 1-D convolution, causal dilated convolution by Pad,
    macaron halves, Einsum."""
    net = Net("conformer", opset=17, seed=45)
    x = net.input("features", ("batch", "frames", 80))
    width = 96
    with net.scope("in"):
        x = net.linear(x, 80, width)

    def feed_forward(name: str, x: str) -> str:
        with net.scope(name):
            with net.scope("norm"):
                y = net.layer_norm(x, width, spelled_out=True)
            with net.scope("fc1"):
                y = net.silu(net.linear(y, width, 4 * width, gain=2.0))
            with net.scope("fc2"):
                y = net.linear(y, 4 * width, width)
        return net.op("Add", x, net.op("Mul", y, net.constant(0.5)))

    for block in range(2):
        with net.scope(f"blocks.{block}"):
            x = feed_forward("ff1", x)
            with net.scope("attention"):
                parts = []
                for name in ("q", "k", "v"):
                    with net.scope(name):
                        part = net.linear(x, width, width)
                        parts.append(net.op("Reshape", part, net.constant([0, 0, 4, width // 4])))
                scores = net.op("Einsum", parts[0], parts[1], equation="bihd,bjhd->bhij")
                scores = net.op("Mul", scores, net.constant((width // 4) ** -0.5))
                weights = net.op("Softmax", scores, axis=-1)
                y = net.op("Einsum", weights, parts[2], equation="bhij,bjhd->bihd")
                x = net.op("Add", x, net.op("Reshape", y, net.constant([0, 0, width])))
            with net.scope("conv"):
                y = net.transpose(x, 0, 2, 1)
                with net.scope("pointwise"):
                    y = net.conv1d(y, width, 2 * width, 1)
                half, gate = net.split(y, 1, width, width)
                y = net.op("Mul", half, net.op("Sigmoid", gate))
                y = net.op("Pad", y, net.constant([0, 0, 12, 0, 0, 0]), net.constant(0.0))
                with net.scope("depthwise"):
                    y = net.conv1d(y, width, width, 7, dilation=2, groups=width)
                y = net.op("Mul", y, net.op("HardSigmoid", y, alpha=0.2))
                x = net.op("Add", x, net.transpose(y, 0, 2, 1))
            x = feed_forward("ff2", x)
    with net.scope("out"):
        x = net.linear(net.mean(x, 1, keep=False), width, 30)
    net.output(x, "scores", ("batch", 30))
    return net.model()


def _greedy_body(vocabulary: int, hidden: int) -> Net:
    """One step of a Loop: embed the last token, a GRU written in Gemm, the best next token."""
    body = Net("greedy_body", opset=17, prefix="body")
    body.input("step", (), "int64")
    body.input("go_on", (), "bool")
    state = body.input("state", ("batch", hidden))
    token = body.input("token", ("batch",), "int64")
    x = body.op("Gather", "embedding", token)
    gates = body.op("Gemm", x, "input_weight", "input_bias", transB=1)
    again = body.op("Gemm", state, "state_weight", "state_bias", transB=1)
    xs, hs = (
        body.split(gates, 1, hidden, hidden, hidden),
        body.split(again, 1, hidden, hidden, hidden),
    )
    reset = body.op("Sigmoid", body.op("Add", xs[0], hs[0]))
    update = body.op("Sigmoid", body.op("Add", xs[1], hs[1]))
    fresh = body.op("Tanh", body.op("Add", xs[2], body.op("Mul", reset, hs[2])))
    keep = body.op("Mul", update, state)
    blend = body.op("Mul", body.op("Sub", body.constant(1.0), update), fresh)
    state = body.op("Add", keep, blend)
    scores = body.op("MatMul", state, "output_weight")
    best = body.op("ArgMax", scores, axis=-1, keepdims=0)
    ended = body.op("Equal", best, body.constant(vocabulary - 1))
    everyone = body.op("ReduceMin", body.cast(ended, "int32"), keepdims=0)
    body.output(body.op("Not", body.cast(everyone, "bool")), "go_on_out", (), "bool")
    body.output(state, "state_out", ("batch", hidden))
    body.output(best, "token_out", ("batch",), "int64")
    body.shared_output("token_out", "written", ("batch",), "int64")
    body.shared_output(scores, "scores_out", ("batch", vocabulary))
    return body


def greedy() -> onnx.ModelProto:
    """A Loop with carried values, captured weights, scan outputs and a condition that depends on
    data."""
    vocabulary, hidden = 50, 64
    net = Net("greedy", opset=17, seed=46)
    state = net.input("state", ("batch", hidden))
    steps = net.input("steps", (), "int64")
    net.weight("embedding", net.random((vocabulary, hidden)))
    for name in ("input", "state"):
        net.weight(f"{name}_weight", net.random((3 * hidden, hidden), 2 * hidden**-0.5))
        net.weight(f"{name}_bias", net.random((3 * hidden,), 0.2))
    net.weight("output_weight", net.random((hidden, vocabulary), hidden**-0.5))
    zero = onnx.numpy_helper.from_array(np.zeros(1, np.int64))
    start = net.op("ConstantOfShape", net.size_vector(net.dim(state, 0)), value=zero)
    go_on = net.constant(np.array(True))
    body = net.subgraph(_greedy_body(vocabulary, hidden), "step")
    last, _, tokens, scores = net.op_n("Loop", 4, steps, go_on, state, start, body=body)
    net.output(net.transpose(tokens, 1, 0), "tokens", ("batch", None), "int64")
    net.output(scores, "scores", (None, "batch", vocabulary))
    net.output(last, "last_state", ("batch", hidden))
    return net.model()


def _greedy_case(batch: int, steps: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        state = rng.standard_normal((batch, 64), dtype=np.float32)
        return {"state": state, "steps": np.array(steps, np.int64)}

    return Case(f"{batch}x64, {steps} steps", feed)


def ranker() -> onnx.ModelProto:
    """A recommender's tail: OneHot, categories by Gather, pairwise products, TopK, GatherElements,
    ScatterElements, CumSum."""
    net = Net("ranker", opset=17, seed=47)
    user = net.input("user", ("batch", 3), "int64")
    items = net.input("items", ("batch", "candidates", 32))
    tables = [net.weight(f"table{i}", net.random((100, 32))) for i in range(3)]
    columns = [net.op("Gather", user, net.constant(i), axis=1) for i in range(3)]
    parts = [net.op("Gather", t, c) for t, c in zip(tables, columns, strict=True)]
    kind = net.op(
        "OneHot", columns[0], net.constant(100), net.constant(np.array([0, 1], np.float32)), axis=-1
    )
    with net.scope("kind"):
        parts.append(net.gemm(kind, 100, 32, gain=30.0))
    stack = net.concat(*(net.unsqueeze(p, 1) for p in parts), axis=1)
    pairs = net.op("MatMul", stack, net.transpose(stack, 0, 2, 1))
    upper = net.constant(np.flatnonzero(np.triu(np.ones((4, 4)), 1)).astype(np.int64))
    pairs = net.op("Gather", net.op("Flatten", pairs, axis=1), upper, axis=1)
    with net.scope("user"):
        flat = net.op("Flatten", stack, axis=1)
        taste = net.relu(net.gemm(net.concat(flat, pairs, axis=1), 134, 32, gain=0.05))
    scores = net.op("Squeeze", net.op("MatMul", items, net.unsqueeze(taste, 2)), net.constant([2]))
    best, order = net.op_n("TopK", 2, scores, net.constant([4]), axis=-1, largest=1, sorted=1)
    weights = net.op("CumSum", net.op("Softmax", best, axis=-1), net.constant(1))
    blank = net.op("Mul", scores, net.constant(0.0))
    placed = net.op("ScatterElements", blank, order, weights, axis=1)
    picked = net.op("GatherElements", scores, order, axis=1)
    net.output(placed, "placed", ("batch", "candidates"))
    net.output(picked, "picked", ("batch", 4))
    net.output(order, "order", ("batch", 4), "int64")
    return net.model()


def _ranker_case(batch: int, candidates: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        return {
            "user": rng.integers(0, 100, (batch, 3), dtype=np.int64),
            "items": rng.standard_normal((batch, candidates, 32), dtype=np.float32),
        }

    return Case(f"{batch}x{candidates}", feed)


def functions() -> onnx.ModelProto:
    """Ops that the model defines itself, one inside another, with an attribute handed down."""
    net = Net("functions", opset=18, ir=9, seed=48)
    domain = "zoo.functions"
    axis = helper.make_node("Constant", [], ["axes"], value_ints=[-1])
    epsilon = helper.make_node("Constant", [], ["epsilon"])
    kind = onnx.AttributeProto.FLOAT
    reference = onnx.AttributeProto(name="value_float", type=kind, ref_attr_name="epsilon")
    epsilon.attribute.append(reference)
    norm = [
        axis,
        epsilon,
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"]),
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "centred"], ["square"]),
        helper.make_node("ReduceMean", ["square", "axes"], ["variance"]),
        helper.make_node("Add", ["variance", "epsilon"], ["sum"]),
        helper.make_node("Sqrt", ["sum"], ["deviation"]),
        helper.make_node("Div", ["centred", "deviation"], ["y"]),
    ]
    net.function(domain, "Norm", ["x"], ["y"], norm, ["epsilon"])
    block = [
        helper.make_node("Norm", ["x"], ["unit"], domain=domain, epsilon=1e-5),
        helper.make_node("MatMul", ["unit", "w1"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["bent"]),
        helper.make_node("MatMul", ["bent", "w2"], ["narrow"]),
        helper.make_node("Add", ["x", "narrow"], ["y"]),
    ]
    net.function(domain, "Block", ["x", "w1", "w2"], ["y"], block, uses=[domain])
    x = net.input("x", ("batch", "length", 48))
    for i in range(3):
        w1 = net.weight(f"w1.{i}", net.random((48, 96), (2 / 48) ** 0.5))
        w2 = net.weight(f"w2.{i}", net.random((96, 48), 96**-0.5))
        x = net.op("Block", x, w1, w2, domain=domain)
    net.output(x, "y", ("batch", "length", 48))
    return net.model()


def register_all() -> None:
    def add(
        name: str,
        make: Callable[[], onnx.ModelProto],
        exercises: str,
        cases: tuple[Case, ...],
    ) -> None:
        register(Model(name, "written", exercises, make, cases))

    add(
        "mlp",
        mlp,
        "the cost of a run itself: three small Gemm",
        noise("x", (1, 16), (64, 16)),
    )
    add(
        "tagger",
        tagger,
        "bidirectional LSTM with lengths, padded rows, LogSoftmax",
        (_tagger_case(1, 20), _tagger_case(4, 33)),
    )
    add(
        "forecaster",
        forecaster,
        "GRU with linear_before_reset, state made by ConstantOfShape, Elu, Softplus",
        noise("series", (1, 48, 8), (3, 20, 8)),
    )
    add(
        "wav2vec",
        wav2vec,
        "strided and grouped 1-D Conv, GELU by Erf and by Tanh, output length computed",
        (_sound_case(1, 16000), _sound_case(2, 8000)),
    )
    add(
        "conformer",
        conformer,
        "gated units by Split, depthwise dilated 1-D Conv behind Pad, Einsum",
        noise("features", (1, 60, 80), (2, 33, 80)),
    )
    add(
        "greedy",
        greedy,
        "Loop with carried values, captured weights, scan outputs, output sizes that depend on "
        "data",
        (_greedy_case(1, 12), _greedy_case(3, 5)),
    )
    add(
        "ranker",
        ranker,
        "OneHot, TopK, CumSum, ScatterElements, GatherElements",
        (_ranker_case(1, 10), _ranker_case(5, 37)),
    )
    add(
        "functions",
        functions,
        "functions of the model, one in another, an attribute by reference",
        noise("x", (1, 9, 48), (2, 5, 48)),
    )
