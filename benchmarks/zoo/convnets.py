# SPDX-License-Identifier: Apache-2.0
"""Classifiers made of convolutions."""

from __future__ import annotations

import onnx

from benchmarks.zoo.inputs import noise, pictures
from benchmarks.zoo.registry import Model, register
from benchmarks.zoo.writer import Net

PICTURE = ("batch", 3, 224, 224)


def head(net: Net, x: str, channels: int, classes: int = 1000) -> None:
    """Global mean, Flatten, Gemm: how torchvision's classifiers end."""
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    with net.scope("fc"):
        x = net.gemm(x, channels, classes)
    net.output(x, "logits", ("batch", classes))


def resnet50() -> onnx.ModelProto:
    """BatchNormalization folded into the convolutions, as torch's exporter does in eval mode."""
    net = Net("resnet50", opset=17, seed=50)
    x = net.input("input", PICTURE)
    with net.scope("conv1"):
        x = net.relu(net.conv(x, 3, 64, 7, stride=2))
    x = net.max_pool(x, 3, 2, 1)
    inside = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 1 else 1
            with net.scope(f"layer{stage}.{block}"):
                with net.scope("conv1"):
                    y = net.relu(net.conv(x, inside, width, 1))
                with net.scope("conv2"):
                    y = net.relu(net.conv(y, width, width, 3, stride=stride))
                with net.scope("conv3"):
                    y = net.conv(y, width, 4 * width, 1, gain=0.2)
                if block == 0:
                    with net.scope("downsample"):
                        x = net.conv(x, inside, 4 * width, 1, stride=stride, gain=1.0)
                x = net.relu(net.op("Add", y, x))
            inside = 4 * width
    head(net, x, inside)
    return net.model()


def mobilenet_v2() -> onnx.ModelProto:
    """BatchNormalization kept as nodes; relu6 as Clip with Constant bounds."""
    net = Net("mobilenet_v2", opset=13, ir=7, seed=2)
    x = net.input("input", PICTURE)

    def conv_bn(
        x: str, inside: int, outside: int, kernel: int, stride: int, groups: int, gain: float
    ) -> str:
        with net.scope("0"):
            x = net.conv(
                x, inside, outside, kernel, stride=stride, groups=groups, bias=False, gain=gain
            )
        with net.scope("1"):
            return net.batch_norm(x, outside)

    with net.scope("features.0"):
        x = net.relu6(conv_bn(x, 3, 32, 3, 2, 1, 2.0))
    inside, index = 32, 1
    settings = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip
    for expand, outside, count, first_stride in settings:
        for i in range(count):
            stride = first_stride if i == 0 else 1
            hidden = inside * expand
            with net.scope(f"features.{index}"):
                y = x
                if expand != 1:
                    with net.scope("expand"):
                        y = net.relu6(conv_bn(y, inside, hidden, 1, 1, 1, 2.0))
                with net.scope("depthwise"):
                    y = net.relu6(conv_bn(y, hidden, hidden, 3, stride, hidden, 2.0))
                with net.scope("project"):
                    y = conv_bn(y, hidden, outside, 1, 1, 1, 0.6 if i else 1.0)
                x = net.op("Add", x, y) if stride == 1 and inside == outside else y
            inside, index = outside, index + 1
    with net.scope(f"features.{index}"):
        x = net.relu6(conv_bn(x, inside, 1280, 1, 1, 1, 1.0))
    head(net, x, 1280)
    return net.model()


EFFICIENTNET_STAGES = (
    # expand, channels, count, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet_b0() -> onnx.ModelProto:
    """SiLU as Sigmoid and Mul, squeeze-and-excitation, depthwise 5x5, BatchNormalization kept."""
    net = Net("efficientnet_b0", opset=17, seed=80)
    x = net.input("input", PICTURE)

    def conv_bn(
        x: str, inside: int, outside: int, kernel: int, stride: int, groups: int, gain: float
    ) -> str:
        with net.scope("conv"):
            x = net.conv(
                x, inside, outside, kernel, stride=stride, groups=groups, bias=False, gain=gain
            )
        with net.scope("bn"):
            return net.batch_norm(x, outside, epsilon=1e-3)

    with net.scope("stem"):
        x = net.silu(conv_bn(x, 3, 32, 3, 2, 1, 2.5))
    inside = 32
    for stage, (expand, outside, count, first_stride, kernel) in enumerate(EFFICIENTNET_STAGES):
        for i in range(count):
            stride = first_stride if i == 0 else 1
            hidden = inside * expand
            with net.scope(f"blocks.{stage}.{i}"):
                y = x
                if expand != 1:
                    with net.scope("expand"):
                        y = net.silu(conv_bn(y, inside, hidden, 1, 1, 1, 2.5))
                with net.scope("depthwise"):
                    y = net.silu(conv_bn(y, hidden, hidden, kernel, stride, hidden, 2.5))
                with net.scope("se"):
                    y = net.squeeze_excite(y, hidden, max(1, inside // 4), act="Silu")
                with net.scope("project"):
                    y = conv_bn(y, hidden, outside, 1, 1, 1, 2.0)
                x = net.op("Add", y, x) if stride == 1 and inside == outside else y
            inside = outside
    with net.scope("top"):
        x = net.silu(conv_bn(x, inside, 1280, 1, 1, 1, 1.0))
    head(net, x, 1280)
    return net.model()


def densenet121() -> onnx.ModelProto:
    """BatchNormalization and Relu before each convolution, where nothing can fold them; growing
    concatenations of up to 33 values, as torchvision's list of features exports."""
    net = Net("densenet121", opset=11, ir=6, seed=121)
    x = net.input("input", ("batch", 3, 224, 224))

    def bn_relu(name: str, x: str, channels: int) -> str:
        with net.scope(name):
            return net.relu(net.batch_norm(x, channels))

    def conv(name: str, x: str, inside: int, outside: int, kernel: int) -> str:
        with net.scope(name):
            return net.conv(x, inside, outside, kernel, bias=False)

    with net.scope("conv0"):
        x = net.conv(x, 3, 64, 7, stride=2, bias=False)
    x = net.max_pool(bn_relu("norm0", x, 64), 3, 2, 1)
    channels, growth = 64, 32
    for block, layers in enumerate((6, 12, 24, 16), 1):
        features = [x]
        for layer in range(1, layers + 1):
            with net.scope(f"denseblock{block}.denselayer{layer}"):
                inside = channels + (layer - 1) * growth
                y = net.concat(*features, axis=1) if layer > 1 else x
                y = conv("conv1", bn_relu("norm1", y, inside), inside, 4 * growth, 1)
                y = conv("conv2", bn_relu("norm2", y, 4 * growth), 4 * growth, growth, 3)
            features.append(y)
        channels += layers * growth
        x = net.concat(*features, axis=1)
        if block < 4:
            with net.scope(f"transition{block}"):
                x = conv("conv", bn_relu("norm", x, channels), channels, channels // 2, 1)
                x = net.average_pool(x, 2, 2)
            channels //= 2
    head(net, bn_relu("norm5", x, channels), channels)
    return net.model()


def convnext_tiny() -> onnx.ModelProto:
    """Depthwise 7x7, then LayerNorm and a perceptron in the channels-last order, with a Transpose
    on each side; layer scale; LayerNorm of channels-first tensors spelled out."""
    net = Net("convnext_tiny", opset=17, seed=7)
    x = net.input("input", PICTURE)
    depths, widths = (3, 3, 9, 3), (96, 192, 384, 768)

    def norm_channels(x: str, width: int) -> str:
        with net.scope("norm"):
            x = net.layer_norm(net.transpose(x, 0, 2, 3, 1), width, epsilon=1e-6)
        return net.transpose(x, 0, 3, 1, 2)

    with net.scope("stem"):
        x = norm_channels(net.conv(x, 3, 96, 4, stride=4, pad=0, gain=1.0), 96)
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        if stage:
            with net.scope(f"downsample.{stage}"):
                x = norm_channels(x, widths[stage - 1])
                with net.scope("conv"):
                    x = net.conv(x, widths[stage - 1], width, 2, stride=2, pad=0, gain=1.0)
        for block in range(depth):
            with net.scope(f"stages.{stage}.{block}"):
                with net.scope("dwconv"):
                    y = net.conv(x, width, width, 7, groups=width, gain=1.0)
                y = net.transpose(y, 0, 2, 3, 1)
                with net.scope("norm"):
                    y = net.layer_norm(y, width, epsilon=1e-6, spelled_out=stage % 2 == 1)
                with net.scope("pwconv1"):
                    y = net.gelu(net.linear(y, width, 4 * width, gain=2.0))
                with net.scope("pwconv2"):
                    y = net.linear(y, 4 * width, width)
                gamma = net.weight("gamma", net.uniform((width,), 0.2, 0.5))
                y = net.transpose(net.op("Mul", gamma, y), 0, 3, 1, 2)
                x = net.op("Add", x, y)
    x = net.mean(x, -2, -1)
    x = net.transpose(x, 0, 2, 3, 1)
    with net.scope("norm"):
        x = net.layer_norm(x, 768, epsilon=1e-6)
    x = net.op("Flatten", net.transpose(x, 0, 3, 1, 2), axis=1)
    with net.scope("head"):
        x = net.gemm(x, 768, 1000)
    net.output(x, "logits", ("batch", 1000))
    return net.model()


def shufflenet_v2() -> onnx.ModelProto:
    """Channel Split, channel shuffle by Reshape, Transpose, Reshape with sizes read from Shape."""
    net = Net("shufflenet_v2", opset=17, seed=22)
    x = net.input("input", ("batch", 3, "height", "width"))

    def conv(
        name: str, x: str, inside: int, outside: int, kernel: int, stride: int, groups: int
    ) -> str:
        with net.scope(name):
            gain = 2.0 if groups == 1 else 1.0
            return net.conv(x, inside, outside, kernel, stride=stride, groups=groups, gain=gain)

    def shuffle(x: str, channels: int) -> str:
        batch, height, width = (net.dim(x, axis) for axis in (0, 2, 3))
        x = net.reshape(x, batch, 2, channels // 2, height, width)
        return net.reshape(net.transpose(x, 0, 2, 1, 3, 4), batch, channels, height, width)

    x = net.max_pool(net.relu(conv("conv1", x, 3, 24, 3, 2, 1)), 3, 2, 1)
    inside = 24
    for stage, (outside, count) in enumerate(((116, 4), (232, 8), (464, 4)), 2):
        half = outside // 2
        for block in range(count):
            with net.scope(f"stage{stage}.{block}"):
                if block == 0:
                    left = conv("branch1.0", x, inside, inside, 3, 2, inside)
                    left = net.relu(conv("branch1.2", left, inside, half, 1, 1, 1))
                    right, wide, stride = x, inside, 2
                else:
                    left, right = net.split(x, 1, half, half)
                    wide, stride = half, 1
                right = net.relu(conv("branch2.0", right, wide, half, 1, 1, 1))
                right = conv("branch2.3", right, half, half, 3, stride, half)
                right = net.relu(conv("branch2.5", right, half, half, 1, 1, 1))
                x = shuffle(net.concat(left, right, axis=1), outside)
        inside = outside
    x = net.relu(conv("conv5", x, inside, 1024, 1, 1, 1))
    x = net.mean(x, 2, 3, keep=False)
    with net.scope("fc"):
        x = net.gemm(x, 1024, 1000)
    net.output(x, "logits", ("batch", 1000))
    return net.model()


def squeezenet() -> onnx.ModelProto:
    """Concat of two convolutions, MaxPool with ceil_mode, a classifier that is a convolution; old
    opset, fixed sizes."""
    net = Net("squeezenet", opset=9, ir=4, seed=11)
    x = net.input("data", (1, 3, 224, 224))

    def conv(
        name: str, x: str, inside: int, outside: int, kernel: int, pad: int, stride: int = 1
    ) -> str:
        with net.scope(name):
            return net.relu(net.conv(x, inside, outside, kernel, stride=stride, pad=pad))

    # ceil_mode came with opset 10; opset 9 files spell it as padding after the end.
    def pool(x: str) -> str:
        return net.op("MaxPool", x, kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2])

    x = pool(conv("conv1", x, 3, 64, 3, 0, stride=2))
    inside = 64
    for index, (small, large) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)), 2
    ):
        with net.scope(f"fire{index}"):
            y = conv("squeeze", x, inside, small, 1, 0)
            wide, tall = (
                conv("expand1x1", y, small, large, 1, 0),
                conv("expand3x3", y, small, large, 3, 1),
            )
            x = net.concat(wide, tall, axis=1)
        inside = 2 * large
        if index in (3, 5):
            x = pool(x)
    x = net.op("Dropout", x, ratio=0.5)
    x = net.op("GlobalAveragePool", conv("conv10", x, inside, 1000, 1, 0))
    net.output(net.op("Softmax", net.op("Flatten", x, axis=1), axis=1), "prob", (1, 1000))
    return net.model()


def vgg11() -> onnx.ModelProto:
    """Large 3x3 convolutions and a large Gemm behind a Flatten; half the width of the original."""
    net = Net("vgg11", opset=12, ir=6, seed=16)
    x = net.input("input", PICTURE)
    inside, index = 3, 0
    for width in (32, 0, 64, 0, 128, 128, 0, 256, 256, 0, 256, 256, 0):
        if width == 0:
            x = net.max_pool(x, 2, 2)
            continue
        with net.scope(f"features.{index}"):
            x = net.relu(net.conv(x, inside, width, 3))
        inside, index = width, index + 1
    x = net.op("Flatten", x, axis=1)
    for name, wide, narrow in (("fc1", 256 * 49, 1024), ("fc2", 1024, 1024)):
        with net.scope(name):
            x = net.relu(net.gemm(x, wide, narrow, gain=2.0))
    with net.scope("fc3"):
        x = net.gemm(x, 1024, 1000)
    net.output(x, "logits", ("batch", 1000))
    return net.model()


def resnext_se() -> onnx.ModelProto:
    """Grouped convolutions (32 groups) and gates through ReduceMean, Gemm and Unsqueeze."""
    net = Net("resnext_se", opset=18, ir=9, seed=32)
    x = net.input("input", ("batch", 3, "height", "width"))
    with net.scope("stem"):
        x = net.max_pool(net.relu(net.conv(x, 3, 64, 7, stride=2)), 3, 2, 1)
    inside = 64
    for stage, (width, outside, blocks) in enumerate(((128, 256, 2), (256, 512, 2)), 1):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 1 else 1
            with net.scope(f"layer{stage}.{block}"):
                with net.scope("conv1"):
                    y = net.relu(net.conv(x, inside, width, 1))
                with net.scope("conv2"):
                    y = net.relu(net.conv(y, width, width, 3, stride=stride, groups=32))
                with net.scope("conv3"):
                    y = net.conv(y, width, outside, 1, gain=1.0)
                gate = net.mean(y, 2, 3, keep=False)
                with net.scope("se.fc1"):
                    gate = net.relu(net.gemm(gate, outside, outside // 16, gain=2.0))
                with net.scope("se.fc2"):
                    gate = net.op(
                        "HardSigmoid", net.gemm(gate, outside // 16, outside), alpha=1 / 6
                    )
                y = net.op("Mul", y, net.unsqueeze(gate, 2, 3))
                if block == 0:
                    with net.scope("downsample"):
                        x = net.conv(x, inside, outside, 1, stride=stride, gain=1.0)
                x = net.relu(net.op("Add", y, x))
            inside = outside
    head(net, x, inside)
    return net.model()


def keras_net() -> onnx.ModelProto:
    """As tf2onnx writes: channels-last at the borders, auto_pad, BatchNormalization as Mul and Add,
    swish and hard-sigmoid spelled out, Reshape to a size computed from Shape."""
    net = Net("keras_net", opset=15, seed=60)
    x = net.input("image:0", ("unk__1", 96, 96, 3))
    x = net.transpose(x, 0, 3, 1, 2)
    x = net.op("Sub", net.op("Mul", x, net.constant(2.0)), net.constant(1.0))
    inside = 3
    for i, (width, stride, groups) in enumerate(((16, 2, 1), (16, 1, 16), (32, 2, 1), (64, 2, 1))):
        with net.scope(f"conv{i}"):
            std = (2.0 * groups / (inside * 9)) ** 0.5
            w = net.weight("kernel", net.random((width, inside // groups, 3, 3), std))
            x = net.op(
                "Conv", x, w, auto_pad="SAME_UPPER" if i % 2 == 0 else "SAME_LOWER", group=groups,
                kernel_shape=[3, 3], strides=[stride, stride],
            )  # fmt: skip
            x = net.op("Mul", x, net.weight("scale", net.uniform((1, width, 1, 1), 0.8, 1.2)))
            x = net.op("Add", x, net.weight("shift", net.random((1, width, 1, 1), 0.1)))
        if i == 2:
            bent = net.op(
                "Clip", net.op("Add", x, net.constant(3.0)), net.constant(0.0), net.constant(6.0)
            )
            x = net.op("Mul", x, net.op("Mul", bent, net.constant(1.0 / 6)))
        else:
            x = net.op("Mul", net.op("Sigmoid", x), x)
        inside = width
    x = net.op("AveragePool", x, auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2])
    x = net.transpose(x, 0, 2, 3, 1)
    size = net.op("Cast", net.op("Shape", x), to=onnx.TensorProto.INT32)
    first = net.op("Slice", size, net.constant([0]), net.constant([1]), net.constant([0]))
    size = net.concat(
        net.op("Cast", first, to=onnx.TensorProto.INT64), net.constant([6 * 6 * 64]), axis=0
    )
    x = net.op("Reshape", x, size)
    w = net.weight("dense", net.random((6 * 6 * 64, 10), 48**-1.0))
    x = net.op("Add", net.op("MatMul", x, w), net.weight("bias", net.random((10,), 0.1)))
    net.output(net.op("Softmax", x, axis=1), "probabilities", ("unk__2", 10))
    return net.model()


def register_all() -> None:
    register(
        Model(
            "keras-net",
            "written",
            "tf2onnx's way: Transpose at the border, auto_pad, scale and shift after Conv, "
            "hard-swish spelled out, Reshape to a computed size",
            keras_net,
            noise("image:0", (1, 96, 96, 3), (3, 96, 96, 3)),
        )
    )
    sizes = ((1, 3, 224, 224), (4, 3, 224, 224))
    cats = pictures("input", "chelsea.png", *sizes)
    free = pictures("input", "coffee.png", (1, 3, 224, 224), (2, 3, 192, 160), (1, 3, 97, 131))
    for name, make, exercises in (
        ("resnet-50", resnet50, "folded Conv, Relu, residual Add, dynamic batch"),
        (
            "mobilenet-v2",
            mobilenet_v2,
            "BatchNormalization after Conv, relu6 as Clip with Constant bounds, depthwise Conv",
        ),
        (
            "efficientnet-b0",
            efficientnet_b0,
            "SiLU as Sigmoid and Mul, squeeze-and-excitation, depthwise 5x5",
        ),
        (
            "densenet-121",
            densenet121,
            "BatchNormalization before Conv, Concat of up to 25 values",
        ),
        (
            "convnext-tiny",
            convnext_tiny,
            "Transpose to channels last and back, LayerNorm as op and spelled out, GELU by Erf, "
            "depthwise 7x7",
        ),
        ("vgg-11", vgg11, "large 3x3 Conv, large Gemm behind Flatten, opset 12"),
    ):
        register(Model(name, "written", exercises, make, cats))
    register(
        Model(
            "shufflenet-v2",
            "written",
            "channel shuffle with Shape, Gather, Concat, Reshape; Split; dynamic height and width",
            shufflenet_v2,
            free,
        )
    )
    register(
        Model(
            "squeezenet",
            "written",
            "opset 9, MaxPool padded on one side, Dropout, Softmax at the end, fixed sizes",
            squeezenet,
            noise("data", (1, 3, 224, 224)),
        )
    )
    register(
        Model(
            "resnext-se",
            "written",
            "Conv with 32 groups, gates through ReduceMean (axes as input), Gemm and Unsqueeze",
            resnext_se,
            free,
        )
    )
