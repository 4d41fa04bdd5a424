# SPDX-License-Identifier: Apache-2.0
"""python -m demo [PICTURE]: builds, saves, loads, runs and verifies two real networks."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import planish
from numpy.typing import NDArray
from PIL import Image

from demo import ocr, picture

ROUNDS = 15
MODELS = {"detector": "PP-OCRv6_det_small.onnx", "recogniser": "PP-OCRv6_rec_small.onnx"}


def model_folder() -> Path:
    """The folder of the ONNX files inside the installed rapidocr wheel."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        sys.exit("the package rapidocr is missing: run ./tools/demo, which installs it")
    return Path(spec.origin).parent / "models"


@dataclass
class Network:
    """One network in Planish and in ONNX Runtime, and what was measured of it."""

    name: str
    path: Path
    threads: int
    plan: Path
    build_seconds: float = 0.0
    load_seconds: float = 0.0
    peer_seconds: float = 0.0
    inputs: list[NDArray[np.float32]] = field(default_factory=list)
    differences: dict[str, float] = field(default_factory=dict)

    def prepare(self) -> None:
        """Builds the engine, saves the plan and loads it; opens the peer."""
        import onnxruntime as ort

        start = time.perf_counter()
        built = planish.build(str(self.path), device="cpu", threads=self.threads)
        self.build_seconds = time.perf_counter() - start
        built.save(str(self.plan))
        start = time.perf_counter()
        self.engine = planish.load(str(self.plan), threads=self.threads)
        self.load_seconds = time.perf_counter() - start
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        start = time.perf_counter()
        self.peer = ort.InferenceSession(
            str(self.path), options, providers=["CPUExecutionProvider"]
        )
        self.peer_seconds = time.perf_counter() - start
        self.input_name = self.engine.inputs[0].name

    def run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """One inference; remembers the input for the comparison."""
        self.inputs.append(x)
        out = self.engine.run({self.input_name: x})
        return np.asarray(next(iter(out.values())))

    def compare(self) -> None:
        """The largest difference from the peer for each output, relative to its largest value."""
        names = [o.name for o in self.engine.outputs]
        for x in self.inputs:
            ours = self.engine.run({self.input_name: x})
            theirs = dict(zip(names, self.peer.run(names, {self.input_name: x}), strict=True))
            for name in names:
                scale = float(np.abs(theirs[name]).max()) or 1.0
                worst = float(np.abs(ours[name] - theirs[name]).max()) / scale
                self.differences[name] = max(worst, self.differences.get(name, 0.0))

    def latency(self) -> tuple[float, float]:
        """Median milliseconds of Planish and of ONNX Runtime on the largest input, turn by turn."""
        x = max(self.inputs, key=lambda a: a.size)
        calls: list[Callable[[], object]] = [
            lambda: self.engine.run({self.input_name: x}),
            lambda: self.peer.run(None, {self.input_name: x}),
        ]
        times: list[list[float]] = [[], []]
        for round_number in range(ROUNDS + 2):
            for call, taken in zip(calls, times, strict=True):
                start = time.perf_counter()
                call()
                if round_number >= 2:
                    taken.append((time.perf_counter() - start) * 1e3)
        return float(np.median(times[0])), float(np.median(times[1]))


def report(networks: list[Network]) -> None:
    """Prints what was measured."""
    print(f"\n{'':26}" + "".join(f"{n.name:>18}" for n in networks))

    def row(title: str, cells: list[str]) -> None:
        print(f"{title:26}" + "".join(f"{cell:>18}" for cell in cells))

    row(
        "nodes before / after",
        [f"{n.engine.nodes_before} / {n.engine.nodes_after}" for n in networks],
    )
    row("build", [f"{n.build_seconds:.2f} s" for n in networks])
    row("load of the plan", [f"{n.load_seconds * 1e3:.0f} ms" for n in networks])
    row("  ONNX Runtime opens in", [f"{n.peer_seconds * 1e3:.0f} ms" for n in networks])
    latencies = [n.latency() for n in networks]
    row("one run", [f"{ours:.1f} ms" for ours, _ in latencies])
    row("  ONNX Runtime", [f"{theirs:.1f} ms" for _, theirs in latencies])
    row("  ONNX Runtime / Planish", [f"{theirs / ours:.2f}" for ours, theirs in latencies])
    row(
        "largest input",
        ["x".join(map(str, max(n.inputs, key=lambda a: a.size).shape)) for n in networks],
    )
    row("largest difference", [f"{max(n.differences.values()):.1e}" for n in networks])
    print(
        "\nDifferences are relative to the largest value of the output; medians of "
        f"{ROUNDS} runs each, turn by turn, {networks[0].threads} threads."
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, help="a picture with printed text")
    parser.add_argument("--output", type=Path, default=Path("demo-out"))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    try:
        page = (
            Image.open(arguments.picture).convert("RGB")
            if arguments.picture
            else picture.printed_page()
        )
    except OSError as error:
        sys.exit(f"{arguments.picture}: not a picture that can be read ({error})")
    arguments.output.mkdir(parents=True, exist_ok=True)
    networks = [
        Network(name, model_folder() / file, arguments.threads, arguments.output / f"{name}.plan")
        for name, file in MODELS.items()
    ]
    for network in networks:
        print(f"building the {network.name} from {network.path.name} ...", flush=True)
        network.prepare()
    detector, recogniser = networks
    alphabet = recogniser.engine.metadata["character"].splitlines()
    lines = ocr.read(page, detector.run, recogniser.run, alphabet)
    target = arguments.output / "annotated.png"
    picture.save(picture.annotated(page, lines), target)
    print(f"\nthe text of the picture ({len(lines)} lines):")
    for line in lines:
        print(f"  {line.score:.2f}  {line.text}")
    for network in networks:
        if network.inputs:
            network.compare()
    if all(network.inputs for network in networks):
        report(networks)
    print(f"\nannotated picture: {target.resolve()}")
    worst = max((max(n.differences.values()) for n in networks if n.differences), default=0.0)
    if worst > 1e-4:
        print(f"FAILED: the results differ from ONNX Runtime's by {worst:.1e}, more than 1e-4")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
