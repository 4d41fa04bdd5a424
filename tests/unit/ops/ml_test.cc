// SPDX-License-Identifier: Apache-2.0
// The ops of ai.onnx.ml.
#include <gtest/gtest.h>

#include <cmath>

#include "support/op_case.h"
#include "tensor/elements.h"

namespace planish::test {
namespace {

constexpr auto kShape = ErrorCode::kInvalidShape;
constexpr auto kValue = ErrorCode::kInvalidValue;
constexpr auto kModel = ErrorCode::kInvalidModel;
using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;
using Texts = std::vector<std::string>;

Datum map_of(Tensor keys, Tensor values) {
  Datum d;
  d.held = std::make_shared<const MapDatum>(MapDatum{std::move(keys), std::move(values)});
  return d;
}

// Tables of cases: one row, one line.
// clang-format off
TEST(MlOps, Features) {
  const Tensor x = f32({2, 2}, {1, 2, 3, 4});
  check_cases({
      {"extract", "ai.onnx.ml.ArrayFeatureExtractor", {}, {x, i64({1}, {1})}, {f32({2, 1}, {2, 4})}},
      {"extract from a vector", "ai.onnx.ml.ArrayFeatureExtractor", {}, {texts({2}, {"a", "b"}), i64({2}, {1, 0})}, {texts({1, 2}, {"b", "a"})}},
      {"extract outside", "ai.onnx.ml.ArrayFeatureExtractor", {}, {x, i64({1}, {2})}, {}, kValue, "index 2"},
      {"binarize", "ai.onnx.ml.Binarizer", {{"threshold", 2.0}}, {x}, {f32({2, 2}, {0, 0, 1, 1})}},
      {"join", "ai.onnx.ml.FeatureVectorizer", {{"inputdimensions", Ints{2, 1}}}, {x, i64({2, 1}, {7, 8})}, {f32({2, 3}, {1, 2, 7, 3, 4, 8})}},
      {"impute",
       "ai.onnx.ml.Imputer",
       {{"imputed_value_floats", Reals{10, 20}}, {"replaced_value_float", std::nan("")}},
       {f32({2, 2}, {std::nan(""), 1, 2, std::nan("")})},
       {f32({2, 2}, {10, 1, 2, 20})}},
      {"impute integers", "ai.onnx.ml.Imputer", {{"imputed_value_int64s", Ints{5}}, {"replaced_value_int64", int64_t{-1}}}, {i64({2}, {-1, 3})}, {i64({2}, {5, 3})}},
      {"impute too many", "ai.onnx.ml.Imputer", {{"imputed_value_floats", Reals{1, 2, 3}}}, {x}, {}, kModel, "expected 1 or 2"},
      {"L2", "ai.onnx.ml.Normalizer", {{"norm", "L2"}}, {f32({2, 2}, {3, -4, 0, 0})}, {f32({2, 2}, {0.6, -0.8, 0, 0})}},
      {"scale", "ai.onnx.ml.Scaler", {{"scale", Reals{2}}, {"offset", Reals{1, 2}}}, {x}, {f32({2, 2}, {0, 0, 4, 4})}},
  });
}

TEST(MlOps, Categories) {
  const Attributes encoder{{"keys_strings", Texts{"a", "b"}}, {"values_int64s", Ints{5, 6}}};
  check_cases({
      {"labels", "ai.onnx.ml.LabelEncoder", encoder, {texts({3}, {"b", "x", "a"})}, {i64({3}, {6, -1, 5})}},
      {"NaN is a key",
       "ai.onnx.ml.LabelEncoder",
       {{"keys_floats", Reals{std::nan(""), 0}}, {"values_strings", Texts{"nan", "zero"}}},
       {f32({3}, {std::nan(""), -0.0, 1})},
       {texts({3}, {"nan", "zero", "_Unused"})}},
      {"tensors",
       "ai.onnx.ml.LabelEncoder",
       {{"keys_tensor", tensor(DType::kI16, {2}, {1, 2})}, {"values_tensor", tensor(DType::kF64, {2}, {0.5, 1.5})}, {"default_tensor", tensor(DType::kF64, {1}, {9})}},
       {tensor(DType::kI16, {2}, {2, 3})},
       {tensor(DType::kF64, {2}, {1.5, 9})}},
      {"lengths differ", "ai.onnx.ml.LabelEncoder", {{"keys_int64s", Ints{1}}, {"values_int64s", Ints{1, 2}}}, {i64({1}, {1})}, {}, kModel, "as many keys"},
      {"map to numbers", "ai.onnx.ml.CategoryMapper", {{"cats_strings", Texts{"a", "b"}}, {"cats_int64s", Ints{1, 2}}}, {texts({2}, {"b", "c"})}, {i64({2}, {2, -1})}},
      {"map to strings", "ai.onnx.ml.CategoryMapper", {{"cats_strings", Texts{"a", "b"}}, {"cats_int64s", Ints{1, 2}}}, {i64({2}, {2, 7})}, {texts({2}, {"b", "_Unused"})}},
      {"one hot", "ai.onnx.ml.OneHotEncoder", {{"cats_int64s", Ints{4, 5}}}, {f32({2}, {5, 6})}, {f32({2, 2}, {0, 1, 0, 0})}},
      {"no category", "ai.onnx.ml.OneHotEncoder", {{"cats_strings", Texts{"a"}}, {"zeros", int64_t{0}}}, {texts({1}, {"b"})}, {}, kValue, "element 0 is in no category"},
      {"dense map", "ai.onnx.ml.CastMap", {{"cast_to", "TO_INT64"}}, {map_of(i64({2}, {9, 3}), f32({2}, {1, 2}))}, {i64({1, 2}, {2, 1})}},
      {"sparse map", "ai.onnx.ml.CastMap", {{"map_form", "SPARSE"}, {"max_map", int64_t{3}}}, {map_of(i64({1}, {1}), f32({1}, {7}))}, {f32({1, 3}, {0, 7, 0})}},
      {"key outside", "ai.onnx.ml.CastMap", {{"map_form", "SPARSE"}, {"max_map", int64_t{3}}}, {map_of(i64({1}, {3}), f32({1}, {7}))}, {}, kValue, "key 3"},
      {"dictionary", "ai.onnx.ml.DictVectorizer", {{"string_vocabulary", Texts{"a", "c", "b"}}}, {map_of(texts({2}, {"b", "a"}), f32({2}, {4, 8}))}, {f32({1, 3}, {8, 0, 4})}},
      {"zip", "ai.onnx.ml.ZipMap", {{"classlabels_int64s", Ints{3, 4}}}, {f32({1, 2}, {0.5, 1})}, {Datum::sequence({map_of(i64({2}, {3, 4}), f32({2}, {0.5, 1}))})}},
  });
}

TEST(MlOps, LinearModels) {
  const Tensor x = f32({2, 2}, {1, 2, -3, 1});
  check_cases({
      {"regressor", "ai.onnx.ml.LinearRegressor", {{"coefficients", Reals{1, 10}}, {"intercepts", Reals{0.5}}}, {x}, {f32({2, 1}, {21.5, 7.5})}},
      {"two classes, one model",
       "ai.onnx.ml.LinearClassifier",
       {{"coefficients", Reals{1, 0}}, {"intercepts", Reals{0}}, {"classlabels_strings", Texts{"no", "yes"}}, {"post_transform", "LOGISTIC"}},
       {x},
       {texts({2}, {"yes", "no"}), f32({2, 2}, {1 / (1 + std::exp(1)), 1 / (1 + std::exp(-1)), 1 / (1 + std::exp(-3)), 1 / (1 + std::exp(3))})}},
      {"three classes", "ai.onnx.ml.LinearClassifier", {{"coefficients", Reals{1, 0, 0, 1, -1, 0}}, {"classlabels_ints", Ints{7, 8, 9}}}, {x}, {i64({2}, {8, 9}), f32({2, 3}, {1, 2, -1, -3, 1, 3})}},
      {"wrong width", "ai.onnx.ml.LinearRegressor", {{"coefficients", Reals{1, 10, 3}}}, {x}, {}, kShape, "expected 1 rows of 2"},
      {"svm regressor",
       "ai.onnx.ml.SVMRegressor",
       {{"coefficients", Reals{2, -1}}, {"support_vectors", Reals{1, 2, 0, 0}}, {"n_supports", int64_t{2}}, {"rho", Reals{0.5}}, {"kernel_type", "RBF"}, {"kernel_params", Reals{0.1, 0, 3}}},
       {f32({1, 2}, {1, 2})},
       {f32({1, 1}, {2 - std::exp(-0.5) + 0.5})}},
      {"linear svm", "ai.onnx.ml.SVMRegressor", {{"coefficients", Reals{2, -1}}, {"rho", Reals{0.5}}, {"one_class", int64_t{1}}}, {x}, {f32({2, 1}, {1, -1})}},
      {"svm of two classes",
       "ai.onnx.ml.SVMClassifier",
       {{"coefficients", Reals{1, -1}}, {"support_vectors", Reals{1, 0, -1, 0}}, {"vectors_per_class", Ints{1, 1}}, {"rho", Reals{0}}, {"classlabels_ints", Ints{4, 5}}},
       {f32({2, 2}, {3, 0, -2, 0})},
       {i64({2}, {4, 5}), f32({2, 2}, {-6, 6, 4, -4})}},
      {"svm with too few numbers",
       "ai.onnx.ml.SVMClassifier",
       {{"coefficients", Reals{1}}, {"support_vectors", Reals{1, 0, -1, 0}}, {"vectors_per_class", Ints{1, 1}}, {"rho", Reals{0}}, {"classlabels_ints", Ints{4, 5}}},
       {f32({1, 2}, {3, 0})},
       {kAbsent, f32({1, 2}, {0, 0})},
       kShape,
       "coefficients"},
  });
}

// One tree: feature 0 <= 1 ? leaf 1 : (feature 1 < 5 ? leaf 3 : leaf 4).
Attributes named_tree(const std::string& prefix) {
  return {{"nodes_treeids", Ints{0, 0, 0, 0, 0}},      {"nodes_nodeids", Ints{0, 1, 2, 3, 4}},
          {"nodes_featureids", Ints{0, 0, 1, 0, 0}},   {"nodes_modes", Texts{"BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF"}},
          {"nodes_values", Reals{1, 0, 5, 0, 0}},      {"nodes_truenodeids", Ints{1, 0, 3, 0, 0}},
          {"nodes_falsenodeids", Ints{2, 0, 4, 0, 0}}, {prefix + "_treeids", Ints{0, 0, 0}},
          {prefix + "_nodeids", Ints{1, 3, 4}},        {prefix + "_ids", Ints{0, 0, 1}},
          {prefix + "_weights", Reals{0.25, 0.75, 2}}};
}

Attributes with(Attributes attributes, const std::string& name, Attribute value) {
  attributes.set(name, std::move(value));
  return attributes;
}

TEST(MlOps, Trees) {
  const Tensor x = f32({3, 2}, {1, 0, 2, 4, 2, 5});
  const Attributes regressor = with(named_tree("target"), "n_targets", int64_t{2});
  Attributes two = with(named_tree("class"), "classlabels_strings", Texts{"a", "b"});
  Attributes one_score = with(two, "class_ids", Ints{0, 0, 0});
  const Attributes plain{{"tree_roots", Ints{0}},
                         {"nodes_featureids", Ints{0, 1}},
                         {"nodes_truenodeids", Ints{0, 1}},
                         {"nodes_falsenodeids", Ints{1, 2}},
                         {"nodes_trueleafs", Ints{1, 1}},
                         {"nodes_falseleafs", Ints{0, 1}},
                         {"nodes_modes", tensor(DType::kU8, {2}, {0, 6})},
                         {"nodes_splits", f32({2}, {1, 0})},
                         {"membership_values", f32({3}, {4, 7, std::nan("")})},
                         {"leaf_weights", f32({3}, {10, 20, 30})},
                         {"leaf_targetids", Ints{0, 0, 0}},
                         {"n_targets", int64_t{1}}};
  check_cases({
      {"regressor", "ai.onnx.ml.TreeEnsembleRegressor", regressor, {x}, {f32({3, 2}, {0.25, 0, 0.75, 0, 0, 2})}},
      {"base values", "ai.onnx.ml.TreeEnsembleRegressor", with(with(regressor, "base_values", Reals{1, -1}), "aggregate_function", "MIN"), {x}, {f32({3, 2}, {1.25, -1, 1.75, -1, 1, 1})}},
      {"NaN", "ai.onnx.ml.TreeEnsembleRegressor", with(regressor, "nodes_missing_value_tracks_true", Ints{1, 0, 0, 0, 0}), {f32({1, 2}, {std::nan(""), 0})}, {f32({1, 2}, {0.25, 0})}},
      {"a child that is not there", "ai.onnx.ml.TreeEnsembleRegressor", with(regressor, "nodes_truenodeids", Ints{9, 0, 3, 0, 0}), {x}, {}, kModel, "does not exist"},
      {"a cycle", "ai.onnx.ml.TreeEnsembleRegressor", with(regressor, "nodes_falsenodeids", Ints{2, 0, 2, 0, 0}), {x}, {}, kModel, "cycle"},
      {"too few features", "ai.onnx.ml.TreeEnsembleRegressor", regressor, {f32({1, 1}, {2})}, {}, kValue, "feature 1 of 1"},
      {"a vote for nothing", "ai.onnx.ml.TreeEnsembleRegressor", with(regressor, "n_targets", int64_t{1}), {x}, {}, kModel, "target 1 of 1"},
      {"classifier", "ai.onnx.ml.TreeEnsembleClassifier", two, {x}, {texts({3}, {"a", "a", "b"}), f32({3, 2}, {0.25, 0, 0.75, 0, 0, 2})}},
      {"one score", "ai.onnx.ml.TreeEnsembleClassifier", one_score, {f32({2, 2}, {1, 0, 2, 4})}, {texts({2}, {"a", "b"}), f32({2, 2}, {0.75, 0.25, 0.25, 0.75})}},
      {"sets", "ai.onnx.ml.TreeEnsemble", plain, {f32({3, 2}, {0, 0, 2, 7, 2, 5})}, {f32({3, 1}, {10, 20, 30})}},
      {"leaf outside", "ai.onnx.ml.TreeEnsemble", with(plain, "nodes_falsenodeids", Ints{1, 3}), {f32({1, 2}, {0, 0})}, {}, kModel, "has child 3"},
  });
}
// clang-format on

}  // namespace
}  // namespace planish::test
