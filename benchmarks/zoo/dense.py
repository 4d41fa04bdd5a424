# SPDX-License-Identifier: Apache-2.0
"""Networks whose output is a picture: segmentation, depth of pixels, generation."""

from __future__ import annotations

import numpy as np
import onnx

from benchmarks.zoo.inputs import noise, pictures
from benchmarks.zoo.registry import Case, Feeds, Model, Rng, register
from benchmarks.zoo.writer import Net

FREE = ("batch", 3, "height", "width")


def unet() -> onnx.ModelProto:
    """Skips by Concat, ConvTranspose upwards; the decoder crops to the encoder's size by Slice with
    sizes read at run time, so that odd pictures fit."""
    net = Net("unet", opset=17, seed=31)
    x = net.input("image", FREE)

    def double(name: str, x: str, inside: int, outside: int) -> str:
        for i, wide in enumerate((inside, outside)):
            with net.scope(f"{name}.{i}"):
                with net.scope("conv"):
                    x = net.conv(x, wide, outside, 3, bias=False)
                with net.scope("bn"):
                    x = net.relu(net.batch_norm(x, outside))
        return x

    widths, skips, inside = (16, 32, 64, 128), [], 3
    for level, width in enumerate(widths):
        if level:
            x = net.max_pool(x, 2, 2, ceil=True)
        x = double(f"down{level}", x, inside, width)
        skips.append(x)
        inside = width
    for level in (2, 1, 0):
        with net.scope(f"up{level}"):
            x = net.conv_transpose(x, inside, widths[level], 2, stride=2)
        size = net.op("Slice", net.op("Shape", skips[level]), net.constant([2]), net.constant([4]))
        x = net.op("Slice", x, net.constant([0, 0]), size, net.constant([2, 3]))
        x = double(
            f"join{level}", net.concat(skips[level], x, axis=1), 2 * widths[level], widths[level]
        )
        inside = widths[level]
    with net.scope("out"):
        x = net.conv(x, inside, 5, 1, gain=1.0)
    net.output(net.op("Softmax", x, axis=1), "classes", ("batch", 5, "height", "width"))
    return net.model()


def deeplab() -> onnx.ModelProto:
    """Dilated convolutions side by side, a pooled branch resized back, and bilinear Resize to the
    input's size by its sizes input."""
    net = Net("deeplab", opset=13, ir=7, seed=32)
    x = image = net.input("image", FREE)
    inside = 3
    for i, (width, stride, dilation) in enumerate(
        ((32, 2, 1), (64, 2, 1), (128, 2, 1), (128, 1, 2), (128, 1, 4))
    ):
        with net.scope(f"backbone.{i}"):
            y = net.relu(net.conv(x, inside, width, 3, stride=stride, dilation=dilation))
        x = net.op("Add", x, y) if stride == 1 else y
        inside = width

    def resize(x: str, like: str, channels: int) -> str:
        size = net.op("Slice", net.op("Shape", like), net.constant([2]), net.constant([4]))
        batch = net.op("Slice", net.op("Shape", like), net.constant([0]), net.constant([1]))
        sizes = net.concat(batch, net.constant([channels]), size, axis=0)
        return net.op(
            "Resize", x, "", "", sizes,
            coordinate_transformation_mode="pytorch_half_pixel", cubic_coeff_a=-0.75, mode="linear",
        )  # fmt: skip

    branches = []
    with net.scope("aspp.0"):
        branches.append(net.relu(net.conv(x, 128, 64, 1)))
    for i, rate in enumerate((6, 12, 18), 1):
        with net.scope(f"aspp.{i}"):
            branches.append(net.relu(net.conv(x, 128, 64, 3, dilation=rate)))
    with net.scope("aspp.pool"):
        pooled = net.relu(net.conv(net.op("GlobalAveragePool", x), 128, 64, 1))
    branches.append(resize(pooled, x, 64))
    with net.scope("project"):
        x = net.relu(net.conv(net.concat(*branches, axis=1), 320, 64, 1))
    with net.scope("classifier"):
        x = net.conv(x, 64, 21, 1, gain=1.0)
    x = resize(x, image, 21)
    net.output(x, "scores", ("batch", 21, "height", "width"))
    net.output(
        net.op("ArgMax", "scores", axis=1, keepdims=0),
        "labels",
        ("batch", "height", "width"),
        "int64",
    )
    return net.model()


def espcn() -> onnx.ModelProto:
    """DepthToSpace as the op and spelled out by Reshape and Transpose; Tanh; bicubic shortcut."""
    net = Net("espcn", opset=17, seed=33)
    x = picture = net.input("image", FREE)
    with net.scope("conv1"):
        x = net.op("Tanh", net.conv(x, 3, 64, 5))
    with net.scope("conv2"):
        x = net.op(
            "PRelu", net.conv(x, 64, 32, 3), net.weight("slope", net.uniform((32, 1, 1), 0.1, 0.3))
        )
    with net.scope("conv3"):
        x = net.conv(x, 32, 3 * 4, 3)
    x = net.op("DepthToSpace", x, blocksize=2, mode="CRD")
    with net.scope("conv4"):
        x = net.op("LeakyRelu", net.conv(x, 3, 16, 3), alpha=0.2)
    batch, height, width = (net.dim(x, axis) for axis in (0, 2, 3))
    x = net.transpose(net.reshape(x, batch, 4, 2, 2, height, width), 0, 1, 4, 2, 5, 3)
    two = net.constant(2)
    x = net.reshape(x, batch, 4, net.op("Mul", height, two), net.op("Mul", width, two))
    with net.scope("conv5"):
        x = net.conv(x, 4, 3, 3, gain=1.0)
    x = net.op("Add", x, net.resize_by(picture, 4, mode="cubic"))
    net.output(
        net.op("Clip", x, net.constant(-3.0), net.constant(3.0)), "large", ("batch", 3, None, None)
    )
    return net.model()


def style() -> onnx.ModelProto:
    """Reflective Pad, InstanceNormalization, nearest Resize, Tanh: picture in, picture out."""
    net = Net("style", opset=11, ir=6, seed=34)
    x = net.input("image", FREE)

    def layer(name: str, x: str, inside: int, outside: int, kernel: int, stride: int = 1) -> str:
        side = kernel // 2
        pads = net.constant([0, 0, side, side, 0, 0, side, side])
        x = net.op("Pad", x, pads, mode="reflect")
        with net.scope(name):
            x = net.conv(x, inside, outside, kernel, stride=stride, pad=0)
            scale = net.weight("scale", net.uniform((outside,), 0.8, 1.2))
            shift = net.weight("shift", net.random((outside,), 0.1))
        return net.op("InstanceNormalization", x, scale, shift, epsilon=1e-5)

    x = net.relu(layer("conv1", x, 3, 16, 9))
    x = net.relu(layer("conv2", x, 16, 32, 3, 2))
    x = net.relu(layer("conv3", x, 32, 64, 3, 2))
    for i in range(3):
        y = net.relu(layer(f"res{i}.0", x, 64, 64, 3))
        x = net.op("Add", x, layer(f"res{i}.1", y, 64, 64, 3))
    for i, (inside, outside) in enumerate(((64, 32), (32, 16))):
        scales = net.constant(np.array([1, 1, 2, 2], np.float32))
        x = net.op("Resize", x, net.constant(np.zeros(0, np.float32)), scales, mode="nearest",
                   coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
        x = net.relu(layer(f"up{i}", x, inside, outside, 3))
    x = net.op("Tanh", layer("out", x, 16, 3, 9))
    net.output(x, "styled", ("batch", 3, None, None))
    return net.model()


def _group_norm(net: Net, name: str, x: str, channels: int, groups: int) -> str:
    """As torch exports it: Reshape, InstanceNormalization with ones, Reshape back, Mul, Add."""
    with net.scope(name):
        flat = net.op("Reshape", x, net.constant([0, groups, -1]))
        ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
        flat = net.op(
            "InstanceNormalization", flat, net.constant(ones), net.constant(zeros), epsilon=1e-5
        )
        y = net.op("Reshape", flat, net.op("Shape", x))
        y = net.op("Mul", y, net.weight("weight", net.uniform((channels, 1, 1), 0.8, 1.2)))
        return net.op("Add", y, net.weight("bias", net.random((channels, 1, 1), 0.05)))


def diffusion() -> onnx.ModelProto:
    """A denoiser's step: sinusoidal time embedding, GroupNorm spelled out, SiLU, attention over
    pixels, attention over a text of dynamic length."""
    net = Net("diffusion", opset=17, seed=35)
    x = net.input("sample", ("batch", 4, "height", "width"))
    time = net.input("timestep", ("batch",), "int64")
    text = net.input("context", ("batch", "words", 96))
    width, embedding = 64, 128
    rate = np.exp(-np.log(10000.0) * np.arange(32) / 32).astype(np.float32)[None]
    angle = net.op("Mul", net.unsqueeze(net.cast(time, "float32"), 1), net.constant(rate))
    t = net.concat(net.op("Cos", angle), net.op("Sin", angle), axis=-1)
    with net.scope("time.0"):
        t = net.silu(net.gemm(t, 64, embedding, gain=4.0))
    with net.scope("time.1"):
        t = net.silu(net.gemm(t, embedding, embedding, gain=2.0))

    def residual(name: str, x: str, inside: int, outside: int) -> str:
        with net.scope(name):
            y = net.silu(_group_norm(net, "norm1", x, inside, 8))
            with net.scope("conv1"):
                y = net.conv(y, inside, outside, 3)
            with net.scope("time"):
                y = net.op("Add", y, net.unsqueeze(net.gemm(t, embedding, outside), 2, 3))
            y = net.silu(_group_norm(net, "norm2", y, outside, 8))
            with net.scope("conv2"):
                y = net.conv(y, outside, outside, 3)
            if inside != outside:
                with net.scope("shortcut"):
                    x = net.conv(x, inside, outside, 1, gain=1.0)
            return net.op("Add", x, y)

    def attention(name: str, x: str, channels: int, other: str | None, other_width: int) -> str:
        """On [batch, pixels, channels]; keys and values come from `other` if it is given."""
        with net.scope(name):
            with net.scope("norm"):
                y = net.layer_norm(x, channels)
            source = y if other is None else other
            batch = net.dim(y, 0)
            parts = []
            for part, value, inside in (
                ("q", y, channels),
                ("k", source, other_width),
                ("v", source, other_width),
            ):
                with net.scope(part):
                    projected = net.linear(value, inside, channels, bias=False)
                    parts.append(
                        net.heads(
                            projected, 4, channels // 4, batch=batch, length=net.dim(value, 1)
                        )
                    )
            y = net.attend(parts[0], parts[1], parts[2], channels // 4)
            y = net.reshape(net.transpose(y, 0, 2, 1, 3), batch, net.dim(x, 1), channels)
            with net.scope("out"):
                return net.op("Add", net.linear(y, channels, channels), x)

    with net.scope("conv_in"):
        x = net.conv(x, 4, width, 3, gain=1.0)
    first = x = residual("down.0", x, width, width)
    with net.scope("downsample"):
        x = net.conv(x, width, 128, 3, stride=2, gain=1.0)
    x = residual("mid.0", x, 128, 128)
    size = net.op("Shape", x)
    y = net.transpose(net.op("Reshape", x, net.constant([0, 128, -1])), 0, 2, 1)
    y = attention("mid.self", y, 128, None, 128)
    y = attention("mid.cross", y, 128, text, 96)
    x = net.op("Add", net.op("Reshape", net.transpose(y, 0, 2, 1), size), x)
    x = net.concat(net.resize_by(x, 2), first, axis=1)
    x = net.silu(_group_norm(net, "norm_out", residual("up.0", x, 128 + width, width), width, 8))
    with net.scope("conv_out"):
        x = net.conv(x, width, 4, 3, gain=1.0)
    net.output(x, "noise", ("batch", 4, "height", "width"))
    return net.model()


def _diffusion_case(batch: int, side: int, length: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        return {
            "sample": rng.standard_normal((batch, 4, side, side), dtype=np.float32),
            "timestep": rng.integers(0, 1000, (batch,), dtype=np.int64),
            "context": rng.standard_normal((batch, length, 96), dtype=np.float32),
        }

    return Case(f"{batch}x4x{side}x{side}+{length}", feed)


def gan() -> onnx.ModelProto:
    """A latent vector to a picture: ConvTranspose with BatchNormalization between."""
    net = Net("gan", opset=12, ir=6, seed=36)
    x = net.input("latent", ("batch", 100))
    with net.scope("fc"):
        x = net.op("Reshape", net.gemm(x, 100, 128 * 16), net.constant([-1, 128, 4, 4]))
    inside = 128
    for i, outside in enumerate((64, 32, 16)):
        with net.scope(f"up{i}"):
            with net.scope("conv"):
                x = net.conv_transpose(x, inside, outside, 4, stride=2, pad=1)
            with net.scope("bn"):
                x = net.relu(net.batch_norm(x, outside))
        inside = outside
    with net.scope("out"):
        x = net.op("Tanh", net.conv_transpose(x, inside, 3, 4, stride=2, pad=1))
    net.output(x, "picture", ("batch", 3, 64, 64))
    return net.model()


def register_all() -> None:
    sizes = ((1, 3, 128, 128), (2, 3, 96, 160), (1, 3, 97, 75))
    coffee = pictures("image", "coffee.png", *sizes)
    even = pictures("image", "coffee.png", (1, 3, 128, 128), (2, 3, 96, 160), (1, 3, 64, 76))
    for name, make, cases, exercises in (
        (
            "unet",
            unet,
            coffee,
            "MaxPool with ceil_mode, crop by Slice to a Shape, Concat skips, odd sizes",
        ),
        (
            "deeplab",
            deeplab,
            coffee,
            "dilated Conv, linear Resize to sizes read at run time, ArgMax, a "
            "value that is output and input",
        ),
        (
            "espcn",
            espcn,
            coffee,
            "DepthToSpace as op and spelled out, PRelu, LeakyRelu, cubic Resize",
        ),
        (
            "style",
            style,
            even,
            "reflective Pad, InstanceNormalization, opset 11 Resize with an empty roi",
        ),
        (
            "gan",
            gan,
            noise("latent", (1, 100), (8, 100)),
            "ConvTranspose with BatchNormalization, Tanh",
        ),
        (
            "diffusion",
            diffusion,
            tuple(_diffusion_case(*s) for s in ((1, 32, 20), (2, 16, 7))),
            "GroupNorm as InstanceNormalization, Sin and Cos of a time step, "
            "attention over pixels and over a text",
        ),
    ):
        flips = 1e-3 if name == "deeplab" else 0.0
        register(Model(name, "written", exercises, make, cases, flips=flips))
