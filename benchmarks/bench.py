# SPDX-License-Identifier: Apache-2.0
"""Times engines side by side on the models of the zoo.

examples:
  tools/bench                                   every model, its first size
  tools/bench --models resnet-50,bert-base --rounds 15 --json out.json
  tools/bench --models 'silero*' --all-sizes --threads 1
  tools/bench --models wheel --batch 4 --engines planish,onnxruntime
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import engines, footprint
from benchmarks.engines import Engine, Session, Settings, difference
from benchmarks.footprint import Footprint
from benchmarks.measure import Effort, Ratio, Series, ratio, take_turns
from benchmarks.zoo.registry import Case, Feeds, Model, select

CONTROL = "control"


@dataclass
class Row:
    """One engine on one size of one model."""

    model: str
    case: str
    engine: str
    error: str | None = None
    milliseconds: float | None = None
    turns: list[float] = field(default_factory=list)
    ratio: Ratio | None = None
    difference: float | None = None
    footprint: Footprint | None = None


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def commit() -> str:
    """The source tree's, "" where it is no checkout; a "+" for changes that are not committed."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    flags = Path("/proc/cpuinfo").read_text()
    known = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "instructions": [f for f in known if f" {f} " in flags.replace("\n", " ")],
        "load_average_before": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "commit": commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def with_batch(feeds: Feeds, batch: int) -> Feeds | None:
    """The inputs repeated along the first axis; None where sizes do not share a first axis."""
    ranked = [v for v in feeds.values() if v.ndim]
    if len({v.shape[0] for v in ranked}) != 1:
        return None
    repeated = {}
    for name, value in feeds.items():
        index = np.arange(batch) % value.shape[0] if value.ndim else None
        repeated[name] = value if index is None else np.ascontiguousarray(value[index])
    return repeated


def chosen_inputs(model: Model, arguments: argparse.Namespace) -> list[tuple[Case, Feeds]]:
    if arguments.batch is not None:
        feeds = with_batch(model.feeds(model.cases[0]), arguments.batch)
        if feeds is None:
            print(f"{model.name}: inputs have no common batch axis, left out", file=sys.stderr)
            return []
        return [(Case(f"batch {arguments.batch}", lambda rng: feeds), feeds)]
    cases = model.cases if arguments.all_sizes else model.cases[:1]
    return [(case, model.feeds(case)) for case in cases]


def settings_for(model: Model, feeds: Feeds, arguments: argparse.Namespace) -> Settings:
    """One size fixed for the run, or the whole range that the model is verified on."""
    if arguments.shapes == "range":
        shapes: dict[str, Any] = dict(model.shape_ranges())
    else:
        varying = model.shape_ranges()
        shapes = {
            name: "x".join(str(d) for d in value.shape)
            for name, value in feeds.items()
            if value.ndim and (name in varying or arguments.batch is not None)
        }
    return Settings(
        threads=arguments.threads, shapes=shapes, device=arguments.device, level=arguments.level
    )


def open_sessions(
    found: dict[str, Engine], model: Model, settings: Settings, rows: dict[str, Row], feeds: Feeds
) -> tuple[dict[str, Session], dict[str, Feeds]]:
    """Loads the model into every engine and runs it once; failures end in the engine's row."""
    sessions: dict[str, Session] = {}
    outputs: dict[str, Feeds] = {}
    for name, engine in found.items():
        try:
            session = engine.load(model, model.path(), settings)
            outputs[name] = session.run(feeds)
            sessions[name] = session
        except Exception as error:  # an engine's refusal is a result, not the end of the bench
            rows[name].error = " ".join(str(error).split())[:200]
    return sessions, outputs


def bench_case(
    model: Model, case: Case, feeds: Feeds, found: dict[str, Engine], arguments: argparse.Namespace
) -> list[Row]:
    settings = settings_for(model, feeds, arguments)
    rows = {name: Row(model.name, case.label, name) for name in found}
    sessions, outputs = open_sessions(found, model, settings, rows, feeds)
    base = arguments.against
    if arguments.control and base in sessions:
        rows[CONTROL] = Row(model.name, case.label, CONTROL)
        sessions[CONTROL] = found[base].load(model, model.path(), settings)
        outputs[CONTROL] = sessions[CONTROL].run(feeds)
    effort = Effort(rounds=arguments.rounds, turn_seconds=arguments.seconds)
    series: dict[str, Series] = take_turns(sessions, feeds, effort) if sessions else {}
    for name, times in series.items():
        row = rows[name]
        row.milliseconds = times.median * 1e3
        row.turns = times.turns
        if base in series and name != base:
            row.ratio = ratio(times, series[base])
            row.difference = difference(outputs[name], outputs[base], model.flips)
    sessions.clear()
    if arguments.footprint and arguments.batch is None:
        before = footprint.nodes_before(model)
        for name in found:
            cost = footprint.measure(name, model, case.label, settings)
            cost.nodes_before = before
            rows[name].footprint = cost
    return list(rows.values())


HEADER = (
    "model",
    "size",
    "engine",
    "ms",
    "x base",
    "95 %",
    "error",
    "build s",
    "load s",
    "MiB",
    "nodes",
)


def cells(row: Row) -> tuple[str, ...]:
    """The row as the table shows it."""
    if row.error is not None:
        return (row.model, row.case, row.engine, f"refused: {row.error[:60]}")
    cost = row.footprint or Footprint()

    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    return (
        row.model,
        row.case,
        row.engine,
        number(row.milliseconds, ".3f"),
        "" if row.ratio is None else f"{row.ratio.median:.2f}",
        "" if row.ratio is None else f"{row.ratio.low:.2f}-{row.ratio.high:.2f}",
        number(row.difference, ".1e"),
        number(cost.build_seconds, ".2f"),
        number(cost.load_seconds, ".3f"),
        number(cost.run_peak_mib, ".0f"),
        "" if cost.nodes_after is None else f"{cost.nodes_before} > {cost.nodes_after}",
    )


WIDTHS = (24, 14, 12, 9, 7, 11, 8, 8, 7, 6, 13)


def line(values: tuple[str, ...]) -> str:
    left = 3
    parts = [
        v.ljust(w) if i < left or len(values) < len(HEADER) else v.rjust(w)
        for i, (v, w) in enumerate(zip(values, WIDTHS, strict=False))
    ]
    return " ".join(parts).rstrip()


def summary(rows: list[Row], base: str) -> list[str]:
    """For each engine: on how many sizes it was measured, and the mean of its ratios."""
    lines = []
    for name in dict.fromkeys(r.engine for r in rows):
        ratios = [r.ratio.median for r in rows if r.engine == name and r.ratio is not None]
        refused = sum(1 for r in rows if r.engine == name and r.error is not None)
        if ratios:
            mean = float(np.exp(np.mean(np.log(ratios))))
            lines.append(
                f"{name}: {mean:.2f} x {base} (geometric mean of {len(ratios)}), "
                f"worst {max(ratios):.2f}, best {min(ratios):.2f}, refused {refused}"
            )
        elif refused:
            lines.append(f"{name}: refused {refused}")
    return lines


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", default="*", help="comma-separated names, globs or groups")
    parser.add_argument("--engines", default="planish,onnxruntime", help=", ".join(engines.NAMES))
    parser.add_argument("--against", default="onnxruntime", help="the engine that ratios refer to")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.15, help="of each turn of a round")
    parser.add_argument("--batch", type=int, help="the first size, repeated to this batch")
    parser.add_argument("--all-sizes", action="store_true", help="every size, not only the first")
    parser.add_argument(
        "--shapes",
        choices=("case", "range"),
        default="case",
        help="tell the engine the one size that is run, or all sizes of the model",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--level", type=int, help="planish's build level")
    parser.add_argument("--control", action="store_true", help="time the base against itself too")
    parser.add_argument(
        "--no-footprint", dest="footprint", action="store_false", help="skip build, load, memory"
    )
    parser.add_argument("--json", type=Path, help="write everything to this file")
    return parser.parse_args(arguments)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(sys.argv[1:] if argv is None else argv)
    found: dict[str, Engine] = {}
    for name in arguments.engines.split(","):
        engine = engines.find(name) if name in engines.NAMES else None
        if engine is None:
            print(f"{name}: not installed, left out", file=sys.stderr)
        else:
            found[name] = engine
    if not found:
        print("no engine to measure", file=sys.stderr)
        return 2
    about = machine()
    versions = {name: engine.version for name, engine in found.items()}
    print(f"{about['cpu']}, {about['usable_cores']} cores, {arguments.threads} threads; {versions}")
    print(line(HEADER))
    rows: list[Row] = []
    for model in select(arguments.models):
        for case, feeds in chosen_inputs(model, arguments):
            for row in bench_case(model, case, feeds, found, arguments):
                rows.append(row)
                print(line(cells(row)), flush=True)
    print(*summary(rows, arguments.against), sep="\n")
    if arguments.json is not None:
        report = {
            "machine": about,
            "engines": versions,
            "settings": {k: v for k, v in vars(arguments).items() if k != "json"},
            "rows": [asdict(row) for row in rows],
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0
