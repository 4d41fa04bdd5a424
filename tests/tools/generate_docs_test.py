# SPDX-License-Identifier: Apache-2.0
import generate_docs
import pytest


@pytest.mark.parametrize(
    ("kind", "row", "line"),
    [
        (
            "INTEGER",
            'bytes_kept, 64LL << 20, 0, INT64_MAX, "build", "bytes, if any"',
            "| `bytes_kept` | `64m` | at least 0 | build | bytes, if any |",
        ),
        (
            "TEXT",
            'mode, "a", "a|b", "both", "which, of two"',
            "| `mode` | `a` | `a`, `b` | build, load and run | which, of two |",
        ),
        ("TEXT", 'file, "", "", "run", "a file"', "| `file` |  | text | load and run | a file |"),
        (
            "FLAG",
            'loud, false, "run", "say more"',
            "| `loud` | `false` | `true`, `false` | load and run | say more |",
        ),
    ],
)
def test_option_rows(kind: str, row: str, line: str) -> None:
    assert generate_docs.option_row(kind, row) == line


def test_every_row_of_the_table_is_in_the_page() -> None:
    table = (generate_docs.ROOT / "include/planish/options.def").read_text()
    rows = sum(line.startswith("PLANISH_") for line in table.splitlines())
    assert generate_docs.options_page().count("\n| `") == rows > 0
    assert "| `internal` |" in generate_docs.errors_page()
