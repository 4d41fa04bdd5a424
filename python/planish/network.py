# SPDX-License-Identifier: Apache-2.0
"""Networks made by hand, node by node."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from planish import _arrays, _planish
from planish._engine import Engine, make_options
from planish._error import Error, text

_MAX_OUTPUTS = 65536  # of one node


def _listed(items: Any, what: str, expected: str) -> Sequence[Any]:
    if isinstance(items, Sequence) and not isinstance(items, str | bytes):
        return items
    raise Error(f"{what}: expected {expected}, got {type(items).__name__}")


class Tensor:
    """A value of a network."""

    def __init__(self, network: Network, number: int) -> None:
        self._network = network
        self._number = number

    @property
    def type(self) -> str:
        """What is known of it: ``float32[batch, 64]``."""
        return self._network._handle.type(self._number)

    def __repr__(self) -> str:
        return f"<planish.network.Tensor {self.type}>"


class Network:
    """A network that grows call by call; each call raises Error at once if it is wrong.

    >>> net = Network("classifier")
    >>> x = net.add_input("x", "float32", ["batch", 64])
    >>> y = net.add("MatMul", [x, net.add_constant(weights)])
    >>> net.mark_output(net.add("Softmax", [y], axis=-1), "probabilities")
    >>> engine = net.build(threads=2)
    """

    def __init__(self, name: str = "network") -> None:
        self._handle = _planish.Network(text(name, "name"))

    def add_input(
        self, name: str, dtype: str | np.dtype[Any] | type, shape: Sequence[int | str | None]
    ) -> Tensor:
        """An input. A dimension is a number, the name of a symbol, or None if nothing is known."""
        number = 0
        if isinstance(dtype, str) and dtype in _arrays.NUMBERS:
            number = _arrays.NUMBERS[dtype]
        elif dtype is not None:  # which numpy takes for float64
            with contextlib.suppress(TypeError):
                number = _arrays.NUMBERS.get(np.dtype(dtype).name, 0)
        if number == 0:
            raise Error(f'input "{name}": {dtype!r} is no data type')
        sizes = _listed(shape, f'shape of input "{name}"', "a list of dimensions")
        dims = ["?" if d is None else str(d) for d in sizes]
        return Tensor(self, self._handle.add_input(text(name, "name"), number, dims))

    def add_constant(self, array: Any, name: str = "") -> Tensor:
        """A constant over the array's memory, which must not change any more."""
        try:
            data = np.asarray(array)
        except (TypeError, ValueError) as e:
            raise Error(f'constant "{name}": expected an array: {e}') from None
        value = _arrays.to_value(data, f'constant "{name}"')
        return Tensor(self, self._handle.add_constant(text(name, "name"), value))

    def add(
        self,
        op: str,
        inputs: Sequence[Tensor | None],
        *,
        outputs: int = 1,
        name: str = "",
        subgraphs: Mapping[str, Callable[[Network], None]] | None = None,
        **attributes: Any,
    ) -> Any:
        """A node of any ONNX op at its newest meaning. Returns its output, or a list of several.

        An input of None is absent. A subgraph is filled by a function that adds inputs, nodes and
        outputs to the network that it is given.
        """
        numbers = []
        for i, value in enumerate(_listed(inputs, f"inputs of {op}", "a list of values")):
            if value is None:
                numbers.append(-1)
            elif isinstance(value, Tensor) and value._network is self:
                numbers.append(value._number)
            else:
                raise Error(f"input {i} of {op}: expected a value of this network, got {value!r}")
        if isinstance(outputs, bool) or not isinstance(outputs, int) or outputs < 1:
            raise Error(f"outputs: expected a positive number, got {outputs!r}")
        if outputs > _MAX_OUTPUTS:
            raise Error(f"outputs: expected at most {_MAX_OUTPUTS}, got {outputs}")
        if not isinstance(subgraphs, Mapping | None):
            raise Error(f"subgraphs: expected a dict of functions, got {type(subgraphs).__name__}")
        for key, body in (subgraphs or {}).items():
            if not callable(body):
                raise Error(f"subgraph {key}: expected a function, got {type(body).__name__}")
        self._handle.begin_node(text(op, "op"), text(name, "name"), numbers, outputs)
        try:
            for key, value in attributes.items():
                self._set(op, key, value)
            for key, body in (subgraphs or {}).items():
                self._handle.begin_subgraph(text(key, "subgraph"))
                body(self)
                self._handle.end_subgraph()
        except BaseException:
            self._handle.abandon_node()
            raise
        made = [Tensor(self, n) for n in self._handle.end_node(outputs)]
        return made[0] if outputs == 1 else made

    def _set(self, op: str, key: str, value: Any) -> None:
        handle = self._handle
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, int | np.integer) and not -(2**63) <= item < 2**63:
                raise Error(f"attribute {key} of {op}: {item} does not fit into 64 bits")
        if isinstance(value, bool | int | np.integer):
            handle.set_int(key, int(value))
        elif isinstance(value, float | np.floating):
            handle.set_float(key, float(value))
        elif isinstance(value, str):
            handle.set_string(key, text(value, f"attribute {key}"))
        elif isinstance(value, np.ndarray):
            handle.set_tensor(key, _arrays.to_value(value, f"attribute {key}"))
        elif isinstance(value, list | tuple) and all(
            isinstance(v, int | np.integer) for v in value
        ):
            handle.set_ints(key, [int(v) for v in value])
        elif isinstance(value, list | tuple) and all(isinstance(v, int | float) for v in value):
            handle.set_floats(key, [float(v) for v in value])
        elif isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
            handle.set_strings(key, [text(v, f"attribute {key}") for v in value])
        else:
            raise Error(f"attribute {key} of {op}: {value!r} is no attribute value")

    def mark_output(self, value: Tensor, name: str) -> None:
        """Makes the value an output of the network, or of the subgraph that is being filled."""
        if not isinstance(value, Tensor) or value._network is not self:
            raise Error(f'output "{name}": expected a value of this network, got {value!r}')
        self._handle.mark_output(value._number, text(name, "name"))

    def set_metadata(self, key: str, value: str) -> None:
        self._handle.set_metadata(text(key, "key"), text(value, "value"))

    def build(self, **options: Any) -> Engine:
        """Compiles the network; options as those of :func:`planish.build`."""
        return Engine(self._handle.build(make_options(options, "build")))
