# SPDX-License-Identifier: Apache-2.0
"""Networks made of attention: ViT, Swin, BERT and a Llama-shaped decoder."""

from __future__ import annotations

import numpy as np
import onnx

from benchmarks.zoo.inputs import pictures, tokens
from benchmarks.zoo.registry import Case, Feeds, Model, Rng, register
from benchmarks.zoo.writer import Net


def vit_base() -> onnx.ModelProto:
    """As torch's second exporter writes it: opset 20, LayerNormalization and Gelu as ops, sizes
    read once, attention split into scaled halves, weights in a file beside the model."""
    width, depth, count, patches = 768, 12, 12, 196
    net = Net("vit_base", opset=20, ir=10, seed=16)
    x = net.input("pixel_values", ("batch", 3, 224, 224))
    batch = net.op("Shape", x, start=0, end=1)
    with net.scope("patch_embed"):
        x = net.conv(x, 3, width, 16, stride=16, pad=0, gain=1.0)
    flat = net.concat(batch, net.constant(np.array([width, patches], np.int64)), axis=0)
    x = net.transpose(net.op("Reshape", x, flat, allowzero=1), 0, 2, 1)
    token = net.weight("cls_token", net.random((1, 1, width), 0.5))
    size = net.concat(batch, net.constant(np.array([1, width], np.int64)), axis=0)
    x = net.concat(net.op("Expand", token, size), x, axis=1)
    x = net.op("Add", x, net.weight("pos_embed", net.random((1, patches + 1, width), 0.3)))
    split = net.concat(batch, net.constant(np.array([patches + 1, count, 64], np.int64)), axis=0)
    join = net.concat(batch, net.constant(np.array([patches + 1, width], np.int64)), axis=0)
    scale = net.constant(np.array([64.0**-0.25], np.float32))
    for block in range(depth):
        with net.scope(f"blocks.{block}"):
            with net.scope("norm1"):
                y = net.layer_norm(x, width, epsilon=1e-6)
            parts = []
            for name in ("query", "key", "value"):
                with net.scope(f"attn.{name}"):
                    part = net.linear(y, width, width)
                parts.append(net.op("Reshape", part, split, allowzero=1))
            q = net.op("Mul", net.transpose(parts[0], 0, 2, 1, 3), scale)
            k = net.op("Mul", net.transpose(parts[1], 0, 2, 3, 1), scale)
            v = net.transpose(parts[2], 0, 2, 1, 3)
            weights = net.op("Softmax", net.op("MatMul", q, k), axis=-1)
            y = net.transpose(net.op("MatMul", weights, v), 0, 2, 1, 3)
            with net.scope("attn.proj"):
                y = net.linear(net.op("Reshape", y, join, allowzero=1), width, width)
            x = net.op("Add", x, y)
            with net.scope("norm2"):
                y = net.layer_norm(x, width, epsilon=1e-6)
            with net.scope("mlp.fc1"):
                y = net.op("Gelu", net.linear(y, width, 4 * width, gain=2.0), approximate="none")
            with net.scope("mlp.fc2"):
                x = net.op("Add", x, net.linear(y, 4 * width, width))
    with net.scope("norm"):
        x = net.layer_norm(x, width, epsilon=1e-6)
    x = net.op("Gather", x, net.constant(np.array(0, np.int64)), axis=1)
    with net.scope("head"):
        x = net.gemm(x, width, 1000)
    net.output(x, "logits", ("batch", 1000))
    return net.model()


def _window_mask(size: int, window: int, shift: int) -> np.ndarray:
    """-100 between tokens of one window that came from different sides of the picture."""
    regions = np.zeros((size, size), np.int64)
    edges = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for label, (rows, columns) in enumerate((r, c) for r in edges for c in edges):
        regions[rows, columns] = label
    grid = regions.reshape(size // window, window, size // window, window)
    tiles = grid.transpose(0, 2, 1, 3).reshape(-1, window * window)
    apart = tiles[:, None, :] != tiles[:, :, None]
    return np.where(apart, np.float32(-100), np.float32(0))


def _swin_attention(
    net: Net, x: str, width: int, count: int, size: int, shift: int, batch: str
) -> str:
    """Attention inside windows of 7x7 of [batch, size, size, width]."""
    window, area, per_head = 7, 49, width // count
    tiles = size // window
    if shift:
        x = net.roll(net.roll(x, 1, -shift), 2, -shift)
    x = net.reshape(x, batch, tiles, window, tiles, window, width)
    x = net.reshape(net.transpose(x, 0, 1, 3, 2, 4, 5), -1, area, width)
    windows = net.dim(x, 0)
    with net.scope("qkv"):
        x = net.linear(x, width, 3 * width)
    x = net.transpose(net.reshape(x, windows, area, 3, count, per_head), 2, 0, 3, 1, 4)
    q, k, v = (net.op("Gather", x, net.constant(i), axis=0) for i in range(3))
    q = net.op("Mul", q, net.constant(per_head**-0.5))
    scores = net.op("MatMul", q, net.transpose(k, 0, 1, 3, 2))
    scores = net.op("Add", scores, net.weight("bias", net.random((1, count, area, area), 0.5)))
    if shift:
        mask = net.weight("mask", _window_mask(size, window, shift)[None, :, None])
        scores = net.reshape(scores, batch, tiles * tiles, count, area, area)
        scores = net.reshape(net.op("Add", scores, mask), -1, count, area, area)
    x = net.transpose(net.op("MatMul", net.op("Softmax", scores, axis=-1), v), 0, 2, 1, 3)
    with net.scope("proj"):
        x = net.linear(net.reshape(x, windows, area, width), width, width)
    x = net.reshape(x, batch, tiles, tiles, window, window, width)
    x = net.reshape(net.transpose(x, 0, 1, 3, 2, 4, 5), batch, size, size, width)
    return net.roll(net.roll(x, 1, shift), 2, shift) if shift else x


def swin_tiny() -> onnx.ModelProto:
    """Windows by Reshape and Transpose, shifted by Slice and Concat, patches merged by strided
    Slice; LayerNorm spelled out and GELU by Erf."""
    net = Net("swin_tiny", opset=16, seed=77)
    x = net.input("input", ("batch", 3, 224, 224))
    batch = net.dim(x, 0)
    with net.scope("patch_embed"):
        x = net.conv(x, 3, 96, 4, stride=4, pad=0, gain=1.0)
        with net.scope("norm"):
            x = net.layer_norm(net.transpose(x, 0, 2, 3, 1), 96, spelled_out=True)
    size, width = 56, 96
    for stage, (depth, count) in enumerate(((2, 3), (2, 6), (6, 12), (2, 24))):
        for block in range(depth):
            with net.scope(f"layers.{stage}.{block}"):
                with net.scope("norm1"):
                    y = net.layer_norm(x, width, spelled_out=True)
                shift = 3 if block % 2 and size > 7 else 0
                with net.scope("attn"):
                    y = _swin_attention(net, y, width, count, size, shift, batch)
                x = net.op("Add", x, y)
                with net.scope("norm2"):
                    y = net.layer_norm(x, width, spelled_out=True)
                with net.scope("mlp.fc1"):
                    y = net.gelu(net.linear(y, width, 4 * width, gain=2.0))
                with net.scope("mlp.fc2"):
                    x = net.op("Add", x, net.linear(y, 4 * width, width))
        if stage < 3:
            with net.scope(f"downsample.{stage}"):
                corners = [
                    net.slice(net.slice(x, 1, row, size, 2), 2, column, size, 2)
                    for column in (0, 1)
                    for row in (0, 1)
                ]
                with net.scope("norm"):
                    x = net.layer_norm(net.concat(*corners, axis=-1), 4 * width, spelled_out=True)
                with net.scope("reduction"):
                    x = net.linear(x, 4 * width, 2 * width, bias=False)
            size, width = size // 2, 2 * width
    with net.scope("norm"):
        x = net.layer_norm(x, width, spelled_out=True)
    x = net.op("GlobalAveragePool", net.transpose(x, 0, 3, 1, 2))
    x = net.op("Flatten", x, axis=1)
    with net.scope("head"):
        x = net.gemm(x, width, 1000)
    net.output(x, "logits", ("batch", 1000))
    return net.model()


def bert_layers(
    net: Net,
    x: str,
    mask: str,
    sizes: tuple[str, str],
    *,
    width: int,
    depth: int,
    count: int,
    hidden: int,
    epsilon: float,
    spelled_out: bool,
) -> str:
    """The encoder's layers, under the names of Hugging Face's weights."""
    batch, length = sizes
    for layer in range(depth):
        with net.scope(f"encoder.layer.{layer}"):
            parts = []
            for name in ("query", "key", "value"):
                with net.scope(f"attention.self.{name}"):
                    part = net.linear(x, width, width)
                    parts.append(net.heads(part, count, width // count, batch=batch, length=length))
            y = net.attend(parts[0], parts[1], parts[2], width // count, mask)
            y = net.reshape(net.transpose(y, 0, 2, 1, 3), batch, length, width)
            with net.scope("attention.output"):
                with net.scope("dense"):
                    y = net.op("Add", net.linear(y, width, width), x)
                with net.scope("LayerNorm"):
                    x = net.layer_norm(y, width, epsilon=epsilon, spelled_out=spelled_out)
            with net.scope("intermediate.dense"):
                y = net.gelu(net.linear(x, width, hidden, gain=2.0))
            with net.scope("output"):
                with net.scope("dense"):
                    y = net.op("Add", net.linear(y, hidden, width), x)
                with net.scope("LayerNorm"):
                    x = net.layer_norm(y, width, epsilon=epsilon, spelled_out=spelled_out)
    return x


def additive_mask(net: Net, mask: str) -> str:
    """1 and 0 of [batch, length] to 0 and the lowest float of [batch, 1, 1, length]."""
    wide = net.cast(net.unsqueeze(net.unsqueeze(mask, 1), 2), "float32")
    lowest = net.constant(np.array(np.finfo(np.float32).min, np.float32))
    return net.op("Mul", net.op("Sub", net.constant(1.0), wide), lowest)


def bert_embeddings(
    net: Net,
    ids: str,
    types: str | None,
    *,
    vocabulary: int,
    width: int,
    epsilon: float,
    spelled_out: bool,
) -> tuple[str, tuple[str, str]]:
    """Embeddings of words, kinds and positions; gives the value and (batch, length)."""
    batch, length = net.dim(ids, 0), net.dim(ids, 1)
    with net.scope("embeddings"):
        with net.scope("word_embeddings"):
            words = net.op("Gather", net.weight("weight", net.random((vocabulary, width))), ids)
        with net.scope("token_type_embeddings"):
            table = net.weight("weight", net.random((2, width), 0.5))
            if types is None:
                types = net.op(
                    "ConstantOfShape",
                    net.op("Shape", ids),
                    value=onnx.numpy_helper.from_array(np.zeros(1, np.int64)),
                )
            kinds = net.op("Gather", table, types)
        with net.scope("position_embeddings"):
            table = net.weight("weight", net.random((512, width), 0.5))
            positions = net.constant(np.arange(512, dtype=np.int64)[None])
            ends = net.op("Unsqueeze", length, net.constant(np.array([0], np.int64)))
            first, axis, step = (net.constant(np.array([v], np.int64)) for v in (0, 1, 1))
            positions = net.op("Slice", positions, first, ends, axis, step)
            places = net.op("Gather", table, positions)
        x = net.op("Add", net.op("Add", words, kinds), places)
        with net.scope("LayerNorm"):
            x = net.layer_norm(x, width, epsilon=epsilon, spelled_out=spelled_out)
    return x, (batch, length)


def bert_base() -> onnx.ModelProto:
    net = Net("bert_base", opset=14, ir=7, seed=110)
    ids = net.input("input_ids", ("batch", "sequence"), "int64")
    mask = net.input("attention_mask", ("batch", "sequence"), "int64")
    types = net.input("token_type_ids", ("batch", "sequence"), "int64")
    x, sizes = bert_embeddings(
        net, ids, types, vocabulary=30522, width=768, epsilon=1e-12, spelled_out=True
    )
    x = bert_layers(
        net, x, additive_mask(net, mask), sizes,
        width=768, depth=12, count=12, hidden=3072, epsilon=1e-12, spelled_out=True,
    )  # fmt: skip
    first = net.op("Gather", x, net.constant(0), axis=1)
    with net.scope("pooler.dense"):
        pooled = net.op("Tanh", net.gemm(first, 768, 768))
    net.output(x, "last_hidden_state", ("batch", "sequence", 768))
    net.output(pooled, "pooler_output", ("batch", 768))
    return net.model()


# The decoder's sizes: Llama's shape with grouped heads, small enough for a test machine.
VOCABULARY, WIDTH, DEPTH, HEADS, KV_HEADS, HEAD, HIDDEN = 4096, 512, 6, 8, 2, 64, 1408


def _rotate(net: Net, x: str, cosine: str, sine: str) -> str:
    """Rotary embedding in the half-turned form: x cos + (-x2, x1) sin."""
    left, right = net.slice(x, 3, 0, HEAD // 2), net.slice(x, 3, HEAD // 2, 2**63 - 1)
    turned = net.concat(net.op("Neg", right), left, axis=-1)
    return net.op("Add", net.op("Mul", x, cosine), net.op("Mul", turned, sine))


def _repeat_heads(net: Net, x: str, batch: str, length: str) -> str:
    """[batch, 2, length, 64] to [batch, 8, length, 64]: each head four times."""
    times = HEADS // KV_HEADS
    wide = net.op(
        "Expand", net.unsqueeze(x, 2), net.size_vector(batch, KV_HEADS, times, length, HEAD)
    )
    return net.reshape(wide, batch, HEADS, length, HEAD)


def _llama(cached: bool) -> onnx.ModelProto:
    net = Net("llama_cached" if cached else "llama", opset=17, seed=70)
    ids = net.input("input_ids", ("batch", "sequence"), "int64")
    total_name = "total" if cached else "sequence"
    attention = net.input("attention_mask", ("batch", total_name), "int64")
    past = [
        tuple(
            net.input(f"past_key_values.{i}.{part}", ("batch", KV_HEADS, "past", HEAD))
            for part in ("key", "value")
        )
        for i in range(DEPTH if cached else 0)
    ]
    batch, length = net.dim(ids, 0), net.dim(ids, 1)
    before = net.dim(past[0][0], 2) if cached else net.constant(0)
    total = net.op("Add", before, length)
    zero, one = net.constant(0), net.constant(1)

    # Rotary tables of the positions at hand: [1, 1, sequence, 64].
    place = net.cast(net.op("Range", before, total, one), "float32")
    frequency = (10000.0 ** (-np.arange(0, HEAD, 2) / HEAD)).astype(np.float32)
    angle = net.op("Mul", net.unsqueeze(place, 1), net.constant(frequency[None]))
    angle = net.unsqueeze(net.concat(angle, angle, axis=-1), 0, 1)
    cosine, sine = net.op("Cos", angle), net.op("Sin", angle)

    # A position sees itself and those before it that the mask leaves: [batch, 1, sequence, total].
    rows = net.unsqueeze(net.op("Range", before, total, one), 1)
    columns = net.unsqueeze(net.op("Range", zero, total, one), 0)
    seen = net.unsqueeze(net.op("LessOrEqual", columns, rows), 0, 1)
    seen = net.op("And", seen, net.cast(net.unsqueeze(attention, 1, 2), "bool"))
    lowest = net.constant(np.array(np.finfo(np.float32).min, np.float32))
    mask = net.op("Where", seen, net.constant(0.0), lowest)

    table = net.weight("model.embed_tokens.weight", net.random((VOCABULARY, WIDTH)))
    x = net.op("Gather", table, ids)
    present = []
    for layer in range(DEPTH):
        with net.scope(f"model.layers.{layer}"):
            with net.scope("input_layernorm"):
                y = net.rms_norm(x, WIDTH)
            with net.scope("self_attn"):
                with net.scope("q_proj"):
                    q = net.linear(y, WIDTH, HEADS * HEAD, bias=False)
                    q = net.heads(q, HEADS, HEAD, batch=batch, length=length)
                with net.scope("k_proj"):
                    k = net.linear(y, WIDTH, KV_HEADS * HEAD, bias=False)
                    k = net.heads(k, KV_HEADS, HEAD, batch=batch, length=length)
                with net.scope("v_proj"):
                    v = net.linear(y, WIDTH, KV_HEADS * HEAD, bias=False)
                    v = net.heads(v, KV_HEADS, HEAD, batch=batch, length=length)
                q, k = _rotate(net, q, cosine, sine), _rotate(net, k, cosine, sine)
                if cached:
                    k = net.concat(past[layer][0], k, axis=2)
                    v = net.concat(past[layer][1], v, axis=2)
                    present.append((k, v))
                wide_k = _repeat_heads(net, k, batch, total)
                wide_v = _repeat_heads(net, v, batch, total)
                y = net.attend(q, wide_k, wide_v, HEAD, mask)
                y = net.reshape(net.transpose(y, 0, 2, 1, 3), batch, length, HEADS * HEAD)
                with net.scope("o_proj"):
                    x = net.op("Add", x, net.linear(y, HEADS * HEAD, WIDTH, bias=False))
            with net.scope("post_attention_layernorm"):
                y = net.rms_norm(x, WIDTH)
            with net.scope("mlp"):
                with net.scope("gate_proj"):
                    gate = net.silu(net.linear(y, WIDTH, HIDDEN, bias=False, gain=2.0))
                with net.scope("up_proj"):
                    y = net.op("Mul", gate, net.linear(y, WIDTH, HIDDEN, bias=False))
                with net.scope("down_proj"):
                    x = net.op("Add", x, net.linear(y, HIDDEN, WIDTH, bias=False))
    with net.scope("model.norm"):
        x = net.rms_norm(x, WIDTH)
    with net.scope("lm_head"):
        x = net.linear(x, WIDTH, VOCABULARY, bias=False)
    net.output(x, "logits", ("batch", "sequence", VOCABULARY))
    for layer, (k, v) in enumerate(present):
        for part, value in (("key", k), ("value", v)):
            net.output(value, f"present.{layer}.{part}", ("batch", KV_HEADS, "total", HEAD))
    return net.model()


def llama() -> onnx.ModelProto:
    return _llama(cached=False)


def llama_cached() -> onnx.ModelProto:
    return _llama(cached=True)


def _bert_case(batch: int, length: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        feeds = tokens(rng, batch, length, 30522)
        half = (np.arange(length) >= length // 2).astype(np.int64)
        return {**feeds, "token_type_ids": np.tile(half, (batch, 1))}

    return Case(f"{batch}x{length}", feed)


def _llama_case(batch: int, length: int, past: int | None) -> Case:
    def feed(rng: Rng) -> Feeds:
        feeds = tokens(rng, batch, length + (past or 0), VOCABULARY)
        if past is None:
            return feeds
        feeds["input_ids"] = rng.integers(1, VOCABULARY, (batch, length), dtype=np.int64)
        feeds["attention_mask"] = np.ones((batch, length + past), np.int64)
        shape = (batch, KV_HEADS, past, HEAD)
        for layer in range(DEPTH):
            for part in ("key", "value"):
                value = rng.standard_normal(shape, dtype=np.float32)
                feeds[f"past_key_values.{layer}.{part}"] = value
        return feeds

    return Case(f"{batch}x{length}" + ("" if past is None else f"+{past}"), feed)


def _llama_next(step: int) -> Feeds:
    """One more token behind the first case's eight."""
    token = np.array([[(7919 * step) % VOCABULARY]], np.int64)
    return {"input_ids": token, "attention_mask": np.ones((1, 8 + step), np.int64)}


def register_all() -> None:
    sizes = ((1, 3, 224, 224), (2, 3, 224, 224))
    register(
        Model(
            "vit-base",
            "written",
            "torch's second exporter: opset 20, LayerNormalization, Gelu, Expand, Shape with start "
            "and end, weights as external data",
            vit_base,
            pictures("pixel_values", "coffee.png", *sizes),
            external_data=True,
        )
    )
    register(
        Model(
            "swin-tiny",
            "written",
            "windows by 6-D Reshape and Transpose, roll by Slice and Concat, strided Slice, "
            "LayerNorm spelled out, masks added in 5-D",
            swin_tiny,
            pictures("input", "coffee.png", *sizes),
        )
    )
    register(
        Model(
            "bert-base",
            "written",
            "dynamic batch and sequence, token ids and mask, LayerNorm and GELU spelled out, "
            "attention with Shape, Gather, Concat, Reshape",
            bert_base,
            tuple(_bert_case(*s) for s in ((1, 128), (1, 16), (4, 64), (2, 37))),
        )
    )
    register(
        Model(
            "llama",
            "written",
            "decoder: RMSNorm spelled out, rotary embedding with Range, Cos, Sin, grouped heads by "
            "Expand, causal mask with LessOrEqual, And, Where, gated perceptron",
            llama,
            tuple(_llama_case(*s, None) for s in ((1, 32), (1, 128), (3, 17))),
        )
    )
    carry = {
        f"present.{i}.{part}": f"past_key_values.{i}.{part}"
        for i in range(DEPTH)
        for part in ("key", "value")
    }
    register(
        Model(
            "llama-cached",
            "written",
            "decoder with a key-value cache: 14 inputs, 13 outputs, an empty past (size 0), caches "
            "that grow by one a step",
            llama_cached,
            tuple(_llama_case(*s) for s in ((1, 8, 0), (1, 1, 127), (2, 4, 12), (3, 1, 0))),
            carry=carry,
            next_feed=_llama_next,
        )
    )
