# SPDX-License-Identifier: Apache-2.0
"""Adds up the test results in folders of JUnit files and prints "N passed, N failed, N skipped".

    summarize_tests.py [--expect FILE]... [--failed NAME]... FOLDER...

In each folder ctest.xml lists what ctest ran. A ctest test that wrote a file of its own name (a
shard of the gtest binary) counts by its inner tests; one that failed without an inner failure (it
crashed, or a sanitizer stopped it) counts as one failure more. --expect names a file that must be
there: the run that should have written it died if it is missing. --failed adds a failure of a check
that is no test.
"""

import argparse
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)

    def add_failure(self, name: str) -> None:
        self.failed += 1
        self.failures.append(name)

    def add(self, other: "Totals") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures


def count_cases(path: Path) -> Totals:
    """Counts the cases of one JUnit file."""
    totals = Totals()
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError:
        totals.add_failure(f"{path.name}: not readable, the test run died")
        return totals
    for case in root.iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        if case.find("failure") is not None or case.find("error") is not None:
            totals.add_failure(name)
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            totals.skipped += 1
        else:
            totals.passed += 1
    return totals


def count_folder(folder: Path) -> Totals:
    totals = Totals()
    ctest = folder / "ctest.xml"
    inner_files = {path.stem: path for path in folder.glob("*.xml") if path != ctest}
    if ctest.exists():
        for case in ET.parse(ctest).getroot().iter("testcase"):
            name = case.get("name", "")
            broken = case.get("status") == "fail" or case.find("failure") is not None
            inner = inner_files.pop(name, None)
            if inner is not None:
                counted = count_cases(inner)
                totals.add(counted)
                if broken and not counted.failed:
                    totals.add_failure(f"{name}: exited with an error after its last test")
            elif broken:
                totals.add_failure(name)
            elif case.get("status") == "notrun" or case.find("skipped") is not None:
                totals.skipped += 1
            else:
                totals.passed += 1
    for path in inner_files.values():
        totals.add(count_cases(path))
    return totals


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--expect", action="append", default=[], type=Path)
    parser.add_argument("--failed", action="append", default=[])
    args = parser.parse_args()
    totals = Totals()
    for folder in args.folders:
        totals.add(count_folder(folder))
    for path in args.expect:
        if not path.exists():
            totals.add_failure(f"{path}: missing, the run died")
    for name in args.failed:
        totals.add_failure(name)
    for failure in totals.failures:
        print(f"FAILED {failure}")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
