// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: CastMap, DictVectorizer, ZipMap.
#include <algorithm>
#include <map>
#include <numeric>

#include "ops/convert.h"
#include "ops/ml/scores.h"
#include "ops/strides.h"

namespace planish {
namespace {

const MapDatum& map_input(const KernelContext& c) {
  const auto* map = std::get_if<std::shared_ptr<const MapDatum>>(&c.datum(0).held);
  if (map == nullptr) c.fail("input 0: expected a map", ErrorCode::kInvalidType);
  return **map;
}

void check_map(const InferContext& c) {
  if (c.input(0).kind != Type::Kind::kUnknown && c.input(0).kind != Type::Kind::kMap)
    c.fail(concat("input 0: expected a map, got ", c.input(0).to_string()),
           ErrorCode::kInvalidType);
}

template <class Context>
DType cast_target(const Context& c) {
  const std::string to = c.attributes().text("cast_to", "TO_FLOAT");
  if (to == "TO_FLOAT") return DType::kF32;
  if (to == "TO_INT64") return DType::kI64;
  if (to == "TO_STRING") return DType::kString;
  c.fail(concat("cast_to: there is no \"", to, "\""), ErrorCode::kInvalidModel);
}

void infer_cast_map(InferContext& c) {
  check_map(c);
  const std::string form = c.attributes().text("map_form", "DENSE");
  if (form != "DENSE" && form != "SPARSE")
    c.fail(concat("map_form: expected DENSE or SPARSE, got \"", form, "\""),
           ErrorCode::kInvalidModel);
  const Dim width = form == "SPARSE"
                        ? check_size(c, c.attributes().integer("max_map", 1), "max_map")
                        : c.fresh_dim();
  set_tensor(c, 0, cast_target(c), Shape{Dim(1), width});
}

void run_cast_map(KernelContext& c) {
  const MapDatum& map = map_input(c);
  const bool sparse = c.attributes().text("map_form", "DENSE") == "SPARSE";
  const DType type = cast_target(c);
  const std::vector<int64_t> keys = load<int64_t>(map.keys);
  Tensor values(type, map.values.dims());
  convert_elements(c, map.values, values, {});
  std::vector<int64_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)];
  });
  if (!sparse)
    return take(c.allocate(0, type, {1, static_cast<int64_t>(keys.size())}), values, 0, order);
  Tensor& out = c.output(0);
  fill_zero(out);
  for (int64_t place : order) {
    const int64_t key = keys[static_cast<size_t>(place)];
    if (key < 0 || key >= out.dim(1))
      c.fail(concat("key ", key, " is outside of max_map ", out.dim(1)));
    copy_run(out, key, values, place, 1);
  }
}

void infer_dict_vectorizer(InferContext& c) {
  check_map(c);
  const Attributes& a = c.attributes();
  if (a.has("int64_vocabulary") == a.has("string_vocabulary"))
    c.fail("expected one of int64_vocabulary and string_vocabulary", ErrorCode::kInvalidModel);
  const auto width = static_cast<int64_t>(a.integers("int64_vocabulary", {}).size() +
                                          a.texts("string_vocabulary", {}).size());
  set_tensor(c, 0, c.input(0).dtype, Shape{Dim(1), Dim(width)});
}

template <class Key>
void vectorize_map(KernelContext& c, const std::vector<Key>& vocabulary,
                   const std::vector<Key>& keys) {
  std::map<Key, int64_t> places;
  for (size_t i = 0; i < vocabulary.size(); ++i) places[vocabulary[i]] = static_cast<int64_t>(i);
  fill_zero(c.output(0));
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto found = places.find(keys[i]);
    if (found == places.end()) c.fail(concat("key ", keys[i], " is not in the vocabulary"));
    copy_run(c.output(0), found->second, map_input(c).values, static_cast<int64_t>(i), 1);
  }
}

void run_dict_vectorizer(KernelContext& c) {
  const MapDatum& map = map_input(c);
  const bool strings = map.keys.dtype() == DType::kString;
  c.require(strings == c.attributes().has("string_vocabulary"),
            "the vocabulary is not of the keys' type");
  if (strings)
    vectorize_map(c, c.attributes().texts("string_vocabulary"), map.keys.string_values());
  else
    vectorize_map(c, c.attributes().integers("int64_vocabulary"), load<int64_t>(map.keys));
}

void infer_zip_map(InferContext& c) {
  ml::check_features(c, 0);
  const ml::Labels labels(c, "classlabels_int64s", "classlabels_strings");
  if (c.has_rank(0)) check_equal(c, c.shape(0).back(), labels.count(), "columns and labels");
  c.set_output(0, Type::sequence(Type::map(labels.dtype(), DType::kF32)));
}

void run_zip_map(KernelContext& c) {
  const ml::Labels labels(c, "classlabels_int64s", "classlabels_strings");
  const ml::Matrix x = ml::feature_matrix(c, 0);
  c.require(x.columns == labels.count(), "there are not as many columns as labels");
  Tensor keys(labels.dtype(), {labels.count()});
  for (int64_t i = 0; i < labels.count(); ++i) labels.put(keys, i, i);
  Sequence maps;
  for (int64_t row = 0; row < x.rows; ++row) {
    Tensor values(DType::kF32, {x.columns});
    store<double>(values, 0, x.columns, x.row(row).data());
    Datum map;
    map.held = std::make_shared<const MapDatum>(MapDatum{keys, std::move(values)});
    maps.push_back(std::move(map));
  }
  c.set_output(0, Datum::sequence(std::move(maps)));
}

const RegisterOp kCastMap({.name = "ai.onnx.ml.CastMap",
                           .attributes = {optional("cast_to", AttrKind::kString),
                                          optional("map_form", AttrKind::kString),
                                          optional("max_map", AttrKind::kInt)},
                           .infer = infer_cast_map,
                           .run = run_cast_map,
                           .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_CastMap.html"});
const RegisterOp kDictVectorizer(
    {.name = "ai.onnx.ml.DictVectorizer",
     .attributes = {optional("int64_vocabulary", AttrKind::kInts),
                    optional("string_vocabulary", AttrKind::kStrings)},
     .infer = infer_dict_vectorizer,
     .run = run_dict_vectorizer,
     .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_DictVectorizer.html"});
const RegisterOp kZipMap({.name = "ai.onnx.ml.ZipMap",
                          .attributes = {optional("classlabels_int64s", AttrKind::kInts),
                                         optional("classlabels_strings", AttrKind::kStrings)},
                          .infer = infer_zip_map,
                          .run = run_zip_map,
                          .source = "https://onnx.ai/onnx/operators/onnx_aionnxml_ZipMap.html"});

}  // namespace
}  // namespace planish
