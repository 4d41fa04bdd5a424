# SPDX-License-Identifier: Apache-2.0
"""One face for every engine that is compared: load a model, run it, say what it is.

An engine that is not installed is None in `find`; nothing here imports torch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx

from benchmarks.zoo.registry import Feeds, Model, walk

Shapes = Mapping[str, str | tuple[str, str, str]]


@dataclass(frozen=True)
class Settings:
    """How an engine is to run. `shapes` holds the sizes to be ready for, by input."""

    threads: int = 2
    shapes: Shapes = field(default_factory=dict)
    device: str = "cpu"
    level: int | None = None


class Session(Protocol):
    """A loaded model."""

    def run(self, feeds: Feeds) -> Feeds: ...


class Engine(Protocol):
    """A way to run ONNX models."""

    name: str
    version: str

    def load(self, model: Model, path: Path, settings: Settings) -> Session: ...

    def nodes_after(self, session: Any) -> int | None:
        """How many nodes the engine runs, if it tells."""


def loosened(model: Model, path: Path) -> Path | bytes:
    """The model as it is, or with the declared sizes of `model.loosen` made free."""
    if not model.loosen:
        return path
    proto = onnx.load(path)
    inputs = {value.name: value for value in proto.graph.input}
    for name in model.loosen:
        dims = inputs[name].type.tensor_type.shape.dim
        for axis in (0, 2, 3):
            if axis < len(dims):
                dims[axis].dim_param = f"{name}_{axis}"
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    del proto.graph.value_info[:]
    return bytes(proto.SerializeToString())


@dataclass
class OrtSession:
    session: Any
    outputs: list[str]

    def run(self, feeds: Feeds) -> Feeds:
        return dict(zip(self.outputs, self.session.run(self.outputs, feeds), strict=True))


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self) -> None:
        self._ort = import_module("onnxruntime")
        self.version = str(self._ort.__version__)

    def load(self, model: Model, path: Path, settings: Settings) -> OrtSession:
        return self._load(model, path, settings, None)

    def _load(
        self, model: Model, path: Path, settings: Settings, optimized: Path | None
    ) -> OrtSession:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if optimized is not None:
            options.optimized_model_filepath = str(optimized)
        source = loosened(model, path)
        session = self._ort.InferenceSession(
            source if isinstance(source, bytes) else str(source),
            options,
            providers=["CPUExecutionProvider"],
        )
        return OrtSession(session, [o.name for o in session.get_outputs()])

    def nodes_after(self, session: OrtSession) -> int | None:
        return None

    def optimized_nodes(self, model: Model, path: Path, settings: Settings) -> int | None:
        """Loads once more, with the optimised graph written out, and counts its nodes."""
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "optimized.onnx"
            try:
                self._load(model, path, settings, target)
                return sum(1 for _ in walk(onnx.load(target, load_external_data=False).graph))
            except Exception:  # graphs of 2 GiB or with layouts that have no ONNX form
                return None


@dataclass
class OpenVinoSession:
    compiled: Any
    request: Any
    outputs: list[str]

    def run(self, feeds: Feeds) -> Feeds:
        results = self.request.infer(feeds, share_inputs=True)
        return {name: np.array(results[i]) for i, name in enumerate(self.outputs)}


class OpenVino:
    name = "openvino"

    def __init__(self) -> None:
        self._openvino = import_module("openvino")
        self.version = metadata.version("openvino")
        self._core = self._openvino.Core()

    def load(self, model: Model, path: Path, settings: Settings) -> OpenVinoSession:
        source = loosened(model, path)
        network = self._core.read_model(source if isinstance(source, bytes) else str(source))
        fixed = {
            name: [int(d) for d in size.split("x")]
            for name, size in settings.shapes.items()
            if isinstance(size, str) and size
        }
        if fixed:
            network.reshape(fixed)
        compiled = self._core.compile_model(
            network,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": settings.threads,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32",
            },
        )
        # Results keep the file's order; their own names are those of inner values.
        names = [o.name for o in onnx.load(path, load_external_data=False).graph.output]
        return OpenVinoSession(compiled, compiled.create_infer_request(), names)

    def nodes_after(self, session: OpenVinoSession) -> int | None:
        skip = {"Input", "Output", "Const"}
        ops = session.compiled.get_runtime_model().get_ops()
        return sum(1 for op in ops if op.get_rt_info()["layerType"].astype(str) not in skip)


@dataclass
class PlanishSession:
    engine: Any

    def run(self, feeds: Feeds) -> Feeds:
        result: Feeds = self.engine.run(feeds)
        return result


class Planish:
    name = "planish"

    def __init__(self) -> None:
        self._planish = import_module("planish")
        self.version = str(self._planish.__version__)

    def load(self, model: Model, path: Path, settings: Settings) -> PlanishSession:
        """Builds from the model; saved plans are loaded by `load_plan`."""
        options: dict[str, Any] = {"device": settings.device, "threads": settings.threads}
        if settings.shapes:
            options["shapes"] = dict(settings.shapes)
        if settings.level is not None:
            options["level"] = settings.level
        return PlanishSession(self._planish.build(str(path), **options))

    def save_plan(self, session: PlanishSession, path: Path) -> None:
        session.engine.save(str(path))

    def load_plan(self, path: Path) -> PlanishSession:
        return PlanishSession(self._planish.load(str(path)))

    def nodes_after(self, session: PlanishSession) -> int | None:
        count = getattr(session.engine, "node_count", None)
        return int(count) if isinstance(count, int) else None


_MAKERS: dict[str, Callable[[], Engine]] = {
    "planish": Planish,
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
}

NAMES = tuple(_MAKERS)


def find(name: str) -> Engine | None:
    """The engine, or None if it is not installed."""
    try:
        return _MAKERS[name]()
    except ImportError:
        return None


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def difference(ours: Feeds, theirs: Feeds, flips: float = 0.0) -> float:
    """The largest difference over all outputs, each relative to its largest value; infinite for
    outputs that differ in name, type, size, place of a NaN or infinity, or in more than the share
    `flips` of their whole numbers."""
    if list(ours) != list(theirs):
        return float("inf")
    return max((output_difference(ours[n], theirs[n], flips) for n in theirs), default=0.0)


def output_difference(a: Any, b: Any, flips: float = 0.0) -> float:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    if a.size == 0:
        return 0.0
    if b.dtype.kind not in "fc":
        return 0.0 if float(np.mean(a != b)) <= flips else float("inf")
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(wide_b)
    if not np.array_equal(wide_a[~finite], wide_b[~finite], equal_nan=True):
        return float("inf")
    if not np.isfinite(wide_a[finite]).all():
        return float("inf")
    if not finite.any():
        return 0.0
    scale = float(np.abs(wide_b[finite]).max())
    gap = float(np.abs(wide_a[finite] - wide_b[finite]).max())
    return gap / scale if scale > 0 else gap
