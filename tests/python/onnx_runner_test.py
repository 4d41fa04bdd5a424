# SPDX-License-Identifier: Apache-2.0
"""planish.onnx_backend under ONNX's own runner: some node tests of each kind of input and output."""

from __future__ import annotations

import unittest
from typing import Any

import planish
import planish.onnx_backend
import pytest
from onnx.backend.test import BackendTest

NAMES = [
    "abs",
    "adagrad",
    "add_bcast",
    "and2d",
    "argmax_keepdims_random",
    "attention_4d",
    "averagepool_2d_default",
    "basic_conv_with_padding",
    "batchnorm_example",
    "bitshift_left_uint8",
    "cast_FLOAT_to_BFLOAT16",
    "cast_FLOAT_to_FLOAT16",
    "cast_FLOAT_to_FLOAT8E4M3FN",
    "clip",
    "concat_2d_axis_1",
    "constantofshape_int_zeros",
    "convtranspose",
    "cumsum_1d",
    "einsum_batch_matmul",
    "equal_string",
    "gather_elements_0",
    "gemm_all_attributes",
    "gru_defaults",
    "identity_opt",
    "identity_sequence",
    "if",
    "if_seq",
    "instancenorm_example",
    "layer_normalization_2d_axis0",
    "loop11",
    "lstm_defaults",
    "matmul_2d",
    "maxpool_2d_pads",
    "nonzero_example",
    "optional_get_element_sequence",
    "optional_has_element_empty_optional_input",
    "qlinearconv",
    "quantizelinear_int4",
    "reduce_sum_keepdims_random",
    "reshape_zero_dim",
    "resize_upsample_scales_linear",
    "scan9_sum",
    "sequence_insert_at_front",
    "sequence_map_identity_1_sequence",
    "softmax_axis_0",
    "split_to_sequence_1",
    "string_concat",
    "string_split_basic",
    "tfidfvectorizer_tf_only_bigrams_skip0",
    "top_k",
    "transpose_default",
    "unique_sorted_without_axis",
    "where_example",
]


@pytest.fixture(scope="module")
def cases() -> type[unittest.TestCase]:
    runner: Any = BackendTest(planish.onnx_backend.PlanishBackend, __name__)
    tests: type[unittest.TestCase] = runner.test_cases["OnnxBackendNodeModelTest"]
    return tests


@pytest.mark.parametrize("name", NAMES)
def test_node(cases: type[unittest.TestCase], name: str) -> None:
    result = unittest.TestResult()
    cases(f"test_{name}_cpu").run(result)
    assert result.testsRun == 1
    assert not result.skipped, result.skipped
    assert result.wasSuccessful(), result.errors + result.failures


def test_only_the_cpu_is_offered() -> None:
    assert planish.onnx_backend.supports_device("CPU")
    assert not planish.onnx_backend.supports_device("TPU")
