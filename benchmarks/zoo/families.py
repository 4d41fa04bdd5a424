# SPDX-License-Identifier: Apache-2.0
"""Finds the files that register models: every module of this folder that has `register_all`."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

_loaded = False


def load() -> None:
    """Registers every family once."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if info.name in ("__main__", "families", "registry"):
            continue
        module = importlib.import_module(f"benchmarks.zoo.{info.name}")
        if hasattr(module, "register_all"):
            module.register_all()
