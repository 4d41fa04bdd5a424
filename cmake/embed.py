# SPDX-License-Identifier: Apache-2.0
"""Writes OUT.h and OUT.cc, which hold the bytes of the given files: embed.py OUT FILE...

Besides one view a file there is OUT_files(), a list of their names and bytes.
"""

import re
import sys
from pathlib import Path


def symbol(path: Path) -> str:
    return re.sub(r"\W", "_", path.name)


def main() -> None:
    out, *files = (Path(arg) for arg in sys.argv[1:])
    out.parent.mkdir(parents=True, exist_ok=True)
    header = [
        *("#pragma once", "#include <string_view>", "#include <utility>", "#include <vector>"),
        "namespace planish::embed {",
        f"std::vector<std::pair<std::string_view, std::string_view>> {out.name}_files();",
    ]
    source = [f'#include "{out.name}.h"', "namespace planish::embed {"]
    for path in files:
        name = symbol(path)
        header.append(f"extern const std::string_view {name};")
        data = path.read_bytes()
        rows = [
            ",".join(str(b) for b in data[i : i + 32]) + "," for i in range(0, len(data), 32)
        ] or ["0"]
        source.append(f"static const unsigned char {name}_bytes[] = {{")
        source.extend(rows)
        source.append("};")
        bytes_pointer = f"reinterpret_cast<const char*>({name}_bytes)"
        source.append(f"const std::string_view {name}({bytes_pointer}, {len(data)});")
    rows = [f'{{"{path.name}", {symbol(path)}}},' for path in files]
    source.append(
        f"std::vector<std::pair<std::string_view, std::string_view>> {out.name}_files() {{"
    )
    source.extend(["return {", *rows, "};", "}"])
    for lines, suffix in ((header, ".h"), (source, ".cc")):
        lines.append("}  // namespace planish::embed")
        Path(f"{out}{suffix}").write_text("\n".join(lines) + "\n")


main()
