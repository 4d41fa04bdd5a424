# SPDX-License-Identifier: Apache-2.0
"""Engines, contexts, building and loading."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from planish import _arrays, _planish
from planish._error import Error, text

Progress = Callable[[str, float, float], Any]


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. ``shape`` holds ints and, for symbolic dimensions, their names; it is None
    where the rank is not known. ``type`` is the whole type, such as ``float32[batch, 3]``."""

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None
    type: str
    kind: str


def _infos(rows: list[tuple[str, int, list[str] | None, str, int]]) -> tuple[TensorInfo, ...]:
    out = []
    for name, dtype, dims, type_text, kind in rows:
        shape = None if dims is None else tuple(int(d) if d.isdigit() else d for d in dims)
        out.append(
            TensorInfo(
                name,
                _arrays.NAMES[dtype],
                shape,
                type_text,
                ("optional", "tensor", "sequence", "map")[kind],
            )
        )
    return tuple(out)


@dataclass(frozen=True)
class Memory:
    """Bytes of the weights, of the arena of a profile at its greatest shapes, and the least that any
    arena could have."""

    weights: int
    arena: int
    lower_bound: int


class Context:
    """What one thread needs to run an engine; made by :meth:`Engine.create_context`."""

    def __init__(self, engine: Engine, profile: int) -> None:
        self._engine = engine
        self._handle = engine._handle.create_context(profile)

    def run(
        self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Runs once. ``inputs`` holds an array for exactly each input; ``outputs`` may hold arrays
        that results are written into. Returns the outputs by name, in the graph's order, as arrays
        of the caller's kind."""
        engine = self._engine
        values = engine._values(inputs)
        bound: list[Any] = [None] * len(engine.outputs)
        if outputs is not None:
            if not isinstance(outputs, Mapping):
                raise Error(f"outputs: expected a dict, got {type(outputs).__name__}")
            for name, array in outputs.items():
                if name not in engine._output_places:
                    raise Error(
                        f'the engine has no output "{name}"',
                        hint=f"outputs: {engine._names(engine.outputs)}",
                    )
                bound[engine._output_places[name]] = _arrays.into_value(array, f'output "{name}"')
        results = self._handle.run(values, bound)
        convert = _arrays.converter(list(inputs.values()))
        out: dict[str, Any] = {}
        for info, given, value in zip(engine.outputs, bound, results, strict=True):
            if given is not None and outputs is not None:
                out[info.name] = outputs[info.name]
                continue
            array = _arrays.from_value(value)
            out[info.name] = convert(array) if value.kind == 1 else array
        return out

    def profile(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Runs once and returns a record a step: index, node, op, kernel, start and seconds."""
        engine = self._engine
        rows = self._handle.profile(engine._values(inputs), len(engine.outputs))
        keys = ("step", "node", "op", "kernel", "start", "seconds")
        return [dict(zip(keys, row, strict=True)) for row in rows]


class Engine:
    """A compiled network. May be used from many threads; each thread gets a context of its own."""

    def __init__(self, handle: _planish.Engine) -> None:
        self._handle = handle
        self.inputs: tuple[TensorInfo, ...] = _infos(handle.inputs())
        self.outputs: tuple[TensorInfo, ...] = _infos(handle.outputs())
        self._input_names = [i.name for i in self.inputs]
        self._output_places = {o.name: i for i, o in enumerate(self.outputs)}
        self._local = threading.local()

    def run(
        self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Runs once, on a context that the calling thread keeps. See :meth:`Context.run`."""
        context = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = self._any_context()
        return context.run(inputs, outputs)

    def _any_context(self) -> Context:
        return Context(self, -1)

    def create_context(self, profile: int = 0) -> Context:
        """A context for one thread, whose shapes must fit profile number ``profile``; -1: any."""
        if (
            isinstance(profile, bool)
            or not isinstance(profile, int)
            or not -(2**31) <= profile < 2**31
        ):
            raise Error(f"profile: expected a number, got {profile!r}")
        return Context(self, profile)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the plan: the old file or the whole new one, never a part."""
        self._handle.save(_path(path))

    def serialize(self) -> bytes:
        """The plan as bytes."""
        return self._handle.serialize()

    @property
    def metadata(self) -> dict[str, str]:
        """The model's metadata, with its producer under ``onnx.`` keys."""
        return self._handle.metadata()

    @property
    def profile_count(self) -> int:
        return self._handle.profile_count()

    def memory(self, profile: int = 0) -> Memory:
        """What the engine and one context of a profile take."""
        return Memory(*self._handle.memory(profile))

    def describe(self) -> dict[str, Any]:
        """Everything that is known of the engine: steps, values, memory, what the optimiser did."""
        return json.loads(self._handle.describe())

    def _model_record(self) -> dict[str, str]:
        for record in self.describe()["report"]:
            if record["kind"] == "model":
                return record["fields"]
        return {}

    @property
    def nodes_before(self) -> int:
        """Nodes of the model."""
        return int(self._model_record().get("nodes_before", 0))

    @property
    def nodes_after(self) -> int:
        """Nodes that were left when the optimiser was done."""
        return int(self._model_record().get("nodes_after", 0))

    @property
    def node_count(self) -> int:
        return self.nodes_after

    def _names(self, infos: tuple[TensorInfo, ...]) -> str:
        return ", ".join(i.name for i in infos)

    def _values(self, inputs: Mapping[str, Any]) -> list[_planish.Value]:
        if type(inputs) is not dict and not isinstance(inputs, Mapping):
            raise Error(f"inputs: expected a dict of arrays, got {type(inputs).__name__}")
        values = []
        for name in self._input_names:
            if name not in inputs:
                raise Error(
                    f'input "{name}" is missing', hint=f"the inputs are: {self._names(self.inputs)}"
                )
            values.append(_arrays.to_value(inputs[name], f'input "{name}"'))
        if len(inputs) != len(self._input_names):
            unknown = next(n for n in inputs if n not in self._input_names)
            raise Error(
                f'the engine has no input "{unknown}"',
                hint=f"the inputs are: {self._names(self.inputs)}",
            )
        return values

    def __repr__(self) -> str:
        ins = ", ".join(f"{i.name}: {i.type}" for i in self.inputs)
        outs = ", ".join(f"{o.name}: {o.type}" for o in self.outputs)
        return f"<planish.Engine ({ins}) -> ({outs})>"


def _path(path: object) -> str:
    try:
        plain = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        raise Error(f"path: expected a path, got {type(path).__name__}") from None
    return text(os.fsdecode(plain) if isinstance(plain, bytes) else plain, "path")


def _shape_text(value: object, name: str) -> str:
    if isinstance(value, str):
        return text(value, f'shapes of "{name}"')
    if isinstance(value, list | tuple) and all(
        isinstance(d, int) and not isinstance(d, bool) for d in value
    ):
        return "x".join(str(d) for d in value)
    raise Error(
        f'shapes of "{name}": expected a string like "1x3x224x224" or three of them, got {value!r}'
    )


def _set_shapes(options: _planish.Options, shapes: object) -> None:
    """One dict, or a list of dicts: one a profile."""
    profiles = shapes if isinstance(shapes, list | tuple) else [shapes]
    for number, profile in enumerate(profiles):
        if not isinstance(profile, Mapping):
            raise Error(f"shapes: expected a dict by input name, got {type(profile).__name__}")
        for name, value in profile.items():
            key = text(name, "shapes")
            if isinstance(value, tuple) and len(value) == 3 and not isinstance(value[0], int):
                least, usual, most = (_shape_text(v, key) for v in value)
            else:
                least = usual = most = _shape_text(value, key)
            options.set_shape(number, key, least, usual, most)


_ROWS = {row[0]: row for row in _planish.option_rows()}


def make_options(keywords: Mapping[str, Any], scope: str) -> _planish.Options:
    """Keywords of build or load as a handle; `scope` says which rows of the table apply."""
    options = _planish.Options()
    for name, value in keywords.items():
        if value is None:
            continue
        if name == "shapes" and scope == "build":
            _set_shapes(options, value)
            continue
        if name == "progress" and scope == "build":
            if not callable(value):
                raise Error(f"progress: expected a function, got {type(value).__name__}")
            options.set_progress(value)
            continue
        if name == "keep" and isinstance(value, Mapping):
            value = ",".join(f"{p}:{x}" for p, patterns in value.items() for x in patterns)
        if name in ("disable_pass", "keep") and isinstance(value, list | tuple):
            value = ",".join(str(v) for v in value)
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, int | float):
            value = repr(value)
        options.set(text(name, "option"), text(value, f"option {name}"))
    return options


def build(
    model: Any,
    *,
    device: str | None = None,
    precision: str | None = None,
    shapes: Mapping[str, Any] | list[Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Engine:
    """Compiles a model: a path, the bytes of an ONNX file, or an ``onnx.ModelProto``.

    ``shapes`` maps an input to one shape ("1x3x224x224", fixed) or to (min, opt, max); a list of
    such dicts makes several profiles. ``progress(stage, fraction, seconds)`` is called now and then;
    returning False cancels. Further keywords are those of docs/options.md. Raises Error.
    """
    made = make_options(
        {
            "device": device,
            "precision": precision,
            "shapes": shapes,
            "progress": progress,
            **options,
        },
        "build",
    )
    if isinstance(model, bytes | bytearray | memoryview):
        return Engine(_planish.build_bytes(bytes(model), made))
    if hasattr(model, "SerializeToString"):
        try:
            serialized = model.SerializeToString()
        except Exception as error:
            raise Error(f"the model cannot be serialised: {error}", "invalid_model") from None
        return Engine(_planish.build_bytes(serialized, made))
    return Engine(_planish.build_file(_path(model), made))


def load(plan: Any, *, mmap: bool = True, **options: Any) -> Engine:
    """Loads a plan: a path, or bytes. With ``mmap`` the file's weights are mapped, not read."""
    made = make_options(options, "run")
    if isinstance(plan, bytes | bytearray | memoryview):
        return Engine(_planish.load_bytes(bytes(plan), made))
    return Engine(_planish.load_file(_path(plan), made, bool(mmap)))


def set_log(level: str = "info", callback: Callable[[str, str], Any] | None = None) -> None:
    """Sends messages up to ``level`` (error, warning, info, debug) to callback(level, message)."""
    names = ("error", "warning", "info", "debug")
    if level not in names:
        raise Error(f"level: expected one of {', '.join(names)}, got {level!r}")
    if callback is None:
        _planish.set_log(names.index(level), None)
        return
    _planish.set_log(names.index(level), lambda number, message: callback(names[number], message))
