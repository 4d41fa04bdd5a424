// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: LinearClassifier, LinearRegressor.
#include "ops/ml/scores.h"

namespace planish {
namespace {

// X times the coefficients' rows, plus the intercepts: rows x outputs.
std::vector<double> linear_scores(const KernelContext& c, const ml::Matrix& x, int64_t outputs) {
  const auto& weights = c.attributes().reals("coefficients");
  const std::vector<double> intercepts = c.attributes().reals("intercepts", {});
  if (static_cast<int64_t>(weights.size()) != outputs * x.columns)
    c.fail(concat("coefficients: expected ", outputs, " rows of ", x.columns, " features, got ",
                  weights.size()),
           ErrorCode::kInvalidShape);
  if (!intercepts.empty() && static_cast<int64_t>(intercepts.size()) != outputs)
    c.fail(concat("intercepts: expected ", outputs, ", got ", intercepts.size()),
           ErrorCode::kInvalidModel);
  std::vector<double> scores;
  scores.reserve(static_cast<size_t>(x.rows * outputs));
  for (int64_t row = 0; row < x.rows; ++row) {
    for (int64_t k = 0; k < outputs; ++k) {
      double sum = intercepts.empty() ? 0 : intercepts[static_cast<size_t>(k)];
      for (int64_t i = 0; i < x.columns; ++i)
        sum += x.row(row)[static_cast<size_t>(i)] * weights[static_cast<size_t>(k * x.columns + i)];
      scores.push_back(sum);
    }
  }
  return scores;
}

void infer_linear_regressor(InferContext& c) {
  ml::post_transform(c);
  const Dim rows = ml::check_features(c, 0);
  set_tensor(c, 0, DType::kF32,
             Shape{rows, check_size(c, c.attributes().integer("targets", 1), "targets")});
}

void run_linear_regressor(KernelContext& c) {
  const ml::Matrix x = ml::feature_matrix(c, 0);
  const auto targets = static_cast<size_t>(c.output(0).dim(1));
  std::vector<double> scores = linear_scores(c, x, c.output(0).dim(1));
  for (size_t at = 0; targets > 0 && at < scores.size(); at += targets)
    ml::transform_scores(ml::post_transform(c), std::span(scores).subspan(at, targets));
  store(c.output(0), scores);
}

// Number of linear models: one for each class, or one for both of two.
int64_t model_count(const Attributes& a, int64_t classes) {
  const auto intercepts = a.reals("intercepts", {}).size();
  return classes == 2 && intercepts == 1 ? 1 : classes;
}

void infer_linear_classifier(InferContext& c) {
  ml::post_transform(c);
  const Dim rows = ml::check_features(c, 0);
  const ml::Labels labels(c, "classlabels_ints", "classlabels_strings");
  set_tensor(c, 0, labels.dtype(), Shape{rows});
  set_tensor(c, 1, DType::kF32, Shape{rows, labels.count()});
}

void run_linear_classifier(KernelContext& c) {
  const ml::Matrix x = ml::feature_matrix(c, 0);
  const ml::Labels labels(c, "classlabels_ints", "classlabels_strings");
  const ml::PostTransform how = ml::post_transform(c);
  int64_t models = model_count(c.attributes(), labels.count());
  // Without intercepts the coefficients tell.
  if (labels.count() == 2 &&
      static_cast<int64_t>(c.attributes().reals("coefficients").size()) == x.columns)
    models = 1;
  const std::vector<double> raw = linear_scores(c, x, models);
  std::vector<double> all;
  for (int64_t row = 0; row < x.rows; ++row) {
    std::vector<double> scores(raw.begin() + row * models, raw.begin() + (row + 1) * models);
    if (models < labels.count()) scores.insert(scores.begin(), -scores[0]);
    ml::transform_scores(how, scores);
    int64_t best = ml::best_place(scores);
    // A single class is chosen or not.
    if (labels.count() == 1 && scores[0] < (how == ml::PostTransform::kNone ? 0 : 0.5)) best = 1;
    if (c.wants_output(0)) labels.put(c.output(0), row, best);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  if (c.wants_output(1)) store(c.output(1), all);
}

const RegisterOp kLinearRegressor(
    {.name = "ai.onnx.ml.LinearRegressor",
     .attributes = {required("coefficients", AttrKind::kFloats),
                    optional("intercepts", AttrKind::kFloats),
                    optional("post_transform", AttrKind::kString),
                    optional("targets", AttrKind::kInt)},
     .infer = infer_linear_regressor,
     .run = run_linear_regressor,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_LinearRegressor.html"});
const RegisterOp kLinearClassifier(
    {.name = "ai.onnx.ml.LinearClassifier",
     .attributes = {optional("classlabels_ints", AttrKind::kInts),
                    optional("classlabels_strings", AttrKind::kStrings),
                    required("coefficients", AttrKind::kFloats),
                    optional("intercepts", AttrKind::kFloats),
                    optional("multi_class", AttrKind::kInt),
                    optional("post_transform", AttrKind::kString)},
     .outputs = {1, 2},
     .infer = infer_linear_classifier,
     .run = run_linear_classifier,
     .tolerance = {1e-5},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html"});

}  // namespace
}  // namespace planish
