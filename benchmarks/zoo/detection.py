# SPDX-License-Identifier: Apache-2.0
"""A detector in the shape of YOLOv8n, with its head's decode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from benchmarks.zoo.inputs import noise, pictures
from benchmarks.zoo.registry import Model, register
from benchmarks.zoo.writer import Net

CLASSES, BINS = 80, 16
STRIDES = (8, 16, 32)


def _cbs(
    net: Net, name: str, x: str, inside: int, outside: int, kernel: int, stride: int = 1
) -> str:
    """Convolution (its BatchNormalization folded) and SiLU."""
    with net.scope(f"{name}.conv"):
        x = net.conv(x, inside, outside, kernel, stride=stride, gain=2.0)
    return net.silu(x)


def _c2f(net: Net, name: str, x: str, inside: int, outside: int, count: int, add: bool) -> str:
    """Split in two, `count` bottlenecks on one half, and a Concat of every stage."""
    half = outside // 2
    with net.scope(name):
        parts = net.split(_cbs(net, "cv1", x, inside, outside, 1), 1, half, half)
        for i in range(count):
            y = _cbs(net, f"m.{i}.cv1", parts[-1], half, half, 3)
            y = _cbs(net, f"m.{i}.cv2", y, half, half, 3)
            parts.append(net.op("Add", parts[-1], y) if add else y)
        return _cbs(net, "cv2", net.concat(*parts, axis=1), (2 + count) * half, outside, 1)


def _sppf(net: Net, x: str, width: int) -> str:
    with net.scope("sppf"):
        stages = [_cbs(net, "cv1", x, width, width // 2, 1)]
        for _ in range(3):
            stages.append(net.max_pool(stages[-1], 5, 1, 2))
        return _cbs(net, "cv2", net.concat(*stages, axis=1), 2 * width, width, 1)


def _backbone(net: Net, x: str) -> list[tuple[str, int]]:
    """Feature maps at strides 8, 16 and 32 behind the pyramid that joins them."""
    x = _cbs(net, "0", x, 3, 16, 3, 2)
    x = _c2f(net, "2", _cbs(net, "1", x, 16, 32, 3, 2), 32, 32, 1, True)
    p3 = _c2f(net, "4", _cbs(net, "3", x, 32, 64, 3, 2), 64, 64, 2, True)
    p4 = _c2f(net, "6", _cbs(net, "5", p3, 64, 128, 3, 2), 128, 128, 2, True)
    p5 = _c2f(net, "8", _cbs(net, "7", p4, 128, 256, 3, 2), 256, 256, 1, True)
    p5 = _sppf(net, p5, 256)
    n4 = _c2f(net, "12", net.concat(net.resize_by(p5, 2), p4, axis=1), 384, 128, 1, False)
    n3 = _c2f(net, "15", net.concat(net.resize_by(n4, 2), p3, axis=1), 192, 64, 1, False)
    down = net.concat(_cbs(net, "16", n3, 64, 64, 3, 2), n4, axis=1)
    m4 = _c2f(net, "18", down, 192, 128, 1, False)
    down = net.concat(_cbs(net, "19", m4, 128, 128, 3, 2), p5, axis=1)
    m5 = _c2f(net, "21", down, 384, 256, 1, False)
    return [(n3, 64), (m4, 128), (m5, 256)]


def _anchors(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres [1, 2, N] in cells, and strides [1, N], of all cells of the three maps."""
    centres, strides = [], []
    for stride in STRIDES:
        side = np.arange(size // stride, dtype=np.float32) + np.float32(0.5)
        rows, columns = np.meshgrid(side, side, indexing="ij")
        centres.append(np.stack([columns.ravel(), rows.ravel()]))
        strides.append(np.full(side.size**2, stride, np.float32))
    return np.concatenate(centres, 1)[None], np.concatenate(strides)[None]


def _decode(net: Net, joined: str, size: int) -> str:
    """Distances as expectations over 16 bins, then boxes around the cells' centres."""
    cells = sum((size // s) ** 2 for s in STRIDES)
    boxes, scores = net.split(joined, 1, 4 * BINS, CLASSES)
    bins = net.transpose(net.reshape(boxes, -1, 4, BINS, cells), 0, 2, 1, 3)
    with net.scope("dfl"):
        weight = net.weight("weight", np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1))
        bins = net.op("Softmax", bins, axis=1)
        distance = net.op("Conv", bins, weight, kernel_shape=[1, 1], group=1)
    distance = net.reshape(distance, -1, 4, cells)
    near, far = net.slice(distance, 1, 0, 2), net.slice(distance, 1, 2, 4)
    centre_values, stride_values = _anchors(size)
    centres = net.constant(centre_values)
    low, high = net.op("Sub", centres, near), net.op("Add", far, centres)
    middle = net.op("Div", net.op("Add", low, high), net.constant(2.0))
    box = net.concat(middle, net.op("Sub", high, low), axis=1)
    box = net.op("Mul", box, net.constant(stride_values))
    return net.concat(box, net.op("Sigmoid", scores), axis=1)


def yolov8n(size: int = 640) -> onnx.ModelProto:
    net = Net("yolov8n", opset=17, seed=8)
    x = net.input("images", ("batch", 3, size, size))
    outputs = []
    for level, (feature, width) in enumerate(_backbone(net, x)):
        with net.scope(f"head.{level}"):
            box = _cbs(net, "box.0", feature, width, 64, 3)
            box = _cbs(net, "box.1", box, 64, 64, 3)
            with net.scope("box.2"):
                box = net.conv(box, 64, 4 * BINS, 1, gain=1.0)
            kind = _cbs(net, "cls.0", feature, width, CLASSES, 3)
            kind = _cbs(net, "cls.1", kind, CLASSES, CLASSES, 3)
            with net.scope("cls.2"):
                kind = net.conv(kind, CLASSES, CLASSES, 1, gain=1.0)
            both = net.concat(box, kind, axis=1)
            cells = (size // STRIDES[level]) ** 2
            outputs.append(net.reshape(both, -1, 4 * BINS + CLASSES, cells))
    result = _decode(net, net.concat(*outputs, axis=2), size)
    cells = sum((size // s) ** 2 for s in STRIDES)
    net.output(result, "output0", ("batch", 4 + CLASSES, cells))
    return net.model()


def ssd() -> onnx.ModelProto:
    """Boxes of one class at a time through NonMaxSuppression: as many rows come out as it keeps."""
    net = Net("ssd", opset=17, seed=9)
    x = net.input("image", (1, 3, 128, 128))
    inside = 3
    for i, width in enumerate((16, 32, 48, 64)):
        with net.scope(f"conv{i}"):
            x = net.conv(x, inside, width, 3, stride=2)
            x = net.op("LeakyRelu", x, alpha=0.1)
        inside = width
    cells, kinds = 64, 5
    with net.scope("box"):
        box = net.transpose(net.conv(x, 64, 8, 3, gain=0.5), 0, 2, 3, 1)
    with net.scope("kind"):
        kind = net.transpose(net.conv(x, 64, 2 * kinds, 3, gain=2.0), 0, 2, 3, 1)
    box = net.op("Reshape", box, net.constant([1, 2 * cells, 4]))
    kind = net.op("Reshape", kind, net.constant([1, 2 * cells, kinds]))
    scores = net.transpose(net.op("Softmax", kind, axis=-1), 0, 2, 1)
    centre, size = net.split(box, 2, 2, 2)
    grid = (np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1).reshape(-1, 2) + 0.5) / 8
    priors = net.constant(np.repeat(grid, 2, 0)[None].astype(np.float32))
    sides = net.constant(np.tile(np.array([[0.2, 0.2], [0.4, 0.3]], np.float32), (cells, 1))[None])
    tenth, fifth, two = net.constant(0.1), net.constant(0.2), net.constant(2.0)
    centre = net.op("Add", priors, net.op("Mul", net.op("Mul", centre, tenth), sides))
    reach = net.op("Div", net.op("Mul", net.op("Exp", net.op("Mul", size, fifth)), sides), two)
    corners = net.concat(net.op("Sub", centre, reach), net.op("Add", centre, reach), axis=-1)
    kept = net.op(
        "NonMaxSuppression", corners, scores, net.constant(10),
        net.constant(np.array([0.5], np.float32)), net.constant(np.array([0.35], np.float32)),
    )  # fmt: skip
    column = net.constant([2])
    chosen = net.op("Squeeze", net.op("Gather", kept, column, axis=1), net.constant([1]))
    boxes = net.op("Gather", net.op("Squeeze", corners, net.constant([0])), chosen, axis=0)
    net.output(net.op("GatherND", scores, kept), "scores", ("kept",))
    net.output(net.op("Clip", boxes, net.constant(0.0), net.constant(1.0)), "boxes", ("kept", 4))
    net.output(net.slice(kept, 1, 1, 2), "kinds", ("kept", 1), "int64")
    strong = net.op("NonZero", net.op("Greater", net.op("ReduceMax", scores, axes=[1]), fifth))
    net.output(strong, "strong", (3, "count"), "int64")
    return net.model()


def register_all() -> None:
    register(
        Model(
            "ssd",
            "written",
            "NonMaxSuppression, GatherND, NonZero: output sizes that depend on the values; "
            "LeakyRelu, Exp",
            ssd,
            (
                *pictures("image", "coffee.png", (1, 3, 128, 128)),
                replace(noise("image", (1, 3, 128, 128))[0], label="1x3x128x128 noise"),
            ),
        )
    )
    register(
        Model(
            "yolov8n",
            "written",
            "SiLU, Split and Concat of stages, chained MaxPool, Resize, box decode with Softmax "
            "over 16 bins, large constants",
            yolov8n,
            pictures("images", "motorcycle_left.png", (1, 3, 640, 640), (2, 3, 640, 640)),
        )
    )
