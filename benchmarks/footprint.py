# SPDX-License-Identifier: Apache-2.0
"""What it costs to get an engine ready, each measured in a process of its own.

    python -m benchmarks.footprint ENGINE MODEL --case LABEL

prints one JSON object: seconds to make the session (for planish: to build, to save, to load the
plan), peak memory above the bare process, and nodes before and after.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx

from benchmarks import engines
from benchmarks.engines import OnnxRuntime, Planish, Settings, timed
from benchmarks.zoo.registry import Feeds, Model, all_models, walk


@dataclass
class Footprint:
    """Seconds, MiB and counts; None where an engine has no such thing."""

    build_seconds: float | None = None
    build_peak_mib: float | None = None
    load_seconds: float | None = None
    run_peak_mib: float | None = None
    file_mib: float | None = None
    nodes_before: int | None = None
    nodes_after: int | None = None
    error: str | None = None


def resident_peak_mib() -> float:
    """The most memory that this process ever had resident."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024.0
    raise OSError("no VmHWM in /proc/self/status")


def child(engine: str, model: str, label: str, settings: Settings, plan: Path | None) -> Footprint:
    """Runs this file in a fresh interpreter; a crash becomes an error text."""
    command = [
        sys.executable, "-m", "benchmarks.footprint", engine, model, "--case", label,
        "--settings", json.dumps(asdict(settings)),
    ]  # fmt: skip
    if plan is not None:
        command += ["--plan", str(plan)]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Footprint(error=last)
    return Footprint(**json.loads(done.stdout.splitlines()[-1]))


def measure(engine: str, model: Model, label: str, settings: Settings) -> Footprint:
    """Session creation of an engine. Planish's is two: a build that saves a plan, and, in another
    process, the load of that plan."""
    if engine != "planish":
        return child(engine, model.name, label, settings, None)
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "model.plan"
        built = child(engine, model.name, label, settings, plan)
        if built.error is not None or not plan.exists():
            return built
        loaded = child(engine, model.name, label, settings, plan)
        built.load_seconds = loaded.load_seconds
        built.run_peak_mib = loaded.run_peak_mib
        built.error = loaded.error
        return built


def _planish(model: Model, feeds: Feeds, settings: Settings, plan: Path) -> Footprint:
    engine = Planish()
    idle = resident_peak_mib()
    result = Footprint()
    if plan.exists():
        result.load_seconds, session = timed(lambda: engine.load_plan(plan))
        session.run(feeds)
        result.run_peak_mib = resident_peak_mib() - idle
        return result
    result.build_seconds, session = timed(lambda: engine.load(model, model.path(), settings))
    result.build_peak_mib = resident_peak_mib() - idle
    result.nodes_after = engine.nodes_after(session)
    engine.save_plan(session, plan)
    result.file_mib = plan.stat().st_size / 2**20
    return result


def _other(name: str, model: Model, feeds: Feeds, settings: Settings) -> Footprint:
    engine = engines.find(name)
    if engine is None:
        return Footprint(error=f"{name} is not installed")
    idle = resident_peak_mib()
    result = Footprint()
    result.load_seconds, session = timed(lambda: engine.load(model, model.path(), settings))
    session.run(feeds)
    result.run_peak_mib = resident_peak_mib() - idle
    result.nodes_after = engine.nodes_after(session)
    if isinstance(engine, OnnxRuntime):
        result.nodes_after = engine.optimized_nodes(model, model.path(), settings)
    return result


def nodes_before(model: Model) -> int:
    return sum(1 for _ in walk(onnx.load(model.path(), load_external_data=False).graph))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=engines.NAMES)
    parser.add_argument("model")
    parser.add_argument("--case", required=True)
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--plan", type=Path)
    arguments = parser.parse_args()
    model = all_models()[arguments.model]
    feeds = model.feeds(next(c for c in model.cases if c.label == arguments.case))
    settings = Settings(**arguments.settings)
    if arguments.engine == "planish":
        result = _planish(model, feeds, settings, arguments.plan)
    else:
        result = _other(arguments.engine, model, feeds, settings)
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
