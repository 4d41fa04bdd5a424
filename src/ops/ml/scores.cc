// SPDX-License-Identifier: Apache-2.0
#include "ops/ml/scores.h"

#include <algorithm>
#include <cmath>

namespace planish::ml {

Matrix feature_matrix(const KernelContext& c, int i) {
  const Tensor& in = c.input(i);
  if (in.rank() != 1 && in.rank() != 2)
    c.fail(concat("input ", i, ": expected rank 1 or 2, got ", dims_to_string(in.dims())),
           ErrorCode::kInvalidShape);
  return {in.rank() == 1 ? 1 : in.dim(0), in.dims().back(), load<double>(in)};
}

Dim check_features(InferContext& c, int i) {
  check_tensor(c, i, is_feature, "float32, float64, int32 or int64");
  if (!c.has_rank(i)) return c.fresh_dim();
  if (c.rank(i) != 1 && c.rank(i) != 2)
    c.fail(concat("input ", i, ": expected rank 1 or 2, got ", c.input(i).to_string()));
  return c.rank(i) == 1 ? Dim(1) : c.shape(i)[0];
}

namespace {

double logistic(double v) {
  const double size = 1 / (1 + std::exp(-std::fabs(v)));
  return v < 0 ? 1 - size : size;
}

// Winitzki's approximation of the inverse error function, which the specification's reference has.
double inverse_error_function(double v) {
  const double rest = (1 - v) * (1 + v);
  if (rest == 0) return 0;
  const double log = std::log(rest), a = 2 / (3.14159265358979 * 0.147) + 0.5 * log;
  return std::copysign(std::sqrt(std::sqrt(a * a - log / 0.147) - a), v);
}

void softmax(std::span<double> scores, bool keep_zeros) {
  const double peak = scores.empty() ? 0 : *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& v : scores) {
    v = keep_zeros && std::fabs(v) <= 1e-7 ? v * std::exp(-peak) : std::exp(v - peak);
    sum += v;
  }
  for (double& v : scores) v = sum == 0 ? 0.5 : v / sum;
}

}  // namespace

void transform_scores(PostTransform how, std::span<double> scores) {
  switch (how) {
    case PostTransform::kNone: return;
    case PostTransform::kSoftmax: return softmax(scores, false);
    case PostTransform::kSoftmaxZero: return softmax(scores, true);
    case PostTransform::kLogistic:
      for (double& v : scores) v = logistic(v);
      return;
    case PostTransform::kProbit:
      for (double& v : scores) v = 1.41421356 * inverse_error_function(2 * v - 1);
      return;
  }
}

int64_t best_place(std::span<const double> scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

}  // namespace planish::ml
