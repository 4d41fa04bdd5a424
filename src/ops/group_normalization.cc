// SPDX-License-Identifier: Apache-2.0
// GroupNormalization: zero mean and unit variance over groups of channels, then scale and shift of
// each channel.  https://onnx.ai/onnx/operators/onnx__GroupNormalization.html
#include <cmath>
#include <vector>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/moments.h"
#include "ops/normalize.h"
#include "tensor/elements.h"

namespace planish {
namespace {

void infer_group_normalization(InferContext& c) {
  check_float(c, 0);
  check_same_dtype(c, 0, 3);
  stash_dtype(c);
  check_min_rank(c, 0, 2);
  const int64_t groups = c.attributes().integer("num_groups");
  if (groups < 1)
    c.fail(concat("num_groups: expected at least 1, got ", groups), ErrorCode::kInvalidModel);
  set_like(c, 0, 0);
  if (!c.has_rank(0)) return;
  const Dim& channels = c.shape(0)[1];
  check_shape(c, 1, {channels});
  check_shape(c, 2, {channels});
  if (channels.is_constant() && channels.value() % groups != 0)
    c.fail(concat("expected a multiple of ", groups, " channels, got ", channels.value()));
}

void run_group_normalization(KernelContext& c) {
  const Tensor& input = c.input(0);
  const double epsilon = c.attributes().real("epsilon", kNormalizationEpsilon);
  const int64_t groups = c.attributes().integer("num_groups");
  const int64_t channels = input.dim(1), space = trailing_count(input.dims(), 2);
  const int64_t size = channels / groups * space;
  std::vector<double> x = load<double>(input);
  const auto scale = load<double>(c.input(1)), bias = load<double>(c.input(2));
  if (x.empty()) return;
  for (int64_t group = 0; group < input.dim(0) * groups; ++group) {
    double* at = x.data() + group * size;
    const Moments m = moments_of(at, size);
    const double inverse = 1 / std::sqrt(m.variance + epsilon);
    for (int64_t i = 0; i < size; ++i) {
      const auto ch = static_cast<size_t>((group % groups) * (channels / groups) + i / space);
      at[i] = (at[i] - m.mean) * inverse * scale[ch] + bias[ch];
    }
  }
  store(c.output(0), x);
}

const RegisterOp kGroupNormalization(
    {.name = "GroupNormalization",
     .attributes = {optional("epsilon", AttrKind::kFloat), required("num_groups", AttrKind::kInt),
                    optional("stash_type", AttrKind::kInt)},
     .inputs = {3, 3},
     .outputs = {1, 1},
     .infer = infer_group_normalization,
     .run = run_group_normalization,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx__GroupNormalization.html"});

}  // namespace
}  // namespace planish
