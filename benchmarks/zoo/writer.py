# SPDX-License-Identifier: Apache-2.0
"""A small language for writing networks as ONNX, the way that exporters write them.

    net = Net("mlp", opset=17, seed=1)
    x = net.input("x", ("batch", 64))
    with net.scope("fc1"):
        x = net.relu(net.linear(x, 64, 128))
    net.output(x, "y", ("batch", 128))
    model = net.model()

A value is its name. Weights are random, seeded, and scaled so that the values keep their size
through the layers. Nodes and weights are named by scope, as torch's exporters name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Dim = int | str
Array = npt.NDArray[Any]

_ELEMENT = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


class Net:
    """One graph under construction."""

    def __init__(
        self,
        name: str,
        *,
        opset: int = 17,
        ir: int = 8,
        seed: int = 0,
        producer: str = "planish-zoo",
        given: Mapping[str, Array] | None = None,
        half: bool = False,
        prefix: str = "",
    ) -> None:
        self.name = name
        self.opset = opset
        self._ir = ir
        self._producer = producer
        self._random = np.random.default_rng(seed)
        self._given = given
        self._half = half
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._scopes = [prefix] if prefix else []
        self._names: dict[str, int] = {}
        self._functions: list[onnx.FunctionProto] = []
        self.domains: dict[str, int] = {}

    # Structure.

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Names of nodes and weights made inside start with `name`."""
        self._scopes.append(name)
        yield
        self._scopes.pop()

    def input(self, name: str, shape: Sequence[Dim], dtype: str = "float32") -> str:
        self._inputs.append(helper.make_tensor_value_info(name, _ELEMENT[dtype], list(shape)))
        return name

    def output(
        self, value: str, name: str, shape: Sequence[Dim | None], dtype: str = "float32"
    ) -> None:
        """Ends the network at `value`, under the name `name`."""
        for node in self._nodes:
            for names in (node.input, node.output):
                for i, used in enumerate(names):
                    if used == value:
                        names[i] = name
        if value in (i.name for i in self._inputs):
            raise ValueError(f"{name}: an output may not be an input")
        self._outputs.append(helper.make_tensor_value_info(name, _ELEMENT[dtype], list(shape)))

    def shared_output(
        self, value: str, name: str, shape: Sequence[Dim | None], dtype: str = "float32"
    ) -> None:
        """Ends the network at a value that an input or another output may be too."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=self._unique(name)))
        self._outputs.append(helper.make_tensor_value_info(name, _ELEMENT[dtype], list(shape)))

    def function(
        self,
        domain: str,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        nodes: Sequence[onnx.NodeProto],
        attributes: Sequence[str] = (),
        uses: Sequence[str] = (),
    ) -> None:
        """Defines an op of this model by other ops, some of them from the domains `uses`."""
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, 1) for d in uses]
        self._functions.append(
            helper.make_function(
                domain, name, list(inputs), list(outputs), list(nodes), opsets, list(attributes)
            )
        )
        self.domains[domain] = 1

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Adds a node of one output and gives its value."""
        return self.op_n(kind, 1, *inputs, domain=domain, **attributes)[0]

    def op_n(
        self, kind: str, outputs: int, *inputs: str, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Adds a node of several outputs."""
        path = "/".join(["", *self._scopes, kind])
        name = self._unique(path)
        values = [f"{name}_output_{i}" for i in range(outputs)]
        kept = {k: v for k, v in attributes.items() if v is not None}
        self._nodes.append(
            helper.make_node(kind, list(inputs), values, name=name, domain=domain, **kept)
        )
        return values

    def subgraph(self, body: Net, name: str) -> onnx.GraphProto:
        """The graph of `body`, to be an attribute of a node of this one."""
        return helper.make_graph(
            body._nodes, name, body._inputs, body._outputs, list(body._initializers.values())
        )

    def constant(self, value: Array | Sequence[int] | int | float) -> str:
        """A Constant node, as torch writes numbers that the Python code held."""
        array = np.asarray(value)
        if array.dtype.kind == "f" and not isinstance(value, np.ndarray):
            array = array.astype(np.float32)
        array = self._narrow(array)
        return self.op("Constant", value=numpy_helper.from_array(array))

    def weight(self, name: str, value: Array) -> str:
        """An initialiser, named by scope; replaced by the given weight of the same name if the
        network is written with trained weights."""
        path = ".".join([*self._scopes, name])
        if self._given is not None:
            trained = self._given.get(path)
            if trained is None:
                raise KeyError(f"{self.name}: the weights have no {path!r}")
            if trained.shape != value.shape:
                raise ValueError(f"{path}: shape {trained.shape}, expected {value.shape}")
            value = trained
        if path in self._initializers:
            raise ValueError(f"{self.name}: two weights are named {path!r}")
        value = self._narrow(value)
        self._initializers[path] = numpy_helper.from_array(np.ascontiguousarray(value), path)
        return path

    def _narrow(self, value: Array) -> Array:
        """float32 to float16 in a network of half precision."""
        return value.astype(np.float16) if self._half and value.dtype == np.float32 else value

    def random(self, shape: Sequence[int], std: float = 1.0, mean: float = 0.0) -> Array:
        if self._given is not None:
            return np.broadcast_to(np.float32(0), tuple(shape))
        values = self._random.standard_normal(tuple(shape), dtype=np.float32)
        values *= np.float32(std)
        if mean:
            values += np.float32(mean)
        return values

    def uniform(self, shape: Sequence[int], low: float, high: float) -> Array:
        if self._given is not None:
            return np.broadcast_to(np.float32(0), tuple(shape))
        return self._random.uniform(low, high, tuple(shape)).astype(np.float32)

    def model(self, *, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            self.name,
            self._inputs,
            self._outputs,
            list(self._initializers.values()),
        )
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(d, v) for d, v in self.domains.items()]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=self._ir,
            producer_name=self._producer,
            functions=self._functions,
        )
        if metadata:
            helper.set_model_props(model, dict(metadata))
        return model

    def _unique(self, path: str) -> str:
        count = self._names.get(path, 0)
        self._names[path] = count + 1
        return path if count == 0 else f"{path}_{count}"

    # Layers.

    def conv(
        self,
        x: str,
        inside: int,
        outside: int,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        pad: int | tuple[int, int] | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        gain: float = 2.0,
    ) -> str:
        """2-D convolution; `pad` defaults to half the kernel. `gain` is the variance that the
        weights multiply by: 2 makes up for a relu, 1 for none."""
        kh, kw = pair(kernel)
        ph, pw = pair(pad) if pad is not None else (dilation * (kh // 2), dilation * (kw // 2))
        fan_in = inside // groups * kh * kw
        weights = [
            self.weight(
                "weight", self.random((outside, inside // groups, kh, kw), (gain / fan_in) ** 0.5)
            )
        ]
        if bias:
            weights.append(self.weight("bias", self.random((outside,), 0.05)))
        return self.op(
            "Conv",
            x,
            *weights,
            dilations=[dilation, dilation],
            group=groups,
            kernel_shape=[kh, kw],
            pads=[ph, pw, ph, pw],
            strides=list(pair(stride)),
        )

    def conv1d(
        self,
        x: str,
        inside: int,
        outside: int,
        kernel: int,
        *,
        stride: int = 1,
        pad: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> str:
        fan_in = inside // groups * kernel
        shape = (outside, inside // groups, kernel)
        weights = [self.weight("weight", self.random(shape, (2.0 / fan_in) ** 0.5))]
        if bias:
            weights.append(self.weight("bias", self.random((outside,), 0.05)))
        return self.op(
            "Conv",
            x,
            *weights,
            dilations=[dilation],
            group=groups,
            kernel_shape=[kernel],
            pads=[pad, pad],
            strides=[stride],
        )

    def conv_transpose(
        self, x: str, inside: int, outside: int, kernel: int, *, stride: int, pad: int = 0
    ) -> str:
        std = (2.0 * stride * stride / (inside * kernel * kernel)) ** 0.5
        return self.op(
            "ConvTranspose",
            x,
            self.weight("weight", self.random((inside, outside, kernel, kernel), std)),
            self.weight("bias", self.random((outside,), 0.05)),
            dilations=[1, 1],
            group=1,
            kernel_shape=[kernel, kernel],
            pads=[pad] * 4,
            strides=[stride, stride],
        )

    def batch_norm(
        self, x: str, channels: int, *, scale: float = 1.0, epsilon: float = 1e-5
    ) -> str:
        """BatchNormalization; `scale` is the mean of the scales (below 1 on residual branches)."""
        return self.op(
            "BatchNormalization",
            x,
            self.weight("weight", self.uniform((channels,), 0.8 * scale, 1.2 * scale)),
            self.weight("bias", self.random((channels,), 0.1)),
            self.weight("running_mean", self.random((channels,), 0.1)),
            self.weight("running_var", self.uniform((channels,), 0.8, 1.25)),
            epsilon=epsilon,
            momentum=0.9,
        )

    def linear(
        self, x: str, inside: int, outside: int, *, bias: bool = True, gain: float = 1.0
    ) -> str:
        """torch's Linear on a tensor of any rank: MatMul by a weight that the exporter has turned,
        then the bias first in the Add."""
        weight = self.random((inside, outside), (gain / inside) ** 0.5)
        if self._given is not None:
            # Trained files hold the weight as torch does, [outside, inside].
            path = ".".join([*self._scopes, "weight"])
            name = self._turned(path, (outside, inside))
        else:
            name = self.weight("weight", weight)
        y = self.op("MatMul", x, name)
        if not bias:
            return y
        return self.op("Add", self.weight("bias", self.random((outside,), 0.05)), y)

    def gemm(self, x: str, inside: int, outside: int, *, gain: float = 1.0) -> str:
        """torch's Linear on a matrix: Gemm with transB."""
        return self.op(
            "Gemm",
            x,
            self.weight("weight", self.random((outside, inside), (gain / inside) ** 0.5)),
            self.weight("bias", self.random((outside,), 0.05)),
            alpha=1.0,
            beta=1.0,
            transB=1,
        )

    def _turned(self, path: str, shape: tuple[int, int]) -> str:
        assert self._given is not None
        trained = self._given.get(path)
        if trained is None or trained.shape != shape:
            raise KeyError(f"{self.name}: the weights have no {path!r} of shape {shape}")
        name = f"onnx::MatMul_{path}"
        self._initializers[name] = numpy_helper.from_array(np.ascontiguousarray(trained.T), name)
        return name

    def layer_norm(
        self, x: str, width: int, *, epsilon: float = 1e-5, spelled_out: bool = False
    ) -> str:
        """Over the last axis: the op, or the nine nodes that exporters wrote before it existed."""
        scale = self.weight("weight", self.uniform((width,), 0.8, 1.2))
        shift = self.weight("bias", self.random((width,), 0.05))
        if not spelled_out:
            return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)
        centred = self.op("Sub", x, self.mean(x, -1))
        variance = self.mean(self.op("Pow", centred, self.constant(2.0)), -1)
        deviation = self.op("Sqrt", self.op("Add", variance, self.constant(epsilon)))
        return self.op("Add", self.op("Mul", self.op("Div", centred, deviation), scale), shift)

    def rms_norm(self, x: str, width: int, *, epsilon: float = 1e-6) -> str:
        """Spelled out, as decoders are exported."""
        square = self.mean(self.op("Pow", x, self.constant(2.0)), -1)
        root = self.op("Sqrt", self.op("Add", square, self.constant(epsilon)))
        unit = self.op("Mul", x, self.op("Div", self.constant(1.0), root))
        return self.op("Mul", self.weight("weight", self.uniform((width,), 0.8, 1.2)), unit)

    def mean(self, x: str, *axes: int, keep: bool = True) -> str:
        if self.opset >= 18:
            return self.op("ReduceMean", x, self.constant(list(axes)), keepdims=int(keep))
        return self.op("ReduceMean", x, axes=list(axes), keepdims=int(keep))

    # Activations.

    def relu(self, x: str) -> str:
        return self.op("Relu", x)

    def relu6(self, x: str) -> str:
        return self.op("Clip", x, self.constant(0.0), self.constant(6.0))

    def silu(self, x: str) -> str:
        return self.op("Mul", x, self.op("Sigmoid", x))

    def gelu(self, x: str) -> str:
        """The exact one by Erf, as torch's first exporter spells it."""
        erf = self.op("Erf", self.op("Div", x, self.constant(2.0**0.5)))
        return self.op(
            "Mul",
            self.op("Mul", x, self.op("Add", erf, self.constant(1.0))),
            self.constant(0.5),
        )

    def gelu_tanh(self, x: str) -> str:
        """The tanh approximation, spelled out."""
        cube = self.op("Pow", x, self.constant(3.0))
        inner = self.op("Add", x, self.op("Mul", self.constant(0.044715), cube))
        bend = self.op("Tanh", self.op("Mul", self.constant(0.7978845608), inner))
        half = self.op("Mul", self.constant(0.5), x)
        return self.op("Mul", half, self.op("Add", self.constant(1.0), bend))

    def hard_swish(self, x: str) -> str:
        return self.op("HardSwish", x)

    def squeeze_excite(
        self, x: str, channels: int, hidden: int, *, act: str = "Relu", gate: str = "Sigmoid"
    ) -> str:
        pooled = self.op("GlobalAveragePool", x)
        with self.scope("fc1"):
            small = self.conv(pooled, channels, hidden, 1)
        small = self.silu(small) if act == "Silu" else self.op(act, small)
        with self.scope("fc2"):
            large = self.conv(small, hidden, channels, 1)
        return self.op("Mul", x, self.op(gate, large))

    # Shapes.

    def dim(self, x: str, axis: int) -> str:
        """The size of one axis as a scalar: Shape, then Gather."""
        return self.op("Gather", self.op("Shape", x), self.constant(axis), axis=0)

    def reshape(self, x: str, *parts: int | str) -> str:
        """Reshape to fixed sizes and sizes that are scalar values, with the Unsqueeze and Concat
        nodes that exporters write for them."""
        if all(isinstance(p, int) for p in parts):
            return self.op("Reshape", x, self.constant(np.array(parts, np.int64)))
        return self.op("Reshape", x, self.size_vector(*parts))

    def size_vector(self, *parts: int | str) -> str:
        pieces = [
            self.constant(np.array([p], np.int64))
            if isinstance(p, int)
            else self.op("Unsqueeze", p, self.constant(np.array([0], np.int64)))
            for p in parts
        ]
        return self.op("Concat", *pieces, axis=0)

    def transpose(self, x: str, *perm: int) -> str:
        return self.op("Transpose", x, perm=list(perm))

    def slice(self, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        return self.op(
            "Slice",
            x,
            *(self.constant(np.array([v], np.int64)) for v in (start, stop, axis, step)),
        )

    def split(self, x: str, axis: int, *sizes: int) -> list[str]:
        return self.op_n(
            "Split", len(sizes), x, self.constant(np.array(sizes, np.int64)), axis=axis
        )

    def concat(self, *values: str, axis: int) -> str:
        return self.op("Concat", *values, axis=axis)

    def unsqueeze(self, x: str, *axes: int) -> str:
        return self.op("Unsqueeze", x, self.constant(np.array(axes, np.int64)))

    def roll(self, x: str, axis: int, shift: int) -> str:
        """torch.roll by a positive or negative shift: two Slices and a Concat."""
        far = 2**63 - 1
        head = self.slice(x, axis, -shift, far)
        tail = self.slice(x, axis, 0, -shift)
        return self.concat(head, tail, axis=axis)

    def cast(self, x: str, dtype: str) -> str:
        return self.op("Cast", x, to=_ELEMENT[dtype])

    def max_pool(
        self, x: str, kernel: int, stride: int, pad: int = 0, *, ceil: bool = False
    ) -> str:
        return self.op(
            "MaxPool",
            x,
            ceil_mode=int(ceil),
            kernel_shape=[kernel, kernel],
            pads=[pad] * 4,
            strides=[stride, stride],
        )

    def average_pool(self, x: str, kernel: int, stride: int) -> str:
        return self.op(
            "AveragePool",
            x,
            ceil_mode=0,
            count_include_pad=1,
            kernel_shape=[kernel, kernel],
            pads=[0, 0, 0, 0],
            strides=[stride, stride],
        )

    def resize_by(self, x: str, scale: float, mode: str = "nearest") -> str:
        scales = self.constant(np.array([1, 1, scale, scale], np.float32))
        if mode == "nearest":
            return self.op(
                "Resize",
                x,
                "",
                scales,
                coordinate_transformation_mode="asymmetric",
                cubic_coeff_a=-0.75,
                mode="nearest",
                nearest_mode="floor",
            )
        return self.op(
            "Resize",
            x,
            "",
            scales,
            coordinate_transformation_mode="half_pixel",
            cubic_coeff_a=-0.75,
            mode=mode,
        )

    # Attention.

    def heads(self, x: str, count: int, width: int, *, batch: str | int, length: str | int) -> str:
        """[batch, length, count * width] to [batch, count, length, width]."""
        return self.transpose(self.reshape(x, batch, length, count, width), 0, 2, 1, 3)

    def attend(self, q: str, k: str, v: str, width: int, mask: str | None = None) -> str:
        """softmax(q k' / sqrt(width) + mask) v on [batch, heads, length, width]."""
        scores = self.op("MatMul", q, self.transpose(k, 0, 1, 3, 2))
        scores = self.op("Div", scores, self.constant(width**0.5))
        if mask is not None:
            scores = self.op("Add", scores, mask)
        return self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
