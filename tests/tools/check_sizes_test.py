# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import check_sizes
import pytest

LONG = "  x += 1;\n" * 80
SHORT = "  x += 1;\n" * 60


def complaints(tmp_path: Path, text: str, name: str = "a.cc") -> list[str]:
    path = tmp_path / name
    path.write_text(text)
    return check_sizes.check_file(path, name)


@pytest.mark.parametrize(
    "head",
    [
        "int f(int a = 3) {",
        "namespace a {\ntemplate <class T, int N = 3>\nauto f(T t) -> int {",
        "struct A : B {\nbool operator==(const A& a) const noexcept {",
        "A::A(int a)\n    : a_(a),\n      b_{a} {",
        'extern "C" int f() {',
        'TEST(Name, "}}}") {',
        "struct A {\n  enum class B : int { kA, kB };\n  std::vector<int> f() {",
    ],
)
def test_long_functions_are_found(tmp_path: Path, head: str) -> None:
    closing = "}\n" * (head.count("{") - head.count("}") + head.count('"}}}"') * 3)
    assert len(complaints(tmp_path, f"{head}\n{LONG}{closing}")) == 1
    assert complaints(tmp_path, f"{head}\n{SHORT}{closing}") == []


def test_the_line_of_a_function_is_where_its_head_begins(tmp_path: Path) -> None:
    text = f"// about\n\nint g;\n\nint\nf() {{\n{LONG}}}\n"
    (complaint,) = complaints(tmp_path, text)
    assert complaint.startswith("a.cc:5: 83 lines")


@pytest.mark.parametrize(
    "head",
    ["namespace a {", "struct A final : B<int(int)> {", "const int kTable[] = {", "enum class A {"],
)
def test_scopes_and_tables_are_not_functions(tmp_path: Path, head: str) -> None:
    body = "  1,\n" * 100
    assert complaints(tmp_path, f"{head}\n{body}}};\n") == []


def test_braces_in_literals_comments_and_macros_do_not_count(tmp_path: Path) -> None:
    lines = ["// {", "/* { */", "#define OPEN \\", "  {", "char a = '{';", 'auto b = R"x({"{)x";']
    text = "\n".join(lines) + f"\nint f() {{\n{LONG}}}\n"
    assert len(complaints(tmp_path, text)) == 1


def test_a_reason_excuses(tmp_path: Path) -> None:
    assert complaints(tmp_path, f"// size: one table\nint f() {{\n{LONG}}}\n") == []
    assert len(complaints(tmp_path, f"// size:\nint f() {{\n{LONG}}}\n")) == 1
    assert complaints(tmp_path, "// size: generated\n" + "int a;\n" * 900) == []
    assert len(complaints(tmp_path, "int a;\n" * 801)) == 1
    assert complaints(tmp_path, "int a;\n" * 800) == []


def test_python(tmp_path: Path) -> None:
    text = "def f():\n" + "    x = 1\n" * 80
    assert len(complaints(tmp_path, text, "a.py")) == 1
    assert complaints(tmp_path, "# size: one table\n" + text, "a.py") == []
