# SPDX-License-Identifier: Apache-2.0
"""The picture that the demo reads when none is given, and the one that it leaves behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demo.ocr import Line

LINES = (
    (46, "PLANISH"),
    (24, "to smooth metal by hammering lightly"),
    (28, "Build once, run anywhere."),
    (24, "2026-11-25   No. 48151623   EUR 42.00"),
)
FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "DejaVuSans.ttf",
)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans if the system has it, else Pillow's own."""
    for path in FONTS:
        try:
            return ImageFont.truetype(path, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def printed_page() -> Image.Image:
    """A page of printed text on slightly uneven paper."""
    width, height = 736, 384
    rng = np.random.default_rng(7)
    shade = np.linspace(250, 232, width)[None, :] + rng.normal(0, 2, (height, width))
    paper = np.clip(shade, 0, 255).astype(np.uint8)
    page = Image.merge("RGB", [Image.fromarray(paper)] * 3)
    draw = ImageDraw.Draw(page)
    top = 40
    for size, text in LINES:
        draw.text((48, top), text, fill=(30, 30, 38), font=font(size))
        top += size + 40
    return page


def annotated(page: Image.Image, lines: list[Line]) -> Image.Image:
    """The page with a box around each line that was read and its text above the box."""
    out = page.convert("RGB").copy()
    draw = ImageDraw.Draw(out)
    label = font(13)
    for line in lines:
        left, top, right, bottom = line.box
        draw.rectangle((left, top, right, bottom), outline=(200, 30, 30), width=2)
        text = f"{line.text}  {line.score:.2f}"
        size = draw.textbbox((0, 0), text, font=label)
        above = max(0, top - (size[3] - size[1]) - 8)
        draw.rectangle((left, above, left + size[2] + 6, above + size[3] + 4), fill=(200, 30, 30))
        draw.text((left + 3, above + 1), text, fill=(255, 255, 255), font=label)
    return out


def save(image: Image.Image, path: Path) -> None:
    """Writes a PNG, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
