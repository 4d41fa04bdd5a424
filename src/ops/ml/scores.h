// SPDX-License-Identifier: Apache-2.0
// What the classifiers and regressors of ai.onnx.ml share: matrices of numbers, transforms of
// scores and labels of classes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ops/computing.h"
#include "ops/shape_rules.h"

namespace planish::ml {

inline bool is_feature(DType t) {
  return t == DType::kF32 || t == DType::kF64 || t == DType::kI32 || t == DType::kI64;
}

// Rows and columns of a matrix of features; a vector is one row.
struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<double> values;

  std::span<const double> row(int64_t i) const {
    return std::span(values).subspan(static_cast<size_t>(i * columns),
                                     static_cast<size_t>(columns));
  }
};
Matrix feature_matrix(const KernelContext& c, int i);
// Checks that input i may be a matrix of features; its number of rows.
Dim check_features(InferContext& c, int i);

enum class PostTransform { kNone, kSoftmax, kLogistic, kSoftmaxZero, kProbit };
template <class Context>
PostTransform post_transform(const Context& c) {
  const std::string name = c.attributes().text("post_transform", "NONE");
  if (name == "NONE") return PostTransform::kNone;
  if (name == "SOFTMAX") return PostTransform::kSoftmax;
  if (name == "LOGISTIC") return PostTransform::kLogistic;
  if (name == "SOFTMAX_ZERO") return PostTransform::kSoftmaxZero;
  if (name == "PROBIT") return PostTransform::kProbit;
  c.fail(concat("post_transform: there is no \"", name, "\""), ErrorCode::kInvalidModel);
}
// Transforms the scores of one row in place.
void transform_scores(PostTransform how, std::span<double> scores);

// The labels of a classifier: attributes `integers` or `strings`, one of which is given.
class Labels {
 public:
  template <class Context>
  Labels(const Context& c, const char* integers, const char* strings)
      : integers_(c.attributes().integers(integers, {})),
        strings_(c.attributes().texts(strings, {})) {
    if (integers_.empty() == strings_.empty())
      c.fail(concat("expected one of ", integers, " and ", strings), ErrorCode::kInvalidModel);
  }
  int64_t count() const { return static_cast<int64_t>(integers_.size() + strings_.size()); }
  DType dtype() const { return integers_.empty() ? DType::kString : DType::kI64; }
  // Element `row` of `out` becomes label `index`; beyond the last label: 0 or the empty string.
  void put(Tensor& out, int64_t row, int64_t index) const {
    const auto at = static_cast<size_t>(index);
    if (integers_.empty())
      out.string_values()[static_cast<size_t>(row)] =
          at < strings_.size() ? strings_[at] : std::string();
    else
      out.as<int64_t>()[row] = at < integers_.size() ? integers_[at] : 0;
  }

 private:
  std::vector<int64_t> integers_;
  std::vector<std::string> strings_;
};

// Place of the first largest score.
int64_t best_place(std::span<const double> scores);

}  // namespace planish::ml
