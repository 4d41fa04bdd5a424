# SPDX-License-Identifier: Apache-2.0
"""Runs the zoo and ONNX's node tests on the GPU and compares with the reference.

test_gpu.py [--zoo NAME...] [--no-zoo] [--no-nodes] [--zoo-seconds N] [--seconds N] [--out FILE]

Models that the time does not reach count as not run.

Prints how many passed and failed. Zoo models are compared with Planish's CPU engine in float32, by
the model's own tolerance or the precision's, whichever is larger. The result goes to FILE as JSON
with the commit, the device and the driver.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from gpu.engine import Engine, Error, describe_gpu

# Relative to the largest element of the output.
TOLERANCE = {"fp32": 1e-4, "tf32": 5e-3, "fp16": 2e-2, "bf16": 8e-2}
# The share of whole numbers (classes, rounded values) that half a precision may move.
HALF_FLIPS = 0.05


def host_steps(engine: Engine) -> list[str]:
    """What the plan leaves to the host, as "Op node"."""
    return [r["subject"] for r in engine.describe()["report"] if r["kind"] == "host"]


def distance(got: Any, want: Any) -> float:
    """Largest difference, relative to the largest element; infinite if the types differ."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return float("inf")
    if got.size == 0:
        return 0.0
    if got.dtype.kind in "biu":
        return 0.0 if np.array_equal(got, want) else float(np.mean(got != want))
    a, b = got.astype(np.float64), want.astype(np.float64)
    if got.dtype.kind == "c":
        a, b = got.view(got.real.dtype), want.view(want.real.dtype)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = b[np.isfinite(b)]
    scale = max(float(np.abs(finite).max()) if finite.size else 0.0, 1e-30)
    difference = np.where(same, 0.0, np.abs(a - b))
    return float(np.nan_to_num(difference, nan=np.inf).max()) / scale


def is_right(model: Any, precision: str, got: Any, want: Any) -> bool:
    """Whether an output is near enough: by the model's own tolerance, or the precision's."""
    error = distance(got, want)
    if want.dtype.kind in "biu":
        return error <= max(model.flips, 0.0 if precision == "fp32" else HALF_FLIPS)
    return error <= max(model.tolerance, TOLERANCE[precision])


def zoo_case(model: Any, precision: str, results: list[dict[str, Any]]) -> None:
    row: dict[str, Any] = {"model": model.name, "precision": precision}
    results.append(row)
    try:
        model.path()
    except (Exception, SystemExit) as error:  # a wheel that this machine lacks
        row["not_run"] = f"{type(error).__name__}: {error}"[:200]
        print("none", json.dumps(row), flush=True)
        return
    start = time.time()
    try:
        shapes = model.shape_ranges()
        gpu = Engine.build(model.path(), shapes=shapes, device="cuda", precision=precision)
        row["build_seconds"] = round(time.time() - start, 2)
        host = host_steps(gpu)
        row["host_steps"] = len(host)
        row["host_ops"] = sorted({h.split(" ")[0] for h in host})
        cpu = Engine.build(model.path(), shapes=shapes, device="cpu")
        worst, ok = 0.0, True
        for case in model.cases:
            feeds = model.feeds(case)
            want = cpu.run(feeds)
            for _ in range(3):
                got = gpu.run(feeds)
                worst = max(worst, *(distance(got[k], want[k]) for k in want))
                ok = ok and all(is_right(model, precision, got[k], want[k]) for k in want)
        row["error"] = worst
        row["ok"] = ok
        gpu.close()
        cpu.close()
    except (Error, OSError, ValueError, KeyError) as error:
        row["ok"] = False
        row["why"] = str(error)[:400]
    print("ok  " if row["ok"] else "FAIL", json.dumps(row), flush=True)


def node_tests(seconds: float) -> dict[str, Any]:
    import onnx
    from onnx import numpy_helper

    folder = Path(onnx.__file__).parent / "backend/test/data/node"
    counts = {"passed": 0, "failed": 0, "refused": 0, "skipped": 0, "on_host": 0, "not_reached": 0}
    failures: list[str] = []
    end = time.time() + seconds
    names = sorted(p.name for p in folder.iterdir() if (p / "model.onnx").exists())
    for name in names:
        if time.time() > end:
            counts["not_reached"] += 1
            continue
        model = onnx.load(folder / name / "model.onnx")
        data = folder / name / "test_data_set_0"
        try:
            tensors = [
                [
                    numpy_helper.to_array(onnx.load_tensor(str(data / f"{kind}_{i}.pb")))
                    for i in range(len(ports))
                ]
                for kind, ports in (("input", model.graph.input), ("output", model.graph.output))
            ]
            if any(a.dtype == object for side in tensors for a in side):
                raise ValueError
        except Exception:
            counts["skipped"] += 1  # sequences, optionals, strings: the host's
            continue
        try:
            engine = Engine.build(folder / name / "model.onnx", device="cuda", threads=4)
        except Error as error:
            counts["refused"] += 1
            failures.append(f"{name}: {error}"[:300])
            continue
        try:
            feeds = {
                p.name: a.astype(a.dtype.newbyteorder("="))
                for p, a in zip(model.graph.input, tensors[0], strict=True)
            }
            got = engine.run(feeds)
            worst = max(
                (
                    distance(got[p.name], a)
                    for p, a in zip(model.graph.output, tensors[1], strict=True)
                ),
                default=0.0,
            )
            ok = worst <= 1e-3 or "bernoulli" in name
            counts["passed" if ok else "failed"] += 1
            if host_steps(engine):
                counts["on_host"] += 1
            if not ok:
                failures.append(f"{name}: error {worst:.3g}")
        except (Error, KeyError) as error:
            counts["failed"] += 1
            failures.append(f"{name}: {error}"[:300])
        engine.close()
    return {**counts, "failures": failures}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zoo", nargs="*", default=None)
    parser.add_argument("--precisions", default="fp32,fp16")
    parser.add_argument("--no-zoo", action="store_true")
    parser.add_argument("--no-nodes", action="store_true")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--zoo-seconds", type=float, default=1e9)
    parser.add_argument("--out", default="gpu-test.json")
    options = parser.parse_args()
    machine = describe_gpu()
    commit = (
        os.environ.get("PLANISH_COMMIT")
        or subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip()
    )
    report: dict[str, Any] = {"commit": commit, "machine": machine, "host": platform.machine()}
    print(json.dumps(machine), flush=True)
    zoo_rows: list[dict[str, Any]] = []
    if not options.no_zoo:
        from benchmarks import zoo

        models = zoo.all_models()
        end = time.time() + options.zoo_seconds
        for precision in options.precisions.split(","):
            for name in options.zoo or list(models):
                if time.time() < end:
                    zoo_case(models[name], precision, zoo_rows)
                else:
                    zoo_rows.append(
                        {"model": name, "precision": precision, "not_run": "no time left"}
                    )
    report["zoo"] = zoo_rows
    if not options.no_nodes:
        report["nodes"] = node_tests(options.seconds)
        print(json.dumps({k: v for k, v in report["nodes"].items() if k != "failures"}))
        for line in report["nodes"]["failures"][:60]:
            print("  ", line)
    judged = [r for r in zoo_rows if "not_run" not in r]
    passed = sum(r["ok"] for r in judged) + report.get("nodes", {}).get("passed", 0)
    failed = sum(not r["ok"] for r in judged) + report.get("nodes", {}).get("failed", 0)
    not_run = len(zoo_rows) - len(judged)
    report.update(passed=passed, failed=failed, not_run=not_run)
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    Path(options.out).write_text(json.dumps(report, indent=1) + "\n")
    print(f"passed {passed} failed {failed} not run {not_run}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
