# SPDX-License-Identifier: Apache-2.0
"""Every tenth of ONNX's node tests through the engine as users get it: built, saved, loaded, run.

The models and data are those in the wheel onnx==1.22.0; planish_dev suite runs all of them on the
reference.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import planish
import pytest
from onnx import numpy_helper

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
TOTAL = 1765

# The table that planish_dev suite goes by, too.
TABLE = Path(__file__).resolve().parents[2] / "tools" / "dev" / "waivers.def"
ROW = re.compile(r'^PLANISH_WAIVER\("([^"]+)", (?:nullptr|"([^"]+)"), "', re.MULTILINE)
WAIVED = [name for name, data in ROW.findall(TABLE.read_text()) if data in ("", "1.22")]


def is_waived(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in WAIVED)


CASES = sorted(path.name for path in DATA.iterdir() if (path / "model.onnx").exists())


def read(path: Path, kind: Any) -> Any:
    """A datum of the given ValueInfo type."""
    data = path.read_bytes()
    if kind.HasField("sequence_type"):
        sequence = onnx.SequenceProto.FromString(data)
        return numpy_helper.to_list(sequence)
    if kind.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def check(actual: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            check(a, e)
    elif expected is None:
        assert actual is None
    elif expected.dtype == object or expected.dtype.kind in "US":
        np.testing.assert_array_equal(
            np.asarray(actual, str), np.vectorize(_text, otypes=[object])(expected).astype(str)
        )
    else:
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        wide = np.complex128 if expected.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(
            actual.astype(wide), expected.astype(wide), rtol=1e-3, atol=1e-5, equal_nan=True
        )


def _text(item: Any) -> str:
    return item.decode() if isinstance(item, bytes) else str(item)


def test_the_data_is_whole() -> None:
    assert len(CASES) == TOTAL
    assert any(is_waived(name) for name in CASES)


@pytest.mark.parametrize("name", CASES[::10])
def test_node(name: str) -> None:
    if is_waived(name):
        with pytest.raises((planish.Error, AssertionError)):
            run_case(DATA / name)
    else:
        run_case(DATA / name)


def run_case(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    built = planish.build((folder / "model.onnx").read_bytes(), threads=1)
    engine = planish.load(built.serialize(), threads=1)
    initialised = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in initialised]
    for data in sorted(folder.glob("test_data_set_*")):
        feed = {v.name: read(data / f"input_{i}.pb", v.type) for i, v in enumerate(inputs)}
        out = engine.run(feed)
        for i, v in enumerate(model.graph.output):
            check(out[v.name], read(data / f"output_{i}.pb", v.type))
