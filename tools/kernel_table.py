# SPDX-License-Identifier: Apache-2.0
"""Compiles the kernel instances of tests/emulator/instances with NVRTC for every target and tells what
each kernel uses: registers, static shared memory, spilled bytes.

    kernel_table.py --cubins FOLDER --targets sm_90a    keeps the machine code, for tools/gpu/test_kernels
    kernel_table.py [--nvrtc LIBRARY] [--targets sm_80,sm_90a] [--check FILE | --write FILE] [NAME...]

NAME is an instance file without its ending. --write keeps the table; --check compares with it: no
kernel may be missing, none may spill, and none may use more than 8 registers more than it says.
"""

import argparse
import ctypes
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTANCES = ROOT / "tests" / "emulator" / "instances"
TARGETS = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"]
PLANTED = "faults"  # kernels that are wrong on purpose, for the emulator's own test
SLACK = 8  # registers by which compilers may differ

Row = tuple[str, str, str, int, int, int]  # file, target, kernel, registers, shared, spilled


def find_nvrtc() -> str:
    """The library of the pinned wheel in the virtual environment, else the system's."""
    for folder in sys.path:
        for path in sorted(Path(folder or ".").glob("nvidia/*/lib/libnvrtc.so.*")):
            return str(path)
    return "libnvrtc.so.13"


class Nvrtc:
    def __init__(self, path: str) -> None:
        folder = Path(path).parent
        for builtins in sorted(folder.glob("libnvrtc-builtins.so.*")):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(path)

    def compile(self, name: str, target: str) -> tuple[bytes, str]:
        """The machine code, empty if it does not compile, and the log."""
        source = (INSTANCES / f"{name}.cc").read_bytes()
        program = ctypes.c_void_p()
        self.library.nvrtcCreateProgram(
            ctypes.byref(program), source, f"{name}.cc".encode(), 0, None, None
        )
        options = [
            f"--gpu-architecture={target}",
            "--std=c++20",
            "--device-as-default-execution-space",
            "--ptxas-options=-v",
            f"-I{ROOT / 'src/backend/cuda/kernels'}",
        ]
        array = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
        result = self.library.nvrtcCompileProgram(program, len(options), array)
        size = ctypes.c_size_t()
        self.library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        self.library.nvrtcGetProgramLog(program, log)
        code = ctypes.create_string_buffer(0)
        if result == 0:
            self.library.nvrtcGetCUBINSize(program, ctypes.byref(size))
            code = ctypes.create_string_buffer(size.value)
            self.library.nvrtcGetCUBIN(program, code)
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        return code.raw, log.value.decode(errors="replace")


def rows_of(name: str, target: str, log: str) -> list[Row]:
    """The kernels that the assembler's log tells of."""
    rows: list[Row] = []
    kernel = ""
    spilled = 0
    for line in log.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            kernel, spilled = match.group(1), 0
        elif match := re.search(r"(\d+) bytes spill stores", line):
            spilled = int(match.group(1))
        elif match := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            rows.append(
                (
                    name,
                    target,
                    kernel,
                    int(match.group(1)),
                    int(shared.group(1)) if shared else 0,
                    spilled,
                )
            )
    return rows


def read_table(path: Path) -> dict[tuple[str, str, str], int]:
    table = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) == 6 and not line.startswith("#"):
            table[(words[0], words[1], words[2])] = int(words[3])
    return table


def compare(rows: list[Row], table: dict[tuple[str, str, str], int]) -> list[str]:
    complaints = []
    for name, target, kernel, registers, _, spilled in rows:
        known = table.get((name, target, kernel))
        if spilled:
            complaints.append(f"{name} {kernel} for {target} spills {spilled} bytes")
        if known is None:
            complaints.append(f"{name} {kernel} for {target} is not in the table")
        elif registers > known + SLACK:
            complaints.append(f"{name} {kernel} for {target}: {registers} registers, was {known}")
    return complaints


def compile_all(
    names: list[str], targets: list[str], library: str = "", cubins: Path | None = None
) -> tuple[list[Row], list[str]]:
    """The rows of all kernels (of the named files, or of all), and complaints of what fails."""
    nvrtc = Nvrtc(library or find_nvrtc())
    names = names or sorted({p.stem for p in INSTANCES.glob("*.cc")} - {PLANTED})
    jobs = [(name, target) for name in names for target in targets]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda job: nvrtc.compile(*job), jobs))
    rows: list[Row] = []
    complaints = []
    for (name, target), (code, log) in zip(jobs, results, strict=True):
        if code:
            rows += rows_of(name, target, log)
            if cubins:
                cubins.mkdir(parents=True, exist_ok=True)
                (cubins / f"{name}.cubin").write_bytes(code)
        else:
            complaints.append(f"{name} for {target} does not compile:\n{log}")
    return rows, complaints


def check_all(names: list[str], targets: list[str], table: Path) -> list[str]:
    rows, complaints = compile_all(names, targets)
    return complaints + compare(rows, read_table(table))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--nvrtc", default="")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--check", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--cubins", type=Path)
    args = parser.parse_args()
    rows, complaints = compile_all(args.names, args.targets.split(","), args.nvrtc, args.cubins)
    if args.check:
        complaints += compare(rows, read_table(args.check))
    if args.write:
        text = "# file target kernel registers shared spilled (tools/kernel_table.py --write)\n"
        args.write.write_text(text + "".join(" ".join(map(str, r)) + "\n" for r in rows))
    elif not args.check and not args.cubins:
        for row in rows:
            print(*row)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
