# SPDX-License-Identifier: Apache-2.0
"""Checks that no file is longer than 800 lines and no function longer than 80.

    check_sizes.py [ROOT]

A comment `size: REASON` excuses: for a file among its first 10 lines, for a function on one of the
two lines above it or on its first line.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE = 800
MAX_FUNCTION = 80
CPP = {".h", ".cc", ".cuh"}
EXCUSE = re.compile(r"(//|#)\s*size:\s*\S+")
# Comments, raw strings, strings and characters, blanked so that braces in them do not count.
TOKENS = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r'|R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)
SCOPE = re.compile(r"\s*(?:inline\s+|export\s+)*(namespace|class|struct|union|enum)\b")


def blank(text: str) -> str:
    """The text with comments and literals replaced by spaces; every line stays where it is."""
    text = TOKENS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    # A preprocessor line (with its continuations) holds unbalanced braces at will.
    return re.sub(
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
        lambda m: re.sub(r"[^\n]", " ", m.group()),
        text,
        flags=re.M,
    )


def is_function_head(head: str) -> bool:
    """Whether the code between the last `;`, `{` or `}` and a `{` begins a function definition."""
    if ")" not in head:
        return False
    bare = without_brackets(re.sub(r"operator\s*[^\s\w(]+", "operator", head))
    bare = re.sub(r"\btemplate\b|\brequires\b", "", bare)
    return "=" not in bare and not SCOPE.match(bare)


def without_brackets(text: str) -> str:
    """The text without what stands in parentheses, square or angle brackets."""
    previous = None
    while previous != text:
        previous = text
        text = re.sub(r"\([^()]*\)|\[[^\[\]]*\]|<[^<>()]*>", "", text)
    return text


def cpp_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """(head, first line, last line) of every function defined at namespace or class level."""
    code = blank(text)
    stack: list[tuple[str, str, int]] = []  # kind, head, first line
    inside = 0
    head_start = 0
    for match in re.finditer(r"[{};]", code):
        char, at = match.group(), match.start()
        if char == "{":
            head = code[head_start:at]
            first = code.count("\n", 0, at - len(head.lstrip())) + 1
            kind = "scope"
            if re.search(r"[\w>(,]$", head):
                kind = "initializer"  # of a member, `b_{a}`: the head goes on behind it
            elif not inside and is_function_head(head):
                kind = "function"
            stack.append((kind, " ".join(head.split())[:60], first))
            inside += kind == "function"
            if kind == "initializer":
                continue
        elif char == "}" and stack:
            kind, name, first = stack.pop()
            if kind == "initializer":
                continue
            inside -= kind == "function"
            if kind == "function":
                yield name, first, code.count("\n", 0, at) + 1
        head_start = at + 1


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, node.end_lineno or node.lineno


def is_excused(lines: list[str], first: int) -> bool:
    return any(EXCUSE.search(line) for line in lines[max(0, first - 3) : first])


def check_file(path: Path, name: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    complaints = []
    if len(lines) > MAX_FILE and not any(EXCUSE.search(line) for line in lines[:10]):
        complaints.append(f"{name}:1: {len(lines)} lines, at most {MAX_FILE}")
    is_python = path.suffix == ".py" or text.startswith("#!/usr/bin/env python3")
    for function, first, last in python_functions(text) if is_python else cpp_functions(text):
        length = last - first + 1
        if length > MAX_FUNCTION and not is_excused(lines, first):
            complaints.append(f"{name}:{first}: {length} lines, at most {MAX_FUNCTION}: {function}")
    return complaints


def sources(root: Path) -> list[Path]:
    """Tracked and new files that are ours; build folders are ignored by git."""
    output = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = (root / name for name in output.split("\0") if name)
    return sorted(p for p in paths if p.is_file() and p.suffix in CPP | {".py"})


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    complaints = []
    for path in sources(root):
        complaints += check_file(path, path.relative_to(root).as_posix())
    for complaint in complaints:
        print(complaint)
    print(f"check_sizes: {len(complaints)} complaint{'' if len(complaints) == 1 else 's'}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
