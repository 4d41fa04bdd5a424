# SPDX-License-Identifier: Apache-2.0
"""The zoo's own parts: weight files, tokenizer, registry, statistics, comparison."""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import pytest

np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
pytest.importorskip("PIL")

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import engines, measure  # noqa: E402
from benchmarks.zoo import registry, weightfiles, wordpiece  # noqa: E402
from benchmarks.zoo.writer import Net  # noqa: E402


class Global:
    """Pickles as a reference to module.name applied to arguments."""

    def __init__(self, module: str, name: str, arguments: tuple[object, ...]) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class Storage:
    """Pickles as a persistent reference."""

    def __init__(self, kind: str, key: str, count: int) -> None:
        self.kind, self.key, self.count = kind, key, count


def torch_pickle(tree: object) -> bytes:
    """Writes what torch would, with globals that need not exist here."""

    class Name:
        pass

    stream = io.BytesIO()

    pure: Any = pickle._Pickler

    class Pickler(pure):
        dispatch: ClassVar[dict[type, Any]] = dict(pure.dispatch)

        def persistent_id(self, thing: object) -> object:
            if isinstance(thing, Storage):
                name = Name()
                name.module, name.name = "torch", thing.kind  # type: ignore[attr-defined]
                return ("storage", name, thing.key, "cpu", thing.count)
            return None

        def save_name(self, thing: object) -> None:
            text = f"c{thing.module}\n{thing.name}\n"  # type: ignore[attr-defined]
            self.write(text.encode())

        def save_call(self, thing: Global) -> None:
            self.write(f"c{thing.module}\n{thing.name}\n".encode())
            self.save(thing.arguments)
            self.write(b"R")

        dispatch[Name] = save_name
        dispatch[Global] = save_call

    Pickler(stream, protocol=2).dump(tree)
    return stream.getvalue()


def tensor(
    key: str, count: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> Global:
    storage = Storage("FloatStorage", key, count)
    return Global("torch._utils", "_rebuild_tensor_v2", (storage, offset, shape, stride, False, {}))


def zip_file(path: Path, tree: object, storages: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", torch_pickle(tree))
        for key, blob in storages.items():
            archive.writestr(f"m/data/{key}", blob)
    return path


VALUES = np.arange(6, dtype=np.float32)


def test_torch_zip_gives_strided_views(tmp_path: Path) -> None:
    tree = {"a": tensor("0", 6, 0, (2, 3), (3, 1)), "b": tensor("0", 6, 1, (2,), (2,))}
    read = weightfiles.read_torch(zip_file(tmp_path / "w.pt", tree, {"0": VALUES.tobytes()}))
    assert np.array_equal(read["a"], VALUES.reshape(2, 3))
    assert np.array_equal(read["b"], [1.0, 3.0])


def test_torch_legacy(tmp_path: Path) -> None:
    blob = b"".join(
        pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    )
    blob += torch_pickle({"a": tensor("k", 6, 0, (3, 2), (2, 1))})
    blob += pickle.dumps(["k"], 2) + struct.pack("<q", 6) + VALUES.tobytes()
    path = tmp_path / "w.pth"
    path.write_bytes(blob)
    assert np.array_equal(weightfiles.read_weights(path)["a"], VALUES.reshape(3, 2))
    for cut in range(0, len(blob), 3):
        path.write_bytes(blob[:cut])
        with pytest.raises(weightfiles.WeightFileError):
            weightfiles.read_weights(path)


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("collections", "Counter")],
)
def test_other_globals_are_refused(tmp_path: Path, module: str, name: str) -> None:
    path = zip_file(tmp_path / "w.pt", {"a": Global(module, name, ("true",))}, {})
    with pytest.raises(weightfiles.WeightFileError, match=f"{module}.{name}"):
        weightfiles.read_torch(path)


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [(4, (3,), (1,)), (0, (2, 3), (4, 1)), (-1, (2,), (1,)), (0, (-2,), (1,)), (0, (2,), (1, 1))],
)
def test_views_outside_the_storage_are_refused(
    tmp_path: Path, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    tree = {"a": tensor("0", 6, offset, shape, stride)}
    path = zip_file(tmp_path / "w.pt", tree, {"0": VALUES.tobytes()})
    with pytest.raises(weightfiles.WeightFileError):
        weightfiles.read_torch(path)


def test_short_storage_is_refused(tmp_path: Path) -> None:
    tree = {"a": tensor("0", 6, 0, (6,), (1,))}
    with pytest.raises(weightfiles.WeightFileError, match="20 bytes for 6 elements"):
        weightfiles.read_torch(zip_file(tmp_path / "w.pt", tree, {"0": VALUES.tobytes()[:20]}))


def safetensors(header: dict[str, object], body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    path.write_bytes(safetensors({"a": entry, "__metadata__": {}}, VALUES.tobytes()))
    assert np.array_equal(weightfiles.read_weights(path)["a"], VALUES.reshape(2, 3))
    for change in ({"data_offsets": [4, 28]}, {"shape": [7]}, {"data_offsets": [-24, 0]}):
        path.write_bytes(safetensors({"a": {**entry, **change}}, VALUES.tobytes()))
        with pytest.raises(weightfiles.WeightFileError):
            weightfiles.read_weights(path)


def test_wordpiece() -> None:
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "a", "cafe", "!", "##s"]
    vocabulary = {name: i for i, name in enumerate(names)}
    feeds = wordpiece.encode(["Playing Cafés!", "a zebra"], vocabulary)
    assert feeds["input_ids"].tolist() == [[2, 4, 5, 7, 9, 8, 3], [2, 6, 1, 3, 0, 0, 0]]
    assert feeds["attention_mask"].tolist() == [[1] * 7, [1, 1, 1, 1, 0, 0, 0]]


def test_difference() -> None:
    base = {"y": np.array([1.0, -4.0, np.nan], np.float32)}
    assert engines.difference(base, base) == 0.0
    near = {"y": np.array([1.0, -4.0 + 4e-5, np.nan], np.float32)}
    assert engines.difference(near, base) == pytest.approx(1e-5, rel=0.1)
    for wrong in (
        {"y": np.array([1.0, -4.0, 0.0], np.float32)},
        {"y": np.array([np.nan, -4.0, np.nan], np.float32)},
        {"y": np.array([1.0, -4.0, np.nan], np.float64)},
        {"y": np.array([1.0, -4.0], np.float32)},
        {"z": base["y"]},
    ):
        assert engines.difference(wrong, base) == float("inf")
    assert engines.difference({"i": np.array([1])}, {"i": np.array([2])}) == float("inf")


def test_median_interval() -> None:
    assert measure.median_interval([1.0, 2.0, 3.0]) == (1.0, 3.0)
    ordered = [float(i) for i in range(1, 21)]
    # Table of the sign test: for 20 values, the 6th and the 15th hold the median at 95.9 %.
    assert measure.median_interval(ordered) == (6.0, 15.0)


def test_ratio_cancels_drift() -> None:
    drift = [1.0, 2.0, 4.0, 8.0, 16.0]
    ours = measure.Series([0.5 * d for d in drift])
    assert measure.ratio(ours, measure.Series(drift)) == measure.Ratio(0.5, 0.5, 0.5)


def test_writer_names_by_scope_and_renames_outputs() -> None:
    net = Net("t", seed=1)
    x = net.input("x", ("batch", 4))
    with net.scope("fc"):
        y = net.linear(x, 4, 3)
    net.output(net.relu(y), "y", ("batch", 3))
    model = net.model()
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.initializer] == ["fc.weight", "fc.bias"]
    assert model.graph.node[-1].output[0] == "y"
    assert model.graph.node[0].name == "/fc/MatMul"


def test_models_give_the_same_inputs_again() -> None:
    models = registry.all_models()
    assert {m.group for m in models.values()} == set(registry.GROUPS)
    model = models["bert-base"]
    first, second = (model.feeds(model.cases[2]) for _ in range(2))
    assert all(np.array_equal(first[n], second[n]) for n in first)
    assert model.shape_ranges()["input_ids"] == ("1x16", "1x128", "4x128")


def test_written_models_are_valid(tmp_path: Path) -> None:
    for name in ("mobilenet-v2", "shufflenet-v2", "squeezenet"):
        path = registry.all_models()[name].path(tmp_path)
        onnx.checker.check_model(str(path), full_check=True)


def test_every_model_is_in_the_document() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "zoo.md").read_text()
    for name, model in registry.all_models().items():
        assert f"| {name} | {model.group} |" in page, "run: python -m benchmarks.zoo doc"
