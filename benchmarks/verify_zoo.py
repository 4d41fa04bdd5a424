# SPDX-License-Identifier: Apache-2.0
"""Compares planish with ONNX Runtime on every model of the zoo, at every size.

For each model: one engine is built for all sizes and run on each; it is saved, loaded again, and
must give the same bits; models with a state carry it over 100 steps; trained models must also be
right (a cat is a cat). Each model runs in a process of its own, so that a crash is one failure.

examples:
  python -m benchmarks.verify_zoo
  python -m benchmarks.verify_zoo --models 'silero*,ppocr*' --level 1 --json out.json
  python -m benchmarks.verify_zoo --engine openvino        (the harness, tried on another engine)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import engines
from benchmarks.engines import OnnxRuntime, Planish, Session, Settings, difference, timed
from benchmarks.zoo import trained, wheels
from benchmarks.zoo.registry import Feeds, Model, all_models, select

STEPS = 100


@dataclass
class Check:
    """One comparison: its largest error relative to the largest output, or what went wrong."""

    what: str
    error: float | None = None
    problem: str | None = None

    def passed(self, tolerance: float) -> bool:
        return self.problem is None and (self.error is None or self.error <= tolerance)


@dataclass
class Result:
    """All checks of one model."""

    model: str
    tolerance: float
    checks: list[Check] = field(default_factory=list)
    build_seconds: float | None = None
    load_seconds: float | None = None

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(c.passed(self.tolerance) for c in self.checks)


def same_bits(a: Feeds, b: Feeds) -> bool:
    return list(a) == list(b) and all(
        a[n].dtype == b[n].dtype and a[n].shape == b[n].shape and a[n].tobytes() == b[n].tobytes()
        for n in a
    )


def carried(model: Model, session: Session, other: Session) -> Check:
    """Both engines walk on by themselves; each output's largest difference over all steps is
    relative to its largest value over them."""
    assert model.next_feed is not None
    ours = theirs = model.feeds(model.cases[0])
    walks: tuple[list[Feeds], list[Feeds]] = ([], [])
    for step in range(1, STEPS + 1):
        our_output, their_output = session.run(ours), other.run(theirs)
        gap = difference(our_output, their_output, model.flips)
        if not np.isfinite(gap):
            return Check(f"{STEPS} steps", gap, f"step {step}: outputs differ in size or kind")
        walks[0].append(our_output)
        walks[1].append(their_output)
        fresh = model.next_feed(step)
        ours = {**fresh, **{i: our_output[o] for o, i in model.carry.items()}}
        theirs = {**fresh, **{i: their_output[o] for o, i in model.carry.items()}}
    whole = [
        {name: np.concatenate([np.ravel(o[name]) for o in walk]) for name in walk[0]}
        for walk in walks
    ]
    return Check(f"{STEPS} steps", difference(whole[0], whole[1], model.flips))


def task(model: Model, session: Session) -> Check | None:
    """Whether a trained model does what it was trained for."""
    if model.name == "minilm":
        vectors = session.run(trained.sentences())["sentence_embedding"]
        right = trained.paraphrases_come_first(vectors)
        return Check("paraphrases first", problem=None if right else "a wrong one is nearer")
    if model.name == "efficientnet-lite0":
        picture = trained.square_picture("chelsea.png")[None]
        label = int(session.run({"images": picture})["probabilities"].argmax())
        right = label in trained.CATS
        return Check("a cat is a cat", problem=None if right else f"labelled {label}")
    if model.name == "magika":
        own = Path(__file__).resolve()
        rows = np.stack([wheels.magika_features(own.read_bytes())])
        label = int(session.run({"bytes": rows})["target_label"].argmax())
        name = wheels.magika_labels()[label]
        return Check("this file is Python", problem=None if name == "python" else f"said {name}")
    return None


def check_cases(
    model: Model, session: Session, reference: dict[str, Feeds], suffix: str
) -> tuple[list[Check], dict[str, Feeds]]:
    checks, outputs = [], {}
    for case in model.cases:
        what = case.label + suffix
        try:
            outputs[case.label] = session.run(model.feeds(case))
            checks.append(
                Check(what, difference(outputs[case.label], reference[case.label], model.flips))
            )
        except Exception as error:  # every size is to be tried, whatever one of them does
            checks.append(Check(what, problem=" ".join(str(error).split())[:300]))
    return checks, outputs


def verify(model: Model, engine_name: str, settings: Settings) -> Result:
    """All checks of one model, in this process."""
    result = Result(model.name, model.tolerance)
    engine = engines.find(engine_name)
    if engine is None:
        raise SystemExit(f"{engine_name} is not installed")
    ort = OnnxRuntime().load(model, model.path(), settings)
    reference = {case.label: ort.run(model.feeds(case)) for case in model.cases}
    work = lambda: engine.load(model, model.path(), settings)  # noqa: E731
    result.build_seconds, session = timed(work)
    checks, outputs = check_cases(model, session, reference, "")
    result.checks += checks
    if isinstance(engine, Planish):
        with tempfile.TemporaryDirectory() as folder:
            plan = Path(folder) / "model.plan"
            engine.save_plan(session, plan)
            del session
            result.load_seconds, session = timed(lambda: engine.load_plan(plan))
            checks, again = check_cases(model, session, reference, " from plan")
        result.checks += [c for c in checks if c.problem is not None]
        both = [label for label in outputs if label in again]
        different = [label for label in both if not same_bits(again[label], outputs[label])]
        problem = f"other bits for {', '.join(different)}" if different else None
        if both:
            result.checks.append(Check("plan gives the same bits", problem=problem))
    if model.next_feed is not None:
        result.checks.append(carried(model, session, ort))
    asked = task(model, session)
    return Result(**{**vars(result), "checks": result.checks + ([asked] if asked else [])})


def in_child(model: Model, arguments: argparse.Namespace) -> Result:
    """Verifies in a fresh process; its death is reported as the one check that failed."""
    command = [sys.executable, "-m", "benchmarks.verify_zoo", "--child", model.name]
    command += ["--engine", arguments.engine, "--threads", str(arguments.threads)]
    command += ["--device", arguments.device]
    if arguments.level is not None:
        command += ["--level", str(arguments.level)]
    root = Path(__file__).resolve().parents[1]
    result = Result(model.name, model.tolerance)
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=arguments.timeout,
        )
    except subprocess.TimeoutExpired:
        result.checks.append(Check("whole run", problem=f"no end after {arguments.timeout} s"))
        return result
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        died = f"killed by signal {-done.returncode}" if done.returncode < 0 else last
        result.checks.append(Check("whole run", problem=died[:400]))
        return result
    raw = json.loads(done.stdout.splitlines()[-1])
    return Result(**{**raw, "checks": [Check(**c) for c in raw["checks"]]})


def print_result(result: Result) -> None:
    times = ""
    if result.build_seconds is not None:
        times = f"build {result.build_seconds:.2f} s"
    if result.load_seconds is not None:
        times += f", load {result.load_seconds * 1e3:.0f} ms"
    for i, check in enumerate(result.checks):
        verdict = "ok" if check.passed(result.tolerance) else "FAILED"
        error = "" if check.error is None else f"{check.error:.1e}"
        tail = check.problem or (times if i == 0 else "")
        name = result.model if i == 0 else ""
        print(f"{name:26} {check.what:26} {error:>9} {verdict:7} {tail}".rstrip(), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verify_zoo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", default="*", help="comma-separated names, globs or groups")
    parser.add_argument("--engine", default="planish", choices=engines.NAMES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--level", type=int)
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for one model")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    if arguments.child is not None:
        model = all_models()[arguments.child]
        settings = Settings(
            threads=arguments.threads,
            shapes=model.shape_ranges(),
            device=arguments.device,
            level=arguments.level,
        )
        try:
            print(json.dumps(asdict(verify(model, arguments.engine, settings))))
        except Exception as error:
            traceback.print_exc()
            print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
            return 1
        return 0
    if engines.find(arguments.engine) is None:
        print(f"{arguments.engine} is not installed", file=sys.stderr)
        return 2
    results = []
    for model in select(arguments.models):
        results.append(in_child(model, arguments))
        print_result(results[-1])
    failed = [r.model for r in results if not r.passed]
    print(f"{len(results) - len(failed)} of {len(results)} models agree with ONNX Runtime")
    if failed:
        print(f"failed: {', '.join(failed)}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
