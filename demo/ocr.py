# SPDX-License-Identifier: Apache-2.0
"""PP-OCR around two networks: from a picture to boxes to text.

The detector gives each pixel the probability of being text (differentiable binarisation, Liao et
al. 2019, https://arxiv.org/abs/1911.08947); connected regions, grown a little, are lines. The
recogniser gives each column of a line a distribution over its alphabet, read off greedily (CTC,
Graves et al. 2006).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]

SIDE = 736  # the shorter side of what the detector sees
LONGEST = 2048
TEXT = 0.3  # probability from which a pixel is text
REGION = 0.5  # mean probability from which a region is a line
GROW = 1.6  # how far a region is grown: area * GROW / perimeter
HEIGHT = 48  # of a line for the recogniser


@dataclass(frozen=True)
class Line:
    """A line of text: left, top, right, bottom in pixels, what it says, and how sure that is."""

    box: tuple[int, int, int, int]
    text: str
    score: float


def _normalised(image: Image.Image) -> NDArray[np.float32]:
    pixels = np.asarray(image.convert("RGB"), np.float32)[:, :, ::-1]  # the models see BGR
    return np.ascontiguousarray(((pixels / 255.0 - 0.5) / 0.5).transpose(2, 0, 1)).astype(
        np.float32
    )


def detector_input(image: Image.Image) -> NDArray[np.float32]:
    """The picture at a size that the detector takes: [1, 3, h, w], both multiples of 32."""
    scale = min(max(1.0, SIDE / min(image.size)), LONGEST / max(image.size))
    width, height = (max(32, round(side * scale / 32) * 32) for side in image.size)
    return _normalised(image.resize((width, height), Image.Resampling.BILINEAR))[None]


def boxes(
    probability: NDArray[np.float32], size: tuple[int, int]
) -> list[tuple[int, int, int, int]]:
    """Upright boxes, in pixels of a picture of `size` (width, height), top to bottom."""
    mask = ndimage.binary_dilation(probability > TEXT, np.ones((2, 2), bool))
    regions, _ = ndimage.label(mask, np.ones((3, 3), int))
    found = []
    height, width = probability.shape
    for rows, columns in ndimage.find_objects(regions):
        h, w = rows.stop - rows.start, columns.stop - columns.start
        if min(h, w) < 3 or float(probability[rows, columns].mean()) < REGION:
            continue
        grow = h * w * GROW / (2 * (h + w))
        left, right = (
            np.array([columns.start - grow, columns.stop + grow]) / width * size[0]
        ).round()
        top, bottom = (np.array([rows.start - grow, rows.stop + grow]) / height * size[1]).round()
        box = (
            max(0, int(left)),
            max(0, int(top)),
            min(size[0], int(right)),
            min(size[1], int(bottom)),
        )
        if box[2] - box[0] >= 4 and box[3] - box[1] >= 4:
            found.append(box)
    return sorted(found, key=lambda b: (round((b[1] + b[3]) / 2 / 16), b[0]))


def recogniser_input(line: Image.Image) -> NDArray[np.float32]:
    """A cut-out line at the recogniser's height: [1, 3, 48, w]."""
    width = max(32, round(line.width * HEIGHT / line.height))
    return _normalised(line.resize((width, HEIGHT), Image.Resampling.BILINEAR))[None]


def decode(probabilities: NDArray[np.float32], alphabet: list[str]) -> tuple[str, float]:
    """The text of [columns, classes]: class 0 is the blank, class i the letter alphabet[i - 1]."""
    best = probabilities.argmax(1)
    text, scores, last = "", [], 0
    for column, letter in enumerate(best):
        if letter != 0 and letter != last:
            text += alphabet[letter - 1] if letter <= len(alphabet) else " "
            scores.append(float(probabilities[column, letter]))
        last = letter
    return text, float(np.mean(scores)) if scores else 0.0


def read(image: Image.Image, detect: Run, recognise: Run, alphabet: list[str]) -> list[Line]:
    """All lines of the picture."""
    probability = detect(detector_input(image))[0, 0]
    lines = []
    for box in boxes(probability, image.size):
        text, score = decode(recognise(recogniser_input(image.crop(box)))[0], alphabet)
        if text.strip():
            lines.append(Line(box, text.strip(), score))
    return lines
