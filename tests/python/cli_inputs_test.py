# SPDX-License-Identifier: Apache-2.0
"""Files that the command reads as inputs and writes as outputs."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from conftest import COMMAND
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

Array = np.ndarray[Any, Any]


def npy(header: str, data: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    text = header.encode()
    count = len(text) if length is None else length
    size = struct.pack("<H", count) if version == 1 else struct.pack("<I", count)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def header(descr: str = "<f4", order: str = "False", shape: str = "(2, 3)") -> str:
    return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
        np.zeros((0, 3), np.float32),
    ],
    ids=["plain", "fortran", "big-endian", "both", "empty"],
)
def test_every_layout_of_npy_is_read_right(
    cli: Any, identity: Any, tmp_path: Path, array: Array
) -> None:
    np.save(tmp_path / "x.npy", array)
    result = cli("run", identity(), "--input", "x=x.npy", "--output-dir", "out")
    assert result.code == 0, result
    np.testing.assert_array_equal(np.load(tmp_path / "out/y.npy"), array)


def test_fortran_order_of_rank_three_and_every_version(
    cli: Any, identity: Any, tmp_path: Path
) -> None:
    array = np.asfortranarray(np.arange(24, dtype=np.int64).reshape(2, 3, 4))
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(tmp_path / "x.npy", "wb") as file:
            np.lib.format.write_array(file, array, version=version)
        result = cli(
            "run", identity(TensorProto.INT64, (2, "b", 4)), "--input", "x=x.npy", "-o", "o.npz"
        )
        assert result.code == 0, result
        np.testing.assert_array_equal(np.load(tmp_path / "o.npz")["y"], array)


@pytest.mark.parametrize(
    ("dtype", "array"),
    [
        (TensorProto.BOOL, np.array([True, False, True])),
        (TensorProto.FLOAT16, np.array([1.5, -2, 3], np.float16)),
        (TensorProto.DOUBLE, np.array([1.5, -2, 3])),
        (TensorProto.UINT16, np.array([1, 2, 65535], np.uint16)),
        (TensorProto.UINT64, np.array([1, 2, 2**63], np.uint64)),
        (TensorProto.COMPLEX64, np.array([1, 2j, 3], np.complex64)),
        (TensorProto.BFLOAT16, np.array([1.5, -2, 3], ml_dtypes.bfloat16)),
        (TensorProto.FLOAT8E4M3FN, np.array([1.5, -2, 3], ml_dtypes.float8_e4m3fn)),
        (TensorProto.INT4, np.array([-8, 7, -1], np.int8)),
        (TensorProto.UINT4, np.array([0, 15, 9], np.uint8)),
        (TensorProto.STRING, np.array(["tin", "", "größe 鉋"])),
    ],
    ids=lambda v: TensorProto.DataType.Name(v) if isinstance(v, int) else "",
)
def test_every_type_goes_in_and_out(
    cli: Any, identity: Any, tmp_path: Path, dtype: int, array: Array
) -> None:
    np.save(tmp_path / "x.npy", array)
    np.savez_compressed(tmp_path / "x.npz", x=array)
    for source in ("x=x.npy", "x.npz", "x=x.npz", "x=x.npz:x"):
        result = cli("run", identity(dtype, (3,)), "--input", source, "-o", "out")
        assert result.code == 0, result
        back = np.load(tmp_path / "out/y.npy")
        assert back.tobytes() == np.load(tmp_path / "x.npy").tobytes()
        assert back.dtype.kind == np.load(tmp_path / "x.npy").dtype.kind


@pytest.mark.parametrize("raw", [True, False])
def test_tensor_files_are_read(cli: Any, identity: Any, tmp_path: Path, raw: bool) -> None:
    cases: dict[Any, list[Any]] = {
        TensorProto.FLOAT: [1.5, -2.0, 3.0],
        TensorProto.INT64: [1, -2, 2**60],
        TensorProto.UINT8: [1, 2, 255],
        TensorProto.FLOAT16: [1.5, -2.0, 3.0],
        TensorProto.DOUBLE: [1.5, -2.0, 3.0],
        TensorProto.BOOL: [True, False, True],
    }
    for dtype, values in cases.items():
        kind = helper.tensor_dtype_to_np_dtype(dtype)
        array = np.array(values, kind)
        tensor = helper.make_tensor("t", dtype, [3], array.tobytes() if raw else values, raw=raw)
        onnx.save_tensor(tensor, str(tmp_path / "x.pb"))
        result = cli("run", identity(dtype, (3,)), "--input", "x=x.pb", "-o", "out")
        assert result.code == 0, result
        np.testing.assert_array_equal(np.load(tmp_path / "out/y.npy"), array)


def test_sequences_and_optionals_are_read(cli: Any, save: Any, tmp_path: Path) -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"]))
    path = save(
        "seq.onnx",
        [helper.make_node("Identity", ["s"], ["t"])],
        {"s": kind},
        {"t": kind},
    )
    arrays = [np.array([1, 2], np.float32), np.array([3], np.float32)]
    sequence = numpy_helper.from_list(arrays, "s")
    (tmp_path / "s.pb").write_bytes(sequence.SerializeToString())
    result = cli("run", path, "--input", "s=s.pb", "-o", "out.npz", "--json")
    assert result.code == 0, result
    assert [i["shape"] for i in result.json["t"]["items"]] == [[2], [1]]
    with np.load(tmp_path / "out.npz") as out:
        np.testing.assert_array_equal(out["t.0"], arrays[0])
        np.testing.assert_array_equal(out["t.1"], arrays[1])
    missing = cli("run", path)
    assert missing.code == 2
    assert "SequenceProto" in missing.err


def test_numbers_stand_for_small_inputs(cli: Any, save: Any, tmp_path: Path) -> None:
    path = save(
        "add.onnx",
        [helper.make_node("Add", ["a", "b"], ["c"])],
        {"a": (TensorProto.FLOAT, ["n"]), "b": (TensorProto.FLOAT, [])},
        {"c": (TensorProto.FLOAT, ["n"])},
    )
    result = cli("run", path, "--input", "a=1,2.5,-3", "--input", "b=10", "-o", "out")
    assert result.code == 0, result
    np.testing.assert_array_equal(np.load(tmp_path / "out/c.npy"), [11, 12.5, 7])
    wrong = cli("run", path, "--input", "a=1,2", "--shape", "a=3")
    assert wrong.code == 2
    assert "expected 1 or 3 numbers" in wrong.err


def test_numbers_keep_all_their_digits(cli: Any, identity: Any, tmp_path: Path) -> None:
    for dtype, text, value in (
        (TensorProto.INT64, str(2**53 + 1), 2**53 + 1),
        (TensorProto.INT64, str(-(2**63)), -(2**63)),
        (TensorProto.UINT64, str(2**64 - 1), 2**64 - 1),
        (TensorProto.UINT8, "255", 255),
        (TensorProto.INT8, "-128", -128),
        (TensorProto.BOOL, "1", True),
        (TensorProto.FLOAT16, "65504", 65504),
        (TensorProto.FLOAT, "1e-3", np.float32(1e-3)),
        (TensorProto.DOUBLE, "1e300", 1e300),
        (TensorProto.COMPLEX64, "2.5", 2.5),
    ):
        result = cli("run", identity(dtype, (2, 2)), "--input", f"x={text}", "-o", "out")
        assert result.code == 0, result
        back = np.load(tmp_path / "out/y.npy")
        assert (back == np.full((2, 2), value, back.dtype)).all(), (text, back)
    result = cli("run", identity(TensorProto.FLOAT, (2,)), "--input", "x=nan, -inf", "-o", "out")
    assert result.code == 0, result
    np.testing.assert_array_equal(np.load(tmp_path / "out/y.npy"), [np.nan, -np.inf])


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [
        (TensorProto.INT64, "16000.7", f"an integer from {-(2**63)} to {2**63 - 1}"),
        (TensorProto.INT64, "9223372036854775808", f"an integer from {-(2**63)} to {2**63 - 1}"),
        (TensorProto.INT32, "1e300", f"an integer from {-(2**31)} to {2**31 - 1}"),
        (TensorProto.INT32, "nan", f"an integer from {-(2**31)} to {2**31 - 1}"),
        (TensorProto.UINT8, "300", "an integer from 0 to 255"),
        (TensorProto.UINT64, "-1", f"an integer from 0 to {2**64 - 1}"),
        (TensorProto.INT8, "128", "an integer from -128 to 127"),
        (TensorProto.BOOL, "2", "0 or 1"),
        (TensorProto.FLOAT, "1e300", "a number from -3.40282e+38 to 3.40282e+38"),
        (TensorProto.FLOAT16, "70000", "a number from -65504 to 65504"),
        (TensorProto.BFLOAT16, "3.4e38", "a number from -3.38953e+38 to 3.38953e+38"),
    ],
)
def test_numbers_are_not_cast(
    cli: Any, identity: Any, dtype: int, text: str, expected: str
) -> None:
    model = identity(dtype, (2,))
    for given in (text, f"1,{text}"):
        result = cli("run", model, "--input", f"x={given}", "--json")
        assert result.code == 4, result
        assert result.json["error"]["code"] == "invalid_value"
        message = result.json["error"]["message"]
        assert 'input "x"' in message
        assert f"expected {expected}, got {text}" in message


@pytest.mark.parametrize(
    ("dtype", "kind", "value", "words"),
    [
        (TensorProto.INT4, np.int8, 100, "expected -8 to 7 for int4, got 100"),
        (TensorProto.INT4, np.int8, -9, "expected -8 to 7 for int4, got -9"),
        (TensorProto.UINT4, np.uint8, 16, "expected 0 to 15 for uint4, got 16"),
        (TensorProto.FLOAT4E2M1, "V1", b"\x10", "expected 0 to 15 for float4_e2m1fn, got 16"),
    ],
)
def test_small_types_are_not_masked(
    cli: Any, identity: Any, tmp_path: Path, dtype: int, kind: Any, value: Any, words: str
) -> None:
    array = np.zeros(3, kind)
    array[2] = value
    np.save(tmp_path / "x.npy", array)
    result = cli("run", identity(dtype, (3,)), "--input", "x=x.npy", "--json")
    assert result.code == 4, result
    assert result.json["error"]["code"] == "invalid_value"
    assert f"element 2: {words}" in result.json["error"]["message"]


@pytest.mark.parametrize(
    ("dtype", "field", "values", "words"),
    [
        (TensorProto.UINT8, "int32_data", [1, 300], "expected 0 to 255 for uint8, got 300"),
        (TensorProto.INT8, "int32_data", [1, -129], "expected -128 to 127 for int8, got -129"),
        (TensorProto.BOOL, "int32_data", [1, 2], "expected 0 to 1 for bool, got 2"),
        (TensorProto.FLOAT16, "int32_data", [1, 65536], "expected 0 to 65535 for float16"),
        (TensorProto.UINT32, "uint64_data", [1, 2**32], f"for uint32, got {2**32}"),
        (TensorProto.INT64, "int32_data", [1, 2], "in field 5 of TensorProto, expected 7"),
        (TensorProto.INT64, "double_data", [1, 2], "in field 10 of TensorProto, expected 7"),
    ],
)
def test_tensor_files_are_not_cast(
    cli: Any, identity: Any, tmp_path: Path, dtype: int, field: str, values: Any, words: str
) -> None:
    tensor = TensorProto(dims=[2], data_type=dtype)
    getattr(tensor, field).extend(values)
    (tmp_path / "x.pb").write_bytes(tensor.SerializeToString())
    result = cli("run", identity(dtype, (2,)), "--input", "x=x.pb", "--json")
    assert result.code in (4, 6), result
    assert words in result.json["error"]["message"]


def test_names_may_hold_separators(cli: Any, save: Any, tmp_path: Path) -> None:
    name = "in/x=1:0"
    path = save(
        "odd.onnx",
        [helper.make_node("Identity", [name], ["out:y/1"])],
        {name: (TensorProto.FLOAT, ["n", 2])},
        {"out:y/1": (TensorProto.FLOAT, ["n", 2])},
    )
    array = np.ones((5, 2), np.float32)
    (tmp_path / "a=b").mkdir()
    np.save(tmp_path / "a=b/x.npy", array)
    result = cli("run", path, "--input", f"{name}=a=b/x.npy", "-o", "out")
    assert result.code == 0, result
    np.testing.assert_array_equal(np.load(tmp_path / "out/out:y_1.npy"), array)
    assert cli("run", path, "--shape", f"{name}=4x2").code == 0
    assert cli("build", path, "-o", "p.plan", "--shapes", f"{name}=1x2:2x2:4x2").code == 0
    too_large = cli("run", "p.plan", "--shapes", f"{name}=5x2")
    assert too_large.code == 4
    assert name in too_large.err


HOSTILE = {
    "empty": (b"", "is no .npy file"),
    "magic": (b"\x93NUMPX" + bytes(60), "is no .npy file"),
    "version": (npy(header(), bytes(24), version=9), "expected 1 to 3"),
    "header cut off": (npy(header(), length=60000), "cut off in its .npy header"),
    "data cut off": (npy(header(), bytes(23)), "needs 24 bytes, got 23"),
    "data too long": (npy(header(), bytes(25)), "is too long"),
    "huge shape": (npy(header(shape=f"({2**62}, {2**62})"), bytes(24)), "too large"),
    "shape beyond 64 bits": (npy(header(shape=f"({2**70},)")), "shape: expected dimensions"),
    "negative shape": (npy(header(shape="(-2, 3)"), bytes(24)), "shape: expected dimensions"),
    "rank": (npy(header(shape="(" + "1," * 65 + ")"), bytes(4)), "more than 64"),
    "no shape": (npy("{'descr': '<f4', 'fortran_order': False}"), "expected the keys"),
    "no literal": (npy("__import__('os')"), "expected '{'"),
    "objects": (npy(header("|O"), bytes(48)), "holds Python objects"),
    "structured": (npy(header().replace("'<f4'", "[('a', '<f4')]")), "structured array"),
    "dates": (npy(header("<M8[s]"), bytes(48)), "which Planish does not have"),
    "long double": (npy(header("<f16"), bytes(96)), "which Planish does not have"),
    "empty strings": (npy(header("<U0", shape=f"({2**40},)")), "bytes of data"),
    "no character": (npy(header("<U1", shape="(1,)"), b"\xff" * 4), "none in Unicode"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_npy_gets_a_sentence(cli: Any, identity: Any, tmp_path: Path, name: str) -> None:
    data, words = HOSTILE[name]
    (tmp_path / "x.npy").write_bytes(data)
    result = cli("run", identity(), "--input", "x=x.npy", "--json")
    assert result.code == 6, result
    assert result.json["error"]["code"] == "file_error"
    assert words in result.json["error"]["message"]
    assert "x.npy" in result.json["error"]["message"]


def bomb(claimed: int) -> bytes:
    """A deflated member whose directory claims another size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy(header(), bytes(10_000_000)))
    data = bytearray(buffer.getvalue())
    entry = data.rfind(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", claimed)
    return bytes(data)


def archive_of(**arrays: Array) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def damaged(at: int) -> bytes:
    data = bytearray(archive_of(x=np.ones((2, 3), np.float32)))
    data[at] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no .npz file"),
        (b"PK\x05\x06" + b"\xff" * 18, "damaged"),
        (archive_of(x=np.ones((2, 3), np.float32))[:-30], "no .npz file"),
        (archive_of(x=np.ones((2, 3), np.float32))[100:], "damaged"),
        (bomb(200), "does not unpack to the size"),
        (bomb(2**32 - 2), "does not unpack to the size"),
        (bomb(10_000_000), "does not unpack to the size"),
        (damaged(170), "checksum differs"),
        (archive_of(z=np.ones(3, np.float32), y=np.ones(3, np.float32)), 'no array "x"'),
    ],
)
def test_hostile_npz_gets_a_sentence(
    cli: Any, identity: Any, tmp_path: Path, data: bytes, words: str
) -> None:
    (tmp_path / "x.npz").write_bytes(data)
    result = cli("run", identity(), "--input", "x=x.npz", "--json")
    assert result.code in (6, 7), result
    assert words in result.json["error"]["message"]


def test_every_truncation_of_the_formats_is_refused(
    cli: Any, identity: Any, tmp_path: Path
) -> None:
    tensor = numpy_helper.from_array(np.ones((2, 3), np.float32))
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.jpg")
    picture = identity(TensorProto.FLOAT, (1, 3, "h", "w"), "picture.onnx")
    for kind, data, model in (
        ("pb", tensor.SerializeToString(), identity()),
        ("npz", archive_of(x=np.ones((2, 3), np.float32)), identity()),
        ("png", (tmp_path / "a.png").read_bytes(), picture),
        ("jpg", (tmp_path / "a.jpg").read_bytes(), picture),
    ):
        for cut in sorted({0, 1, 7, 8, 9, 20, len(data) // 2, len(data) - 20}):
            (tmp_path / f"x.{kind}").write_bytes(data[:cut])
            result = cli("run", model, "--input", f"x=x.{kind}")
            assert result.code in (4, 6), (kind, cut, result)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.npy", "No such file"),
        (".", "expected a file"),
        ("folder.npy", "no regular file"),
        ("x.txt", "expected a file"),
    ],
)
def test_paths_that_are_no_files(
    cli: Any, identity: Any, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "folder.npy").mkdir()
    result = cli("run", identity(), "--input", f"x={name}")
    assert result.code in (2, 6), result
    assert words in result.err


def test_pictures_become_inputs(cli: Any, identity: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    planes = pixels.transpose(2, 0, 1)[None].astype(np.float32)

    def run(model: str, *flags: str) -> Array:
        result = cli("run", model, "--input", "x=a.png", "-o", "out", *flags)
        assert result.code == 0, result
        return np.load(tmp_path / "out/y.npy")

    dynamic = identity(TensorProto.FLOAT, (1, 3, "h", "w"), "dynamic.onnx")
    np.testing.assert_allclose(run(dynamic), planes / 255, rtol=1e-6)
    normal = run(dynamic, "--mean", "0.5,0.4,0.3", "--std", "0.2", "--colours", "bgr")
    mean = np.array([0.5, 0.4, 0.3], np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(normal, (planes[:, ::-1] / 255 - mean) / 0.2, rtol=1e-4, atol=1e-5)
    last = identity(TensorProto.UINT8, ("n", "h", "w", 3), "last.onnx")
    np.testing.assert_array_equal(run(last), pixels[None])
    fixed = identity(TensorProto.FLOAT, (2, 3, 10, 14), "fixed.onnx")
    large = run(fixed, "--scale", "1")
    assert large.shape == (2, 3, 10, 14)
    np.testing.assert_array_equal(large[0], large[1])
    assert abs(large.mean() - planes.mean()) < 8
    assert run(dynamic, "--shape", "x=1x3x4x4").shape == (1, 3, 4, 4)


def test_jpegs_and_grey_pictures(cli: Any, identity: Any, tmp_path: Path) -> None:
    grey = identity(TensorProto.FLOAT, (1, "h", "w"), "grey.onnx")
    Image.new("RGB", (16, 8), (255, 0, 0)).save(tmp_path / "a.jpg", quality=95)
    result = cli("run", grey, "--input", "x=a.jpg", "-o", "out")
    assert result.code == 0, result
    out = np.load(tmp_path / "out/y.npy")
    assert out.shape == (1, 8, 16)
    np.testing.assert_allclose(out, 76 / 255, atol=0.02)


@pytest.mark.parametrize(
    ("dtype", "shape", "flags", "words"),
    [
        (TensorProto.FLOAT, ("n", "c"), (), "expected rank 3 or 4"),
        (TensorProto.FLOAT, (1, 4, "h", "w"), (), "not clear"),
        (TensorProto.FLOAT, (1, 4, "h", "w"), ("--layout", "nchw"), "expected 1 or 3 channels"),
        (TensorProto.INT64, (1, 3, "h", "w"), (), "expected uint8 or a floating-point type"),
        (TensorProto.FLOAT, (1, 3, "h", "w"), ("--mean", "1,2"), "expected 1 or 3 numbers"),
        (TensorProto.FLOAT, (1, 3, "h", "w"), ("--std", "0"), "expected no zero"),
        (TensorProto.FLOAT, (1, 3, "h", "w"), ("--mean", "a"), "expected a number"),
    ],
)
def test_pictures_that_do_not_fit(
    cli: Any, identity: Any, tmp_path: Path, dtype: int, shape: Any, flags: Any, words: str
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    result = cli("run", identity(dtype, shape), "--input", "x=a.png", *flags)
    assert result.code == 2, result
    assert words in result.err


@pytest.mark.parametrize(
    "shape",
    ["1x3x0x4", "1x3x40000x40000", f"1x3x{2**62}x4", f"{2**40}x3x9x9", "40x3x9000x9000"],
)
def test_sizes_that_no_picture_can_have(
    cli: Any, identity: Any, tmp_path: Path, shape: str
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    model = identity(TensorProto.FLOAT, ("n", 3, "h", "w"))
    result = cli("run", model, "--input", "x=a.png", "--shape", f"x={shape}")
    assert result.code == 7, result
    assert "a picture cannot be brought to it" in result.err


def test_long_and_thin_pictures(cli: Any, identity: Any, tmp_path: Path) -> None:
    Image.new("L", (1, 30000), 100).save(tmp_path / "a.png")
    model = identity(TensorProto.UINT8, (1, 1, "h", "w"))
    for shape in ("1x1x1x30000", "1x1x2x3"):
        flags = ("--shape", f"x={shape}", "--layout", "nchw")
        result = cli("run", model, "--input", "x=a.png", *flags, "-o", "out")
        assert result.code == 0, result
        assert (np.load(tmp_path / "out/y.npy") == 100).all()


def test_a_picture_that_claims_to_be_huge(cli: Any, identity: Any, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 900_000, 900_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    (tmp_path / "a.png").write_bytes(data)
    model = identity(TensorProto.FLOAT, (1, 3, "h", "w"))
    result = cli("run", model, "--input", "x=a.png")
    assert result.code in (6, 7), result
    assert "900000" in result.err or "exceeds" in result.err


def test_outputs_are_written_whole_or_not_at_all(cli: Any, identity: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = cli("run", identity(), "-o", "file")
    assert result.code == 6, result
    assert "a file has this name" in result.err or "Not a directory" in result.err
    assert (tmp_path / "file").read_text() == "mine"
    assert cli("run", identity(), "-o", "there/is/none.npz").code == 6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "id.onnx"]


def test_links_and_modes_survive_what_is_written(cli: Any, identity: Any, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/real.npz").write_text("old")
    (tmp_path / "there/real.npz").chmod(0o600)
    (tmp_path / "link.npz").symlink_to("there/next.npz")
    (tmp_path / "there/next.npz").symlink_to("real.npz")
    result = cli("run", identity(), "-o", "link.npz")
    assert result.code == 0, result
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "there/next.npz").is_symlink()
    assert (tmp_path / "there/real.npz").stat().st_mode & 0o777 == 0o600
    assert np.load(tmp_path / "there/real.npz")["y"].shape == (1, 3)
    (tmp_path / "new.npz").symlink_to("there/new.npz")
    assert cli("run", identity(), "-o", "new.npz").code == 0
    assert np.load(tmp_path / "there/new.npz")["y"].shape == (1, 3)
    (tmp_path / "round.npz").symlink_to("round.npz")
    assert cli("run", identity(), "-o", "round.npz").code == 6
    (tmp_path / "folder.npz").mkdir()
    assert cli("run", identity(), "-o", "folder.npz").code == 6


def test_what_is_no_regular_file_stays_what_it_is(cli: Any, identity: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    result = cli("run", identity(), "-o", "pipe.npz", timeout=60)
    assert result.code == 6, result
    assert (tmp_path / "pipe.npz").is_fifo()
    reader = os.open(tmp_path / "pipe.npz", os.O_RDONLY | os.O_NONBLOCK)
    result = cli("run", identity(), "-o", "pipe.npz")
    data = os.read(reader, 1 << 20)
    os.close(reader)
    assert result.code == 0, result
    assert (tmp_path / "pipe.npz").is_fifo()
    assert np.load(io.BytesIO(data))["y"].shape == (1, 3)


@pytest.mark.parametrize("name", ["/dev/stdout", "out.html"])
def test_the_page_may_go_to_the_standard_output(identity: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "out.html").write_text("before\n")
    for target in ("pipe", "file"):
        if target == "pipe" and name == "out.html":
            continue
        with (tmp_path / "out.html").open("a") as file:
            done = subprocess.run(
                [COMMAND, "inspect", identity(), "--html", name, "--no-run"],
                cwd=tmp_path,
                stdout=subprocess.PIPE if target == "pipe" else file,
                check=True,
            )
        text = done.stdout.decode() if target == "pipe" else (tmp_path / "out.html").read_text()
        assert text.startswith("<!doctype html>" if target == "pipe" else "before\n<!doctype html>")
        assert "</html>" in text


def test_symbols_are_shared_by_the_inputs(cli: Any, save: Any, tmp_path: Path) -> None:
    path = save(
        "two.onnx",
        [helper.make_node("Add", ["a", "b"], ["c"])],
        {"a": (TensorProto.FLOAT, ["batch", 4]), "b": (TensorProto.FLOAT, ["batch", 4])},
        {"c": (TensorProto.FLOAT, ["batch", 4])},
    )
    np.save(tmp_path / "b.npy", np.zeros((7, 4), np.float32))
    for flags in (("--shape", "a=7x4"), ("--shape", "batch=7"), ("--input", "b=b.npy")):
        result = cli("run", path, *flags, "--json")
        assert result.code == 0, result
        assert result.json["c"]["shape"] == [7, 4]
    np.savez(tmp_path / "some.npz", b=np.zeros((7, 4), np.float32))
    for flags in (("--input", "some.npz"), ("--input", "b=some.npz"), ("--input", "b=some.npz:b")):
        result = cli("run", path, *flags, "--json")
        assert result.code == 0, result
        assert result.json["c"]["shape"] == [7, 4]
    profile = cli("run", path, "--shapes", "a=1x4:3x4:9x4", "--shapes", "b=1x4:3x4:9x4", "--json")
    assert profile.json["c"]["shape"] == [3, 4]
