# SPDX-License-Identifier: Apache-2.0
"""python -m benchmarks.zoo {list,make,ops,doc} [--models PATTERNS]"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from benchmarks.zoo.registry import Model, select, walk


@dataclass
class OpUse:
    """How the models use one op."""

    nodes: int = 0
    opsets: set[int] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    models: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def spell_attribute(attribute: onnx.AttributeProto) -> str:
    """name=value for small values, the kind alone for tensors and graphs."""
    value = onnx.helper.get_attribute_value(attribute)
    kind = attribute.type
    if kind in (onnx.AttributeProto.INT, onnx.AttributeProto.INTS):
        return f"{attribute.name}={value}".replace(" ", "")
    if kind == onnx.AttributeProto.STRING:
        return f"{attribute.name}={value.decode()}"
    if kind in (onnx.AttributeProto.FLOAT, onnx.AttributeProto.FLOATS):
        return attribute.name
    return f"{attribute.name}:{onnx.AttributeProto.AttributeType.Name(kind).lower()}"


def count_ops(models: list[Model]) -> dict[tuple[str, str], OpUse]:
    uses: dict[tuple[str, str], OpUse] = defaultdict(OpUse)
    for model in models:
        proto = onnx.load(model.path(), load_external_data=False)
        opsets = {o.domain: o.version for o in proto.opset_import}
        for node in walk(proto.graph):
            use = uses[(node.domain, node.op_type)]
            use.nodes += 1
            use.models[model.name] += 1
            use.opsets.add(opsets[node.domain])
            use.attributes.update(spell_attribute(a) for a in node.attribute)
    return uses


def print_ops(models: list[Model]) -> None:
    uses = count_ops(models)
    print(f"# {len(models)} models, {sum(u.nodes for u in uses.values())} nodes, {len(uses)} ops")
    print("# op: nodes, models | opset of the models | attributes seen | nodes by model")
    for (domain, op), use in sorted(uses.items(), key=lambda item: -len(item[1].models)):
        name = f"{domain}::{op}" if domain else op
        opsets = ",".join(str(v) for v in sorted(use.opsets))
        attributes = sorted(use.attributes)
        shown = " ".join(attributes[:40]) + (" ..." if len(attributes) > 40 else "")
        by_model = " ".join(f"{m}:{n}" for m, n in use.models.items())
        print(f"{name}: {use.nodes}, {len(use.models)} | {opsets} | {shown or '-'} | {by_model}")


def print_list(models: list[Model]) -> None:
    for model in models:
        print(f"{model.name:26} {model.group:8} {', '.join(c.label for c in model.cases)}")


def make(models: list[Model]) -> None:
    for model in models:
        start = time.perf_counter()
        path = model.path()
        print(f"{model.name:26} {time.perf_counter() - start:6.1f} s  {path}")


def doc_table(models: list[Model]) -> str:
    """The table of docs/zoo.md."""
    lines = [
        "| model | from | nodes | opset | sizes verified | what it exercises |",
        "|---|---|---:|---:|---|---|",
    ]
    for model in models:
        proto = onnx.load(model.path(), load_external_data=False)
        nodes = sum(1 for _ in walk(proto.graph))
        opset = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
        sizes = ", ".join(c.label for c in model.cases)
        lines.append(
            f"| {model.name} | {model.group} | {nodes} | {opset} | {sizes} | {model.exercises} |"
        )
    return "\n".join(lines) + "\n"


BEGIN = "<!-- table: python -m benchmarks.zoo doc -->\n"
END = "<!-- end of table -->\n"


def write_doc(models: list[Model], *, check: bool) -> int:
    """Puts the table into docs/zoo.md; with `check` only says whether it is there already."""
    page = Path(__file__).resolve().parents[2] / "docs" / "zoo.md"
    text = page.read_text()
    head, rest = text.split(BEGIN)
    fresh = head + BEGIN + doc_table(models) + END + rest.split(END)[1]
    if check:
        if fresh != text:
            print("docs/zoo.md is stale; run: python -m benchmarks.zoo doc", file=sys.stderr)
        return int(fresh != text)
    page.write_text(fresh)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument("verb", choices=("list", "make", "ops", "doc"))
    parser.add_argument("--models", default="*", help="comma-separated names, globs or groups")
    parser.add_argument("--check", action="store_true", help="doc: only say whether it is fresh")
    arguments = parser.parse_args()
    models = select(arguments.models)
    if arguments.verb == "doc":
        return write_doc(models, check=arguments.check)
    {"list": print_list, "make": make, "ops": print_ops}[arguments.verb](models)
    return 0


if __name__ == "__main__":
    sys.exit(main())
