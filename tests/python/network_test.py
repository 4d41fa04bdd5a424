# SPDX-License-Identifier: Apache-2.0
"""Networks made by hand in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import planish
import pytest


def test_a_network_runs_and_its_symbols_keep_their_names() -> None:
    net = planish.Network("classifier")
    x = net.add_input("x", "float32", ["batch", 4])
    y = net.add("MatMul", [x, net.add_constant(np.eye(4, 3, dtype=np.float32))])
    net.mark_output(net.add("Softmax", [y], axis=-1), "probabilities")
    engine = net.build(level=0)
    assert engine.inputs[0].shape == ("batch", 4)
    data = np.arange(8, dtype=np.float32).reshape(2, 4)
    power = np.exp(data[:, :3] - data[:, 2:3])
    np.testing.assert_allclose(
        engine.run({"x": data})["probabilities"], power / power.sum(1, keepdims=True), rtol=1e-5
    )


def test_subgraphs_are_filled_by_functions_and_see_what_is_outside() -> None:
    net = planish.Network()
    choice = net.add_input("choice", "bool", [])
    x = net.add_input("x", "float32", ["n"])

    def branch(op: str) -> Callable[[planish.Network], None]:
        return lambda body: body.mark_output(body.add(op, [x]), "y")

    branches = {"then_branch": branch("Relu"), "else_branch": branch("Neg")}
    net.mark_output(net.add("If", [choice], subgraphs=branches), "y")
    engine = net.build(level=0)
    data = np.array([-1, 2], np.float32)
    for taken, expected in ((True, [0, 2]), (False, [1, -2])):
        assert engine.run({"choice": np.array(taken), "x": data})["y"].tolist() == expected


WRONG: dict[str, Callable[[Any, Any], object]] = {
    "no list of inputs": lambda net, x: net.add("Relu", x),
    "no inputs": lambda net, _: net.add("Relu", None),
    "an input's name": lambda net, _: net.add("Relu", ["x"]),
    "no such op": lambda net, x: net.add("Reluu", [x]),
    "too many inputs": lambda net, x: net.add("Relu", [x, x]),
    "no such attribute": lambda net, x: net.add("Softmax", [x], axiz=1),
    "type of an attribute": lambda net, x: net.add("Softmax", [x], axis="x"),
    "a large attribute": lambda net, x: net.add("Softmax", [x], axis=2**70),
    "a large attribute in a list": lambda net, x: net.add("Transpose", [x], perm=[2**70]),
    "too many outputs": lambda net, x: net.add("Split", [x], outputs=10**12),
    "a subgraph that is no function": lambda net, x: net.add("If", [x], subgraphs={"a": 3}),
    "subgraphs that are no dict": lambda net, x: net.add("If", [x], subgraphs=3),
    "a shape that is a number": lambda net, _: net.add_input("z", "float32", 4),
    "a shape that is a word": lambda net, _: net.add_input("z", "float32", "abc"),
    "no data type": lambda net, _: net.add_input("z", None, [4]),
    "an unknown data type": lambda net, _: net.add_input("z", "float33", [4]),
    "an input twice": lambda net, _: net.add_input("x", "float32", [4]),
    "a ragged constant": lambda net, _: net.add_constant([[1], [1, 2]]),
    "an object": lambda net, _: net.add_constant(object()),
    "another network's value": lambda net, _: net.add(
        "Relu", [planish.Network().add_input("x", "float32", [4])]
    ),
    "an output that is a word": lambda net, _: net.mark_output("x", "y"),
    "no output": lambda net, _: net.build(),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_call_that_is_wrong_fails_and_leaves_the_network_usable(what: str) -> None:
    net = planish.Network()
    x = net.add_input("x", "float32", [4])
    with pytest.raises(planish.Error):
        WRONG[what](net, x)
    net.mark_output(net.add("Neg", [x]), "y")
    assert net.build(level=0).run({"x": np.ones(4, np.float32)})["y"].tolist() == [-1] * 4
