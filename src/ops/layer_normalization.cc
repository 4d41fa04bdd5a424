// SPDX-License-Identifier: Apache-2.0
// LayerNormalization: zero mean and unit variance over the trailing axes, then scale and shift.
// https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
#include <cmath>
#include <vector>

#include "ops/checks.h"
#include "ops/moments.h"
#include "ops/normalize.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_layer_normalization(InferContext& c) {
  const DType dtype = check_float(c, 0);
  check_same_dtype(c, 0, 3);
  const DType stash = stash_dtype(c);
  if (!c.has_rank(0)) {
    c.set_output(0, Type::tensor(dtype));
    c.set_output(1, Type::tensor(stash));
    c.set_output(2, Type::tensor(stash));
    return;
  }
  Shape shape = c.shape(0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -1), c.rank(0));
  check_stretches(c, 1, shape);
  check_stretches(c, 2, shape);
  c.set_output(0, Type::tensor(dtype, shape));
  for (size_t i = static_cast<size_t>(axis); i < shape.size(); ++i) shape[i] = 1;
  c.set_output(1, Type::tensor(stash, shape));
  c.set_output(2, Type::tensor(stash, std::move(shape)));
}

void run_layer_normalization(KernelContext& c) {
  const Tensor& input = c.input(0);
  const int axis = c.normalize_axis(c.attributes().integer("axis", -1), input.rank());
  const double epsilon = c.attributes().real("epsilon", kNormalizationEpsilon);
  const int64_t size = trailing_count(input.dims(), axis);
  const int64_t rows = size == 0 ? 0 : input.count() / size;
  std::vector<double> x = load<double>(input);
  std::vector<double> means, inverses;
  for (int64_t row = 0; row < rows; ++row) {
    double* at = x.data() + row * size;
    const Moments m = moments_of(at, size);
    const double inverse = 1 / std::sqrt(m.variance + epsilon);
    for (int64_t i = 0; i < size; ++i) at[i] = (at[i] - m.mean) * inverse;
    means.push_back(m.mean);
    inverses.push_back(inverse);
  }
  if (c.wants_output(0)) {
    multiply_broadcast(x, c.input(1), input.dims());
    if (c.has_input(2)) add_broadcast(x, c.input(2), input.dims());
    store(c.output(0), x);
  }
  // Rows of no elements have no statistics.
  for (int i = 1; i <= 2; ++i)
    if (c.wants_output(i)) {
      std::vector<double>& values = i == 1 ? means : inverses;
      values.resize(static_cast<size_t>(c.output(i).count()), 0);
      store(c.output(i), values);
    }
}

const RegisterOp kLayerNormalization(
    {.name = "LayerNormalization",
     .attributes = {optional("axis", AttrKind::kInt), optional("epsilon", AttrKind::kFloat),
                    optional("stash_type", AttrKind::kInt)},
     .inputs = {2, 3},
     .outputs = {1, 3},
     .infer = infer_layer_normalization,
     .run = run_layer_normalization,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__LayerNormalization.html"});

}  // namespace
}  // namespace planish
