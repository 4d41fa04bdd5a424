# SPDX-License-Identifier: Apache-2.0
"""Times engines on the GPU beside torch.compile, in one run.

bench_gpu.py [--cases resnet-50:1 bert-base:32 ...] [--precisions fp16,fp32] [--out FILE]

Both sides run captured graphs, back to back on one stream, on random data in the GPU's memory; the
two are timed in turns. Times are medians over chunks of replays, in milliseconds. `enqueue` is the
CPU's time of one run of Planish's engine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from gpu.engine import Engine, Error, describe_gpu, pointer_value

from benchmarks import zoo

CASES = (
    *("resnet-50:1", "resnet-50:8", "resnet-50:32", "resnet-50:128"),
    *("mobilenet-v2:1", "mobilenet-v2:128", "efficientnet-b0:1", "efficientnet-b0:128"),
    *("vit-base:1", "vit-base:32", "bert-base:1", "bert-base:32"),
)
TYPES = {torch.float32: 1, torch.int64: 7, torch.int32: 6, torch.float16: 10}


def peer(name: str) -> Any:
    """The same network in torch, with random weights; None if there is no such peer."""
    if name in ("resnet-50", "mobilenet-v2", "efficientnet-b0"):
        import torchvision

        return getattr(torchvision.models, name.replace("-", "_").replace("t_50", "t50"))()
    if name == "vit-base":
        import timm

        return timm.create_model("vit_base_patch16_224")
    if name == "bert-base":
        from transformers import BertConfig, BertModel

        return BertModel(BertConfig(), add_pooling_layer=False)
    return None


def inputs_of(name: str, batch: int, half: bool) -> list[torch.Tensor]:
    if name == "bert-base":
        ids = torch.randint(0, 30000, (batch, 128), device="cuda")
        return [ids, torch.ones_like(ids)]
    x = torch.randn(batch, 3, 224, 224, device="cuda")
    return [x.half() if half else x]


def time_chunks(run: Callable[[], None], chunk: int) -> float:
    """Milliseconds of one run."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(chunk):
        run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / chunk


def torch_run(name: str, batch: int, precision: str) -> Callable[[], None]:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    half = precision == "fp16"
    model = peer(name).eval().cuda()
    if half:
        model = model.half()
    if name != "bert-base":
        model = model.to(memory_format=torch.channels_last)
    feeds = inputs_of(name, batch, half)
    if name != "bert-base":
        feeds = [x.to(memory_format=torch.channels_last) for x in feeds]
    compiled = torch.compile(model)
    with torch.inference_mode():
        for _ in range(3):
            compiled(*feeds)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = compiled(*feeds)

    def replay(kept: Any = kept) -> None:
        graph.replay()

    return replay


def planish_run(name: str, batch: int, precision: str, row: dict[str, Any]) -> Callable[[], None]:
    model = zoo.all_models()[name]
    feeds = model.feeds(model.cases[0])
    shapes = {}
    values = []
    for key, array in feeds.items():
        dims = (batch, *array.shape[1:])
        if name == "bert-base":
            dims = (batch, 128)
        shapes[key] = ("x".join(map(str, dims)),) * 3
        tensor = (
            torch.randn(dims, device="cuda")
            if array.dtype.kind == "f"
            else torch.ones(dims, dtype=torch.int64, device="cuda")
            if "mask" in key or "type" in key
            else torch.randint(0, 1000, dims, device="cuda")
        )
        values.append((key, tensor))
    start = time.time()
    engine = Engine.build(model.path(), shapes=shapes, device="cuda", precision=precision)
    row["build_seconds"] = round(time.time() - start, 2)
    described = engine.describe()
    row["host_steps"] = [r["subject"] for r in described["report"] if r["kind"] == "host"]
    row["steps"] = len(described["programs"][0]["steps"])
    stream = torch.cuda.current_stream().cuda_stream
    for key, t in values:
        engine.set_input(key, pointer_value(TYPES[t.dtype], tuple(t.shape), t.data_ptr(), t.nbytes))
    # One run on the host tells the outputs' sizes; then they are bound.
    engine.enqueue()
    outputs = []
    for out_name in engine.outputs:
        t = torch.empty(64 << 20, dtype=torch.uint8, device="cuda")
        dtype = next(p for p in described["outputs"] if p["name"] == out_name)["type"]
        number = 1 if "float32" in dtype else 7
        size = 4 if number == 1 else 8
        engine.set_output(
            out_name, pointer_value(number, (t.nbytes // size,), t.data_ptr(), t.nbytes)
        )
        outputs.append(t)
    engine.set_stream(stream, wait=False)
    for _ in range(4):
        engine.enqueue()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(50):
        engine.enqueue()
    row["enqueue_us"] = round((time.perf_counter() - start) / 50 * 1e6, 1)
    torch.cuda.synchronize()

    def enqueue(kept: Any = (values, outputs)) -> None:
        engine.enqueue()

    return enqueue


def measure(case: str, precision: str) -> dict[str, Any]:
    name, batch = case.split(":")
    row: dict[str, Any] = {"model": name, "batch": int(batch), "precision": precision}
    runs: dict[str, Callable[[], None]] = {}
    for side, make in (
        ("planish", lambda: planish_run(name, int(batch), precision, row)),
        ("torch", lambda: torch_run(name, int(batch), precision)),
    ):
        try:
            runs[side] = make()
        except (Error, RuntimeError, ImportError, AttributeError) as error:
            row[f"{side}_error"] = str(error)[:300]
    times: dict[str, list[float]] = {side: [] for side in runs}
    for side, run in runs.items():
        time_chunks(run, 5)
        once = max(time_chunks(run, 5), 0.01)
        row[f"{side}_chunk"] = max(5, min(100, int(100 / once)))
    for _ in range(10):
        for side, run in runs.items():
            times[side].append(time_chunks(run, row[f"{side}_chunk"]))
    for side, all_times in times.items():
        row[side] = round(statistics.median(all_times), 4)
        row[f"{side}_spread"] = round((max(all_times) - min(all_times)) / row[side], 3)
    if "planish" in row and "torch" in row:
        row["ratio"] = round(row["torch"] / row["planish"], 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--precisions", default="fp16,fp32")
    parser.add_argument("--seconds", type=float, default=420)
    parser.add_argument("--out", default="gpu-bench.json")
    options = parser.parse_args()
    commit = (
        os.environ.get("PLANISH_COMMIT")
        or subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip()
    )
    report = {"commit": commit, "machine": describe_gpu(), "torch": torch.__version__, "rows": []}
    end = time.time() + options.seconds
    for precision in options.precisions.split(","):
        for case in options.cases:
            if time.time() > end:
                break
            row = measure(case, precision)
            report["rows"].append(row)
            print(json.dumps(row), flush=True)
            torch.cuda.empty_cache()
            Path(options.out).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
