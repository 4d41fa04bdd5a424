// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer, Scaler.
#include <algorithm>
#include <cmath>

#include "ops/ml/scores.h"
#include "ops/strides.h"

namespace planish {
namespace {

void infer_array_feature_extractor(InferContext& c) {
  const DType dtype = check_tensor(c, 0);
  check_tensor(c, 1, is_i64, "int64");
  check_min_rank(c, 0, 1);
  if (!c.has_rank(0)) return set_tensor(c, 0, dtype, std::nullopt);
  Shape out(c.shape(0).begin(), c.shape(0).end() - 1);
  if (out.empty()) out.push_back(1);
  out.push_back(c.has_rank(1) ? product(c.shape(1)) : c.fresh_dim());
  set_tensor(c, 0, dtype, std::move(out));
}

void run_array_feature_extractor(KernelContext& c) {
  const Tensor& in = c.input(0);
  const int axis = in.rank() - 1;
  take(c.output(0), in, axis, checked_indices(c, c.input(1), in.dim(axis), axis));
}

void infer_features(InferContext& c) {
  check_tensor(c, 0, ml::is_feature, "float32, float64, int32 or int64");
  set_like(c, 0, 0);
}

void run_binarizer(KernelContext& c) {
  const double threshold = c.attributes().real("threshold", 0);
  std::vector<double> values = load<double>(c.input(0));
  for (double& v : values) v = v > threshold ? 1 : 0;
  store(c.output(0), values);
}

void infer_feature_vectorizer(InferContext& c) {
  const auto& widths = c.attributes().integers("inputdimensions", {});
  if (!widths.empty() && static_cast<int>(widths.size()) != c.input_count())
    c.fail(
        concat("inputdimensions has ", widths.size(), " entries for ", c.input_count(), " inputs"),
        ErrorCode::kInvalidModel);
  Dim rows = ml::check_features(c, 0), columns(0);
  for (int i = 0; i < c.input_count(); ++i) {
    rows = check_equal(c, rows, ml::check_features(c, i), "rows of the inputs");
    columns = columns + (!widths.empty() ? Dim(widths[static_cast<size_t>(i)])
                         : c.has_rank(i) ? c.shape(i).back()
                                         : c.fresh_dim());
  }
  set_tensor(c, 0, DType::kF32, Shape{rows, check_size(c, columns, "number of columns")});
}

void run_feature_vectorizer(KernelContext& c) {
  Tensor& out = c.output(0);
  std::vector<double> values(static_cast<size_t>(out.count()), 0);
  const auto& widths = c.attributes().integers("inputdimensions", {});
  int64_t at = 0;
  for (int i = 0; i < c.input_count(); ++i) {
    const ml::Matrix in = ml::feature_matrix(c, i);
    const int64_t width = widths.empty() ? in.columns : widths[static_cast<size_t>(i)];
    c.require(in.rows == out.dim(0) && width >= 0 && width <= out.dim(1) - at,
              "the inputs do not fit together");
    for (int64_t row = 0; row < in.rows; ++row)
      std::copy_n(in.row(row).begin(), std::min(width, in.columns),
                  values.begin() + row * out.dim(1) + at);
    at += width;
  }
  store(out, values);
}

// An attribute with one number for all features or one for each.
void check_per_feature(const KernelContext& c, size_t count, int64_t features, const char* name) {
  if (count != 1 && static_cast<int64_t>(count) != features)
    c.fail(concat(name, ": expected 1 or ", features, " numbers, got ", count),
           ErrorCode::kInvalidModel);
}

void run_imputer(KernelContext& c) {
  const Tensor& in = c.input(0);
  const int64_t features = in.rank() == 0 ? 1 : in.dims().back();
  if (is_integer(in.dtype())) {
    const auto& imputed = c.attributes().integers("imputed_value_int64s");
    const int64_t replaced = c.attributes().integer("replaced_value_int64", 0);
    check_per_feature(c, imputed.size(), features, "imputed_value_int64s");
    std::vector<int64_t> values = load<int64_t>(in);
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] == replaced) values[i] = imputed[i % imputed.size()];
    return store(c.output(0), values);
  }
  const auto& imputed = c.attributes().reals("imputed_value_floats");
  const double replaced = c.attributes().real("replaced_value_float", 0);
  check_per_feature(c, imputed.size(), features, "imputed_value_floats");
  std::vector<double> values = load<double>(in);
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] == replaced || (std::isnan(values[i]) && std::isnan(replaced)))
      values[i] = imputed[i % imputed.size()];
  store(c.output(0), values);
}

void infer_to_f32(InferContext& c) {
  check_tensor(c, 0, ml::is_feature, "float32, float64, int32 or int64");
  set_tensor(c, 0, DType::kF32, c.input(0).shape);
}

void infer_normalizer(InferContext& c) {
  const std::string norm = c.attributes().text("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    c.fail(concat("norm: expected MAX, L1 or L2, got \"", norm, "\""), ErrorCode::kInvalidModel);
  ml::check_features(c, 0);
  infer_to_f32(c);
}

void run_normalizer(KernelContext& c) {
  const std::string norm = c.attributes().text("norm", "MAX");
  ml::Matrix m = ml::feature_matrix(c, 0);
  for (int64_t row = 0; row < m.rows; ++row) {
    double size = norm == "MAX" ? -HUGE_VAL : 0;
    for (double v : m.row(row)) {
      if (norm == "MAX") size = std::max(size, v);
      if (norm == "L1") size += std::fabs(v);
      if (norm == "L2") size += v * v;
    }
    if (norm == "L2") size = std::sqrt(size);
    if (size == 0) continue;
    for (int64_t i = 0; i < m.columns; ++i)
      m.values[static_cast<size_t>(row * m.columns + i)] /= size;
  }
  store(c.output(0), m.values);
}

void run_scaler(KernelContext& c) {
  const Tensor& in = c.input(0);
  const std::vector<double> scale = c.attributes().reals("scale", {1}),
                            offset = c.attributes().reals("offset", {0});
  const int64_t features = in.rank() == 0 ? 1 : in.dims().back();
  check_per_feature(c, scale.size(), features, "scale");
  check_per_feature(c, offset.size(), features, "offset");
  std::vector<double> values = load<double>(in);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = (values[i] - offset[i % offset.size()]) * scale[i % scale.size()];
  store(c.output(0), values);
}

const RegisterOp kArrayFeatureExtractor(
    {.name = "ai.onnx.ml.ArrayFeatureExtractor",
     .inputs = {2, 2},
     .infer = infer_array_feature_extractor,
     .run = run_array_feature_extractor,
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_ArrayFeatureExtractor.html"});
const RegisterOp kBinarizer(
    {.name = "ai.onnx.ml.Binarizer",
     .attributes = {optional("threshold", AttrKind::kFloat)},
     .infer = infer_features,
     .run = run_binarizer,
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_Binarizer.html"});
const RegisterOp kFeatureVectorizer(
    {.name = "ai.onnx.ml.FeatureVectorizer",
     .attributes = {optional("inputdimensions", AttrKind::kInts)},
     .inputs = {1, kAnyNumber},
     .infer = infer_feature_vectorizer,
     .run = run_feature_vectorizer,
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_FeatureVectorizer.html"});
const RegisterOp kImputer({.name = "ai.onnx.ml.Imputer",
                           .attributes = {optional("imputed_value_floats", AttrKind::kFloats),
                                          optional("imputed_value_int64s", AttrKind::kInts),
                                          optional("replaced_value_float", AttrKind::kFloat),
                                          optional("replaced_value_int64", AttrKind::kInt)},
                           .infer = infer_features,
                           .run = run_imputer,
                           .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_Imputer.html"});
const RegisterOp kNormalizer(
    {.name = "ai.onnx.ml.Normalizer",
     .attributes = {optional("norm", AttrKind::kString)},
     .infer = infer_normalizer,
     .run = run_normalizer,
     .tolerance = {1e-6},
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_Normalizer.html"});
const RegisterOp kScaler({.name = "ai.onnx.ml.Scaler",
                          .attributes = {optional("offset", AttrKind::kFloats),
                                         optional("scale", AttrKind::kFloats)},
                          .infer = infer_to_f32,
                          .run = run_scaler,
                          .tolerance = {1e-6},
                          .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_Scaler.html"});

}  // namespace
}  // namespace planish
