# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools" / "summarize_tests.py"

CTEST = """<testsuite>
<testcase name="unit_0" status="{unit_0}"/>
<testcase name="install" status="run"/>
</testsuite>"""
GTEST = """<testsuites><testsuite>
<testcase name="A" classname="T" status="run"/>
<testcase name="B" classname="T" status="run">{inner}</testcase>
<testcase name="C" classname="T" status="run"><skipped/></testcase>
<testcase name="D" classname="T" status="notrun"/>
</testsuite></testsuites>"""


def run(folder: Path, *args: str) -> tuple[str, int]:
    command = [sys.executable, str(TOOL), str(folder), *args]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout.splitlines()[-1], result.returncode


def test_inner_results_replace_their_shard(tmp_path: Path) -> None:
    (tmp_path / "ctest.xml").write_text(CTEST.format(unit_0="run"))
    (tmp_path / "unit_0.xml").write_text(GTEST.format(inner=""))
    assert run(tmp_path) == ("3 passed, 0 failed, 2 skipped", 0)


def test_an_inner_failure_counts_once(tmp_path: Path) -> None:
    (tmp_path / "ctest.xml").write_text(CTEST.format(unit_0="fail"))
    (tmp_path / "unit_0.xml").write_text(GTEST.format(inner="<failure/>"))
    assert run(tmp_path) == ("2 passed, 1 failed, 2 skipped", 1)


def test_a_shard_that_dies_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "ctest.xml").write_text(CTEST.format(unit_0="fail"))
    assert run(tmp_path) == ("1 passed, 1 failed, 0 skipped", 1)
    (tmp_path / "unit_0.xml").write_text(GTEST.format(inner=""))
    assert run(tmp_path) == ("3 passed, 1 failed, 2 skipped", 1)
    (tmp_path / "unit_0.xml").write_text("<testsuites><testsui")
    assert run(tmp_path) == ("1 passed, 1 failed, 0 skipped", 1)


def test_a_missing_run_and_a_failed_check_are_failures(tmp_path: Path) -> None:
    (tmp_path / "ctest.xml").write_text(CTEST.format(unit_0="run"))
    pytest_file = str(tmp_path / "pytest.xml")
    assert run(tmp_path, "--expect", pytest_file) == ("2 passed, 1 failed, 0 skipped", 1)
    assert run(tmp_path, "--failed", "lint") == ("2 passed, 1 failed, 0 skipped", 1)


def test_no_test_at_all_is_an_error(tmp_path: Path) -> None:
    assert run(tmp_path) == ("0 passed, 0 failed, 0 skipped", 1)
