# SPDX-License-Identifier: Apache-2.0
"""Checks that no code compiled for AVX can be called on a CPU without it.

    check_isa.py ISA OBJECT...

The linker keeps one copy of every inline function. Were a std::vector function emitted by a file
that is compiled with -mavx512f, that copy might serve the whole library. So an object of an
instruction set may define weak symbols only in a namespace that bears the set's name.
"""

import subprocess
import sys


def foreign_symbols(isa: str, objects: list[str]) -> list[str]:
    complaints = []
    for path in objects:
        output = subprocess.run(
            ["nm", "--defined-only", "--demangle", path],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        mangled = subprocess.run(
            ["nm", "--defined-only", path], check=True, capture_output=True, text=True
        ).stdout
        for plain, raw in zip(output.splitlines(), mangled.splitlines(), strict=True):
            kind = raw.split()[-2]
            if kind in "WVu" and f"{len(isa)}{isa}" not in raw:
                complaints.append(f"{path}: {plain}")
    return complaints


def main() -> int:
    isa, *objects = sys.argv[1:]
    complaints = foreign_symbols(isa, objects)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"compiled for {isa}, but not in a namespace {isa} or static: see above")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
