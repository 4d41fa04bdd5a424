// SPDX-License-Identifier: Apache-2.0
// MeanVarianceNormalization: zero mean and unit deviation over the given axes.
// https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html
#include <cmath>
#include <vector>

#include "ops/broadcast_index.h"
#include "ops/checks.h"
#include "tensor/elements.h"

namespace planish {
namespace {

template <class Context>
std::vector<int> reduced_axes(const Context& c, int rank) {
  return normalize_axes(c, c.attributes().integers("axes", {0, 2, 3}), rank);
}

void infer_mean_variance_normalization(InferContext& c) {
  check_float(c, 0);
  set_like(c, 0, 0);
  if (c.has_rank(0)) reduced_axes(c, c.rank(0));
}

void run_mean_variance_normalization(KernelContext& c) {
  const Dims& dims = c.input(0).dims();
  Dims kept = dims;
  for (int axis : reduced_axes(c, c.input(0).rank())) kept[static_cast<size_t>(axis)] = 1;
  std::vector<double> x = load<double>(c.input(0));
  if (x.empty()) return;
  const std::vector<int64_t> cell = broadcast_indices(kept, dims);
  const auto cells = static_cast<size_t>(element_count(kept));
  const double size = static_cast<double>(x.size()) / static_cast<double>(cells);
  std::vector<double> mean(cells, 0), variance(cells, 0);
  for (size_t i = 0; i < x.size(); ++i) mean[static_cast<size_t>(cell[i])] += x[i] / size;
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] -= mean[static_cast<size_t>(cell[i])];
    variance[static_cast<size_t>(cell[i])] += x[i] * x[i] / size;
  }
  // ONNX's definition divides by the deviation plus 1e-9.
  for (size_t i = 0; i < x.size(); ++i)
    x[i] /= std::sqrt(variance[static_cast<size_t>(cell[i])]) + 1e-9;
  store(c.output(0), x);
}

const RegisterOp kMeanVarianceNormalization(
    {.name = "MeanVarianceNormalization",
     .attributes = {optional("axes", AttrKind::kInts)},
     .inputs = {1, 1},
     .outputs = {1, 1},
     .infer = infer_mean_variance_normalization,
     .run = run_mean_variance_normalization,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html"});

}  // namespace
}  // namespace planish
