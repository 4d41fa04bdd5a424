# SPDX-License-Identifier: Apache-2.0
"""The Python package: networks by hand, arrays in and out, errors, plans, contexts."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import planish
import pytest


def small_engine(**options: Any) -> planish.Engine:
    rng = np.random.default_rng(3)
    net = planish.Network("small")
    x = net.add_input("x", "float32", ["batch", 4])
    w = net.add_constant(rng.normal(size=(4, 3)).astype(np.float32), "w")
    y = net.add("MatMul", [x, w])
    net.mark_output(net.add("Relu", [y]), "relu")
    net.mark_output(net.add("Softmax", [y], axis=-1), "probabilities")
    net.set_metadata("author", "test")
    return net.build(threads=2, **options)


def feed(batch: int = 2) -> dict[str, np.ndarray[Any, Any]]:
    return {"x": np.arange(batch * 4, dtype=np.float32).reshape(batch, 4) / 7}


def test_symbols_keep_their_names_and_outputs_their_order() -> None:
    engine = small_engine()
    assert engine.inputs[0].shape == ("batch", 4)
    assert [o.name for o in engine.outputs] == ["relu", "probabilities"]
    assert engine.metadata["author"] == "test"
    out = engine.run(feed(5))
    assert list(out) == ["relu", "probabilities"]
    assert out["probabilities"].shape == (5, 3)
    np.testing.assert_allclose(out["probabilities"].sum(1), 1, rtol=1e-6)


def test_a_plan_gives_the_same_bits_from_path_and_bytes(tmp_path: Path) -> None:
    engine = small_engine()
    path = tmp_path / "small.plan"
    engine.save(path)
    data = engine.serialize()
    assert path.read_bytes() == data
    expected = engine.run(feed())["relu"]
    for loaded in (planish.load(path), planish.load(path, mmap=False), planish.load(data)):
        np.testing.assert_array_equal(loaded.run(feed())["relu"], expected)
        assert loaded.serialize() == data
        assert loaded.metadata == engine.metadata


def test_every_layout_of_an_array_is_read_right() -> None:
    engine = small_engine()
    x = feed(4)["x"]
    expected = engine.run({"x": x})["relu"]
    wide = np.zeros((8, 8), np.float32)
    wide[::2, ::2] = x
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(4, 4)
    frozen = x.copy()
    frozen.flags.writeable = False
    layouts = [
        wide[::2, ::2],
        np.asfortranarray(x),
        x[::-1][::-1],
        unaligned,
        frozen,
        x.astype(">f4"),
    ]
    for layout in layouts:
        np.testing.assert_array_equal(engine.run({"x": layout})["relu"], expected)
    row = np.broadcast_to(x[:1], (4, 4))
    np.testing.assert_array_equal(engine.run({"x": row})["relu"], np.repeat(expected[:1], 4, 0))


def test_outputs_go_into_the_callers_memory() -> None:
    engine = small_engine()
    place = np.full((2, 3), np.nan, np.float32)
    out = engine.run(feed(), outputs={"relu": place})
    assert out["relu"] is place
    np.testing.assert_array_equal(place, engine.run(feed())["relu"])


@pytest.mark.parametrize(
    ("inputs", "code", "words"),
    [
        ({}, "invalid_argument", "missing"),
        ({"x": np.zeros((2, 5), np.float32)}, "invalid_shape", "expected 4"),
        ({"x": np.zeros((2, 4, 1), np.float32)}, "invalid_shape", "x"),
        ({"x": np.zeros((2, 4))}, "invalid_type", "float64"),
        ({"x": 3}, "invalid_type", "expected an array"),
        ({"x": np.zeros((2, 4), np.float32), "z": 1}, "invalid_argument", "no input"),
        ([], "invalid_argument", "expected a dict"),
    ],
)
def test_wrong_inputs_get_a_sentence(inputs: Any, code: str, words: str) -> None:
    engine = small_engine()
    with pytest.raises(planish.Error) as caught:
        engine.run(inputs)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert engine.run(feed())["relu"].shape == (2, 3)  # still usable


@pytest.mark.parametrize(
    "call",
    [
        lambda: planish.build(3),
        lambda: planish.build("/nowhere/model.onnx"),
        lambda: planish.build("a\udc80"),
        lambda: planish.build("zero\0byte"),
        lambda: planish.build(b"no model"),
        lambda: planish.load(b"no plan"),
        lambda: planish.load(None),
        lambda: planish.build("x", level=9),
        lambda: planish.build("x", level="high"),
        lambda: planish.build("x", no_such_option=1),
        lambda: planish.build("x", shapes=3),  # type: ignore[arg-type]
        lambda: planish.build("x", shapes={"x": 3}),
        lambda: planish.build("x", progress=3),  # type: ignore[arg-type]
        lambda: small_engine().create_context("a"),  # type: ignore[arg-type]
        lambda: small_engine().create_context(7),
        lambda: small_engine().save(3),  # type: ignore[arg-type]
        lambda: small_engine().save("/nowhere/there/x.plan"),
        lambda: planish.set_log("loud"),
    ],
)
def test_every_failure_is_the_one_exception(call: Any) -> None:
    with pytest.raises(planish.Error) as caught:
        call()
    assert caught.value.code
    assert str(caught.value)


def test_networks_fail_at_the_call_that_is_wrong() -> None:
    net = planish.Network()
    x = net.add_input("x", "float32", [2, 3])
    for wrong in (
        lambda: net.add("NoSuchOp", [x]),
        lambda: net.add("MatMul", [x]),
        lambda: net.add("MatMul", [x, x]),
        lambda: net.add("Softmax", [x], axis="last"),
        lambda: net.add("Softmax", [x], axis=7),
        lambda: net.add("Relu", [3]),  # type: ignore[list-item]
        lambda: net.add_input("x", "float32", [1]),
        lambda: net.add_input("y", "float33", [1]),
        lambda: net.build(),
    ):
        with pytest.raises(planish.Error):
            wrong()
    net.mark_output(net.add("Relu", [x]), "y")
    assert net.build().run({"x": np.ones((2, 3), np.float32)})["y"].sum() == 6


def test_subgraphs_capture_and_loop() -> None:
    net = planish.Network()
    x = net.add_input("x", "float32", ["n"])
    trips = net.add_input("trips", "int64", [])

    def body(inner: planish.Network) -> None:
        inner.add_input("i", "int64", [])
        condition = inner.add_input("c", "bool", [])
        value = inner.add_input("v", "float32", ["n"])
        inner.mark_output(condition, "c")
        inner.mark_output(inner.add("Add", [value, x]), "v")

    net.mark_output(net.add("Loop", [trips, None, x], subgraphs={"body": body}), "y")
    out = net.build().run({"x": np.array([1, 2], np.float32), "trips": np.int64(3)})
    np.testing.assert_array_equal(out["y"], [4, 8])


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_a_window_that_does_not_fit_is_an_error(op: str) -> None:
    net = planish.Network("pool")
    x = net.add_input("x", "float32", [1, 16, "h", "w"])
    pooled = net.add(op, [x], kernel_shape=[2, 2], strides=[2, 2])
    net.mark_output(net.add("GlobalAveragePool", [pooled]), "y")
    engine = net.build()
    assert engine.run({"x": np.ones((1, 16, 2, 3), np.float32)})["y"].shape == (1, 16, 1, 1)
    with pytest.raises(planish.Error, match=r"a window of 2 does not fit.*input of 1") as caught:
        engine.run({"x": np.ones((1, 16, 1, 3), np.float32)})
    assert caught.value.code == "invalid_shape"


def test_threads_have_contexts_of_their_own() -> None:
    engine = small_engine()
    expected = {n: engine.run(feed(n))["probabilities"] for n in range(1, 9)}
    wrong = []

    def work(n: int) -> None:
        for _ in range(50):
            if not np.array_equal(engine.run(feed(n))["probabilities"], expected[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_build_can_be_cancelled_and_reports_progress() -> None:
    seen: list[tuple[str, float]] = []
    small_engine(progress=lambda stage, fraction, seconds: seen.append((stage, fraction)))
    assert seen[-1][1] == 1
    with pytest.raises(planish.Error) as caught:
        small_engine(progress=lambda *_: False)
    assert caught.value.code == "cancelled"

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        small_engine(progress=broken)


def test_profiles_bound_the_shapes() -> None:
    engine = small_engine(shapes=[{"x": ("1x4", "2x4", "4x4")}, {"x": ("5x4", "6x4", "8x4")}])
    assert engine.profile_count == 2
    assert engine.create_context(1).run(feed(6))["relu"].shape == (6, 3)
    with pytest.raises(planish.Error) as caught:
        engine.create_context(0).run(feed(6))
    assert caught.value.code == "invalid_shape"
    for rows in (2, 6, 1, 8):
        assert engine.run(feed(rows))["relu"].shape == (rows, 3)
    with pytest.raises(planish.Error, match="expected 1 to 8"):
        engine.run(feed(9))
    for number in (-2, 2):
        with pytest.raises(planish.Error, match="expected 0 to 1"):
            engine.create_context(number)
