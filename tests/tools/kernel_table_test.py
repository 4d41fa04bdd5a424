# SPDX-License-Identifier: Apache-2.0
"""Every kernel compiles for every target with NVRTC, spills nothing, and uses about the registers that
tests/emulator/kernel_table.txt says."""

from pathlib import Path

import kernel_table
import pytest

TABLE = Path(__file__).resolve().parent.parent / "emulator" / "kernel_table.txt"
LOG = """\
ptxas info    : Compiling entry function 'half' for 'sm_80'
ptxas info    : Function properties for half
    0 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 128 bytes smem, 376 bytes cmem[0]
"""


def test_the_log_is_read() -> None:
    assert kernel_table.rows_of("gemm", "sm_80", LOG) == [("gemm", "sm_80", "half", 40, 128, 12)]


def test_what_differs_is_told() -> None:
    rows = kernel_table.rows_of("gemm", "sm_80", LOG)
    assert kernel_table.compare(rows, {("gemm", "sm_80", "half"): 40}) == [
        "gemm half for sm_80 spills 12 bytes"
    ]
    fewer = [(*rows[0][:5], 0)]
    assert kernel_table.compare(fewer, {("gemm", "sm_80", "half"): 33}) == []
    assert len(kernel_table.compare(fewer, {("gemm", "sm_80", "half"): 31})) == 1
    assert len(kernel_table.compare(fewer, {})) == 1


def check(target: str) -> None:
    complaints = kernel_table.check_all([], [target], TABLE)
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("target", ["sm_75", "sm_90a"])
def test_kernels_compile(target: str) -> None:
    check(target)


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(set(kernel_table.TARGETS) - {"sm_75", "sm_90a"}))
def test_kernels_compile_for_other_targets(target: str) -> None:
    check(target)
