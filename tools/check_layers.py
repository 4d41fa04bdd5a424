# SPDX-License-Identifier: Apache-2.0
"""Checks the direction of includes: which folder may include which, and which third party.

    check_layers.py [ROOT]

The rules are the tables below. A file belongs to the longest matching prefix in LAYERS. Headers of
its own layer and the public ones (include/planish) may be included from everywhere.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

# Folder below src -> folders of src that it may include, besides itself.
LAYERS: dict[str, set[str]] = {
    "base": set(),
    "tensor": {"base"},
    "ops": {"tensor", "base"},
    "ir": {"tensor", "base"},
    "plan": {"tensor", "base"},
    "memory": {"plan", "tensor", "base"},
    "runtime": {"plan", "memory", "ops", "tensor", "base"},
    "import/onnx": {"ir", "ops", "tensor", "base"},
    "passes": {"ir", "ops", "tensor", "base"},
    "tuner": {"plan", "ir", "runtime", "tensor", "base"},
    "backend/ref/runtime": {"runtime", "plan", "ops", "tensor", "base"},
    "backend/ref/compile": {
        *("backend/ref/runtime", "passes", "tuner", "memory", "runtime", "plan", "ir", "ops"),
        *("tensor", "base"),
    },
    # Kernels know no graph; they split their loops over the runtime's thread pool and take the
    # pointwise expressions from the table of ops.
    "backend/cpu/kernels": {"runtime", "ops", "tensor", "base"},
    "backend/cpu/runtime": {"backend/cpu/kernels", "runtime", "plan", "ops", "tensor", "base"},
    "backend/cpu/compile": {
        *("backend/cpu/kernels", "backend/cpu/runtime", "passes", "tuner", "memory", "runtime"),
        *("plan", "ir", "ops", "tensor", "base"),
        # The reference is no rival: it is what every backend falls back to, node by node.
        "backend/ref/compile",
    },
    # A library of its own, opened at run time: it links the runtime alone.
    "backend/cpu/onednn": {
        *("backend/cpu/kernels", "backend/cpu/runtime", "runtime", "plan", "ops", "tensor", "base"),
    },
    # Text for NVRTC, and for g++ in the tests: it sees its siblings alone.
    "backend/cuda/kernels": set(),
    "backend/cuda/runtime": {"runtime", "plan", "ops", "tensor", "base"},
    "backend/cuda/compile": {
        *("backend/cuda/kernels", "backend/cuda/runtime", "backend/ref/compile", "passes", "tuner"),
        *("memory", "runtime", "plan", "ir", "ops", "tensor", "base"),
    },
    "compiler": {
        *("backend/ref/runtime", "backend/ref/compile", "backend/cpu/runtime"),
        *(
            "backend/cpu/compile",
            "backend/cuda/runtime",
            "backend/cuda/compile",
            "import/onnx",
            "passes",
            "tuner",
            "memory",
            "runtime",
            "plan",
        ),
        *("ir", "ops", "tensor", "base"),
    },
    "capi/runtime": {"runtime", "plan", "memory", "ops", "tensor", "base"},
    "capi/compiler": {
        *("capi/runtime", "compiler", "import/onnx", "passes", "tuner", "runtime", "plan", "ir"),
        *("ops", "tensor", "base"),
    },
}

# What lies outside src and sees only include/planish (and headers of its own folder).
OUTSIDE = ("cli", "python", "compat", "server", "integrations")

# Third party -> (pattern of its headers, folders that may include it).
THIRD_PARTIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "protobuf": (r"google/protobuf/|.*\.pb\.h$", ("src/import/onnx",)),
    "flatbuffers": (r"flatbuffers/|.*_generated\.h$", ("src/plan",)),
    "zstd": (r"zstd", ("src/plan",)),
    "xxhash": (r"xxhash|xxh3", ("src/plan", "src/base")),
    "oneDNN": (r"oneapi/|dnnl|omp\.h", ("src/backend/cpu/onednn",)),
    "nlohmann-json": (r"nlohmann/", ("cli", "server", "src/compiler", "src/capi")),
    "CLI11": (r"CLI/", ("cli",)),
    "libpng": (r"png\.h", ("cli",)),
    "libjpeg": (r"jpeglib\.h", ("cli",)),
    "zlib": (r"zlib\.h", ("cli",)),
    "nanobind": (r"nanobind/|Python\.h|pybind11/", ("python",)),
    "CUDA": (r"cuda|nvrtc|cublas|cudnn", ("src/backend/cuda",)),
    "test frameworks": (r"gtest/|gmock/|rapidcheck|benchmark/", ()),
}

INCLUDE = re.compile(r"^\s*#\s*include\s*[<\"]([^>\"]+)[>\"]")
SUFFIXES = {".h", ".cc", ".cuh", ".def", ".inc"}


def includes(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def layer_of(path: str) -> str | None:
    """The layer whose folder (relative to src) holds path, the longest that matches."""
    matches = [name for name in LAYERS if path.startswith(name + "/")]
    return max(matches, key=len) if matches else None


def third_party_of(header: str) -> str | None:
    for name, (pattern, _) in THIRD_PARTIES.items():
        if re.match(pattern, header):
            return name
    return None


def check_third_party(relative: str, header: str) -> str | None:
    name = third_party_of(header)
    if name is None:
        return None
    folders = THIRD_PARTIES[name][1]
    if any(relative.startswith(folder + "/") for folder in folders):
        return None
    allowed = ", ".join(folders) or "the tests"
    return f"{header} belongs to {name}, which only {allowed} may include"


def check_source(relative: str, header: str, root: Path) -> str | None:
    """The complaint about one #include of a file below src, or None."""
    if header.startswith("planish/") or third_party_of(header):
        return check_third_party(relative, header)
    if header.startswith("src/"):
        return f"{header}: paths start below src"
    if not (root / "src" / header).is_file():
        return None  # the standard library, the system, or the compiler will say so
    layer = layer_of(relative.removeprefix("src/"))
    target = layer_of(header)
    if layer and target and target != layer and target not in LAYERS[layer]:
        return f"{layer} may not include {target} ({header})"
    return None


def check_outside(relative: str, header: str, root: Path) -> str | None:
    """The complaint about one #include of a public header, the CLI, the bindings and the like."""
    if (root / "src" / header).is_file():
        return f"{header}: only include/planish may be used outside src"
    return check_third_party(relative, header)


def check_tree(root: Path) -> list[str]:
    complaints = []
    for folder in ("src", "include", *OUTSIDE):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            relative = path.relative_to(root).as_posix()
            check = check_source if folder == "src" else check_outside
            if folder == "src" and layer_of(relative.removeprefix("src/")) is None:
                complaints.append(f"{relative}:1: in no layer; add its folder to check_layers.py")
                continue
            for number, header in includes(path):
                complaint = check(relative, header, root)
                if complaint:
                    complaints.append(f"{relative}:{number}: {complaint}")
    return complaints


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    complaints = check_tree(root)
    for complaint in complaints:
        print(complaint)
    print(f"check_layers: {len(complaints)} complaint{'' if len(complaints) == 1 else 's'}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
