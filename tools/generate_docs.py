# SPDX-License-Identifier: Apache-2.0
"""Writes the documents that are made from tables in the sources: docs/options.md, docs/errors.md.

generate_docs.py           writes them
generate_docs.py --check   only says which are stale
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^PLANISH_(INTEGER|REAL|TEXT|FLAG)\((.*)\)$", re.MULTILINE)
NOTE = "<!-- made by tools/generate_docs.py; edit {source} instead -->\n"
SCOPES = {"build": "build", "run": "load and run", "both": "build, load and run"}


def split_row(text: str) -> list[str]:
    """Splits at the commas outside strings."""
    parts = re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', text)
    return [part.strip().strip('"') for part in parts]


def readable_number(text: str) -> str:
    """64LL << 20 as 64m, INT64_MAX as nothing to say."""
    if text in ("INT64_MAX", "UINT64_MAX"):
        return "no limit"
    shift = re.fullmatch(r"(\d+)LL\s*<<\s*(\d+)", text)
    if not shift:
        return text
    value = int(shift.group(1)) << int(shift.group(2))
    for suffix, power in (("g", 30), ("m", 20), ("k", 10)):
        if value % (1 << power) == 0:
            return f"{value >> power}{suffix}"
    return str(value)


def option_row(kind: str, text: str) -> str:
    name, default, *rest = split_row(text)
    scope, description = rest[-2:]
    limits = rest[:-2]
    if kind == "TEXT":
        values = (
            ", ".join(f"`{choice}`" for choice in limits[0].split("|")) if limits[0] else "text"
        )
    elif kind == "FLAG":
        values = "`true`, `false`"
    else:
        least, most = (readable_number(limit) for limit in limits)
        values = f"at least {least}" if most == "no limit" else f"{least} to {most}"
    shown = f"`{readable_number(default)}`" if default else ""
    return f"| `{name}` | {shown} | {values} | {SCOPES[scope]} | {description} |"


def options_page() -> str:
    source = "include/planish/options.def"
    rows = [option_row(*match) for match in ROW.findall((ROOT / source).read_text())]
    return (
        "# Options\n\n"
        + NOTE.format(source=source)
        + "\nOne table makes them all: `max_fold_bytes` is the Python keyword `max_fold_bytes=`,\n"
        "the flag `--max-fold-bytes` of the command line, the environment variable\n"
        "`PLANISH_MAX_FOLD_BYTES` and the name that `planish_options_set` takes. Numbers of bytes\n"
        "may end in k, m or g (powers of 1024).\n\n"
        "| name | default | values | used by | meaning |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def errors_page() -> str:
    source = "include/planish/error.h"
    rows = re.findall(r'^\s*k\w+(?: = 0)?,\s*// "(\w+)" *(.*)$', (ROOT / source).read_text(), re.M)
    lines = [f"| {index} | `{code}` | {text} |" for index, (code, text) in enumerate(rows)]
    return (
        "# Errors\n\n"
        + NOTE.format(source=source)
        + "\nEvery failure is a `planish::Error` (in Python `planish.Error`) with one of these\n"
        "codes, the node at fault if there is one, and a hint if there is something to do. The C\n"
        "interface returns the number.\n\n"
        "| number | code | meaning |\n|---:|---|---|\n" + "\n".join(lines) + "\n"
    )


PAGES: dict[str, Callable[[], str]] = {
    "docs/options.md": options_page,
    "docs/errors.md": errors_page,
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in PAGES.items():
        path = ROOT / name
        text = make()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    if check and stale:
        print(f"stale: {', '.join(stale)}; run tools/generate_docs.py")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
