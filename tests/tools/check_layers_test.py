# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import check_layers
import pytest


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


HEADERS = {
    "src/base/checked.h": "",
    "src/ir/graph.h": "",
    "src/ops/op.h": "",
    "src/plan/reader.h": "",
    "src/runtime/engine.h": "",
    "src/backend/cpu/kernels/gemm.h": "",
    "src/backend/cpu/compile/lower.h": "",
}


@pytest.mark.parametrize(
    ("file", "header"),
    [
        ("src/ir/a.cc", "base/checked.h"),
        ("src/ir/a.cc", "planish/error.h"),
        ("src/ir/a.cc", "memory"),
        ("src/passes/fuse/a.cc", "ir/graph.h"),
        ("src/backend/cpu/runtime/a.cc", "backend/cpu/kernels/gemm.h"),
        ("src/import/onnx/a.cc", "import/onnx/onnx_ml.pb.h"),
        ("src/plan/a.cc", "zstd.h"),
        ("cli/a.cc", "planish/planish.h"),
        ("cli/a.cc", "CLI/CLI.hpp"),
    ],
)
def test_allowed(tmp_path: Path, file: str, header: str) -> None:
    write(tmp_path, HEADERS | {file: f'#include "{header}"\n'})
    assert check_layers.check_tree(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "header"),
    [
        ("src/base/a.cc", "ir/graph.h"),
        ("src/ir/a.cc", "ops/op.h"),
        ("src/plan/a.cc", "ir/graph.h"),
        ("src/runtime/a.cc", "backend/cpu/kernels/gemm.h"),
        ("src/backend/ref/runtime/a.cc", "backend/cpu/kernels/gemm.h"),
        ("src/backend/cpu/runtime/a.cc", "backend/cpu/compile/lower.h"),
        ("src/passes/a.cc", "import/onnx/onnx_ml.pb.h"),
        ("src/ops/a.cc", "google/protobuf/message_lite.h"),
        ("src/ops/a.cc", "src/ops/op.h"),
        ("include/planish/a.h", "flatbuffers/flatbuffers.h"),
        ("include/planish/a.h", "runtime/engine.h"),
        ("cli/a.cc", "runtime/engine.h"),
        ("python/a.cc", "plan/reader.h"),
        ("src/misc/a.cc", "vector"),
    ],
)
def test_refused(tmp_path: Path, file: str, header: str) -> None:
    write(tmp_path, HEADERS | {file: f"\n# include <{header}>\n"})
    (complaint,) = check_layers.check_tree(tmp_path)
    assert complaint.startswith(file + ":")


def test_rules_name_existing_layers_and_have_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(check_layers.LAYERS):
        ready = {name for name, uses in check_layers.LAYERS.items() if uses <= done} - done
        assert ready, f"a cycle or an unknown layer among {set(check_layers.LAYERS) - done}"
        done |= ready
