# SPDX-License-Identifier: Apache-2.0
"""What each kernel of an engine takes, by Nsight Compute.

profile_gpu.py MODEL:BATCH [--precision fp16] [--rows N] [--out FILE]

Runs itself under ncu: the engine runs once with kernels one after another. A row is a step: its
time, its share, its kernel's grid and threads, its op and tactic.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from gpu.engine import Engine

from benchmarks import zoo


def build(case: str, precision: str) -> tuple[Engine, dict[str, Any]]:
    name, batch = case.split(":")
    model = zoo.all_models()[name]
    feeds = {}
    shapes = {}
    for key, array in model.feeds(model.cases[0]).items():
        dims = (int(batch), 128) if name == "bert-base" else (int(batch), *array.shape[1:])
        shapes[key] = ("x".join(map(str, dims)),) * 3
        one = array[:1]
        feeds[key] = one.repeat(dims[0], 0) if name != "bert-base" else None
        if feeds[key] is None:
            import numpy as np

            feeds[key] = np.ones(dims, np.int64)
    engine = Engine.build(model.path(), shapes=shapes, device="cuda", precision=precision)
    return engine, feeds


def inner(options: argparse.Namespace) -> None:
    engine, feeds = build(options.case, options.precision)
    Path(options.steps).write_text(json.dumps(engine.describe()["programs"][0]["steps"]))
    cuda = ctypes.CDLL("libcuda.so.1")
    cuda.cuProfilerStart()
    engine.run(feeds)
    cuda.cuProfilerStop()


def measured(text: str) -> list[dict[str, str]]:
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith('"ID"'))
    rows = csv.DictReader(io.StringIO("\n".join(lines[start:])))
    return [r for r in rows if r["ID"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("--precision", default="fp16")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--out", default="")
    parser.add_argument("--steps", help=argparse.SUPPRESS)
    parser.add_argument("--inner", action="store_true")
    options = parser.parse_args()
    if options.inner:
        return inner(options)
    with tempfile.TemporaryDirectory() as folder:
        options.steps = str(Path(folder) / "steps.json")
        profile(options)


def profile(options: argparse.Namespace) -> None:
    command = [
        *("ncu", "--clock-control", "none", "--cache-control", "none"),
        *("--profile-from-start", "off", "--csv", "--metrics", "gpu__time_duration.sum"),
        *(sys.executable, __file__, options.case, "--precision", options.precision, "--inner"),
        *("--steps", options.steps),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode != 0:
        print(done.stdout[-2000:], done.stderr[-2000:])
        raise SystemExit(1)
    steps = [s for s in json.loads(Path(options.steps).read_text()) if s["kernel"] == "cuda.launch"]
    owners = [s for s in steps for _ in range(s.get("launches", 1))]
    kernels = measured(done.stdout)
    total = 0.0
    rows = []
    for i, kernel in enumerate(kernels):
        value = float(kernel["Metric Value"].replace(",", ""))
        micro = value / 1000 if kernel["Metric Unit"] in ("ns", "nsecond") else value
        total += micro
        owner = owners[i] if len(owners) == len(kernels) else {}
        rows.append(
            {
                "us": round(micro, 2),
                "grid": kernel["Grid Size"],
                "threads": kernel["Block Size"],
                "op": owner.get("op", ""),
                "node": owner.get("node", ""),
                "tactic": owner.get("tactic", ""),
            }
        )
    print(f"{options.case} {options.precision}: {total:.1f} us in {len(kernels)} kernels")
    for row in sorted(rows, key=lambda r: -r["us"])[: options.rows]:
        share = 100 * row["us"] / total
        print(
            f"{row['us']:8.2f} us {share:5.1f} % {row['grid']:>18} {row['threads']:>12}"
            f" {row['op']:16.16} {row['node'][:36]:36} {row['tactic']}"
        )
    if options.out:
        Path(options.out).write_text(
            json.dumps({"case": options.case, "us": total, "rows": rows}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
