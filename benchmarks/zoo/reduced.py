# SPDX-License-Identifier: Apache-2.0
"""Networks in fewer bits: int8 by QuantizeLinear pairs or on the fly, float16, 4-bit blocks."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from benchmarks.zoo.inputs import noise, pictures, tokens
from benchmarks.zoo.registry import Array, Case, Feeds, Model, Rng, register
from benchmarks.zoo.writer import Net


def _scale(value: float) -> Array:
    return np.array(value, np.float32)


def _rounded_pair(net: Net, x: str, largest: float, *, signed: bool) -> str:
    """QuantizeLinear to uint8 and back, for values up to `largest`."""
    zero = net.constant(np.array(128 if signed else 0, np.uint8))
    step = net.constant(_scale(largest / (127 if signed else 255)))
    return net.op("DequantizeLinear", net.op("QuantizeLinear", x, step, zero), step, zero)


def _int8_conv(
    net: Net, name: str, x: str, inside: int, outside: int, kernel: int, stride: int, step_in: float
) -> str:
    """Convolution with int8 weights, one scale a channel, and int32 bias, all behind
    DequantizeLinear, as quantisation tools write them."""
    with net.scope(name):
        fan_in = inside * kernel * kernel
        weight = net.random((outside, inside, kernel, kernel), (2.0 / fan_in) ** 0.5)
        steps = np.maximum(np.abs(weight).max((1, 2, 3)) / 127, 1e-6).astype(np.float32)
        whole = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
        step = net.weight("weight_scale", steps)
        zero = net.weight("weight_zero", np.zeros(outside, np.int8))
        w = net.op("DequantizeLinear", net.weight("weight", whole), step, zero, axis=0)
        bias_steps = (steps * step_in).astype(np.float32)
        bias = np.rint(net.random((outside,), 0.05) / bias_steps).astype(np.int32)
        bias_zero = net.weight("bias_zero", np.zeros(outside, np.int32))
        b = net.op(
            "DequantizeLinear", net.weight("bias", bias), net.weight("bias_scale", bias_steps),
            bias_zero, axis=0,
        )  # fmt: skip
        pad = kernel // 2
        return net.op(
            "Conv", x, w, b, dilations=[1, 1], group=1, kernel_shape=[kernel, kernel],
            pads=[pad] * 4, strides=[stride, stride],
        )  # fmt: skip


def int8_resnet() -> onnx.ModelProto:
    net = Net("int8_resnet", opset=17, seed=51)
    x = net.input("input", ("batch", 3, 96, 96))
    x = _rounded_pair(net, x, 4.0, signed=True)
    x = net.relu(_int8_conv(net, "stem", x, 3, 32, 3, 2, 4.0 / 127))
    x = _rounded_pair(net, x, 8.0, signed=False)
    inside = 32
    for block, (width, stride) in enumerate(((32, 1), (64, 2), (64, 1), (128, 2))):
        with net.scope(f"block{block}"):
            y = net.relu(_int8_conv(net, "conv1", x, inside, width, 3, stride, 8.0 / 255))
            y = _rounded_pair(net, y, 8.0, signed=False)
            y = _int8_conv(net, "conv2", y, width, width, 3, 1, 8.0 / 255)
            y = _rounded_pair(net, y, 8.0, signed=True)
            if stride != 1:
                x = _int8_conv(net, "shortcut", x, inside, width, 1, stride, 8.0 / 255)
                x = _rounded_pair(net, x, 8.0, signed=True)
            x = net.relu(net.op("Mul", net.op("Add", x, y), net.constant(0.7)))
            x = _rounded_pair(net, x, 8.0, signed=False)
        inside = width
    x = _rounded_pair(net, net.op("GlobalAveragePool", x), 4.0, signed=False)
    x = net.op("Flatten", x, axis=1)
    with net.scope("fc"):
        x = net.gemm(x, inside, 100)
    net.output(x, "logits", ("batch", 100))
    return net.model()


def dynamic_int8() -> onnx.ModelProto:
    """Activations are quantised as they come, products are MatMulInteger and ConvInteger."""
    net = Net("dynamic_int8", opset=13, ir=7, seed=52)
    x = net.input("features", ("batch", "length", 64))

    def linear(name: str, x: str, inside: int, outside: int) -> str:
        with net.scope(name):
            weight = net.random((inside, outside), (2.0 / inside) ** 0.5)
            steps = (np.abs(weight).max(0) / 127).astype(np.float32)
            whole = np.rint(weight / steps).astype(np.int8)
            q, step, zero = net.op_n("DynamicQuantizeLinear", 3, x)
            weight_zero = net.weight("weight_zero", np.zeros(outside, np.int8))
            y = net.op("MatMulInteger", q, net.weight("weight", whole), zero, weight_zero)
            both = net.op("Mul", step, net.weight("weight_scale", steps))
            y = net.op("Mul", net.cast(y, "float32"), both)
            return net.op("Add", y, net.weight("bias", net.random((outside,), 0.05)))

    for i in range(2):
        y = net.relu(linear(f"layer{i}.fc1", x, 64, 256))
        x = net.op("Add", x, linear(f"layer{i}.fc2", y, 256, 64))
    picture = net.unsqueeze(x, 1)
    q, step, zero = net.op_n("DynamicQuantizeLinear", 3, picture)
    kernel = net.random((8, 1, 3, 3), 0.4)
    kernel_step = float(np.abs(kernel).max() / 127)
    whole = np.rint(kernel / kernel_step).astype(np.int8)
    y = net.op(
        "ConvInteger", q, net.weight("conv.weight", whole), zero, kernel_shape=[3, 3], pads=[1] * 4
    )
    y = net.op("Mul", net.cast(y, "float32"), net.op("Mul", step, net.constant(kernel_step)))
    net.output(net.mean(y, -1, keep=False), "y", ("batch", 8, "length"))
    return net.model()


def half() -> onnx.ModelProto:
    """float16 with a float32 island around the normalisation, as converters leave it."""
    net = Net("half", opset=17, seed=53, half=True)
    x = net.input("input", ("batch", 3, 64, 64))
    x = net.cast(x, "float16")
    inside = 3
    for i, width in enumerate((32, 64, 128)):
        with net.scope(f"conv{i}"):
            x = net.relu(net.conv(x, inside, width, 3, stride=2))
        inside = width
    x = net.transpose(net.op("Reshape", x, net.constant([0, 128, 64])), 0, 2, 1)
    with net.scope("norm"):
        wide = net.cast(x, "float32")
        centred = net.op("Sub", wide, net.mean(wide, -1))
        square = net.mean(net.op("Mul", centred, centred), -1)
        small = net.op("Constant", value=numpy_helper.from_array(_scale(1e-5)))
        unit = net.op("Div", centred, net.op("Sqrt", net.op("Add", square, small)))
        x = net.op(
            "Mul", net.cast(unit, "float16"), net.weight("weight", net.uniform((128,), 0.8, 1.2))
        )
    with net.scope("fc1"):
        y = net.silu(net.linear(x, 128, 256, gain=2.0))
    with net.scope("fc2"):
        x = net.op("Add", x, net.linear(y, 256, 128))
    x = net.op("Softmax", x, axis=-1)
    net.output(net.cast(x, "float32"), "y", ("batch", 64, 128))
    return net.model()


def _pack_int4(weight: Array, block: int) -> tuple[Array, Array]:
    """[N, K] to bytes [N, K / block, block / 2], two values a byte, and scales [N, K / block]."""
    rows, columns = weight.shape
    blocks = weight.reshape(rows, columns // block, block)
    steps = np.maximum(np.abs(blocks).max(-1) / 7, 1e-6).astype(np.float32)
    whole = np.clip(np.rint(blocks / steps[..., None]) + 8, 0, 15).astype(np.uint8)
    return whole[..., 0::2] | (whole[..., 1::2] << 4), steps


def int4_mlp() -> onnx.ModelProto:
    """A decoder's gated perceptron with com.microsoft's MatMulNBits and its normalisations."""
    net = Net("int4_mlp", opset=17, seed=54)
    net.domains["com.microsoft"] = 1
    width, hidden, vocabulary = 256, 512, 1000
    ids = net.input("input_ids", ("batch", "sequence"), "int64")

    def linear(name: str, x: str, inside: int, outside: int, gain: float = 1.0) -> str:
        with net.scope(name):
            packed, steps = _pack_int4(net.random((outside, inside), (gain / inside) ** 0.5), 32)
            return net.op(
                "MatMulNBits", x, net.weight("packed", packed), net.weight("scales", steps),
                domain="com.microsoft", K=inside, N=outside, bits=4, block_size=32,
            )  # fmt: skip

    x = net.op("Gather", net.weight("embedding", net.random((vocabulary, width))), ids)
    scale = net.weight("norm.0", net.uniform((width,), 0.8, 1.2))
    y = net.op("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=1e-6, stash_type=1)
    for i in range(3):
        with net.scope(f"layers.{i}"):
            gate = net.silu(linear("gate", y, width, hidden, 2.0))
            y = linear("down", net.op("Mul", gate, linear("up", y, width, hidden)), hidden, width)
            scale = net.weight("norm", net.uniform((width,), 0.8, 1.2))
            y, _, _, x = net.op_n(
                "SkipSimplifiedLayerNormalization", 4, x, y, scale,
                domain="com.microsoft", epsilon=1e-6,
            )  # fmt: skip
    net.output(linear("head", y, width, vocabulary), "logits", ("batch", "sequence", vocabulary))
    return net.model()


def fused_bert() -> onnx.ModelProto:
    """What ONNX Runtime's transformer optimiser writes: embedding, attention, skip and bias fused
    into com.microsoft's ops."""
    net = Net("fused_bert", opset=17, seed=55)
    net.domains["com.microsoft"] = 1
    width, heads, vocabulary = 128, 4, 3000
    ids = net.input("input_ids", ("batch", "sequence"), "int32")
    types = net.input("segment_ids", ("batch", "sequence"), "int32")
    mask = net.input("input_mask", ("batch", "sequence"), "int32")

    def ms(kind: str, *inputs: str, outputs: int = 1, **attributes: float | str) -> list[str]:
        return net.op_n(kind, outputs, *inputs, domain="com.microsoft", **attributes)

    def pair(name: str) -> tuple[str, str]:
        with net.scope(name):
            scale = net.weight("gamma", net.uniform((width,), 0.8, 1.2))
            return scale, net.weight("beta", net.random((width,), 0.05))

    words = net.weight("words", net.random((vocabulary, width)))
    places = net.weight("places", net.random((256, width), 0.5))
    kinds = net.weight("kinds", net.random((2, width), 0.5))
    x, index = ms(
        "EmbedLayerNormalization", ids, types, words, places, kinds, *pair("embed"), mask,
        outputs=2, epsilon=1e-12,
    )  # fmt: skip
    for i in range(3):
        with net.scope(f"layer.{i}"):
            w = net.weight("qkv.weight", net.random((width, 3 * width), width**-0.5))
            b = net.weight("qkv.bias", net.random((3 * width,), 0.05))
            (y,) = ms("Attention", x, w, b, index, num_heads=heads)
            with net.scope("out"):
                y = net.linear(y, width, width, bias=False)
                bias = net.weight("bias", net.random((width,), 0.05))
            (x,) = ms("SkipLayerNormalization", y, x, *pair("norm1"), bias, epsilon=1e-12)
            with net.scope("fc1"):
                y = net.linear(x, width, 4 * width, bias=False, gain=2.0)
                bias = net.weight("bias", net.random((4 * width,), 0.05))
            (y,) = ms("BiasGelu" if i % 2 else "FastGelu", y, bias)
            with net.scope("fc2"):
                y = net.linear(y, 4 * width, width, bias=False)
                bias = net.weight("bias", net.random((width,), 0.05))
            (x,) = ms("SkipLayerNormalization", y, x, *pair("norm2"), bias, epsilon=1e-12)
    net.output(x, "hidden", ("batch", "sequence", width))
    return net.model()


def _fused_case(batch: int, length: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        feeds = tokens(rng, batch, length, 3000)
        return {
            "input_ids": feeds["input_ids"].astype(np.int32),
            "segment_ids": np.zeros((batch, length), np.int32),
            "input_mask": feeds["attention_mask"].astype(np.int32),
        }

    return Case(f"{batch}x{length}", feed)


def _ids_case(batch: int, length: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        return {"input_ids": rng.integers(0, 1000, (batch, length), dtype=np.int64)}

    return Case(f"{batch}x{length}", feed)


def register_all() -> None:
    register(
        Model(
            "int8-resnet",
            "written",
            "QuantizeLinear and DequantizeLinear around Conv, one scale a channel, int32 bias",
            int8_resnet,
            pictures("input", "coffee.png", (1, 3, 96, 96), (4, 3, 96, 96)),
            tolerance=3e-2,
        )
    )
    register(
        Model(
            "dynamic-int8",
            "written",
            "DynamicQuantizeLinear, MatMulInteger, ConvInteger",
            dynamic_int8,
            noise("features", (1, 20, 64), (3, 7, 64)),
            tolerance=2e-2,
        )
    )
    register(
        Model(
            "half",
            "written",
            "float16 weights and values, Cast at the borders and around the normalisation",
            half,
            pictures("input", "coffee.png", (1, 3, 64, 64), (3, 3, 64, 64)),
            tolerance=1e-2,
        )
    )
    register(
        Model(
            "int4-mlp",
            "written",
            "com.microsoft: MatMulNBits, SimplifiedLayerNormalization with and without skip",
            int4_mlp,
            (_ids_case(1, 16), _ids_case(2, 5)),
            tolerance=1e-3,
        )
    )
    register(
        Model(
            "fused-bert",
            "written",
            "com.microsoft: EmbedLayerNormalization, Attention, SkipLayerNormalization, BiasGelu, "
            "FastGelu",
            fused_bert,
            (_fused_case(1, 32), _fused_case(3, 17)),
        )
    )
