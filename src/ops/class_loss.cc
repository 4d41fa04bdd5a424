// SPDX-License-Identifier: Apache-2.0
#include "ops/class_loss.h"

#include <string>

#include "base/str.h"
#include "ops/checks.h"
#include "ops/strides.h"
#include "tensor/elements.h"

namespace planish {
namespace {

enum class LossReduction : uint8_t { kNone, kSum, kMean };

template <class Context>
LossReduction loss_reduction(const Context& c) {
  const std::string name = c.attributes().text("reduction", "mean");
  if (name == "none") return LossReduction::kNone;
  if (name == "sum") return LossReduction::kSum;
  if (name != "mean")
    c.fail(concat("reduction: expected none, sum or mean, got \"", name, "\""),
           ErrorCode::kInvalidModel);
  return LossReduction::kMean;
}

}  // namespace

void infer_class_loss(InferContext& c) {
  const DType dtype = check_float(c, 0);
  check_tensor(c, 1, is_index_dtype, "int32 or int64");
  check_same_dtype_pair(c, 0, 2);
  const LossReduction reduction = loss_reduction(c);
  check_min_rank(c, 0, 2);
  std::optional<Shape> labels;
  if (c.has_rank(0)) {
    labels = c.shape(0);
    check_shape(c, 2, {labels->at(1)});
    labels->erase(labels->begin() + 1);
    check_shape(c, 1, *labels);
  } else if (c.has_rank(1)) {
    labels = c.shape(1);
  }
  set_tensor(c, 0, dtype, reduction == LossReduction::kNone ? labels : Shape{});
}

void run_class_loss(KernelContext& c, const std::vector<double>& log_probabilities) {
  const Dims& dims = c.input(0).dims();
  const int64_t classes = dims[1], space = inner_count(dims, 1);
  const std::vector<int64_t> labels = load<int64_t>(c.input(1));
  std::vector<double> weights(static_cast<size_t>(classes), 1), losses(labels.size(), 0);
  if (c.has_input(2)) weights = load<double>(c.input(2));
  const bool ignores = c.attributes().has("ignore_index");
  const int64_t ignored = c.attributes().integer("ignore_index", 0);
  double sum = 0, total_weight = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const int64_t label = labels[i], at = static_cast<int64_t>(i);
    if (ignores && label == ignored) continue;
    if (label < 0 || label >= classes)
      c.fail(concat("label ", label, " is outside of ", classes, " classes"));
    const auto from = static_cast<size_t>((at / space * classes + label) * space + at % space);
    const double weight = weights[static_cast<size_t>(label)];
    losses[i] = -log_probabilities[from] * weight;
    sum += losses[i];
    total_weight += weight;
  }
  switch (loss_reduction(c)) {
    case LossReduction::kNone: store(c.output(0), losses); return;
    case LossReduction::kMean: sum /= total_weight; break;
    case LossReduction::kSum: break;
  }
  store<double>(c.output(0), 0, 1, &sum);
}

}  // namespace planish
