# SPDX-License-Identifier: Apache-2.0
"""BERT's uncased tokenizer: words, then the longest pieces that the vocabulary knows."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np

from benchmarks.zoo.registry import Feeds


def read_vocabulary(path: Path) -> dict[str, int]:
    return {line: i for i, line in enumerate(path.read_text(encoding="utf-8").splitlines())}


def words(text: str) -> list[str]:
    """Lower case without accents, split at white space and around each punctuation mark."""
    plain = unicodedata.normalize("NFD", text.lower())
    found: list[str] = []
    current = ""
    for c in plain:
        kind = unicodedata.category(c)
        if kind == "Mn":
            continue
        mark = kind.startswith("P") or c in "$+<=>^`|~"
        if (mark or c.isspace()) and current:
            found.append(current)
            current = ""
        if mark:
            found.append(c)
        elif not c.isspace():
            current += c
    return [*found, current] if current else found


def pieces(word: str, vocabulary: dict[str, int]) -> list[int]:
    """The word's pieces, longest first; one [UNK] if some part of it is unknown."""
    ids: list[int] = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            identity = vocabulary.get(prefix + word[start:end])
            if identity is not None:
                ids.append(identity)
                start = end
                break
        else:
            return [vocabulary["[UNK]"]]
    return ids


def encode(texts: list[str], vocabulary: dict[str, int]) -> Feeds:
    """Ids and mask of a padded batch."""
    rows = [
        [
            vocabulary["[CLS]"],
            *(i for word in words(text) for i in pieces(word, vocabulary)),
            vocabulary["[SEP]"],
        ]
        for text in texts
    ]
    length = max(len(row) for row in rows)
    ids = np.full((len(rows), length), vocabulary["[PAD]"], np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}
