# SPDX-License-Identifier: Apache-2.0
"""Checks what the built libraries need, export and weigh.

    check_libraries.py LIBRARY_FOLDER

The runtime must load where no protobuf, importer or compiler is; nothing of protobuf may be visible
in a process that also loads another ONNX library; no library may remember the build folder.
"""

import re
import subprocess
import sys
from pathlib import Path

SYSTEM = {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"}
RUNTIME_NEEDS = SYSTEM | {"libzstd.so.1"}
RUNTIME_MAX_BYTES = 6 * 1024 * 1024


def tool_output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dynamic_entries(library: Path, tag: str) -> set[str]:
    lines = tool_output("readelf", "-dW", str(library)).splitlines()
    return {m.group(1) for line in lines if (m := re.search(rf"\({tag}\).*\[(.*)\]", line))}


def check(folder: Path) -> list[str]:
    runtime, full = folder / "libplanish_runtime.so", folder / "libplanish.so"
    complaints = [
        f"libplanish_runtime.so needs {name}"
        for name in sorted(dynamic_entries(runtime, "NEEDED") - RUNTIME_NEEDS)
    ]
    size = runtime.stat().st_size
    if size > RUNTIME_MAX_BYTES:
        complaints.append(f"libplanish_runtime.so has {size} bytes, at most {RUNTIME_MAX_BYTES}")
    exported = tool_output("nm", "-D", "--defined-only", "--demangle", str(full)).splitlines()
    complaints += [
        f"libplanish.so exports {line}"
        for line in exported
        if "google::protobuf" in line or "onnx_pb" in line
    ]
    for library in sorted(folder.glob("libplanish*.so")):
        for path in dynamic_entries(library, "RUNPATH") | dynamic_entries(library, "RPATH"):
            complaints += [
                f"{library.name} has the rpath {part}"
                for part in path.split(":")
                if not part.startswith("$ORIGIN")
            ]
    return complaints


def main() -> int:
    complaints = check(Path(sys.argv[1]))
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
